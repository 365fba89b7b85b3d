"""``Time_Format``: from the text of a time to nanoseconds, as a parser of Fluent Bit reads it.

On top of :mod:`strptime` come ``%L`` (a fraction of up to nine digits), a year that is not in the text, a zone that is
not in the text, and ``Time_Strict``. Source: flb_parser_create and flb_parser_time_lookup in src/flb_parser.c.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from flbrecover.fluentbit.strptime import BrokenTime, days_before, strptime

MAX_TEXT = 4096  # a longer text is no time; Fluent Bit would look at it, and not accept it either
_NS = 1_000_000_000
_YEAR_AHEAD_NS = 86_400 * _NS  # a clock may run ahead of the file's by a day before a year is doubted
_LATEST_NS = 4_102_444_800 * _NS  # 2100: a file's mtime is not trusted beyond what a date can hold
_FRACTION = re.compile(rb"[0-9]*(?:[eE][+-]?[0-9]+)?")  # what strtod takes of "0." and up to nine characters
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_YEAR = re.compile("%[YyFDcxs]")
_ENDS_WITH_ZONE = ("%z", "%Z", "%SZ", "%S.%LZ")
_CANONICAL = {  # directives in the one spelling that nearly all logs use
    "%Y": rb"(?P<Y>[0-9]{4})",
    "%m": rb"(?P<m>0[1-9]|1[0-2])",
    "%d": rb"(?P<d>0[1-9]|[12][0-9]|3[01])",
    "%H": rb"(?P<H>[01][0-9]|2[0-3])",
    "%M": rb"(?P<M>[0-5][0-9])",
    "%S": rb"(?P<S>[0-5][0-9]|60)",
    "%L": rb"(?P<L>[0-9]{1,9})(?![0-9eE])",
    "%z": rb"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
}


def compile(  # noqa: A001 - reads as re.compile does
    time_format: str,
    *,
    near_ns: int,
    offset_s: int = 0,
    strict: bool = True,
    zone: str | None = None,
) -> TimeReader:
    """A reader of times in ``time_format``.

    ``near_ns`` is a time at which the text was there (the log's mtime): a format without a year gets the latest year
    that is not after it. ``offset_s`` is ``Time_Offset``, ``zone`` the IANA name of ``Time_Zone``; both count only
    where the format has no zone, which is UTC without them. Raises ValueError for a zone that is not known.
    """
    return TimeReader(time_format, near_ns, offset_s, strict, zone)


def offset_seconds(text: str) -> int:
    """``Time_Offset`` (``Z``, ``+0200``, ``-06:00``) in seconds. Raises ValueError for what Fluent Bit refuses."""
    if text.startswith("Z"):
        return 0
    match = _OFFSET.match(text)
    if not match or int(match[2]) > 59 or int(match[3]) > 59:
        raise ValueError(f"{text!r} is not an offset such as +0200")
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds


def tells_year(time_format: str) -> bool:
    """Does a text of this format say its year? Fluent Bit takes that of the reading where ``%Y``, ``%y`` and ``%s`` are
    missing; other directives put their own in its place."""
    return bool(_YEAR.search(time_format))


class TimeReader:
    """One compiled ``Time_Format``. Calling it gives ns since the epoch, or None where Fluent Bit finds no time."""

    def __init__(self, time_format: str, near_ns: int, offset_s: int, strict: bool, zone: str | None) -> None:
        self._has_year = any(d in time_format for d in ("%Y", "%y", "%s"))
        self._has_zone = any(d in time_format for d in _ENDS_WITH_ZONE)
        before, fraction, after = time_format.partition("%L")
        self._before = (before if self._has_year else "%Y " + before).encode("utf-8", "surrogateescape")
        self._after = after.encode("utf-8", "surrogateescape") if fraction else None
        self._near_ns = min(max(near_ns, 0), _LATEST_NS)
        self._offset_s = offset_s
        self._strict = strict
        self._zone = _zone_of(zone) if zone and not self._has_zone else None
        self._canonical = _canonical(time_format) if self._has_year and self._zone is None else None
        self._days: tuple[bytes, bytes, bytes, int] = (b"", b"", b"", 0)

    def __call__(self, text: bytes) -> int | None:
        seconds, fraction_ns = self.read(text)
        return None if seconds is None else seconds * _NS + fraction_ns

    def read(self, text: bytes) -> tuple[int | None, int]:
        """Seconds (None: no time found) and nanoseconds. A fraction that was read before a mismatch is given, too:
        the json parser uses it (src/flb_parser_json.c)."""
        if self._canonical is not None and (match := self._canonical.match(text)):
            return self._of_canonical(match)
        text = text[:MAX_TEXT].partition(b"\0")[0]
        if self._has_year:
            return self._read(text, BrokenTime())
        year, month, day = self._today()
        found = self._read(b"%d " % year + text, BrokenTime(month=month, day=day))
        if found[0] is not None and found[0] * _NS > self._near_ns + _YEAR_AHEAD_NS:
            return self._read(b"%d " % (year - 1) + text, BrokenTime(month=month, day=day))
        return found

    def _read(self, text: bytes, tm: BrokenTime) -> tuple[int | None, int]:
        at = strptime(text, self._before, tm)
        fraction_ns = 0
        if at is not None and self._after is not None:
            # The fraction is a double there too, cut and not rounded to nanoseconds.
            digits = _FRACTION.match(text[at : at + 9])
            if not digits or not digits[0]:
                at = None
            else:
                fraction_ns = int(min(float(b"0." + digits[0]), 1e9) * 1_000_000_000.0)  # 0.1e99 is a number, too
                at = strptime(text, self._after, tm, at=at + digits.end())
        if at is None:
            return (None, fraction_ns) if self._strict else (tm.seconds() - tm.gmtoff, fraction_ns)
        if self._zone is not None:
            return self._in_zone(tm.seconds(), self._zone), fraction_ns
        return tm.seconds() - (tm.gmtoff if self._has_zone else self._offset_s), fraction_ns

    def _of_canonical(self, match: re.Match[bytes]) -> tuple[int, int]:
        groups = match.groupdict()
        year, month, day, days = self._days
        if (groups["Y"], groups.get("m"), groups.get("d")) != (year, month, day):
            year, month, day = groups["Y"], groups["m"], groups["d"]
            days = days_before(int(year), int(month) - 1) + int(day) - 1
            self._days = (year, month, day, days)
        seconds = days * 86400 + int(groups["H"]) * 3600 + int(groups["M"]) * 60 + int(groups["S"])
        fraction = groups.get("L")
        fraction_ns = int(float(b"0." + fraction) * 1_000_000_000.0) if fraction else 0
        offset = groups.get("z")
        if offset is None:
            return seconds - (0 if self._has_zone else self._offset_s), fraction_ns
        if offset != b"Z":
            away = int(offset[1:3]) * 3600 + int(offset[-2:]) * 60
            seconds += away if offset[:1] == b"-" else -away
        return seconds, fraction_ns

    def _today(self) -> tuple[int, int, int]:
        """Year, month (from 0) and day at ``near_ns``, in the zone of the times."""
        zone = self._zone or timezone.utc
        near = datetime.fromtimestamp(self._near_ns // _NS, timezone.utc).astimezone(zone)
        return near.year, near.month - 1, near.day

    @staticmethod
    def _in_zone(local_s: int, zone: ZoneInfo) -> int:
        try:
            local = datetime(1970, 1, 1) + timedelta(seconds=local_s)
        except OverflowError:  # the year 0, say: no zone has rules for it
            return local_s
        offset = local.replace(tzinfo=zone).utcoffset() or timedelta()
        return local_s - int(offset.total_seconds())


def _zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as e:
        raise ValueError(f"time zone {name!r} is not known on this machine") from e


def _canonical(time_format: str) -> re.Pattern[bytes] | None:
    """The format as one regular expression, for texts in the usual spelling; None for formats with directives that
    are not worth it. What it does not match is read slowly: it never decides that a text is no time."""
    parts: list[bytes] = []
    used: set[str] = set()
    for piece in re.findall(r"%.|[^%]+", time_format, re.DOTALL):
        if piece in _CANONICAL and piece not in used:
            parts.append(_CANONICAL[piece])
            used.add(piece)
        elif piece[0] == "%":
            return None
        else:
            parts.append(re.sub(rb"(?:\\?[ \t\n\v\f\r])+", rb"[ \\t\\n\\v\\f\\r]*", re.escape(piece.encode())))
    zone_first = "%z" in time_format.partition("%L")[0] and "%L" in used  # %L forgets a zone before it
    if not {"%Y", "%m", "%d", "%H", "%M", "%S"} <= used or zone_first:
        return None
    return re.compile(b"".join(parts))
