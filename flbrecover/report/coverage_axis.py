"""Coverage lines on one axis of time, so that tags can be compared: pure numbers, no shapes yet."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flbrecover.reconcile.states import is_missing
from flbrecover.report import jsonl
from flbrecover.report.case_data_rows import SideName
from flbrecover.report.coverage import DAY, WIDTHS, Bins, wider

AXIS_BINS = 180
FAR = 7 * DAY  # what lies farther than this, and than ten times the rest's length, would squeeze the rest
_PLACES = ("source", "buffers", "objects")

Status = Literal["complete", "recovered", "missing", "other"]


def add_line(into: Bins, line: Mapping[str, Any]) -> None:
    """Adds the records of a coverage line, whatever their state. ``into`` gets at least as wide as its bins are, so
    that none has to be taken apart."""
    start, width = jsonl.ns(line["start"]), line["bin_ns"]
    if start is None:
        return
    into.at_least(width)
    states = [numbers for lane, numbers in line["lanes"].items() if lane not in _PLACES]
    for at, numbers in zip(line["bins"], zip(*states, strict=True), strict=True) if states else ():
        into.add("records", start + at * width, sum(numbers))


@dataclass(frozen=True, slots=True)
class Axis:
    """``bins`` bins of ``width`` ns from ``start`` on. ``before`` and ``after``: records too far off to be on it."""

    start: int
    width: int
    bins: int
    before: int = 0
    after: int = 0

    @property
    def end(self) -> int:
        return self.start + self.bins * self.width

    def time(self, at: int) -> int:
        return self.start + at * self.width


def axis_of(bins: Bins) -> Axis | None:
    """An axis on which all of ``bins`` can be seen, but for a few records whose times are far from all others."""
    counts = {at: c["records"] for at, c in bins.counts.items() if c["records"]}
    if not counts:
        return None
    numbers = sorted(counts)
    low, high = _core(numbers, counts)
    far = max(10 * (high - low + 1), FAR // bins.width)
    kept = [at for at in numbers if low - far <= at <= high + far]
    before = sum(counts[at] for at in numbers if at < kept[0])
    after = sum(counts[at] for at in numbers if at > kept[-1])
    start, end, width = kept[0] * bins.width, (kept[-1] + 1) * bins.width, bins.width
    while -(-end // width) - start // width > AXIS_BINS and width < WIDTHS[-1]:
        width = wider(width)
    first = start // width
    return Axis(first * width, width, -(-end // width) - first, before, after)


def _core(numbers: list[int], counts: Mapping[int, int]) -> tuple[int, int]:
    """The bins between which 99 % lie."""
    total, seen, sums = sum(counts.values()), 0, []
    for at in numbers:
        seen += counts[at]
        sums.append(seen)
    return numbers[bisect_left(sums, total * 0.005)], numbers[bisect_left(sums, total * 0.995)]


def _records(counts: Counter[str]) -> int:
    return sum(n for lane, n in counts.items() if lane not in _PLACES)


def _missing(counts: Counter[str]) -> int:
    return sum(n for lane, n in counts.items() if lane not in _PLACES and is_missing(lane))


@dataclass(slots=True)
class Bin:
    """One bin of a tag, before a recovery and now (the same where there was no comparison afterwards)."""

    before: Counter[str] = field(default_factory=Counter)
    now: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        return _records(self.now)

    @property
    def missing(self) -> int:
        return _missing(self.now)

    @property
    def was_missing(self) -> int:
        return _missing(self.before)

    @property
    def recovered(self) -> int:
        return max(0, min(self.now["stored"] - self.before["stored"], self.was_missing))

    @property
    def status(self) -> Status:
        if self.missing:
            return "missing"
        if self.recovered:
            return "recovered"
        return "complete" if self.now["stored"] else "other"


class Track:
    """The bins of one tag (or of all) on an axis; empty ones are left out."""

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.bins: dict[int, Bin] = {}
        self.estimated = Counter[SideName]()
        self.untimed = Counter[SideName]()

    def add(self, line: Mapping[str, Any], side: SideName) -> None:
        """A coverage line. Bins wider than the axis's stand at their start."""
        self.estimated[side] += line["estimated"]
        self.untimed[side] += line["untimed"]
        start = jsonl.ns(line["start"])
        if start is None:
            return
        offset, width, own = start - self.axis.start, line["bin_ns"], self.axis.width
        bins: list[Counter[str] | None] = []
        for number in line["bins"]:
            at = (offset + number * width) // own
            on_axis = 0 <= at < self.axis.bins
            bins.append(getattr(self.bins.setdefault(at, Bin()), side) if on_axis else None)
        for lane, numbers in line["lanes"].items():
            for counts, number in zip(bins, numbers, strict=True):
                if number and counts is not None:
                    counts[lane] += number

    def keep_before(self) -> None:
        """No comparison afterwards can be used: now is taken to be as before."""
        self.estimated["now"], self.untimed["now"] = self.estimated["before"], self.untimed["before"]
        for one in self.bins.values():
            one.now = one.before

    def in_order(self) -> Iterable[tuple[int, Bin]]:
        return sorted(self.bins.items())


@dataclass(frozen=True, slots=True)
class Span:
    """Bins in a row with the same status; ``end_ns`` is excluded."""

    status: Status
    start_ns: int
    end_ns: int
    records: int
    missing: int
    recovered: int


def spans(track: Track) -> Iterator[Span]:
    """The track in words: neighbouring bins that have something, joined while their status is the same."""
    open_span: Span | None = None
    for at, one in track.in_order():
        now = Span(one.status, track.axis.time(at), track.axis.time(at + 1), one.records, one.missing, one.recovered)
        if open_span is not None and open_span.status == now.status:
            open_span = Span(
                now.status, open_span.start_ns, now.end_ns, open_span.records + now.records,
                open_span.missing + now.missing, open_span.recovered + now.recovered,
            )  # fmt: skip
            continue
        if open_span is not None:
            yield open_span
        open_span = now
    if open_span is not None:
        yield open_span
