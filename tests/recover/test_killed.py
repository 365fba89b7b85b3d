"""A recovery that is killed at any instant goes on to the same end, with its case or without."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cases import config, footprint, load, stored, unpack
from killing import Launcher, Run

BUCKET = "my-bucket"
TRIALS = 4


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as running:
        yield running


class Killed:
    """A captured incident whose recovery is killed again and again, each time from the start."""

    def __init__(self, name: str, tmp_path: Path, moto, launcher: Launcher) -> None:
        self.name, self.moto, self.launcher, self.folder = name, moto, launcher, tmp_path
        self.root = unpack(name, tmp_path)
        self.url = moto.endpoint_url
        self.number = 0
        self.case = tmp_path / "case-0"

    def start_over(self) -> None:
        load(self.name, self.moto.client, self.root)
        self.number += 1
        self.case = self.folder / f"case-{self.number}"

    def recover(self, *, kill_at: int = 0, among: str = "", by: int = signal.SIGKILL, case: bool = True) -> Run:
        where = ("--root", self.root, "--config", config(self.name), "--endpoint-url", self.url)
        kept = ("--case", self.case) if case else ()
        command = ("recover", *where, "--agent", "gone", "--yes", "--json", *kept)
        return self.launcher.run(command, kill_at=kill_at, among=among, by=by, cwd=self.folder)

    def apply(self) -> Run:
        return self.launcher.run(
            ("apply", self.case, "--root", self.root, "--endpoint-url", self.url, "--yes", "--json"), cwd=self.folder
        )

    def objects(self) -> dict[str, str]:
        """Every key with its ETag."""
        pages = self.moto.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}


@pytest.mark.parametrize("name", ["kubernetes-cri", "sigkill-multipart"])
def test_the_end_is_the_same_as_without_the_fault(name: str, tmp_path: Path, moto, launcher: Launcher) -> None:
    """Killed at points spread over the whole run; gone on with `apply CASE` and, every other time, without the case."""
    incident = Killed(name, tmp_path, moto, launcher)
    incident.start_over()
    whole = incident.recover()
    assert whole.code == 0, whole.err
    wanted, lines = incident.objects(), stored(moto.client, BUCKET)
    points = whole.points
    planned = next(n for n, what in enumerate(points, 1) if what.startswith("os.rename") and "plan.json" in what)
    step = max(1, (len(points) - planned) // TRIALS)
    for trial, at in enumerate(range(planned + 1, len(points) + 1, step)):
        incident.start_over()
        before = footprint(incident.root)
        killed = incident.recover(kill_at=at)
        if not killed.killed:  # points of several threads come in another order, and some runs have fewer
            continue
        on = incident.apply() if trial % 2 else incident.recover(case=bool(trial % 4))
        assert on.code == 0, (at, points[at - 1], on.err)
        assert incident.objects() == wanted, (at, points[at - 1])
        assert stored(moto.client, BUCKET) == lines
        assert footprint(incident.root) == before


@pytest.mark.parametrize("rounds", [3])
def test_two_operators_at_once(rounds: int, tmp_path: Path, moto, launcher: Launcher) -> None:
    """Two processes recover the same evidence, started together, each with a case of its own: the objects are those of
    one. fluent-bit-1.9 has estimated dates, which a second one must not guess otherwise once the first has written."""
    incident = Killed("fluent-bit-1.9", tmp_path, moto, launcher)
    incident.start_over()
    assert incident.recover().code == 0
    wanted = incident.objects()
    where = ("--root", incident.root, "--config", config(incident.name), "--endpoint-url", moto.endpoint_url)
    command = ("recover", *where, "--agent", "gone", "--yes", "--json")
    for _ in range(rounds):
        incident.start_over()
        ends = launcher.together([command, command], cwd=tmp_path)
        assert [end.code for end in ends] == [0, 0], [end.err for end in ends]
        assert incident.objects() == wanted
        outcomes = [done["outcome"] for end in ends for done in end.lines("done")]
        assert set(outcomes) <= {"written", "exists", "skipped"}
        planned = max(len(end.lines("action")) for end in ends)  # on a busy machine one may find all of it stored
        assert outcomes.count("written") == planned


def test_a_second_operator_in_the_middle_of_the_first(tmp_path: Path, moto, launcher: Launcher) -> None:
    """The first one stops for good after each of its objects in turn; the second one, who knows nothing of it, makes
    the same objects."""
    incident = Killed("fluent-bit-1.9", tmp_path, moto, launcher)
    incident.start_over()
    whole = incident.recover()
    wanted = incident.objects()
    puts = sum("send b'PUT" in what for what in whole.points)
    assert puts >= len(whole.lines("done")) > 1
    for at in range(2, puts + 1):
        incident.start_over()
        assert incident.recover(kill_at=at, among="send b'PUT").killed
        assert incident.recover(case=False).code == 0
        assert incident.objects() == wanted


def test_ctrl_c_waits_for_what_is_under_way_and_notes_it(tmp_path: Path, moto, launcher: Launcher) -> None:
    incident = Killed("rolling-update", tmp_path, moto, launcher)
    incident.start_over()
    points = incident.recover(by=signal.SIGINT).points
    wanted = incident.objects()
    puts = sum("send b'PUT" in what for what in points)
    for part in (3, 2):  # in the middle of the uploads, early and late
        incident.start_over()
        before = incident.objects()
        stopped = incident.recover(kill_at=puts // part, among="send b'PUT", by=signal.SIGINT)
        assert stopped.code == 130, stopped.err
        assert "the same command goes on from here" in stopped.err and "Traceback" not in stopped.err
        with closing(sqlite3.connect(incident.case / "case.db")) as db:
            started = {n for (n,) in db.execute("select action from journal where event = 'started'")}
            results = dict(db.execute("select action, key from journal where event = 'result'").fetchall())
            ((exit_code,),) = db.execute("select exit_code from runs")
        assert exit_code == 130
        assert started >= results.keys() and set(results.values()) == incident.objects().keys() - before.keys()
        assert incident.apply().code == 0
        assert incident.objects() == wanted
