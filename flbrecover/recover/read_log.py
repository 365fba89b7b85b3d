"""Reads one file of a log through the pipeline into rows: what the ledger is to know of each record.

It needs no ledger, so that a second process can do it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from flbrecover.fluentbit.filters import Names, Outcome
from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.values import SourceRecord
from flbrecover.model import Problem, SourceFile
from flbrecover.reconcile.columns import NO_TIME
from flbrecover.reconcile.held_records import Halves
from flbrecover.reconcile.key_index import NO_KEY
from flbrecover.reconcile.match_key import MatchRule
from flbrecover.reconcile.scan import Cut, Probe
from flbrecover.recover.log_reader import LogReader, Peek
from flbrecover.recover.rules import Rules

AT_ONCE = 1 << 12  # rows that are handed on together
MOST_NAMES = 4096
MOST_REASONS = 255
QUIET_NS = 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Doubt:
    """Filter ``by`` may have dropped a record on purpose. ``whole_log``: if so, then all of its log."""

    by: str
    whole_log: bool

    def code_in(self, reasons: list[Doubt]) -> int:
        """Its number in a list, from 1 on; it is added where it is not there."""
        if self not in reasons and len(reasons) < MOST_REASONS:
            reasons.append(self)
        return reasons.index(self) + 1 if self in reasons else 1


class Rows(NamedTuple):
    """Records of a log file that follow each other, in columns.

    ``tags`` are indexes of :attr:`LogFacts.tags`; ``doubts`` count those of :attr:`LogFacts.reasons` from 1 on, 0 is
    none; ``sizes`` are bytes when rendered; ``values`` are hashes of what a probe looks for, 0 where it does not.
    """

    tags: array[int]
    starts: array[int]
    ends: array[int]
    sizes: array[int]
    key_highs: array[int]
    key_lows: array[int]
    times: array[int]
    unread: array[int]
    owns: array[int]
    doubts: array[int]
    values: array[int]

    def to_bytes(self) -> bytes:
        return b"".join(column.tobytes() for column in self)

    @classmethod
    def of_bytes(cls, data: bytes) -> Rows:
        """What :meth:`to_bytes` gave."""
        number, at = len(data) // ROW, 0
        columns = []
        for code in TYPECODES:
            column = array(code)
            end = at + number * column.itemsize
            column.frombytes(data[at:end])
            columns.append(column)
            at = end
        return cls(*columns)


TYPECODES = "iqqiQQqbQBQ"  # of the columns of Rows
ROW = sum(array(code).itemsize for code in TYPECODES)  # bytes


@dataclass(slots=True)
class LogFacts:
    """What there is to be known of a log file besides its rows; complete when they are.

    ``began``: it has a record, if only one that is left out. ``dropped``, ``unwritten``, ``made``, ``additions``,
    ``unsure`` and ``problems`` as in :class:`LogEntries`; ``blind`` are the tags whose probe can tell nothing any more.
    """

    began: bool = False
    tags: list[str] = field(default_factory=list)
    reasons: list[Doubt] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    unwritten: int = 0
    made: dict[str, set[str]] = field(default_factory=dict)
    additions: dict[str, Names] = field(default_factory=dict)
    unsure: dict[str, set[str]] = field(default_factory=dict)
    blind: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Tag:
    """How the records of one tag are compared, and the fields that they were seen to have."""

    number: int
    rule: MatchRule | None
    probe: Probe | None
    cut: Cut | None
    seen: set[tuple[str, ...]]


class LogFileRows:
    """Iterate to get the rows of one file of a log, in writing order. ``facts`` are complete afterwards."""

    def __init__(self, reader: LogReader, peek: Peek, file: SourceFile, rules: Rules) -> None:
        self.facts = LogFacts()
        self._reader = reader
        self._peek = peek
        self._file = file
        self._rules = rules
        self._tags: dict[str, _Tag] = {}
        self._rows: list[tuple[int, ...]] = []
        self._keys: list[bytes] = []

    def __iter__(self) -> Iterator[Rows]:
        source = self._reader.source(self._peek.log)
        if self._file is self._peek.log.files[0]:  # once a log
            self.facts.problems.extend(source.problems_of_configuration)
        for record in source.records_of(self._file):
            self.facts.began = True
            if record.terminated or self._is_over(record):
                self._add(record)
                if len(self._rows) >= AT_ONCE:
                    yield self._taken()
        self.facts.problems.extend(source.problems)
        if self._rows:
            yield self._taken()

    def _is_over(self, record: SourceRecord) -> bool:
        """Is a last line without its newline a record? See docs/decisions/0005-unterminated-line.md."""
        if not record.parsed and self._peek.parsed:
            what = "the last line is cut off in the middle, its parser does not take it; it was left out"
        elif self._reader.now_ns - self._file.facts.mtime_ns < QUIET_NS:
            what = "the last line has no newline yet and its file was written a moment ago; it was left out"
        else:
            return True
        self.facts.problems.append(Problem(self._file.path, what, record.span, unreadable=False))
        return False

    def _add(self, record: SourceRecord) -> None:
        for outcome, data, found in self._reader.outcomes(record):
            if data is not None:
                for line in self._reader.lines(data):
                    self._add_line(record, outcome, line, found)
            elif outcome.fate == "dropped":
                self.facts.dropped[outcome.by] = self.facts.dropped.get(outcome.by, 0) + 1
            else:
                self.facts.unwritten += 1

    def _add_line(self, record: SourceRecord, outcome: Outcome, data: bytes, found: Members | None) -> None:
        """``found`` None: its members are to be read from ``data``."""
        tag = self._tags.get(outcome.tag) or self._new_tag(outcome)
        rule, value = tag.rule, 0
        if rule is None or rule.plain:
            found = None
        elif found is None:
            found = self._reader.members(data)
        if found:
            names = tuple([name for name, _ in found])
            if names not in tag.seen:
                self.facts.made.setdefault(outcome.tag, set()).update(names)
                if len(tag.seen) < MOST_NAMES:
                    tag.seen.add(names)
            if tag.probe is not None:
                value = tag.probe.hash_of(found)
                if not value:
                    self.facts.blind.add(outcome.tag)
        if outcome.unsure:
            names_of = {n.decode("utf-8", "replace") for n in outcome.unsure}
            self.facts.unsure.setdefault(outcome.tag, set()).update(names_of)
        span, time_ns, read_to = record.span, outcome.time_ns, self._file.read_to
        self._keys.append((rule.of_rendered(data, found) or NO_KEY) if rule is not None else NO_KEY)
        self._rows.append(
            (
                tag.number,
                span.start,
                span.end,
                len(data),
                NO_TIME if time_ns is None else time_ns,
                read_to is not None and span.start >= read_to,
                0 if tag.cut is None else tag.cut.own(data),
                self._doubt(outcome) if outcome.fate == "maybe dropped" else 0,
                value,
            )
        )

    def _new_tag(self, outcome: Outcome) -> _Tag:
        name = outcome.tag
        found = _Tag(
            len(self._tags), self._rules.of_tag.get(name), self._rules.probes.get(name), self._rules.cut_of((name,)),
            set(),
        )  # fmt: skip
        self._tags[name] = found
        self.facts.tags.append(name)
        self.facts.additions[name] = outcome.additions
        return found

    def _doubt(self, outcome: Outcome) -> int:
        return Doubt(outcome.by, outcome.whole_log).code_in(self.facts.reasons)

    def _taken(self) -> Rows:
        """The rows that have come together."""
        tags, starts, ends, sizes, times, unread, owns, doubts, values = zip(*self._rows, strict=True)
        keys = Halves.of(self._keys)
        columns = (tags, starts, ends, sizes, keys.high, keys.low, times, unread, owns, doubts, values)
        self._rows, self._keys = [], []
        return Rows(*map(array, TYPECODES, columns))
