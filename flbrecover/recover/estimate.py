"""Estimates dates for rebuilt records whose lines carry no time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace

from flbrecover.model import SECOND_NS
from flbrecover.reconcile.plan import Dates
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.log_entries import LogRun


class Estimator:
    """Dates of records whose lines carry none: spread between the nearest neighbours whose time a copy tells, and the
    times when Fluent Bit first saw the file and when the file was last written."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._spans: dict[int, list[tuple[range, Dates]]] = {}

    def of(self, run: LogRun, entry: int) -> int:
        """The known or estimated time of an entry, in ns."""
        known = self._comparison.ledger.time_of(entry)
        if known is not None:
            return known
        entries, dates = self._around(run, entry)
        return dates.of(entry - entries.start)

    def of_entry(self, entry: int) -> int:
        """The known or estimated time of any entry, in ns; of a record that only a buffer file has, and that has none,
        when the file was begun."""
        known = self._comparison.ledger.time_of(entry)
        if known is not None:
            return known
        if entry < len(self._comparison.logs):
            return self.of(self._comparison.logs.run_of(self._comparison.ledger.runs.of(entry)), entry)
        facts = self._comparison.holder_of(entry).buffer
        return facts.created_ns or facts.facts.mtime_ns

    def untimed(self, run: LogRun, entries: range) -> Iterator[int]:
        """The estimated times of those of these entries, of one log, that have no known time."""
        for span, dates in self._spans_of(run)[self._at(run, entries.start) :]:
            if span.start >= entries.stop:
                return
            for entry in range(max(span.start, entries.start), min(span.stop, entries.stop)):
                yield dates.of(entry - span.start)

    def dates(self, run: LogRun, entries: Iterable[int]) -> Iterator[Dates]:
        """The estimated dates of those entries that have no known time, joined where they follow each other."""
        last: tuple[int, Dates] | None = None
        for entry in entries:
            if self._comparison.ledger.time_of(entry) is not None:
                continue
            span, dates = self._around(run, entry)
            if last is not None and last[0] == entry - 1 and entry > span.start:
                last = (entry, replace(last[1], records=last[1].records + 1))
                continue
            if last is not None:
                yield last[1]
            last = (entry, replace(dates, records=1, first=entry - span.start))
        if last is not None:
            yield last[1]

    def _around(self, run: LogRun, entry: int) -> tuple[range, Dates]:
        return self._spans_of(run)[self._at(run, entry)]

    def _at(self, run: LogRun, entry: int) -> int:
        """The last stretch that does not begin behind an entry, or the first one."""
        return max(0, bisect_right(self._spans_of(run), entry, key=lambda s: s[0].start) - 1)

    def _spans_of(self, run: LogRun) -> list[tuple[range, Dates]]:
        if run.run not in self._spans:
            self._spans[run.run] = list(self._measure(run))
        return self._spans[run.run]

    def _measure(self, run: LogRun) -> Iterator[tuple[range, Dates]]:
        """Stretches of entries without a time, each with its dates."""
        ledger = self._comparison.ledger
        entries = ledger.runs.entries(run.run)
        row = run.file.position.row if run.file.position else None
        latest = run.file.facts.mtime_ns
        before = row.created_s * SECOND_NS if row else self._end_of_older(run, latest)
        start = entries.start
        for entry in entries:
            time_ns = ledger.time_of(entry)
            if time_ns is None:
                continue
            if entry > start:
                yield range(start, entry), Dates(entry - start, min(before, time_ns), time_ns, 0, entry - start)
            before, start = time_ns, entry + 1
        if start < entries.stop:
            rest = entries.stop - start
            yield range(start, entries.stop), Dates(rest, before, max(before, latest), 0, rest)

    def _end_of_older(self, run: LogRun, latest: int) -> int:
        """A file that Fluent Bit never saw began when the older file of the log ended."""
        older = [f.facts.mtime_ns for f in run.log.files[: run.log.files.index(run.file)]]
        return min(older[-1], latest) if older else latest
