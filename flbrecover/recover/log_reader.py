"""Reads the node's logs: each record as the pipeline would have delivered it to one output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flbrecover.errors import ConfigError
from flbrecover.evidence.source_logs import SourceRecords, SpanRecords
from flbrecover.fluentbit.filters import FilterChain, Outcome
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import S3Output, TailInput
from flbrecover.fluentbit.record_joiner import joining_parsers
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.time_format import tells_year
from flbrecover.fluentbit.values import SourceRecord, unsteady_names
from flbrecover.model import SECOND_NS, ByteRange, Problem, SourceFile, SourceLog
from flbrecover.recover.broken import Broken
from flbrecover.recover.survey import Survey

SAMPLE = 200
MOST_TAGS = 4096  # whose routes are remembered


@dataclass(frozen=True, slots=True)
class Peek:
    """The first records of a log as an output would render them, by tag, and the earliest time of their lines.

    ``timed``: lines carry their time; ``fine``: with parts of a second; ``parsed``: a parser takes them. By tag,
    ``unsure`` are the fields that a filter may change in ways that nobody knows, ``unsteady`` those whose value the
    configuration gives, or is an offset, ``own`` those that have another value in one of these records at least.
    ``dropped`` and ``unwritten`` count as in :class:`LogEntries`; of a log of which nothing is ``rendered`` they count
    all records.
    """

    log: SourceLog
    rendered: dict[str, list[bytes]]
    unsure: Mapping[str, set[str]]
    timed: bool
    parsed: bool
    first_ns: int | None
    fine: bool = False
    unsteady: Mapping[str, set[str]] = field(default_factory=dict)
    own: Mapping[str, set[str]] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    unwritten: int = 0


class LogReader:
    """Reads logs through the pipeline up to one output."""

    def __init__(self, survey: Survey, output: S3Output, *, plain_lines: bool, now_ns: int) -> None:
        self._survey = survey
        self._output = output
        self._chain = FilterChain(survey.pipeline)
        self._style = RecordStyle.of(output, survey.pipeline.service)
        self._format = format_of(self._style)
        self._plain = plain_lines
        self._routed: dict[str, bool] = {}  # by tag: does the output take it?
        self.broken = Broken()
        self.older: dict[str, int] = {}  # by file: when it was delivered, though its row is younger
        self.now_ns = survey.node.moment_ns(now_ns)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Filters that are not understood."""
        return self._chain.notes

    def source(self, log: SourceLog) -> SourceRecords:
        return SourceRecords(
            self._survey.node,
            log,
            self.input_of(log),
            self._survey.pipeline,
            plain_when_regex_fails=self._plain,
            broken={file.path: self.broken.of(log, file) for file in log.files},
        )

    def span(self, log: SourceLog, file: SourceFile, span: ByteRange) -> SpanRecords:
        """What the lines of one record make where it is broken off. Raises EvidenceError."""
        node, pipeline = self._survey.node, self._survey.pipeline
        return SpanRecords(node, log, file, self.input_of(log), pipeline, span, plain_when_regex_fails=self._plain)

    def input_of(self, log: SourceLog) -> TailInput:
        return self._survey.input_of(log)

    def joins_lines(self, log: SourceLog) -> bool:
        """Is one record of this log made of several lines?"""
        tail = self.input_of(log)
        if tail.multiline_parsers or tail.docker_mode or tail.multiline:
            return True
        return bool(joining_parsers(self._survey.pipeline, log.tag))

    def outcomes(self, record: SourceRecord) -> Iterator[tuple[Outcome, bytes | None, Members | None]]:
        """What reaches the output of a record, rendered and comparable, with its members where they are at hand; None
        where the output leaves it out."""
        for outcome in self._chain.apply(record):
            if not self._takes(outcome.tag):
                continue
            if outcome.fate == "dropped":
                yield outcome, None, None
                continue
            data, found = self._format.render_apart(outcome.fields, outcome.time_ns or 0)
            if data is not None and self._style.has_forms:
                data, found = self._style.comparable(data), None
            yield outcome, data, found

    def _takes(self, tag: str) -> bool:
        takes = self._routed.get(tag)
        if takes is None:
            if len(self._routed) >= MOST_TAGS:
                self._routed.clear()
            takes = self._routed[tag] = matches(self._output.route, tag)
        return takes

    def peek(self, log: SourceLog) -> Peek:
        """Looks at the beginning of a log, or at all of it where a filter may give later records another tag.

        Raises ConfigError where its parser cannot be used.
        """
        rendered: dict[str, list[bytes]] = {}
        unsure: dict[str, set[str]] = {}
        unsteady: dict[str, set[str]] = {}
        own: dict[str, set[str]] = {}
        first: int | None = None
        parsed = fine = False
        dropped: Counter[str] = Counter()
        unwritten = 0
        tail = self.input_of(log)
        has_parser = bool(tail.parser or tail.multiline_parsers or tail.docker_mode)
        retags = any(f.name == "rewrite_tag" for f in self._survey.pipeline.filters)
        for _, record in self.source(log):
            parsed = parsed or (record.parsed and has_parser)
            for outcome, data, _ in self.outcomes(record):
                if data is None:
                    if outcome.fate == "dropped":
                        dropped[outcome.by] += 1
                    else:
                        unwritten += 1
                    continue
                of_tag = rendered.setdefault(outcome.tag, [])
                if len(of_tag) < SAMPLE:
                    of_tag.append(data)
                unsure.setdefault(outcome.tag, set()).update(self._names(outcome.unsure))
                fixed = unsteady_names(outcome.fields)
                unsteady.setdefault(outcome.tag, set()).update(self._names(fixed))
                own.setdefault(outcome.tag, set()).update(self._names({n for n, _ in outcome.fields} - fixed))
                fine = fine or bool((outcome.time_ns or 0) % SECOND_NS)
                if outcome.time_ns is not None and (first is None or outcome.time_ns < first):
                    first = outcome.time_ns
            if not retags and any(len(of_tag) >= SAMPLE for of_tag in rendered.values()):
                break
        timed = first is not None and not self._guesses_year(tail)
        return Peek(log, rendered, unsure, timed, parsed, first, timed and fine, unsteady, own, dropped, unwritten)

    def _names(self, names: Iterable[bytes]) -> set[str]:
        """As members of a rendered record are called."""
        return {self._format.name_of(name.decode("utf-8", "surrogateescape")) for name in names}

    def _guesses_year(self, tail: TailInput) -> bool:
        """Lines without a year get that of their reading: the time of a copy can be years apart from ours."""
        names = [tail.parser, tail.parser_firstline]
        names += [m.parser for n in tail.multiline_parsers if (m := self._survey.pipeline.multiline_parsers.get(n))]
        formats = [p.time_format for n in names if n and (p := self._survey.pipeline.parsers.get(n))]
        return any(f and not tells_year(f) for f in formats)

    def lines(self, data: bytes) -> list[bytes]:
        """The records of the object that a rendered one is."""
        return self._style.records_in(data)

    def members(self, data: bytes) -> Members | None:
        """The names and raw values of a record that was rendered."""
        return self._format.members(data)


def unusable(log: SourceLog, error: ConfigError) -> Problem:
    return Problem(log.name, str(error), way_out="give --plain-lines to take its lines as they are")
