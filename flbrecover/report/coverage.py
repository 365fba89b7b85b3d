"""Coverage over time: how many records of a tag were written, lie in buffers, and are in S3, in bins of time.

A bin is ``width`` ns wide and starts at a multiple of it, so that bins of different widths fit into each other. Only
bins that hold something are kept, and at most so many: where there would be more, all become wider. A record whose
time is many years off takes one bin and leaves the others as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flbrecover.reconcile.columns import NO_TIME, NONE
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.runs import MIXED
from flbrecover.reconcile.states import EntryState
from flbrecover.recover.analysis import OutputAnalysis
from flbrecover.recover.estimate import Estimator
from flbrecover.report.jsonl import iso

MILLISECOND, SECOND = 1_000_000, 1_000_000_000
DAY = 86_400 * SECOND
WIDTHS = (
    *(MILLISECOND * n for n in (1, 10, 100, 500)),
    *(SECOND * n for n in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21_600, 43_200)),
    *(DAY << n for n in range(24)),
)
"""What a bin can be wide, in ns: each divides the next."""

MOST_BINS = 200  # of one tag
FEWEST_BINS = 8
FIRST = 256  # entries that are counted at once
SAMPLE = 512  # times of a tag that tell how wide its bins become at least
ALL_BINS = 200_000  # of all tags of an output, so that memory has a limit


def wider(width: int) -> int:
    """The next width after ``width``; times that need more than the widest do not exist (64 bits of ns)."""
    return next(w for w in WIDTHS if w > width)


class Bins:
    """Counts in bins of time, by lane."""

    def __init__(self, most: int = MOST_BINS) -> None:
        self.width = WIDTHS[0]
        self.counts: dict[int, Counter[str]] = {}
        self._most = most

    def add(self, lane: str, time_ns: int, number: int = 1) -> None:
        at = time_ns // self.width
        counts = self.counts.get(at)
        if counts is None:
            counts = self.counts[at] = Counter()
        counts[lane] += number
        while len(self.counts) > self._most:
            self._widen(wider(self.width))

    def at_least(self, width: int) -> None:
        """Makes bins as wide as this, or the next width after it."""
        if width > self.width:
            self._widen(next((w for w in WIDTHS if w >= width), WIDTHS[-1]))

    def _widen(self, width: int) -> None:
        times, narrow = width // self.width, self.counts
        self.width, self.counts = width, {}
        for at, counts in narrow.items():
            self.counts.setdefault(at // times, Counter()).update(counts)


class TagCoverage:
    """One tag. ``estimated`` records have no time of their own and stand between their neighbours; ``untimed`` ones
    are in no bin, for nothing tells when they were written."""

    def __init__(self, most: int) -> None:
        self.bins = Bins(most)
        self.estimated = 0
        self.untimed = 0
        self._same: tuple[EntryState, bool] = ("stored", False)
        self._start = self._end = 0  # the bin of the records counted last, as times
        self._number = 0

    def count(self, state: EntryState, time_ns: int, in_log: bool, number: int = 1) -> None:
        """A record, or more of about one time. Neighbours are in the same state and bin nearly always: they are added
        up before they go in."""
        if self._start <= time_ns < self._end and self._same == (state, in_log):
            self._number += number
            return
        self.flush()
        width = self.bins.width
        self._start = time_ns // width * width
        self._end = self._start + width
        self._same, self._number = (state, in_log), number

    def flush(self) -> None:
        if self._number:
            state, in_log = self._same
            self.bins.add(state, self._start, self._number)
            if in_log:
                self.bins.add("source", self._start, self._number)
            self._number = 0


@dataclass(slots=True)
class Held:
    """What an object holds of the evidence: how many records, and their first and last time as far as known."""

    records: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    tag: str = ""


def held_by_objects(output: OutputAnalysis) -> dict[int, Held]:
    """By the object's number among the candidates; objects without a record of the evidence are left out."""
    ledger = output.comparison.ledger
    found: dict[int, Held] = {}
    for number, entries in ledger.stored_stretches():
        if number == NONE:
            continue
        held = found.get(number)
        if held is None:
            held = found[number] = Held(tag=ledger.runs.tag_of(entries.start))
        held.records += len(entries)
        first, last = output.states.limits(entries)
        if first is not None and last is not None:
            held.first_ns = first if held.first_ns is None else min(held.first_ns, first)
            held.last_ns = last if held.last_ns is None else max(held.last_ns, last)
    return found


