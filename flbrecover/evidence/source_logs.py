"""Source records: what the tail input makes, or would have made, of the files of a log. See docs/source-records.md."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from flbrecover.errors import EvidenceError
from flbrecover.evidence.log_lines import LineRules, LogLines
from flbrecover.evidence.node import Node
from flbrecover.evidence.shell_pattern import as_globbed
from flbrecover.fluentbit.log_line import Breaks, Made, Remark, Report, breaks_of
from flbrecover.fluentbit.pipeline import Pipeline, TailInput
from flbrecover.fluentbit.tail_records import TailRecords
from flbrecover.fluentbit.values import SourceRecord
from flbrecover.model import ByteRange, Problem, SourceFile, SourceLog

NEAR = 1 << 20  # ranges this close to each other are read in one go


class SourceRecords:
    """All records of a log's files, in writing order; lines are not joined across files, as Fluent Bit does not.

    Raises ConfigError when it is made, for a parser that cannot be used. With ``plain_when_regex_fails`` a regular
    expression that Python cannot take makes plain lines, and a problem. ``problems`` and ``stops_at`` (by file path:
    see :class:`LogLines`) are complete after the iteration; each iteration starts anew. ``broken`` are, by file path,
    spans that Fluent Bit made records of though more lines of the same record followed.
    """

    def __init__(
        self,
        node: Node,
        log: SourceLog,
        tail: TailInput,
        pipeline: Pipeline,
        *,
        plain_when_regex_fails: bool = False,
        broken: Mapping[str, Iterable[ByteRange]] | None = None,
    ) -> None:
        self._node = node
        self._log = log
        self._broken = broken or {}
        self._makers = _Makers(log, tail, pipeline, plain_when_regex_fails)
        self.problems: list[Problem] = []
        self.stops_at: dict[str, int] = {}

    @property
    def problems_of_configuration(self) -> list[Problem]:
        return self._makers.problems

    def __iter__(self) -> Iterator[tuple[SourceFile, SourceRecord]]:
        self.problems = list(self.problems_of_configuration)
        self.stops_at = {}
        for file in self._log.files:
            for record in self.records_of(file):
                yield file, record

    def records_of(self, file: SourceFile) -> Iterator[SourceRecord]:
        """The records of one of the files; adds to ``problems`` and ``stops_at``."""
        lines = LogLines(self._node, file, self._makers.rules)
        maker = self._makers.new(file, self.problems)
        breaks = breaks_of(self._broken.get(file.path, ()))
        for line in lines:
            for made in (*_broken_off(maker, line.start, breaks), *maker.feed(line)):
                yield self._makers.record(file, made)
        rest = maker.finish()
        for made in rest if lines.complete else ():
            yield self._makers.record(file, made)
        self.problems.extend(lines.problems)
        if lines.stops_at is not None:
            self.stops_at[file.path] = lines.stops_at


def records_in(
    node: Node,
    log: SourceLog,
    file: SourceFile,
    tail: TailInput,
    pipeline: Pipeline,
    ranges: Sequence[ByteRange],
    *,
    plain_when_regex_fails: bool = False,
    broken: Iterable[ByteRange] = (),
) -> Iterator[SourceRecord]:
    """The records of one file that certain ranges hold, exactly and in the order as :class:`SourceRecords` gives them.

    A range is the span of one record, or of several that follow each other. A record that lies inside another one's
    span (two streams mixed) has a range of its own. ``broken`` as for :class:`SourceRecords`, of this file. Raises
    EvidenceError where a range does not hold what it held.
    """
    makers = _Makers(log, tail, pipeline, plain_when_regex_fails)
    in_order = sorted(ranges, key=lambda r: (r.start, r.end))
    yield from _Rereading(node, file, makers, in_order, breaks_of(broken)).records()


class SpanRecords:
    """The records that the lines of one joined record make, where Fluent Bit breaks it off. ``starts`` has where each
    line begins."""

    def __init__(
        self,
        node: Node,
        log: SourceLog,
        file: SourceFile,
        tail: TailInput,
        pipeline: Pipeline,
        span: ByteRange,
        *,
        plain_when_regex_fails: bool = False,
    ) -> None:
        self._file = file
        self._makers = _Makers(log, tail, pipeline, plain_when_regex_fails)
        self._lines = list(LogLines(node, file, self._makers.rules, span.start, span.end))
        self.starts = [line.start for line in self._lines]

    def broken_off(self, broken: Iterable[ByteRange]) -> dict[int, SourceRecord]:
        """The records by the places where they begin, if those of the spans ``broken`` were broken off."""
        maker, breaks = self._makers.new(self._file, []), breaks_of(broken)
        made: list[Made] = []
        for line in self._lines:
            made += _broken_off(maker, line.start, breaks)
            made += maker.feed(line)
        return {m.start: self._makers.record(self._file, m) for m in (*made, *maker.finish())}


def _broken_off(maker: TailRecords, place: int, breaks: Breaks) -> list[Made]:
    """The records that are broken off before what is read next, at ``place``."""
    return maker.break_off(breaks[place]) if place in breaks else []


class _Makers:
    """Makes what turns a file's lines into records; ``problems`` are those of the configuration."""

    def __init__(self, log: SourceLog, tail: TailInput, pipeline: Pipeline, plain_when_regex_fails: bool) -> None:
        self._log = log
        self._tail = tail
        self._pipeline = pipeline
        self._plain = plain_when_regex_fails
        self.rules = LineRules.of(tail)
        remarks: list[Remark] = []
        # What is wrong with the configuration is wrong before a file is opened.
        self.joined = self._new(0, remarks.append).joined
        self.problems = [Problem(log.name, r.what, unreadable=r.unreadable) for r in remarks]

    def new(self, file: SourceFile, problems: list[Problem]) -> TailRecords:
        def report(remark: Remark) -> None:
            if remark.where is not None:
                problems.append(Problem(file.path, remark.what, remark.where, unreadable=remark.unreadable))

        return self._new(file.facts.mtime_ns, report)

    def record(self, file: SourceFile, made: Made) -> SourceRecord:
        span = ByteRange(made.start, made.end)
        return SourceRecord(
            file.facts.real_path, span, self._log.tag, made.fields, made.time_ns, made.parsed, made.terminated,
            self.joined,
        )  # fmt: skip

    def _new(self, near_ns: int, report: Report) -> TailRecords:
        return TailRecords(
            self._tail,
            self._pipeline,
            path=as_globbed(self._tail.paths, self._log.name),
            tag=self._log.tag,
            near_ns=near_ns,
            report=report,
            plain_when_regex_fails=self._plain,
        )


