"""Reads candidate objects and places their records on the ledger, each with as little work as its lines need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from flbrecover.fluentbit.formats import MICROSECOND_NS, format_of
from flbrecover.model import ByteRange, Record
from flbrecover.reconcile.breaks import Gap
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.placement import Placement
from flbrecover.reconcile.segments import Follow, Segment, Strangers
from flbrecover.recover.comparison import ESTIMATED, SOURCE, TAG, Comparison, ascii_path
from flbrecover.recover.gone import SourceBytes
from flbrecover.recover.object_records import ObjectRecords
from flbrecover.recover.origin import NODE, ORIGIN, OriginEntries
from flbrecover.recover.rules import Rules
from flbrecover.recover.scan_objects import ObjectScans
from flbrecover.recover.scanned import Scanned
from flbrecover.recover.window import Candidate

_NO_SPAN = ByteRange(0, 0)  # where in the object a line lay plays no part


class ObjectPlacer:
    """Places one candidate after the other. ``own_sources`` are the files that only objects of this node name;
    ``gap`` hears of strangers that may be pieces of joined records."""

    def __init__(
        self,
        found: Comparison,
        scans: ObjectScans,
        rules: Rules,
        counted: SourceBytes,
        own_sources: Collection[str],
        gap: Gap | None,
        *,
        take_ambiguous: bool,
    ) -> None:
        self.found = found
        self.scans = scans
        self.rules = rules
        self.counted = counted
        self.own_sources = own_sources
        self.gap = gap
        self.take_ambiguous = take_ambiguous
        self.origins = OriginEntries(found)
        self.ours: set[int] = set()  # objects that flbrecover wrote from this node's files

    def add(self, number: int, *, last: bool, scanned: Scanned | None = None) -> bool:
        """Places an object's records. False: it takes what the others leave, so it is to be done again when those are
        through (``last``): not a single record is sure, or it is one of ``ours`` with records that are not told apart
        by their dates. Those were missing when they were written; only placed after all others they are the same again.
        ``scanned`` is what a scan told of it, if it is done."""
        return _OneObject(self, number).place(last=last, scanned=scanned)

    def add_all(self, numbers: Sequence[int], wanted: Callable[[int], bool]) -> Iterator[tuple[int, bool | None]]:
        """:meth:`add` for many, in order; ``wanted`` is asked right before each one is placed. Gives each number with
        what add gave, None for what was not wanted."""
        for number, scanned in self.scans.in_turn(numbers, wanted):
            yield number, self.add(number, last=False, scanned=scanned) if wanted(number) else None


class _OneObject:
    """The placing of one object's records, from first to last."""

    def __init__(self, placer: ObjectPlacer, number: int) -> None:
        self._placer = placer
        self._found = placer.found
        self._ledger = placer.found.ledger
        self._number = number
        self._candidate: Candidate = placer.found.candidates[number]
        self._tags: Collection[str] = self._candidate.tags
        self._rules = placer.rules.of(self._candidate.tags)
        self._time_of = format_of(placer.found.style).time_of
        self._current: Record | None = None
        self._index = -1
        self._dated = True
        self._said: Iterator[int] | None = None  # the entries that the object itself says it has
        self._is_last = self._waits = False  # for all other objects
        self._gone = placer.counted.wanted(self._candidate.tags)
        self._sizes: list[list[int]] = []
        self._precision = self._found.precision_of(self._candidate.tags)
        self._placement = Placement(
            self._ledger,
            self._place,
            lambda entry: self._ledger.stored[entry] != NONE,
            tags=self._candidate.tags,
            precision=self._precision,
            take_ambiguous=placer.take_ambiguous,
            gap=None if placer.rules.joining.isdisjoint(self._candidate.tags) else placer.gap,
        )

    def place(self, *, last: bool, scanned: Scanned | None) -> bool:
        self._is_last = last
        records = self._by_segments(scanned) if self._placer.scans.can_scan(self._number) else self._one_by_one(0)
        if self._waits:
            return False
        self._current = None
        placement, found = self._placement, self._found
        if not last and self._index >= 0 and placement.is_uncertain():
            for of_record in self._sizes:
                self._placer.counted.count(self._gone, of_record, -1)
            return False
        placement.ours = self._number in self._placer.ours
        placement.finish()
        found.strangers += placement.strangers
        found.loose += placement.loose
        found.ambiguous += placement.ambiguous
        found.problems.extend(records.problems)
        if records.denied:
            found.denied.append(self._candidate)
        return True

    # -- all records, one by one -----------------------------------------------------------------------------------

    def _one_by_one(self, start: int) -> ObjectRecords:
        records = self._placer.scans.records(self._number)
        for index, record in enumerate(records):
            if index >= start:
                self._begin(records.metadata)
                if self._waits:
                    break
                self._feed(index, record)
                if not index % 1000:
                    self._found.breathe()
        return records

    def _feed(self, index: int, record: Record, only: int = NONE) -> None:
        self._current, self._index = record, index
        if self._gone:
            self._sizes.append(self._placer.counted.sizes(self._gone, record))
            self._placer.counted.count(self._gone, self._sizes[-1])
        copy = self._placer.rules.copy(index, record, self._rules)
        copy.only = only
        said = self._sent_before(copy) if self._said is None else next(self._said, NONE)
        if self._placement.ours and said != NONE and self._ledger.stored[said] in self._placer.ours:
            said = NONE  # another one of ours, whose metadata was cut, took it for one of its own that is alike
        self._placement.feed(copy, said)

    def _sent_before(self, copy: Copy) -> int:
        """The entry that another object has the very same on, with its date: Fluent Bit has sent it twice. Of another
        tag than this object's it is another record."""
        entry = self._ledger.of_copy(copy.digest) if self._precision.tells(copy.time_ns) else NONE
        if entry == NONE or self._ledger.stored[entry] == self._number:
            return NONE
        beside = self._placement.latest_entry
        return entry if beside == NONE or self._ledger.runs.are_of_one_tag(beside, entry) else NONE

    def _begin(self, metadata: Mapping[str, str]) -> None:
        """Before the first record: an object that flbrecover wrote names its tag, and says whether its dates are
        guesses. A guess of ours is no news: the next one is made alike."""
        if self._index < 0:
            self._know_ours(metadata)
            self._dated = metadata.get(ESTIMATED, "0") == "0"
            names = {ascii_path(tag): tag for tag in self._candidate.tags}
            if own := names.get(metadata.get(TAG, "")):
                self._tags = (own,)
                self._placement.restrict(self._tags)
            if ORIGIN in metadata:
                self._said = self._placer.origins.of(metadata, self._tags)

    def _know_ours(self, metadata: Mapping[str, str]) -> None:
        node = self._found.survey.node.identity
        named = metadata.get(SOURCE, "").split(",")[0] in self._placer.own_sources
        if not named and (not node or metadata.get(NODE) != node):
            return
        self._placer.ours.add(self._number)
        moment = format_of(self._found.style).moment
        if not self._precision.tells(1) or moment(MICROSECOND_NS) == moment(0):
            self._waits = not self._is_last
            self._placement.ours = True

    def _place(self, copy: Copy, entry: int) -> None:
        if self._gone:  # a log or a buffer shows this record, or another object: it was counted there
            self._placer.counted.count(self._gone, self._sizes[copy.index], -1)
        if not self._ledger.store(entry, self._number):
            return
        self._learn_time(entry, copy.time_ns)
        if self._dated and self._precision.tells(copy.time_ns):
            self._ledger.know_copy(entry, copy.digest)
        if self._current is not None and copy.index == self._index:
            self._learn(entry, self._current.data)

    def _learn_time(self, entry: int, time_ns: int | None) -> None:
        if self._dated:
            self._ledger.learn_time(entry, time_ns)

    def _learn(self, entry: int, data: bytes) -> None:
        if entry < len(self._found.logs):
            tag = self._ledger.runs.tag_of(entry)
            self._found.siblings_of(tag).feed(data, self._found.logs.made.get(tag, set()))

    # -- what a scan tells of them ---------------------------------------------------------------------------------

    def _by_segments(self, scanned: Scanned | None) -> ObjectRecords | Scanned:
        """Places what a scan tells, and one by one what it cannot tell."""
        records: ObjectRecords | Scanned
        segments: Iterable[Segment]
        if scanned is not None:
            records, segments = scanned, scanned.segments
        else:
            records = self._placer.scans.records(self._number)
            segments = self._placer.scans.scan(self._number, records)
        at = 0
        for number, segment in enumerate(segments):
            self._begin(records.metadata)
            if self._waits:
                return records
            if self._said is not None or self._placement.ours:
                return self._one_by_one(0)
            if not self._take(segment):
                return self._one_by_one(segment.index)
            at = segment.index + _length(segment)
            if not number % 1000:
                self._found.breathe()
        return self._one_by_one(at) if records.too_long else records

    def _take(self, segment: Segment) -> bool:
        """Places a segment. False where it is not what it seemed: from its first line on nothing was done."""
        if isinstance(segment, Strangers):
            self._placement.pass_by(segment.count)
            self._current, self._index = None, segment.index + segment.count - 1
            return True
        if isinstance(segment, Follow):
            return self._follow(segment)
        # Without logs every entry of these tags is held, and what has the same bytes has the same own part.
        only = segment.only if not self._rules else NONE
        for index, line in enumerate(segment.lines, segment.index):
            self._feed(index, Record(line, _NO_SPAN, self._time_of(line)), only if index == segment.index else NONE)
        return True

    def _follow(self, segment: Follow) -> bool:
        entries, ledger = segment.entries, self._ledger
        if self._placement.previous != entries.start - 1 or not ledger.runs.tags_of(entries) <= set(self._tags):
            return False
        first_ns, last_ns = self._time_of(segment.first), self._time_of(segment.last)
        if not ledger.agrees_in_time(entries[0], first_ns) or not ledger.agrees_in_time(entries[-1], last_ns):
            return False
        self._placement.run(segment.index, entries)
        ledger.store_all(entries, self._number)
        self._learn_time(entries[0], first_ns)
        self._learn_time(entries[-1], last_ns)
        for entry, line in zip(entries, segment.some, strict=False):
            self._learn(entry, line)
        self._current, self._index = None, segment.index + len(entries) - 1
        return True


def _length(segment: Segment) -> int:
    if isinstance(segment, Strangers):
        return segment.count
    return len(segment.entries) if isinstance(segment, Follow) else len(segment.lines)
