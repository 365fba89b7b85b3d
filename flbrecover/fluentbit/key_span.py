"""The time span that the time fields of a key denote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from flbrecover.fluentbit.key_strftime import Unit, values
from flbrecover.model import SECOND_NS

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LATEST = datetime(9998, 12, 31, 23, 59, 59, tzinfo=timezone.utc)  # the end of its year is a time too
UNITS: tuple[Unit, ...] = ("second", "minute", "hour", "day", "month", "year")  # finest first
_LENGTH = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
_PLAIN = frozenset({"year", "month", "day", "hour", "minute", "second"})  # of which a start is made: they agree with it
_FARTHEST_ZONE_NS = 14 * 3600 * SECOND_NS
_FINER_THAN_DAY = frozenset({"hour", "hour12", "afternoon", "minute", "second", "epoch"})
_FINER = {  # what a span of each precision says nothing about
    "second": frozenset({"epoch"}),
    "minute": frozenset({"epoch", "second"}),
    "hour": frozenset({"epoch", "second", "minute"}),
    "day": _FINER_THAN_DAY,
}


@dataclass(frozen=True, slots=True)
class Span:
    """``start_ns`` (included) to ``end_ns`` (excluded), ns since the epoch; None: no bound."""

    start_ns: int | None
    end_ns: int | None


ANY_TIME = Span(None, None)


def span_of(fields: Mapping[str, int]) -> Span | None:
    """What the fields of a key say, None where they contradict each other or name a day that does not exist.

    ``%s`` is the local time of the container (strftime calls mktime on a time in UTC), so it counts to the second only
    where the other fields agree with it, and alone within 14 hours either way. Without a year there is no bound.
    """
    try:
        found = _start(fields)
        if found is None:
            return _by_epoch(fields)
        start, precision = found
        end = _after(start, precision)
    except (ValueError, OverflowError):
        return None
    if precision in _FINER and not fields.keys() <= _PLAIN:
        whole = values(start)
        if any(whole[k] != v for k, v in fields.items() if k not in _FINER[precision]):
            return None
    span = Span(to_ns(start), to_ns(end))
    return _with_epoch(fields, start, end) or span


def floor(moment: datetime, unit: Unit) -> datetime:
    """The start of the unit that a time lies in."""
    first = {"month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
    below = UNITS[: UNITS.index(unit)]
    return moment.replace(microsecond=0, **{u: first[u] for u in below})  # type: ignore[arg-type]


def following(moment: datetime, unit: Unit) -> datetime:
    """The start of the next unit. Raises OverflowError or ValueError after the year 9999."""
    return _after(moment, unit)


def to_datetime(time_ns: int) -> datetime:
    """The second of a time; times before 1970 or after 9998 become the nearest second that a key can name."""
    seconds = time_ns // SECOND_NS
    latest = to_ns(LATEST) // SECOND_NS
    return EPOCH + timedelta(seconds=min(max(seconds, 0), latest))


def to_ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def _after(start: datetime, precision: str) -> datetime:
    if precision == "year":
        return start.replace(year=start.year + 1)
    if precision == "month":
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start + _LENGTH[precision]


def _start(fields: Mapping[str, int]) -> tuple[datetime, str] | None:
    day = _day(fields)
    if day is None:
        return None
    start, precision = day
    hour = _hour(fields)
    if precision != "day" or hour is None:
        return day
    start, precision = start.replace(hour=hour), "hour"
    for unit in ("minute", "second"):
        if unit not in fields:
            break
        start, precision = start.replace(**{unit: fields[unit]}), unit  # type: ignore[arg-type]
    return start, precision


def _day(fields: Mapping[str, int]) -> tuple[datetime, str] | None:
    year, iso_year = _year(fields), _iso_year(fields)
    if year is not None:
        first = datetime(year, 1, 1, tzinfo=timezone.utc)
        if "month" in fields and "day" in fields:
            return first.replace(month=fields["month"], day=fields["day"]), "day"
        if "day_of_year" in fields:
            return first + timedelta(days=fields["day_of_year"] - 1), "day"
        if "sunday_week" in fields:
            return _week(first, fields["sunday_week"], _weekday(fields), first_day=0)
        if "monday_week" in fields:
            return _week(first, fields["monday_week"], _weekday(fields), first_day=1)
        if "month" in fields:
            return first.replace(month=fields["month"]), "month"
    if iso_year is not None and "iso_week" in fields:
        weekday = _weekday(fields)
        day = datetime.fromisocalendar(iso_year, fields["iso_week"], 1 if weekday is None else weekday or 7)
        return day.replace(tzinfo=timezone.utc), "week" if weekday is None else "day"
    return None if year is None else (first, "year")


def _week(first: datetime, week: int, weekday: int | None, *, first_day: int) -> tuple[datetime, str]:
    """Week 1 starts at the year's first Sunday (``%U``) or Monday (``%W``); what comes before is week 0."""
    start = first + timedelta(days=(first_day - first.isoweekday()) % 7 + 7 * (week - 1))
    if weekday is None:
        return max(start, first), "week"
    return start + timedelta(days=(weekday - first_day) % 7), "day"


def _year(fields: Mapping[str, int]) -> int | None:
    if "year" in fields:
        return fields["year"]
    if "year_of_century" not in fields:
        return None
    if "century" in fields:
        return fields["century"] * 100 + fields["year_of_century"]
    return _full_year(fields["year_of_century"])


def _iso_year(fields: Mapping[str, int]) -> int | None:
    if "iso_year" in fields:
        return fields["iso_year"]
    if "iso_year_of_century" in fields:
        return _full_year(fields["iso_year_of_century"])
    return None


def _full_year(of_century: int) -> int:
    return of_century + 2000  # no key is older than Fluent Bit


def _weekday(fields: Mapping[str, int]) -> int | None:
    return fields["iso_weekday"] % 7 if "iso_weekday" in fields else fields.get("weekday")


def _hour(fields: Mapping[str, int]) -> int | None:
    if "hour" in fields:
        return fields["hour"]
    if "hour12" in fields and "afternoon" in fields:
        return fields["hour12"] % 12 + 12 * fields["afternoon"]
    return None


def _by_epoch(fields: Mapping[str, int]) -> Span | None:
    if "epoch" not in fields:
        return ANY_TIME
    ns = fields["epoch"] * SECOND_NS
    return Span(ns - _FARTHEST_ZONE_NS, ns + _FARTHEST_ZONE_NS + SECOND_NS)


def _with_epoch(fields: Mapping[str, int], start: datetime, end: datetime) -> Span | None:
    if "epoch" not in fields:
        return None
    ns = fields["epoch"] * SECOND_NS
    return Span(ns, ns + SECOND_NS) if to_ns(start) <= ns < to_ns(end) else None
