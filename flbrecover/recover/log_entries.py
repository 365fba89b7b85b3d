"""The entries of logs on the ledger: where their records lie, and what reading them told."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from flbrecover.fluentbit.filters import Names
from flbrecover.model import ByteRange, Problem, SourceFile, SourceLog
from flbrecover.reconcile.columns import NewColumn, in_memory
from flbrecover.reconcile.plan import SomeLines
from flbrecover.recover.read_log import Doubt, LogFacts, Rows

MOST_MIXED = 8  # records that are read at the same time: one of each stream


@dataclass(frozen=True, slots=True)
class LogRun:
    """The entries of one file of a log. ``run`` is their run on the ledger."""

    run: int
    log: SourceLog
    file: SourceFile


class LogEntries:
    """Entry ``e`` of a log lies at ``starts[e]`` to ``ends[e]`` of its run's file and takes ``sizes[e]`` bytes when
    rendered (without what only siblings know).

    ``dropped`` counts, by filter, the records that one surely dropped, ``unwritten`` those of which the output writes
    nothing (without the field of ``log_key``, or nested too deeply); ``made`` are, by tag, the names of the fields
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
        self.unwritten = 0
        self.made: dict[str, set[str]] = {}
        self.additions: dict[str, Names] = {}
        self.unsure: dict[str, set[str]] = {}
        self.problems: list[Problem] = []

    def run_of(self, run: int) -> LogRun:
        """The log run with this number on the ledger: runs were added in the order of their numbers."""
        at = bisect_left(self.runs, run, key=lambda r: r.run)
        return self.runs[at]

    def across_offset(self, run: LogRun, entries: range) -> Iterator[tuple[int, int]]:
        """Those of the entries of a run in the midst of whose records Fluent Bit stopped reading, with the place."""
        place = run.file.read_to
        if place is None:
            return
        first = bisect_right(entries, place, key=self.ends.__getitem__)  # records are in the order of their ends
        for entry in entries[first : first + MOST_MIXED]:
            if self.starts[entry] < place < self.ends[entry]:
                yield entry, place

    def doubt(self, entry: int) -> Doubt | None:
        """Why the record of an entry may have been dropped on purpose; None where it was not."""
        code = self.doubts[entry]
        return self.reasons[code - 1] if code else None

    def add(self, rows: Rows, reasons: list[Doubt]) -> None:
        """Rows of which the ledger has just got entries; their doubts count ``reasons`` from 1 on."""
        self.starts.extend(rows.starts)
        self.ends.extend(rows.ends)
        self.sizes.extend(rows.sizes)
        if not reasons:
            self.doubts.extend(rows.doubts)
            return
        codes = [0, *(reason.code_in(self.reasons) for reason in reasons)]
        self.doubts.extend(map(codes.__getitem__, rows.doubts))

    def learn(self, facts: LogFacts) -> None:
        """What else the next file told."""
        for by, number in facts.dropped.items():
            self.dropped[by] = self.dropped.get(by, 0) + number
        self.unwritten += facts.unwritten
        for tag, names in facts.made.items():
            self.made.setdefault(tag, set()).update(names)
        for tag, names in facts.unsure.items():
            self.unsure.setdefault(tag, set()).update(names)
        for tag, additions in facts.additions.items():
            self.additions.setdefault(tag, additions)
        self.problems.extend(facts.problems)

    def span(self, entry: int) -> ByteRange:
        return ByteRange(self.starts[entry], self.ends[entry])

    def is_next_line(self, entry: int) -> bool:
        """Is it a further line of the record whose line the entry before it is? To be asked within a run."""
        return self.starts[entry] == self.starts[entry - 1] and self.ends[entry] == self.ends[entry - 1]

    def records(self, entries: Iterable[int], run: range, tag_of: Callable[[int], str]) -> Iterator[SomeLines]:
        """The records whose lines are these entries, all of one tag and of a run that has the entries ``run``: each
        with the numbers of those lines, none where they are all that it has."""
        for (start, end), some in groupby(entries, key=lambda e: (self.starts[e], self.ends[e])):
            wanted = list(some)
            first, last, tag = wanted[0], wanted[-1], tag_of(wanted[0])
            while first > run.start and self.is_next_line(first) and tag_of(first - 1) == tag:
                first -= 1
            while last + 1 < run.stop and self.is_next_line(last + 1) and tag_of(last + 1) == tag:
                last += 1
            whole = last - first + 1 == len(wanted)
            yield SomeLines(ByteRange(start, end), () if whole else tuple(entry - first for entry in wanted))

    def __len__(self) -> int:
        return len(self.starts)
