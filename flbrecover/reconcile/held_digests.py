"""Which entries are held with which bytes.

Mostly nobody asks: a chunk is written once. What times alone show to be new waits, and goes into an index only with the
first question that they do not answer.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

from flbrecover.reconcile.columns import NewColumn
from flbrecover.reconcile.held_records import TWO_NUMBERS, HeldRecords
from flbrecover.reconcile.sorted_index import GrowingIndex

SEGMENT = 1 << 16  # records that are told apart by their digests
MOST_SPANS = 1 << 12  # of one tag; fewer and wider ones prove less, and nothing wrong


class Spans:
    """Spans of time: sorted, and none meets another."""

    def __init__(self) -> None:
        self._all: list[tuple[int, int]] = []

    def meet(self, first: int, last: int) -> bool:
        """Does one of them meet this one?"""
        at = bisect_left(self._all, (first, first))
        return (at > 0 and self._all[at - 1][1] >= first) or (at < len(self._all) and self._all[at][0] <= last)

    def add(self, first: int, last: int) -> None:
        """One more; those that meet it become one with it."""
        start = bisect_left(self._all, (first, first))
        if start and self._all[start - 1][1] >= first:
            start -= 1
        end = start
        while end < len(self._all) and self._all[end][0] <= last:
            end += 1
        met = [*self._all[start:end], (first, last)]
        self._all[start:end] = [(min(a for a, _ in met), max(b for _, b in met))]
        if len(self._all) > MOST_SPANS:  # every two become one: what lies between them is in it as well
            pairs = [self._all[n : n + 2] for n in range(0, len(self._all), 2)]
            self._all = [(some[0][0], some[-1][1]) for some in pairs]


class HeldDigests:
    """Records with other times have other bytes, where it is the bytes that carry them. So what is held under a tag is
    known by the spans of time of some *segments* of records and, of the last segment, by the digests (their upper
    halves)."""

    def __init__(self, records: HeldRecords, new: NewColumn, segment: int = SEGMENT) -> None:
        self._records = records
        self._index = GrowingIndex(new)
        self._waiting: list[tuple[range, int]] = []  # entries, and the first of the records that hold them
        self._spans: dict[str, Spans] = {}  # of each tag's older segments
        self._most = segment
        self._tag = ""  # of the segment at hand
        self._digests: set[int] = set()
        self._span: tuple[int, int] | None = None

    def are_new(self, tag: str, digests: array[int], dates: tuple[int, int]) -> bool:
        """Do the times that these records carry, the first and the last of which ``dates`` are, show that none of them
        is held with its bytes under this tag, and are they all different? False says nothing."""
        self._turn_to(tag)
        if tag in self._spans and self._spans[tag].meet(*dates):
            return False
        return self._digests.isdisjoint(digests) and len(set(digests)) == len(digests)

    def has_none_of(self, digests: array[int]) -> bool:
        """Are these all different, and is no record held with one of them, whatever its tag?"""
        self._index_all()
        return self._index.has_none_of(digests)

    def add(self, tag: str, entry: int, record: int, time_ns: int | None) -> None:
        """``record``, with the time that its bytes carry, if they carry one, holds an entry."""
        self._turn_to(tag)
        high = self._records.high(record)
        self._digests.add(high)
        if time_ns is not None:
            self._widen(time_ns, time_ns)
        if self._waiting:
            self._wait(range(entry, entry + 1), record)
        else:
            self._index.add(high, entry)

    def add_all(self, tag: str, entries: range, record: int, dates: tuple[int, int] | None) -> None:
        """:meth:`add` for as many entries, ``record`` and those after it; ``dates`` are the first and the last of their
        times (None: there is none)."""
        self._turn_to(tag)
        self._digests.update(self._records.highs(record, len(entries)))
        if dates is not None:
            self._widen(*dates)
        self._wait(entries, record)

    def find(self, digest: bytes) -> list[int]:
        """The entries that are held with a digest that has the same upper half, in the order in which they were
        added."""
        self._index_all()
        return self._index.find(TWO_NUMBERS.unpack(digest)[0])

    def settle(self) -> None:
        """When all are there: they take less memory then."""
        self.end_segment()
        self._index.settle()

    def _wait(self, entries: range, record: int) -> None:
        before, first = self._waiting[-1] if self._waiting else (range(0), 0)
        if before and before.stop == entries.start and first + len(before) == record:
            self._waiting[-1] = range(before.start, entries.stop), first
        else:
            self._waiting.append((entries, record))

    def _index_all(self) -> None:
        """Indexes what waits."""
        for entries, record in self._waiting:
            for start in range(0, len(entries), SEGMENT):
                some = entries[start : start + SEGMENT]
                self._index.add_all(self._records.highs(record + start, len(some)), some)
        self._waiting = []

    def _turn_to(self, tag: str) -> None:
        """Ends the segment at hand where it is full, or of another tag."""
        if tag != self._tag or len(self._digests) >= self._most:
            self.end_segment()
            self._tag = tag

    def end_segment(self) -> None:
        """What comes next need not follow in time: it is of another file."""
        if self._span is not None:
            self._spans.setdefault(self._tag, Spans()).add(*self._span)
        self._digests, self._span = set(), None

    def _widen(self, first: int, last: int) -> None:
        begin, end = self._span or (first, last)
        self._span = min(begin, first), max(end, last)