class _Rereading:
    """One forward pass over a file that reads little more than the ranges; from the file's start where what a line
    means depends on lines long before it."""

    def __init__(self, node: Node, file: SourceFile, makers: _Makers, ranges: list[ByteRange], breaks: Breaks) -> None:
        self._node = node
        self._breaks = breaks
        self._file = file
        self._makers = makers
        self._todo = list(reversed(ranges))
        self._active: list[list[int]] = []  # of each range that was begun: where its next record is, and its end
        self._end = max((r.end for r in ranges), default=0)
        self._jumps = not file.compressed
        self._problems: list[Problem] = []

    def records(self) -> Iterator[SourceRecord]:
        start: int | None = self._read_from(self._todo[-1].start) if self._todo else None
        while start is not None:
            start = yield from self._from(start)
        if self._active or self._todo:
            at, end = self._active[0] if self._active else (self._todo[-1].start, self._todo[-1].end)
            why = f": {self._problems[0].what}" if self._problems else ""
            raise EvidenceError(f"{self._file.path}: bytes {at}-{end} do not hold the records that they held{why}")

    def _from(self, start: int) -> Generator[SourceRecord, None, int | None]:
        """Reads from ``start`` on; gives where to go on, None at the end."""
        maker = self._makers.new(self._file, self._problems)
        if start:
            maker.resume()
        lines = LogLines(self._node, self._file, self._makers.rules, max(start - 1, 0), self._end)
        for line in lines:
            if line.start < start:  # the newline before the first line, if one begins there
                if line.end > start:
                    return None
                continue
            if not self._active:
                if not self._todo:
                    return None
                following = self._todo[-1].start
                if self._jumps and following - line.start > NEAR:
                    begin = self._read_from(following)
                    if begin - line.start > NEAR:
                        return begin
            while self._todo and self._todo[-1].start < line.end:
                wanted = self._todo.pop()
                self._active.append([wanted.start, wanted.end])
            # One after the other: what waits while something is broken off may not wait any more behind the line.
            yield from self._wanted(_broken_off(maker, line.start, self._breaks), maker)
            made = maker.feed(line)
            if maker.guessed:
                self._jumps = False
                return 0
            yield from self._wanted(made, maker)
        if lines.complete:
            yield from self._wanted(_broken_off(maker, self._end, self._breaks), maker)
            yield from self._wanted(maker.finish(), maker)
        self._problems += lines.problems
        return None

    def _read_from(self, start: int) -> int:
        """Where reading has to begin for a record that begins at ``start``: where a record of another stream began that
        lies around it and is broken off further on. Read from its middle on, it would not be known there."""
        around = [begin for end, starts in self._breaks.items() if start < end for begin in starts if begin < start]
        return self._read_from(min(around)) if around else start

    def _wanted(self, made: list[Made], maker: TailRecords) -> Iterator[SourceRecord]:
        """Of the records that were made, those that come next in a range: nothing that waits begins before them."""
        for record in made:
            for active in self._active:
                at, end = active
                if at <= record.start and record.end <= end:
                    if any(at <= start < record.start for start in maker.waiting()):
                        continue
                    active[0] = record.end
                    yield self._makers.record(self._file, record)
                    break
        self._active = [a for a in self._active if a[0] < a[1]]
