"""The records of an action, read from the evidence again: the same bytes for the hash of the plan and the upload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from flbrecover.errors import EvidenceError, PlanError
from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.evidence.chunk_reader import blocks
from flbrecover.evidence.source_logs import records_in
from flbrecover.fluentbit.filters import FilterChain, Outcome
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import RecordFormat, S3Output
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.record_split import LineSplitter
from flbrecover.model import ByteRange, Record, SourceFile, SourceLog
from flbrecover.reconcile.columns import TimeLimits
from flbrecover.reconcile.plan import Additions, Dates, Piece
from flbrecover.reconcile.rebuild import add
from flbrecover.recover.content_hash import content_hash
from flbrecover.recover.survey import Survey


class NotCopiedError(Exception):
    """The content has to be made of its records."""


class Contents:
    """Reads pieces for one output. Raises PlanError where a piece's file is not among the evidence."""

    def __init__(self, survey: Survey, output: S3Output, *, plain_lines: bool) -> None:
        self._survey = survey
        self._output = output
        self._plain = plain_lines
        self._style = RecordStyle.of(output, survey.pipeline.service)
        self._format = format_of(self._style)
        self._chain = FilterChain(survey.pipeline)
        self._buffers = {b.path: b for b in survey.buffers}
        self._logs = {(log.input_number, log.name): log for log in survey.logs}

    @property
    def format(self) -> RecordFormat:
        return self._style.format

    def records(self, pieces: Sequence[Piece], tag: str, additions: Additions) -> Iterator[Record]:
        """The records as they are to be stored, in order. ``time_ns`` is None where nobody knows a time."""
        for piece in pieces:
            if piece.kind == "buffer":
                yield from self._of_buffer(piece)
            else:
                yield from self._of_log(piece, tag, additions)

    def blocks(
        self, pieces: Sequence[Piece], tag: str, additions: Additions, tally: Tally | None = None
    ) -> Iterator[bytes]:
        """The content of the object, before compression. ``tally`` counts its records."""
        records = self.records(pieces, tag, additions)
        yield from self._format.joined(records if tally is None else tally.counted(records))

    def copied(self, pieces: Sequence[Piece], tally: Tally | None = None) -> Iterator[bytes]:
        """As :meth:`blocks`, without making records of it: the bytes of the pieces' ranges, which were found to be
        whole records when the file was compared. Raises NotCopiedError, perhaps behind some blocks, where they need not
        be the content: no lines of buffer files, or a file that is not as it was."""
        content = self._copied(pieces)
        return content if tally is None else self._counted(content, tally)

    def _copied(self, pieces: Sequence[Piece]) -> Iterator[bytes]:
        if self._style.format != "json_lines":
            raise NotCopiedError
        for piece in pieces:
            buffer = self._buffers.get(piece.path) if piece.kind == "buffer" else None
            if buffer is None or buffer.holds_events:
                raise NotCopiedError
            newlines = 0
            try:
                with self._survey.node.open(piece.path) as file:
                    for block in _bytes_of(piece, file):
                        newlines += block.count(b"\n")
                        yield block
                    now = self._survey.node.stat_of(file)
            except (EvidenceError, OSError) as e:  # reading the records says what is wrong with it
                raise NotCopiedError from e
            unchanged = buffer.facts.is_unchanged(now.st_ino, now.st_size, now.st_mtime_ns)
            # Between records that follow each other may be a zero where a newline should be.
            if newlines != piece.records or not unchanged:
                raise NotCopiedError

    def _counted(self, content: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
        split = LineSplitter()
        for block in content:
            found = split.lines(block)
            if found is None:  # longer than any record
                raise NotCopiedError
            tally.add(self._format.times_of(found.lines))
            yield block

    def _of_buffer(self, piece: Piece) -> Iterator[Record]:
        buffer = self._buffers.get(piece.path)
        if buffer is None:
            raise PlanError(f"{piece.path}: the plan relies on this buffer file, and it is not there any more")
        wanted = Ranges(piece.ranges)
        records = BufferRecords(self._survey.node, buffer, self._style)
        return (record for record in records if wanted.take(record.span.start))

    def _of_log(self, piece: Piece, tag: str, additions: Additions) -> Iterator[Record]:
        log, file = self._source(piece)
        input_ = self._survey.input_of(log)
        dates = _dates(piece.dates)
        node, pipeline = self._survey.node, self._survey.pipeline
        partial = {some.span: some.numbers for some in piece.partial}
        wanted = records_in(
            node, log, file, input_, pipeline, piece.ranges, plain_when_regex_fails=self._plain, broken=piece.broken
        )
        for record in wanted:
            for outcome in self._chain.apply(record):
                if outcome.tag != tag or outcome.fate == "dropped" or not matches(self._output.route, tag):
                    continue
                if self._style.log_key is not None:
                    yield from self._lines_of(outcome, record.span, partial.get(record.span), dates)
                    continue
                time_ns = outcome.time_ns if outcome.time_ns is not None else next(dates, None)
                # A field that a filter may have renamed or changed is written as it came: it may be the very text.
                rendered = self._format.render(outcome.fields, time_ns or 0)
                if rendered is not None:
                    data = add(rendered, additions, self._format.date_name, self._format)
                    yield Record(data, record.span, time_ns, self._format.envelope)

    def _lines_of(
        self, outcome: Outcome, span: ByteRange, numbers: Sequence[int] | None, dates: Iterator[int]
    ) -> Iterator[Record]:
        """The lines that are the value of ``log_key``: those with these ``numbers``, or all. Each is a record."""
        value = self._format.render(outcome.fields, outcome.time_ns or 0)
        for number, line in enumerate(self._style.records_in(value) if value is not None else ()):
            if numbers is None or number in numbers:
                time_ns = outcome.time_ns if outcome.time_ns is not None else next(dates, None)
                yield Record(line, span, time_ns, self._format.envelope)

    def _source(self, piece: Piece) -> tuple[SourceLog, SourceFile]:
        log = self._logs.get((piece.input_number, piece.log_name))
        for file in log.files if log else ():
            if log is not None and file.path == piece.path:
                return log, file
        raise PlanError(f"{piece.path}: the plan relies on this log file, and it is not there any more")


def _bytes_of(piece: Piece, file: BinaryIO) -> Iterator[bytes]:
    for wanted in piece.ranges:
        yield from (block for _, block in blocks(file, wanted))
        yield b"\n"  # which a range ends before


class Ranges:
    """Sorted byte ranges, asked in order: is a record that starts here wanted?"""

    def __init__(self, ranges: Sequence[ByteRange]) -> None:
        self._ranges = ranges
        self._at = 0

    def take(self, start: int) -> bool:
        while self._at < len(self._ranges) and self._ranges[self._at].end <= start:
            self._at += 1
        return self._at < len(self._ranges) and self._ranges[self._at].start <= start


@dataclass(slots=True)
class Tally:
    """How many records there were, and their first and last time (ns since the epoch; None: none had one)."""

    records: int = 0
    first_ns: int | None = None
    last_ns: int | None = None

    def add(self, times: Sequence[int | None]) -> None:
        self.records += len(times)
        known = [t for t in times if t is not None]
        if known:
            self.first_ns = min(known) if self.first_ns is None else min(self.first_ns, *known)
            self.last_ns = max(known) if self.last_ns is None else max(self.last_ns, *known)

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self.add((record.time_ns,))
            yield record


def _dates(dates: Sequence[Dates]) -> Iterator[int]:
    for some in dates:
        for number in range(some.records):
            yield some.of(number)


@dataclass(frozen=True, slots=True)
class Summed:
    """What the content of an action comes to: bytes before compression, its SHA-256, and its time span."""

    records: int
    size: int
    sha256: str
    first_ns: int | None
    last_ns: int | None


def sum_up(
    contents: Contents, pieces: Sequence[Piece], tag: str, additions: Additions, limits: TimeLimits | None = None
) -> Summed:
    """What the content of an action comes to. ``limits`` are those of its records, where they are known."""
    try:
        if limits is None:
            return _summed(contents.format, contents.copied(pieces, tally := Tally()), tally)
        known = Tally(sum(piece.records for piece in pieces), *limits)
        return _summed(contents.format, contents.copied(pieces), known)
    except NotCopiedError:
        return _summed(contents.format, contents.blocks(pieces, tag, additions, tally := Tally()), tally)


def _summed(record_format: RecordFormat, content: Iterator[bytes], tally: Tally) -> Summed:
    hasher, size = content_hash(record_format), 0
    for block in content:
        hasher.update(block)
        size += len(block)
    return Summed(tally.records, size, hasher.hexdigest(), tally.first_ns, tally.last_ns)
