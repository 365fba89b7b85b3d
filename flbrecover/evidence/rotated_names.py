"""What a rotated log's name says: which live name it belongs to, and its place in time. Names only, no files.

docs/rotation.md lists the schemes and who writes them. A name that is not certainly a rotation of the live name is
none: another application's log must never be taken for a part of this one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

Scheme = Literal["number", "date"]

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z")
READABLE = ("", ".gz")  # compressions that can be read here
_DATE = (
    r"(?P<y>20\d\d)(?P<s>[-_.]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)"
    r"(?:[-_T]?(?P<H>\d\d)(?:[-_:.]?(?P<M>\d\d)(?:[-_:.]?(?P<S>\d\d)(?:[.,](?P<f>\d{3,9}))?)?)?)?Z?"
    r"(?:[-_.](?P<e>\d{10}))?"
)
_AFTER = re.compile(rf"\.(?P<n>\d{{1,5}}|old)|[-_.]{_DATE}(?:\.(?P<i>\d{{1,5}}))?|[-_.](?P<epoch>1\d{{9}})", re.ASCII)
_BEFORE_EXTENSION = re.compile(rf"\.(?P<n>\d{{1,5}})|[-_.]{_DATE}(?:[-.](?P<i>\d{{1,5}}))?", re.ASCII)
_OWN_DATE = re.compile(rf"(?:^|(?<=[-_.])){_DATE}(?=[-_.]|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rotation:
    """``place`` orders rotations of one scheme: a number as it stands (1 is usually the newest), or a point in time.
    ``compression`` is the suffix of one, or empty."""

    scheme: Scheme
    place: tuple[int, ...]
    compression: str


def rotation_of(live: str, name: str, *, other_dates: bool = False) -> Rotation | None:
    """What ``name`` is to the file name ``live`` (both without folder); None where it is no rotation of it.

    With ``other_dates`` a live name that carries a date itself (``app-2026-11-23.log`` behind a symlink
    ``current.log``) has those of other dates for siblings.
    """
    compression = next((c for c in COMPRESSED if name.endswith(c) and not live.endswith(c)), "")
    plain = name.removesuffix(compression)
    place = _place(live, plain) or (_other_date(live, plain) if other_dates else None)
    if place is not None:
        return Rotation(place[0], place[1], compression)
    if compression and plain == live:  # gzip app.log, or the live file on its way to be replaced
        return Rotation("number", (0,), compression)
    return None


def live_names(name: str) -> list[str]:
    """The live names that ``name`` can be a rotation of, shortest first."""
    plain = name.removesuffix(next((c for c in COMPRESSED if name.endswith(c)), ""))
    found = {plain} if plain != name else set()
    stem, dot, extension = plain.rpartition(".")
    for at in range(1, len(plain)):
        if plain[at] not in "-_.":
            continue
        if _read(_AFTER, plain[at:]):
            found.add(plain[:at])
        if at < len(stem) and _read(_BEFORE_EXTENSION, stem[at:]):
            found.add(stem[:at] + dot + extension)
    return sorted(found, key=lambda n: (len(n), n))


def writing_order(rotations: Sequence[tuple[Rotation, int]]) -> list[int]:
    """The positions of ``(rotation, mtime in ns)`` pairs, oldest first.

    Numbers count upwards into the past (logrotate, Docker), unless the times of at least two files that were not
    compressed (compression may change a time) all say the opposite (log4j2). Mixed schemes are ordered by time alone.
    """
    every = range(len(rotations))
    schemes = {r.scheme for r, _ in rotations}
    if schemes == {"date"}:
        return sorted(every, key=lambda i: rotations[i][0].place)
    if schemes != {"number"}:
        return sorted(every, key=lambda i: rotations[i][1])
    times = [mtime for r, mtime in sorted(rotations, key=lambda x: x[0].place) if not r.compression]
    upwards = len(times) > 1 and all(a < b for a, b in itertools.pairwise(times))
    return sorted(every, key=lambda i: rotations[i][0].place, reverse=not upwards)


def _place(live: str, plain: str) -> tuple[Scheme, tuple[int, ...]] | None:
    if plain.startswith(live) and (found := _read(_AFTER, plain[len(live) :])):
        return found
    stem, dot, extension = live.rpartition(".")
    end = dot + extension
    inner = plain[len(stem) : len(plain) - len(end)]
    if stem and plain.startswith(stem) and plain.endswith(end) and (found := _read(_BEFORE_EXTENSION, inner)):
        return found
    return None


def _other_date(live: str, plain: str) -> tuple[Scheme, tuple[int, ...]] | None:
    own = _OWN_DATE.search(live)
    if own and plain != live and plain.startswith(live[: own.start()]) and plain.endswith(live[own.end() :]):
        other = plain[own.start() : len(plain) - len(live[own.end() :])]
        if len(other) == len(own[0]):
            return _read(_OWN_DATE, other)
    return None


def _read(pattern: re.Pattern[str], text: str) -> tuple[Scheme, tuple[int, ...]] | None:
    if not (m := pattern.fullmatch(text)):
        return None
    parts = m.groupdict()
    if (number := parts.get("n")) is not None:
        return "number", (1 if number == "old" else int(number),)
    if (epoch := parts.get("epoch")) is not None:
        return "date", (*_day_and_time(datetime.fromtimestamp(int(epoch), timezone.utc)), 0, 0, 0)
    year, month, day, hour, minute, second = (int(parts[k] or 0) for k in "ymdHMS")
    try:
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    fraction = int((parts["f"] or "").ljust(9, "0"))
    return "date", (*_day_and_time(moment), fraction, int(parts["e"] or 0), int(parts.get("i") or 0))


def _day_and_time(moment: datetime) -> tuple[int, int]:
    """As numbers; of names with dates and names with seconds since 1970 the same ones, so that they sort together."""
    return (
        moment.year * 10000 + moment.month * 100 + moment.day,
        moment.hour * 10000 + moment.minute * 100 + moment.second,
    )
