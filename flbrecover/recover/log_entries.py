"""Puts the records of the node's logs on the ledger: each as the pipeline would have delivered it to one output."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flbrecover.errors import ConfigError
from flbrecover.evidence.source_logs import SourceRecords
from flbrecover.fluentbit.filters import FilterChain, Names, Outcome
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import S3Output, TailInput
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.values import SourceRecord
from flbrecover.model import ByteRange, Problem, SourceFile, SourceLog
from flbrecover.reconcile.columns import NewColumn, in_memory
from flbrecover.reconcile.ledger import Ledger, Run
from flbrecover.recover.rules import Rules
from flbrecover.recover.survey import Survey

SAMPLE = 200
MOST_NAMES = 4096
MOST_REASONS = 255
SECOND_NS = 1_000_000_000
QUIET_NS = 60 * SECOND_NS
FIRST_SEEN_SLACK_NS = 5 * SECOND_NS  # ``created`` is in whole seconds and is written after the first look


@dataclass(frozen=True, slots=True)
class LogRun:
    """The entries of one file of a log. ``run`` is their run on the ledger."""

    run: int
    log: SourceLog
    file: SourceFile


@dataclass(frozen=True, slots=True)
class Doubt:
    """Filter ``by`` may have dropped a record on purpose. ``whole_log``: if so, then all of its log."""

    by: str
    whole_log: bool


class LogEntries:
    """What a :class:`LogReader` put on the ledger: entry ``e`` lies at ``starts[e]`` to ``ends[e]`` of its run's file
    and takes ``sizes[e]`` bytes when rendered (without what only siblings know).

    ``dropped`` counts, by filter, the records that one surely dropped; ``made`` are, by tag, the names of the fields
    that the pipeline makes, ``additions`` those that stored copies may have besides, ``unsure`` those that a filter may
    have renamed or changed.
    """

    def __init__(self, new: NewColumn = in_memory) -> None:
        self.runs: list[LogRun] = []
        self.starts = new("q")
        self.ends = new("q")
        self.sizes = new("i")
        self.doubts = new("B")
        self.reasons: list[Doubt] = []
        self.dropped: dict[str, int] = {}
        self.made: dict[str, set[str]] = {}
        self.additions: dict[str, Names] = {}
        self.unsure: dict[str, set[str]] = {}
        self.problems: list[Problem] = []

    def run_of(self, run: int) -> LogRun:
        """The log run with this number on the ledger: runs were added in the order of their numbers."""
        at = bisect_left(self.runs, run, key=lambda r: r.run)
        return self.runs[at]

    def doubt(self, entry: int) -> Doubt | None:
        """Why the record of an entry may have been dropped on purpose; None where it was not."""
        code = self.doubts[entry]
        return self.reasons[code - 1] if code else None

    def add_doubt(self, outcome: Outcome) -> int:
        """The code of an outcome in ``doubts``; 0 for a record that is surely kept."""
        if outcome.fate != "maybe dropped":
            return 0
        reason = Doubt(outcome.by, outcome.whole_log)
        if reason not in self.reasons and len(self.reasons) < MOST_REASONS:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1 if reason in self.reasons else 1

    def span(self, entry: int) -> ByteRange:
        return ByteRange(self.starts[entry], self.ends[entry])

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Peek:
    """The first records of a log as an output would render them, by tag, and the earliest time of their lines.

    ``timed``: lines carry their time; ``parsed``: a parser takes them.
    """

    log: SourceLog
    rendered: dict[str, list[bytes]]
    unsure: frozenset[str]
    timed: bool
    parsed: bool
    first_ns: int | None


class LogReader:
    """Reads logs through the pipeline up to one output."""

    def __init__(self, survey: Survey, output: S3Output, *, plain_lines: bool, now_ns: int) -> None:
        self._survey = survey
        self._output = output
        self._chain = FilterChain(survey.pipeline)
        self._style = RecordStyle.of(output, survey.pipeline.service)
        self._format = format_of(self._style)
        self._plain = plain_lines
        self._now_ns = survey.node.moment_ns(now_ns)
        self._known_names: set[tuple[str, ...]] = set()  # of tag and fields

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Filters that are not understood."""
        return self._chain.notes

    def source(self, log: SourceLog) -> SourceRecords:
        return SourceRecords(
            self._survey.node,
            log,
            self._survey.input_of(log),
            self._survey.pipeline,
            plain_when_regex_fails=self._plain,
        )

    def outcomes(self, record: SourceRecord) -> Iterator[tuple[Outcome, bytes | None]]:
        """What reaches the output of a record, rendered and comparable; None where the output leaves it out."""
        for outcome in self._chain.apply(record):
            if not matches(self._output.route, outcome.tag):
                continue
            if outcome.fate == "dropped":
                yield outcome, None
                continue
            data = self._format.render(outcome.fields, outcome.time_ns or 0)
            yield outcome, None if data is None else self._style.comparable(data)

    def peek(self, log: SourceLog) -> Peek:
        """Looks at the beginning of a log, or at all of it where a filter may give later records another tag.

        Raises ConfigError where its parser cannot be used.
        """
        rendered: dict[str, list[bytes]] = {}
        unsure: set[str] = set()
        first: int | None = None
        parsed = False
        tail = self._survey.input_of(log)
        has_parser = bool(tail.parser or tail.multiline_parsers or tail.docker_mode)
        retags = any(f.name == "rewrite_tag" for f in self._survey.pipeline.filters)
        for _, record in self.source(log):
            parsed = parsed or (record.parsed and has_parser)
            for outcome, data in self.outcomes(record):
                if data is None:
                    continue
                of_tag = rendered.setdefault(outcome.tag, [])
                if len(of_tag) < SAMPLE:
                    of_tag.append(data)
                unsure.update(self._format.name_of(n.decode("utf-8", "surrogateescape")) for n in outcome.unsure)
                if outcome.time_ns is not None and (first is None or outcome.time_ns < first):
                    first = outcome.time_ns
            if not retags and any(len(of_tag) >= SAMPLE for of_tag in rendered.values()):
                break
        timed = first is not None and not self._guesses_year(tail)
        return Peek(log, rendered, frozenset(unsure), timed, parsed, first)

    def _guesses_year(self, tail: TailInput) -> bool:
        """Lines without a year get that of their reading: the time of a copy can be years apart from ours."""
        names = [tail.parser, tail.parser_firstline]
        names += [m.parser for n in tail.multiline_parsers if (m := self._survey.pipeline.multiline_parsers.get(n))]
        formats = [p.time_format for n in names if n and (p := self._survey.pipeline.parsers.get(n))]
        return any(f and not re.search(r"%[YyGsFDcC+]", f) for f in formats)

    def add(
        self, ledger: Ledger, peek: Peek, rules: Rules, to: LogEntries, breathe: Callable[[], None] = lambda: None
    ) -> None:
        """All records of a log, in writing order. ``breathe`` is called now and then."""
        source = self.source(peek.log)
        current: SourceFile | None = None
        run = -1
        for file, record in source:
            if file is not current:
                current = file
                run = ledger.start_run(Run(file.path, not_before(file, peek), peek.timed))
                to.runs.append(LogRun(run, peek.log, file))
            if not record.terminated and not self._is_over(file, record, peek, to):
                continue
            for outcome, data in self.outcomes(record):
                if data is None:
                    if outcome.fate == "dropped":
                        to.dropped[outcome.by] = to.dropped.get(outcome.by, 0) + 1
                    continue
                for line in self._lines(data):
                    self._enter(ledger, run, record, outcome, line, rules, to)
                if not len(to) % 1000:
                    breathe()
        to.problems.extend(source.problems)

    def _is_over(self, file: SourceFile, record: SourceRecord, peek: Peek, to: LogEntries) -> bool:
        """Is a last line without its newline a record? See docs/decisions/0005-unterminated-line.md."""
        if not record.parsed and peek.parsed:
            what = "the last line is cut off in the middle, its parser does not take it; it was left out"
        elif self._now_ns - file.facts.mtime_ns < QUIET_NS:
            what = "the last line has no newline yet and its file was written a moment ago; it was left out"
        else:
            return True
        to.problems.append(Problem(file.path, what, record.span, unreadable=False))
        return False

    def _lines(self, data: bytes) -> list[bytes]:
        """With ``log_key`` a value of several lines is several records for whoever reads the object."""
        return data.split(b"\n") if self._style.log_key is not None else [data]

    def _enter(
        self,
        ledger: Ledger,
        run: int,
        record: SourceRecord,
        outcome: Outcome,
        data: bytes,
        rules: Rules,
        to: LogEntries,
    ) -> None:
        rule = rules.of_tag.get(outcome.tag)
        found = None if rule is None or rule.plain else self._format.members(data)
        if found:
            names = (outcome.tag, *[name for name, _ in found])
            if names not in self._known_names:
                to.made.setdefault(outcome.tag, set()).update(names[1:])
                if len(self._known_names) < MOST_NAMES:
                    self._known_names.add(names)
            if probe := rules.probes.get(outcome.tag):
                probe.add(found)
        key = None if rule is None else rule.of_rendered(data, found)
        own = rules.own(outcome.tag, data)
        read_to = to.runs[-1].file.read_to
        unread = read_to is not None and record.span.start >= read_to
        ledger.add(run, outcome.tag, key, outcome.time_ns, unread=unread, own=own)
        to.starts.append(record.span.start)
        to.ends.append(record.span.end)
        to.sizes.append(len(data))
        to.doubts.append(to.add_doubt(outcome))
        if outcome.unsure:
            to.unsure.setdefault(outcome.tag, set()).update(n.decode("utf-8", "replace") for n in outcome.unsure)
        to.additions.setdefault(outcome.tag, outcome.additions)


def not_before(file: SourceFile, peek: Peek) -> int | None:
    """The time before which no record of the file can have been delivered, where its lines carry no time: Fluent Bit
    first saw the file when it made the file's row."""
    if peek.timed or peek.first_ns is not None or file.position is None:
        return None  # lines with a time, if only one without a year
    return file.position.row.created_s * SECOND_NS - FIRST_SEEN_SLACK_NS


def unusable(log: SourceLog, error: ConfigError) -> Problem:
    return Problem(log.name, str(error), way_out="give --plain-lines to take its lines as they are")
