"""Reads buffer files and places their records on the ledger.

Where a tag has no logs, the same bytes are the same record. What reading such a file tells is numbers; a second process
can read the next one, and send them, while the one before it is placed here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import add

from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.record_split import Lines
from flbrecover.model import BufferFile, ByteRange, Problem, Record
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.held_records import Halves
from flbrecover.reconcile.holders import Batch, Holder, place_by_digest, place_holder
from flbrecover.reconcile.ledger import NO_TIME
from flbrecover.reconcile.match_key import digest_of
from flbrecover.reconcile.rebuild import MOST_SIBLINGS
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.gone import SourceBytes
from flbrecover.recover.rules import Rules
from flbrecover.recover.whole_objects import ContentSums, ReadContent, sums_of
from flbrecover.recover.worker import Worker, usable_cores

WORTH_A_WORKER = 32 << 20  # bytes of buffer files that are still to be read
MOST_SENT = 16 << 20  # bytes of a buffer file whose numbers are held and sent at once
AT_ONCE = 512  # records that come one by one and are placed together
_Question = tuple[BufferFile, int]  # the file, and how many of its first records are wanted as they are


@dataclass(frozen=True, slots=True)
class ReadBuffer:
    """All that reading a buffer file to its end told, for placing by digest. ``siblings`` are its first records."""

    batches: list[Batch]
    siblings: list[bytes]
    problems: list[Problem]
    content_length: int
    content_md5: str
    content_crc32: int


class BufferPlacer:
    """Places one buffer file after the other. Afterwards ``sums`` has what identifies the content of each, by the
    number of its holder."""

    def __init__(self, found: Comparison, rules: Rules, counted: SourceBytes) -> None:
        self._found = found
        self._rules = rules
        self._counted = counted
        self._format = format_of(found.style)
        self.sums: dict[int, ContentSums | None] = {}

    def add_all(self, buffers: Sequence[BufferFile]) -> Iterator[BufferFile]:
        """Gives each buffer file once it is placed."""
        size = sum(b.content.length for b in buffers if self._by_digest(b))
        worker: Worker[_Question, ReadBuffer] | None = None
        try:
            if usable_cores() > 1 and size > WORTH_A_WORKER:
                with self._found.scratch.still():
                    worker = Worker(self._read)
            for number, buffer in enumerate(buffers):
                read = worker.answer() if worker and worker.asked == number else None
                theirs = number + 1
                if worker and worker.asked is None and theirs < len(buffers) and self._is_sent(buffers[theirs]):
                    worker.ask(theirs, (buffers[theirs], self._wanted_siblings(buffers[theirs])))
                self._add(buffer, read)
                yield buffer
        finally:
            if worker:
                worker.close()

    def _by_digest(self, buffer: BufferFile) -> bool:
        tags = [buffer.tag or ""]
        plain = self._found.precise and self._found.style.format == "json_lines"
        return plain and not self._rules.of(tags) and not self._counted.wanted(tags)

    def _is_sent(self, buffer: BufferFile) -> bool:
        return buffer.content.length <= MOST_SENT and self._by_digest(buffer)

    def _wanted_siblings(self, buffer: BufferFile) -> int:
        return max(0, MOST_SIBLINGS - self._found.siblings_of(buffer.tag or "").seen)

    def _add(self, buffer: BufferFile, read: ReadBuffer | None) -> None:
        found = self._found
        holder = Holder.begin(len(found.holders), buffer, found.ledger)
        told: ReadContent
        if read is not None:
            told = read
            self._place_read(holder, read)
        else:
            told = records = BufferRecords(found.survey.node, buffer, found.style)
            if self._by_digest(buffer):
                place_by_digest(found.ledger, holder, self._batches(records, buffer.tag or "", self._feed(buffer)))
            else:
                self._place(holder, records)
        found.problems.extend(told.problems)
        self.sums[holder.number] = sums_of(holder, told)
        found.holders.append(holder)

    def _feed(self, buffer: BufferFile) -> Callable[[bytes], None]:
        """What takes a record of a tag without logs for what it carries."""
        siblings = self._found.siblings_of(buffer.tag or "")
        return lambda line: siblings.feed(line, ())

    # -- records of a tag without logs -----------------------------------------------------------------------------

    def _place_read(self, holder: Holder, read: ReadBuffer) -> None:
        """Places what the worker told."""
        for line in read.siblings:
            self._feed(holder.buffer)(line)
        place_by_digest(self._found.ledger, holder, read.batches)
        self._found.breathe()

    def _read(self, question: _Question) -> ReadBuffer | None:
        """In the worker: all that is to be known of a buffer file."""
        buffer, wanted = question
        records = BufferRecords(self._found.survey.node, buffer, self._found.style)
        siblings: list[bytes] = []
        batches = list(self._batches(records, buffer.tag or "", siblings.append))
        del siblings[wanted:]
        return ReadBuffer(
            batches, siblings, records.problems, records.content_length, records.content_md5, records.content_crc32
        )

    def _batches(self, records: BufferRecords, tag: str, feed: Callable[[bytes], None]) -> Iterator[Batch]:
        """The records of a buffer file, many at a time; the first ones go to ``feed`` as well."""
        cut = self._rules.cut_of((tag,))
        fed = 0
        for lines, starts, ends in _together(records):
            for line in lines[: max(0, MOST_SIBLINGS - fed)]:
                feed(line)
            fed += len(lines)
            times = [NO_TIME if time_ns is None else time_ns for time_ns in self._format.times_of(lines)]
            owns = cut.owns(lines) if cut is not None else array("Q", bytes(8 * len(lines)))
            self._found.breathe()
            digests = Halves.of(map(digest_of, lines))
            yield Batch(array("q", starts), array("q", ends), digests, array("q", times), owns)

    # -- records of a tag with logs --------------------------------------------------------------------------------

    def _place(self, holder: Holder, records: BufferRecords) -> None:
        """Places them by what they are compared with log lines by."""
        found, buffer = self._found, holder.buffer
        gone = self._counted.wanted([buffer.tag or ""])
        sizes: list[list[int]] = []  # in the log, of each record; only where something is gone
        copies = self._copies(buffer, records, gone, sizes)
        place_holder(found.ledger, holder, copies, precise=found.precise)
        for of_record, entry in zip(sizes, holder.entries, strict=False):
            if entry >= len(found.logs):
                self._counted.count(gone, of_record)

    def _copies(
        self, buffer: BufferFile, records: BufferRecords, gone: Sequence[str], sizes: list[list[int]]
    ) -> Iterator[tuple[ByteRange, Copy]]:
        tag = buffer.tag or ""
        rules = self._rules.of([tag])
        siblings = self._found.siblings_of(tag)
        made = self._found.logs.made.get(tag, set())
        for index, record in enumerate(records):
            siblings.feed(record.data, made)
            if gone:
                sizes.append(self._counted.sizes(gone, record))
            if not index % 1000:
                self._found.breathe()
            yield record.span, self._rules.copy(index, record, rules, self._rules.own(tag, record.data))


def _together(records: BufferRecords) -> Iterator[tuple[list[bytes], list[int], list[int]]]:
    """The records with where they begin and end, many at a time."""
    lines: list[bytes] = []
    starts: list[int] = []
    ends: list[int] = []
    for item in records.batches():
        if isinstance(item, Record):
            lines.append(item.data)
            starts.append(item.span.start)
            ends.append(item.span.end)
        if lines and (isinstance(item, Lines) or len(lines) == AT_ONCE):
            yield lines, starts, ends
            lines, starts, ends = [], [], []
        if isinstance(item, Lines):
            yield item.lines, item.starts, list(map(add, item.starts, map(len, item.lines)))
    if lines:
        yield lines, starts, ends
