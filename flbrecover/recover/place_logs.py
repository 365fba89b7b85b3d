"""Puts the records of the node's logs on the ledger, in writing order.

A line goes through parser, multiline rules and filters, which costs fifty times what reading it does. So a second
process reads the last files while the first ones are read here, until the two meet; what it tells lies on disk until
it is the turn of its entries.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from flbrecover.model import SECOND_NS, SourceFile
from flbrecover.reconcile.held_records import Halves
from flbrecover.reconcile.runs import Run
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.log_entries import LogRun
from flbrecover.recover.log_reader import LogReader, Peek
from flbrecover.recover.read_log import ROW, LogFacts, LogFileRows, Rows
from flbrecover.recover.rules import Rules
from flbrecover.recover.scratch import Scratch
from flbrecover.recover.worker import Worker, usable_cores

WORTH_A_WORKER = 2 << 20  # bytes of logs
FIRST_SEEN_SLACK_NS = 5 * SECOND_NS  # ``created`` is in whole seconds and is written after the first look


@dataclass(frozen=True, slots=True)
class _Spooled:
    """A log file that the worker has read: its rows lie in the spool, from byte ``start`` on, so many at a time."""

    facts: LogFacts
    start: int
    batches: array[int]


class LogPlacer:
    """Places one file of a log after the other."""

    def __init__(self, found: Comparison, reader: LogReader, rules: Rules) -> None:
        self._found = found
        self._reader = reader
        self._rules = rules

    def add_all(self, peeks: Sequence[Peek]) -> Iterator[SourceFile]:
        """Gives each file once its records are placed."""
        files = [(peek, file) for peek in peeks for file in peek.log.files]
        two = usable_cores() > 1 and sum(file.facts.size for _, file in files) > WORTH_A_WORKER
        ahead = _FromTheEnd(self._found.scratch, self.read, files) if two else None
        try:
            for number, (peek, file) in enumerate(files):
                spooled = ahead.told(number) if ahead else None
                if ahead and spooled:
                    self._add(peek, file, ahead.rows(spooled), spooled.facts, None)
                else:
                    read = self.read(peek, file)
                    self._add(peek, file, read, read.facts, ahead)
                yield file
        finally:
            if ahead:
                ahead.close()

    def read(self, peek: Peek, file: SourceFile) -> LogFileRows:
        return LogFileRows(self._reader, peek, file, self._rules)

    def _add(
        self, peek: Peek, file: SourceFile, read: Iterable[Rows], facts: LogFacts, ahead: _FromTheEnd | None
    ) -> None:
        """Places what reading a file tells, while it tells it; ``facts`` are complete when its rows are."""
        ledger, logs = self._found.ledger, self._found.logs
        run: int | None = None
        for rows in read:
            run = self._start_run(peek, file) if run is None else run
            keys = Halves(rows.key_highs, rows.key_lows)
            ledger.add_all(run, facts.tags, rows.tags, keys, rows.times, rows.unread, rows.owns)
            logs.add(rows, facts.reasons)
            self._rules.known.add_all(filter(None, rows.values))
            self._found.breathe()
            if ahead:
                ahead.look()
        if run is None and facts.began:
            self._start_run(peek, file)
        logs.learn(facts)
        for tag in facts.blind:
            self._rules.probes[tag].blind()

    def _start_run(self, peek: Peek, file: SourceFile) -> int:
        at, runs = peek.log.files.index(file), self._found.logs.runs
        follows = bool(at and runs) and runs[-1].file == peek.log.files[at - 1]
        first_ns = self._reader.older.get(file.path, not_before(file, peek))
        run = self._found.ledger.runs.begin(Run(file.path, first_ns, peek.timed, follows))
        runs.append(LogRun(run, peek.log, file))
        return run


class _FromTheEnd:
    """What the worker reads: the last file first. ``read`` reads one."""

    def __init__(
        self,
        scratch: Scratch,
        read: Callable[[Peek, SourceFile], LogFileRows],
        files: Sequence[tuple[Peek, SourceFile]],
    ) -> None:
        self._read = read
        self._files = files
        self._spool = scratch.new_file()
        with scratch.still():
            self._worker: Worker[int, _Spooled] = Worker(self._spooled)
        self._told: dict[int, _Spooled | None] = {}
        self._here = 0  # the file that is read here
        self._next = len(files) - 1  # the file that the worker is asked for next
        self.look()

    def look(self) -> None:
        """Takes what it has told, and asks for more. To be called now and then."""
        if self._worker.asked and self._worker.ready():
            self._take()
        if not self._worker.asked and self._next > self._here:
            if not self._worker.ask(self._next, self._next):
                self._told[self._next] = None
            self._next -= 1

    def told(self, number: int) -> _Spooled | None:
        """What it told of a file; None where that is to be read here. Files are asked for in their order."""
        self._here = number
        if number <= self._next:
            self.look()
            return None
        if self._worker.asked:  # all others have been told
            self._take()
        return self._told.pop(number)

    def _take(self) -> None:
        number = self._worker.asked[0]
        self._told[number] = self._worker.answer()

    def rows(self, spooled: _Spooled) -> Iterator[Rows]:
        """The rows of a file. They are gone from the disk when the next file's are asked for."""
        at = spooled.start
        for number in spooled.batches:
            yield Rows.of_bytes(os.pread(self._spool, number * ROW, at))
            at += number * ROW
        os.ftruncate(self._spool, spooled.start)  # it is the last that was written

    def close(self) -> None:
        self._worker.close()
        os.close(self._spool)

    def _spooled(self, number: int) -> _Spooled:
        """In the worker: reads a file into the spool."""
        read = self._read(*self._files[number])
        batches = array("q")
        with open(self._spool, "ab", closefd=False) as spool:
            start = spool.seek(0, os.SEEK_END)
            for rows in read:
                spool.write(rows.to_bytes())
                batches.append(len(rows.tags))
        return _Spooled(read.facts, start, batches)


def is_untimed(peek: Peek) -> bool:
    """Do the lines of a log carry no time, not even one without a year?"""
    return not peek.timed and peek.first_ns is None


def not_before(file: SourceFile, peek: Peek) -> int | None:
    """The time before which no record of the file can have been delivered, where its lines carry no time: Fluent Bit
    first saw the file when it made the file's row."""
    if not is_untimed(peek) or file.position is None:
        return None
    return file.position.row.created_s * SECOND_NS - FIRST_SEEN_SLACK_NS
