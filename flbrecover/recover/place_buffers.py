"""Reads buffer files and places their records on the ledger.

Where a tag has no logs and a file's dates are fine, the same bytes are the same record. What reading such a file tells
is numbers; a second process reads the next ones, and sends them, while the one before them is placed here.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import add

from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.record_split import Lines
from flbrecover.model import BufferFile, ByteRange, Problem, Record
from flbrecover.reconcile.batch import Batch
from flbrecover.reconcile.breaks import Gap
from flbrecover.reconcile.columns import NO_TIME
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.held_records import Halves
from flbrecover.reconcile.holders import Holder
from flbrecover.reconcile.match_key import MatchRule, digests_of
from flbrecover.reconcile.place_holders import CopyAt, place_by_digest, place_holder
from flbrecover.reconcile.rebuild import MOST_SIBLINGS
from flbrecover.reconcile.scan import Cut
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.gone import SourceBytes
from flbrecover.recover.rules import Rules
from flbrecover.recover.whole_objects import ContentSums, ReadContent, sums_of
from flbrecover.recover.worker import Worker, usable_cores

WORTH_A_WORKER = 32 << 20  # bytes of buffer files that are still to be read
MOST_SENT = 16 << 20  # bytes of a buffer file whose numbers are held and sent at once
ASKED = 4  # files that the worker is asked for at once: it goes on while its last answers wait
MOST_HELD = 3  # files that are read here before it is their turn
AT_ONCE = 512  # records that come one by one and are placed together


@dataclass(frozen=True, slots=True)
class ReadBuffer:
    """All that reading a buffer file to its end told, for placing by digest."""

    batches: list[Batch]
    problems: list[Problem]
    content_length: int
    content_crc32: int


@dataclass(frozen=True, slots=True)
class _Together:
    """Records of a buffer file that come one after the other."""

    lines: list[bytes]
    starts: Sequence[int]
    ends: Sequence[int]
    times: Sequence[int | None]

    @classmethod
    def of(cls, records: Sequence[Record]) -> _Together:
        return cls(
            [record.data for record in records],
            [record.span.start for record in records],
            [record.span.end for record in records],
            [record.time_ns for record in records],
        )

    def record(self, at: int) -> Record:
        return Record(self.lines[at], ByteRange(self.starts[at], self.ends[at]), self.times[at])


class BufferPlacer:
    """Places one buffer file after the other. ``fine`` are the paths of those whose dates tell one record from another,
    but for a few; ``gap`` hears of strangers that may be pieces of joined records. Afterwards ``sums`` has what
    identifies the content of each, by the number of its holder."""

    def __init__(
        self, found: Comparison, rules: Rules, counted: SourceBytes, fine: Collection[str], gap: Gap | None
    ) -> None:
        self._found = found
        self._gap = gap
        self._rules = rules
        self._counted = counted
        self._fine = fine
        self._format = format_of(found.style)
        self._logged = frozenset(found.ledger.runs.tags)  # the tags of log records
        self.sums: dict[int, ContentSums | None] = {}

    def add_all(self, buffers: Sequence[BufferFile]) -> Iterator[BufferFile]:
        """Gives each buffer file once it is placed."""
        size = sum(b.content.length for b in buffers if self._by_digest(b))
        two = usable_cores() > 1 and size > WORTH_A_WORKER
        by_two = _ByTwo(self, buffers) if two else None
        try:
            for number, buffer in enumerate(buffers):
                self._add(buffer, by_two.read(number) if by_two else None)
                yield buffer
        finally:
            if by_two:
                by_two.close()

    def is_readable(self, buffer: BufferFile) -> bool:
        """Can :meth:`read` be asked for the numbers of a file? Not where it is not placed by them, or too large."""
        return buffer.content.length <= MOST_SENT and self._by_digest(buffer)

    def forked(self) -> Worker[BufferFile, ReadBuffer]:
        """A second process that reads files."""
        with self._found.scratch.still():
            return Worker(self.read)

    def _by_digest(self, buffer: BufferFile) -> bool:
        tags = [buffer.tag or ""]
        plain = buffer.path in self._fine and self._found.style.format == "json_lines"
        return plain and self._logged.isdisjoint(tags) and not self._rules.of(tags) and not self._counted.wanted(tags)

    def _add(self, buffer: BufferFile, read: ReadBuffer | None) -> None:
        found = self._found
        holder = Holder.begin(len(found.holders), buffer, found.ledger)
        told: ReadContent
        if read is not None:
            told = read
            place_by_digest(found.ledger, holder, read.batches)
            found.breathe()
        else:
            told = records = BufferRecords(found.survey.node, buffer, found.style)
            if self._by_digest(buffer):
                place_by_digest(found.ledger, holder, self._batches(records, buffer.tag or ""))
            else:
                self._place(holder, records)
        found.problems.extend(told.problems)
        self.sums[holder.number] = sums_of(holder, told)
        found.holders.append(holder)

    # -- records of a tag without logs -----------------------------------------------------------------------------

    def read(self, buffer: BufferFile) -> ReadBuffer:
        """All that is to be known of a buffer file; it needs no ledger, and either process may do it."""
        records = BufferRecords(self._found.survey.node, buffer, self._found.style)
        batches = list(self._batches(records, buffer.tag or ""))
        return ReadBuffer(batches, records.problems, records.content_length, records.content_crc32)

    def _batches(self, records: BufferRecords, tag: str) -> Iterator[Batch]:
        """The records of a buffer file, many at a time."""
        cut = self._rules.cut_of((tag,))
        for some in self._together(records):
            self._found.breathe()
            yield self._batch(some, cut)

    def _together(self, records: BufferRecords) -> Iterator[_Together]:
        """The records, many at a time."""
        held: list[Record] = []
        for item in records.batches():
            if isinstance(item, Record):
                held.append(item)
            if held and (isinstance(item, Lines) or len(held) == AT_ONCE):
                yield _Together.of(held)
                held = []
            if isinstance(item, Lines):
                ends = list(map(add, item.starts, map(len, item.lines)))
                yield _Together(item.lines, item.starts, ends, self._format.times_of(item.lines))
        if held:
            yield _Together.of(held)

    def _batch(self, some: _Together, cut: Cut | None) -> Batch:
        owns = cut.owns(some.lines) if cut is not None else array("Q", bytes(8 * len(some.lines)))
        digests = Halves.of(digests_of(self._found.style.all_comparable(some.lines)))
        known = some.times
        times = known if isinstance(known, array) else array("q", [NO_TIME if t is None else t for t in known])
        return Batch(array("q", some.starts), array("q", some.ends), digests, times, owns)

    # -- records of a tag with logs --------------------------------------------------------------------------------

    def _place(self, holder: Holder, records: BufferRecords) -> None:
        """Places them by what they are compared with log lines by."""
        found, buffer = self._found, holder.buffer
        gone = self._counted.wanted([buffer.tag or ""])
        sizes: list[list[int]] = []  # in the log, of each record; only where something is gone
        copies = self._copies(buffer, records, gone, sizes)
        gap = self._gap if (buffer.tag or "") in self._rules.joining else None
        precision = found.precision_of([buffer.tag or ""])
        place_holder(found.ledger, holder, copies, precision=precision, gap=gap)
        for of_record, entry in zip(sizes, holder.entries, strict=False):
            if entry >= len(found.logs):
                self._counted.count(gone, of_record)

    def _copies(
        self, buffer: BufferFile, records: BufferRecords, gone: Sequence[str], sizes: list[list[int]]
    ) -> Iterator[tuple[Batch, CopyAt]]:
        tag = buffer.tag or ""
        rules = self._rules.of([tag])
        cut = self._rules.cut_of((tag,))
        siblings = self._found.siblings_of(tag)
        made = self._found.logs.made.get(tag, set())
        index = 0
        for some in self._together(records):
            for line in some.lines if siblings.seen < MOST_SIBLINGS else ():
                siblings.feed(line, made)
            if gone:
                sizes += [self._counted.sizes(gone, some.record(at)) for at in range(len(some.lines))]
            self._found.breathe()
            batch = self._batch(some, cut)
            yield batch, partial(self._copy, some, rules, batch.owns, index)
            index += len(batch)

    def _copy(self, some: _Together, rules: Sequence[MatchRule], owns: array[int], index: int, at: int) -> Copy:
        """The record at a place of some, which begin with record ``index``."""
        return self._rules.copy(index + at, some.record(at), rules, owns[at])


class _ByTwo:
    """Files that are read before it is their turn: by a worker, and by this process instead of waiting for it."""

    def __init__(self, placer: BufferPlacer, buffers: Sequence[BufferFile]) -> None:
        self._placer = placer
        self._buffers = buffers
        self._next = 1  # the first file that nobody reads yet
        self._read_here: dict[int, ReadBuffer] = {}
        self._worker = placer.forked()

    def read(self, number: int) -> ReadBuffer | None:
        """What reading a file told; None: it is still to be read. Files are asked for in their order."""
        while len(self._worker.asked) < ASKED and (found := self._unread(number)):
            if not self._worker.ask(*found):
                break
        if number not in self._worker.asked:
            return self._read_here.pop(number, None)
        while not self._worker.ready() and len(self._read_here) < MOST_HELD and (found := self._unread(number)):
            self._read_here[found[0]] = self._placer.read(found[1])
        return self._worker.answer()

    def close(self) -> None:
        self._worker.close()

    def _unread(self, number: int) -> tuple[int, BufferFile] | None:
        """The next file behind this one that nobody reads yet, if it is one that can be read now."""
        at = max(self._next, number + 1)
        if at >= len(self._buffers) or not self._placer.is_readable(self._buffers[at]):
            return None
        self._next = at + 1
        return at, self._buffers[at]
