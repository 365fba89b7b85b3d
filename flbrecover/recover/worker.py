"""A second process that works ahead, so that both cores of a small machine work.

It is forked, and so has all that it needs without a copy being sent. It only tells what the same work would have told
here: where it fails in any way, the work is done here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Worker(Generic[Question, Answer]):
    """Asked for one thing at a time: :meth:`ask`, later :meth:`answer`. ``asked`` is the number of what was asked for.
    ``work`` answers a question in the process that is forked here; None: it is better done by who asked."""

    def __init__(self, work: Callable[[Question], Answer | None]) -> None:
        context = multiprocessing.get_context("fork")
        self._here, there = context.Pipe()
        self._process: BaseProcess = context.Process(target=_serve, args=(work, there, self._here), daemon=True)
        self.asked: int | None = None
        try:
            self._process.start()
        except OSError:  # no process or no memory is left for one (a container's limit): nobody takes a question
            self._here.close()
        there.close()

    def ask(self, number: int, question: Question) -> None:
        """Has it work on a question; ``number`` is what that is called here."""
        try:
            self._here.send(question)
            self.asked = number
        except OSError:
            self.asked = None

    def ready(self) -> bool:
        """Can :meth:`answer` tell at once?"""
        return self._here.poll()

    def answer(self) -> Answer | None:
        """What was asked for; None where it has to be done here."""
        self.asked = None
        try:
            found: Answer | None = self._here.recv()
        except (EOFError, OSError):  # the worker is gone (out of memory, say)
            return None
        return found

    def close(self) -> None:
        self._here.close()
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join()


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _serve(work: Callable[[Question], Answer | None], connection: Connection, parents_end: Connection) -> None:
    parents_end.close()  # so that the end of the parent is noticed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    while True:
        try:
            question = connection.recv()
            try:
                answer = work(question)
            except Exception:  # noqa: BLE001 - who asked does it again, and tells what is wrong
                answer = None
            connection.send(answer)
        except (EOFError, OSError):
            return
