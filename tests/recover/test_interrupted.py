"""Ctrl-C at every line of what carries actions out: each action that was begun has its result in the journal, once."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from faults.incidents import BUCKET, SmallIncident
from servers import Server

from flbrecover.cli.job import Job
from flbrecover.reconcile.plan import CompleteUpload
from flbrecover.recover import apply, interrupts, journal, lanes
from flbrecover.recover.apply import Apply
from flbrecover.recover.case_db import CaseDb
from flbrecover.recover.done import Done
from flbrecover.recover.interrupts import InterruptsHeld
from flbrecover.recover.journal import RESULT, STARTED, CaseJournal

FILES = {module.__file__ for module in (apply, interrupts, journal)}
LINES = 400  # more than a run without Ctrl-C has; where it ends the test ends


@contextmanager
def ctrl_c_at(wanted: int) -> Iterator[None]:
    """A SIGINT just before the ``wanted``-th line that this thread runs in FILES."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            count += 1
            if count == wanted:
                signal.raise_signal(signal.SIGINT)
        return trace

    before, handler = sys.gettrace(), signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        signal.signal(signal.SIGINT, handler)


def test_ctrl_c_at_every_line(small: SmallIncident, moto: Server, tmp_path: Path) -> None:
    """The actions are uploads that are gone, so each asks the server, and ends."""
    small.load()
    job = Job({"root": small.root, "config": "/etc/fluent-bit.conf", "endpoint_url": moto.endpoint_url})
    output = job.pipeline.outputs[0].number
    actions = [CompleteUpload(n, output, BUCKET, f"gone-{n}", "no-such-upload", (), "") for n in range(1, 4)]
    db, _ = CaseDb.open(tmp_path)
    seen = set()
    with closing(db):
        for at in range(1, LINES):
            kept = CaseJournal(db, at)
            run = Apply(job.survey, job.connect, plain_lines=False, plan_id="", tool="", journal=kept, jobs=2)
            interrupted = False
            with ctrl_c_at(at):
                try:
                    for _ in run.run(actions):
                        pass
                except KeyboardInterrupt:
                    interrupted = True
            events = Counter((row["action"], row["event"]) for row in db.rows("journal", "run = :run", {"run": at}))
            begun = {n for n, event in events if event == STARTED}
            assert events == Counter((n, event) for n in begun for event in (STARTED, RESULT)), f"Ctrl-C at line {at}"
            seen.add(len(begun))
            if not interrupted:
                break
        else:
            pytest.fail("a run has more lines than were tried")
    assert seen == {0, 2, 3}  # two begin together


def test_small_actions_that_begin_together_end_with_the_one_that_is_under_way(
    small: SmallIncident, moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.load()
    job = Job({"root": small.root, "config": "/etc/fluent-bit.conf", "endpoint_url": moto.endpoint_url})
    output = job.pipeline.outputs[0].number
    actions = [CompleteUpload(n, output, BUCKET, "one-key", f"upload-{n}", (), "") for n in range(1, 4)]
    interrupt = True

    def completed(_s3: object, action: CompleteUpload) -> Done:
        if interrupt:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)  # as of a terminal: it wakes up who waits
            tries = 0
            while not run._interrupted and tries < 6000:
                time.sleep(0.01)
                tries += 1
        return Done(action, "completed", action.key)

    monkeypatch.setattr(apply, "complete", completed)
    monkeypatch.setattr(lanes, "size_of", lambda _: 1)
    db, _ = CaseDb.open(tmp_path)
    with closing(db):
        run = Apply(job.survey, job.connect, plain_lines=False, plan_id="", tool="", journal=CaseJournal(db, 1))
        with ctrl_c_at(0), pytest.raises(KeyboardInterrupt):
            list(run.run(actions))
        told = [(row["action"], row["event"]) for row in db.rows("journal")]
        assert told == [(1, STARTED), (1, RESULT)]  # the others were noted with it, and never begun
        interrupt = False
        again = Apply(job.survey, job.connect, plain_lines=False, plan_id="", tool="", journal=CaseJournal(db, 2))
        assert [done.outcome for done in again.run(actions[1:])] == ["completed"] * 2


def test_a_ctrl_c_that_is_held_comes_at_the_end() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), ctrl_c_at(0):
        with InterruptsHeld():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest")
        done.append("what follows")
    assert done == ["the rest"]