def coverage(output: OutputAnalysis, objects: Mapping[int, Held]) -> dict[str, TagCoverage]:
    """The coverage of every tag of one output: one pass over all entries, one over the records in buffers. An object
    counts where its first record of the evidence is. A record of a log without a time counts where it is estimated to
    be."""
    comparison, states = output.comparison, output.states
    ledger, logs = comparison.ledger, comparison.logs
    most = max(FEWEST_BINS, min(MOST_BINS, ALL_BINS // max(1, len(ledger.runs.tags))))
    tags: dict[str, TagCoverage] = {tag: TagCoverage(most) for tag in ledger.runs.tags}
    for number, runs in _runs_of_tags(ledger).items():
        tags[ledger.runs.tags[number]].bins.at_least(least_width(ledger, runs, most))
    estimate = Estimator(comparison)
    of_logs = {log.run: log for log in logs.runs}
    for number in range(len(ledger.runs)):
        log = of_logs.get(number)
        for state, alike in states.stretches(ledger.runs.entries(number)):
            for name, entries in ledger.runs.by_tag(alike):
                tag = tags[name]
                untimed = 0
                for time_ns, records in _times(ledger, entries, tag.bins):
                    if time_ns is None:
                        untimed += records
                    else:
                        tag.count(state, time_ns, log is not None, records)
                if log is None:
                    tag.untimed += untimed
                elif untimed:
                    tag.estimated += untimed
                    for time_ns in estimate.untimed(log, entries):
                        tag.count(state, time_ns, True)
    for tag in tags.values():
        tag.flush()
    for holder in comparison.holders:
        whole = holder.entry_range
        for entries in [whole] if whole is not None else [range(entry, entry + 1) for entry in holder.entries]:
            for name, some in ledger.runs.by_tag(entries):
                for time_ns, records in _times(ledger, some, tags[name].bins):
                    if time_ns is not None:
                        tags[name].bins.add("buffers", time_ns, records)
    for held in objects.values():
        if held.first_ns is not None:
            tags[held.tag].bins.add("objects", held.first_ns)
    return tags


def least_width(ledger: Ledger, runs: Sequence[range], most: int) -> int:
    """Bins of these entries become at least so wide (ns): some of their times need more than ``most`` narrower ones.
    (They would become so one step after the other, with all that is in them.)"""
    step = max(1, sum(map(len, runs)) // SAMPLE)
    times = [ledger.time[entry] for entries in runs for entry in entries[::step]]
    known = [time_ns for time_ns in times if time_ns != NO_TIME]
    return next(width for width in WIDTHS if len({time_ns // width for time_ns in known}) <= most)


def _runs_of_tags(ledger: Ledger) -> dict[int, list[range]]:
    """The entries of all runs that have one tag, by its number."""
    found: dict[int, list[range]] = {}
    for number in range(len(ledger.runs)):
        if entries := ledger.runs.entries(number):
            found.setdefault(ledger.runs.common_tag(entries), []).append(entries)
    found.pop(MIXED, None)
    return found


def _times(ledger: Ledger, entries: range, bins: Bins) -> Iterator[tuple[int | None, int]]:
    """The times of these entries, no finer than the bins, each with how many have it (None: no time). A few at first:
    bins become as wide as they have to be soon, and then there is little to add to them."""
    at, size = entries.start, FIRST
    while at < entries.stop:
        some = range(at, min(at + size, entries.stop))
        width = bins.width
        for multiple, records in ledger.times(some, width).items():
            yield None if multiple is None else multiple * width, records
        at, size = some.stop, 2 * size


def coverage_json(output: OutputAnalysis, objects: Mapping[int, Held]) -> Iterator[dict[str, Any]]:
    """The fields of the ``coverage`` lines of one output. Bin ``n`` covers ``bin_ns`` from ``start`` + n × ``bin_ns``
    on; ``lanes`` say how many records (``objects``: objects) are in each of ``bins``."""
    for tag, found in sorted(coverage(output, objects).items()):
        bins = found.bins
        numbers = sorted(bins.counts)
        first = numbers[0] if numbers else 0
        lanes = sorted({lane for counts in bins.counts.values() for lane in counts})
        yield {
            "output": output.output.name, "tag": tag, "bin_ns": bins.width,
            "start": iso(first * bins.width) if numbers else None,
            "bins": [number - first for number in numbers],
            "lanes": {lane: [bins.counts[n][lane] for n in numbers] for lane in lanes},
            "estimated": found.estimated, "untimed": found.untimed,
        }  # fmt: skip
