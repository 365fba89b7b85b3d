"""A second process that scans objects ahead, so that both cores of a small machine work.

It is forked once the ledger is complete, and so has all that a scan needs without a copy being sent. It only tells what
a scan would have told here: where it fails in any way, the object is scanned here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from flbrecover.model import Problem
from flbrecover.reconcile.scan import Follow, Lines, Segment

MOST_BYTES = 4 << 20  # of lines that are sent over; an object that needs more is scanned here


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan of a whole object told, and what :class:`ObjectRecords` tells after reading it."""

    segments: list[Segment]
    metadata: dict[str, str]
    problems: list[Problem]
    denied: bool
    too_long: bool


Scan = Callable[[Sequence[int], int], Scanned | None]
"""Scans the first of these candidates, the others are likely to be next; and how many lines of siblings are wanted."""


class ScanWorker:
    """Asked for one candidate at a time: :meth:`ask`, later :meth:`answer`."""

    def __init__(self, scan: Scan) -> None:
        context = multiprocessing.get_context("fork")
        self._here, there = context.Pipe()
        self._process: BaseProcess = context.Process(target=_serve, args=(scan, there, self._here), daemon=True)
        self._process.start()
        there.close()
        self.asked: int | None = None

    def ask(self, numbers: Sequence[int], siblings: int) -> None:
        """Has it scan the first of these candidates, and know of those that are likely to be next."""
        try:
            self._here.send((numbers, siblings))
            self.asked = numbers[0]
        except OSError:
            self.asked = None

    def answer(self) -> Scanned | None:
        """What was asked for; None where it has to be scanned here."""
        self.asked = None
        try:
            found: Scanned | None = self._here.recv()
        except (EOFError, OSError):  # the worker is gone (out of memory, say)
            return None
        return found

    def close(self) -> None:
        self._here.close()
        self._process.terminate()
        self._process.join()


def within_bound(segments: Iterable[Segment]) -> list[Segment] | None:
    """All segments, or None where they hold too many lines to be sent."""
    kept: list[Segment] = []
    size = 0
    for segment in segments:
        if isinstance(segment, Lines):
            size += sum(map(len, segment.lines))
        elif isinstance(segment, Follow):
            size += sum(map(len, segment.some))
        if size > MOST_BYTES:
            return None
        kept.append(segment)
    return kept


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _serve(scan: Scan, connection: Connection, parents_end: Connection) -> None:
    parents_end.close()  # so that the end of the parent is noticed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    while True:
        try:
            numbers, siblings = connection.recv()
            connection.send(scan(numbers, siblings))
        except (EOFError, OSError):
            return
