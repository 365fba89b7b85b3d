"""A second process that works ahead, so that both cores of a small machine work.

It is forked, and so has all that it needs without a copy being sent. It only tells what the same work would have told
here: where it fails in any way, the work is done here.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from flbrecover.threads import Pool

Question = TypeVar("Question")
Answer = TypeVar("Answer")

ROOM = 1 << 20  # bytes of answers that wait in the pipe: as much as Linux gives to everybody


class Worker(Generic[Question, Answer]):
    """:meth:`ask` it, once or a few times, and later :meth:`answer` gives the answers in the same order. ``asked`` has
    the numbers of what was asked for and is still to be answered. ``work`` answers a question in the process that is
    forked here; None: it is better done by who asked."""

    def __init__(self, work: Callable[[Question], Answer | None]) -> None:
        context = multiprocessing.get_context("fork")
        there, self._questions = context.Pipe(duplex=False)
        self._answers, back = context.Pipe(duplex=False)
        with suppress(OSError):  # then there is less room
            fcntl.fcntl(back.fileno(), fcntl.F_SETPIPE_SZ, ROOM)
        ends = (self._questions, self._answers)
        self._process: BaseProcess = context.Process(target=_serve, args=(work, there, back, ends), daemon=True)
        self.asked: deque[int] = deque()
        try:
            self._process.start()
        except OSError:  # no process or no memory is left for one (a container's limit): nobody takes a question
            self._questions.close()
        there.close()
        back.close()

    def ask(self, number: int, question: Question) -> bool:
        """Has it work on a question; ``number`` is what that is called here. False: it is gone."""
        try:
            self._questions.send(question)
        except OSError:
            return False
        self.asked.append(number)
        return True

    def ready(self) -> bool:
        """Can :meth:`answer` tell at once?"""
        return self._answers.poll()

    def answer(self) -> Answer | None:
        """What was asked for first; None where it has to be done here."""
        self.asked.popleft()
        try:
            found: Answer | None = self._answers.recv()
        except (EOFError, OSError):  # the worker is gone (out of memory, say)
            return None
        return found

    def close(self) -> None:
        self._questions.close()
        self._answers.close()
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join()


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _serve(
    work: Callable[[Question], Answer | None],
    questions: Connection,
    answers: Connection,
    theirs: tuple[Connection, ...],
) -> None:
    for end in theirs:  # so that the end of the parent is noticed
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    sender = Pool(1)  # an answer that waits until there is room for it keeps nobody from the next one
    while True:
        try:
            question = questions.recv()
        except (EOFError, OSError):
            return
        try:
            answer = work(question)
        except Exception:  # noqa: BLE001 - who asked does it again, and tells what is wrong
            answer = None
        try:
            sender.submit(_send, answers, answer)
        except (MemoryError, RuntimeError):  # no thread can be had
            _send(answers, answer)


def _send(answers: Connection, answer: object) -> None:
    try:
        answers.send(answer)
    except OSError:  # nobody is there any more
        return
    except Exception:  # noqa: BLE001 - it cannot be sent: no memory for that, say
        answers.send(None)
