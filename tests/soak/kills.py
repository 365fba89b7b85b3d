"""Kills a recovery with SIGKILL again and again, lets it go on to its end, and judges by records.

    python -m tests.soak.kills --trials 1000

Each trial makes S3 what the incident left, starts `recover`, kills it, perhaps kills what goes on as well, and then
lets one run through: `apply CASE`, `recover --case CASE`, or `recover` without anything of the first. Kinds of kills:

- ``point``: just before the process writes to its journal, makes, renames or removes a file, or sends a request
  (tests/killing.py counts these points; trials go through all of them in turn);
- ``call``: at an HTTP call, seen from the network: before the server gets it, after the server has done it and before
  the answer, in the middle of the request, in the middle of the answer (all calls in turn);
- ``instant``: at any instant between start and end.

Judged: after the kill no record is there twice and none that was there is gone; at the end every record is there once,
the exit code is 0, and the node is as it was. Prints what was wrong, with what repeats it, and a table.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cases import footprint
from conftest import Moto  # its import sets the environment of the tests: no real account can be reached
from faults.incidents import WHOLE, CapturedIncident, Incident, SmallIncident
from faults.proxy import Exchange, FaultProxy, Rule
from killing import Points

from soak import machine
from soak.forked import Exited, Forks
from soak.targets import folder_in_memory

KINDS = ("point", "call", "instant")
WHEN = ("before", "after", "in request", "in answer")
ENDINGS = ("apply the case", "recover with the case", "recover anew")
AGAIN = 0.25  # of the trials kill what goes on as well
KILLED = -signal.SIGKILL


@dataclass
class Tally:
    trials: int = 0
    killed: int = 0
    wrong: int = 0
    lost: int = 0
    twice: int = 0
    at: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.trials += other.trials
        self.killed += other.killed
        self.wrong += other.wrong
        self.lost += other.lost
        self.twice += other.twice
        self.at |= other.at


class Killer:
    """Runs trials on one incident. ``folder`` gets the cases and the scratch folders of the runs."""

    def __init__(self, incident: Incident, proxy: FaultProxy, forks: Forks, folder: Path, seed: int) -> None:
        self.incident = incident
        self._proxy = proxy
        self._forks = forks
        self._folder = folder
        self._seed = seed
        self._cases = 0
        incident.load()
        proxy.watch()
        started = time.monotonic()
        ended = self._finish("recover anew", self._new_case())
        self.seconds = time.monotonic() - started
        assert ended.code == 0, ended.said
        self.calls = len(proxy.calls)
        self.points = (folder / "points").read_text().splitlines()

    def trial(self, number: int, kind: str, tally: Tally) -> list[str]:
        """One trial; gives what was wrong with it. ``number`` chooses the place of the kill and, with the seed, the
        rest."""
        self._random = random.Random(f"{self._seed}/{kind}/{number}")
        self.incident.load()
        before = footprint(self.incident.root)
        case = self._new_case()
        what = self._killed_run(kind, number, tally, lambda: self._start(self._recover(case)))
        wrong = self._harm(tally, "after the kill")
        ending = self._random.choice(ENDINGS)
        if self._random.random() < AGAIN:
            again, at = self._random.choice(KINDS), self._random.randrange(10_000)
            what += ", then " + self._killed_run(again, at, None, lambda: self._start_ending(ending, case))
            wrong += self._harm(tally, "after the second kill")
        self._proxy.watch()
        ended = self._finish(ending, case)
        judged = self.incident.judge()
        if ended.code != 0 or "Traceback" in ended.said:
            wrong.append(f"{ending} ended with {ended.code}: {ended.said[-2000:]}")
        if judged != WHOLE:
            tally.lost += bool(judged.missing)
            tally.twice += bool(judged.twice)
            wrong.append(f"at the end: {judged}")
        if footprint(self.incident.root) != before:
            wrong.append("the node was changed")
        wrong += self._open_files()
        shutil.rmtree(self._scratch, ignore_errors=True)
        shutil.rmtree(case, ignore_errors=True)
        tally.trials += 1
        tally.wrong += bool(wrong)
        return [f"{what}, then {ending}: {line}" for line in wrong]

    # -- one run that is killed --------------------------------------------------------------------------------------

    def _killed_run(self, kind: str, number: int, tally: Tally | None, start: Callable[[], int]) -> str:
        """Starts a run and kills it; says where."""
        given: dict[str, Any] = {}
        pid = threading.Event(), [0]
        self._proxy.watch()
        if kind == "point":
            at = number % len(self.points) + 1
            what = f"point {at}"
            given["kill_at"] = at
        elif kind == "call":
            at, when = number % self.calls + 1, WHEN[number // self.calls % len(WHEN)]
            what = f"call {at} {when}"
            self._proxy.watch(self._kill_at(at, when, pid))
        else:
            delay = self._random.uniform(0, self.seconds * 1.1)
            what = f"after {delay:.4f} s"
        self._given = given
        pid[1][0] = start()
        pid[0].set()
        timer: threading.Timer | None = None
        if kind == "instant":
            timer = threading.Timer(delay, _kill, (pid[1][0],))
            timer.start()
        ended = self._forks.wait()
        if timer is not None:
            timer.cancel()
            timer.join()
        if kind == "call":
            pid[1][0] = 0
        if tally is not None:
            tally.killed += ended.code == KILLED
        return what

    @staticmethod
    def _kill_at(number: int, when: str, pid: tuple[threading.Event, list[int]]) -> Rule:
        def kill() -> None:
            pid[0].wait(10)
            _kill(pid[1][0])

        def act(exchange: Exchange) -> None:
            if when == "before":
                exchange.body()
                kill()
                return exchange.cut()
            if when == "in request":
                exchange.half_body()
                kill()
                return exchange.cut()
            answer = exchange.forward()
            if when == "in answer":
                exchange.reply(answer, send=len(answer.body) // 2)
            kill()
            return None if when == "in answer" else exchange.cut()

        return lambda call: act if call.number == number else None

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _start(self, arguments: list[object]) -> int:
        self._scratch.mkdir(exist_ok=True, mode=0o700)
        given = {"scratch": str(self._scratch), "points": str(self._folder / "points"), "cwd": str(self._folder)}
        return self._forks.start([str(a) for a in arguments], given | self._given)

    def _start_ending(self, ending: str, case: Path) -> int:
        if ending == "apply the case" and (case / "plan.json").exists():
            where = ("--root", self.incident.root, "--endpoint-url", self._proxy.endpoint_url)
            return self._start(["apply", case, *where, "--yes"])
        return self._start(self._recover(self._folder / "another" if ending == "recover anew" else case))

    def _finish(self, ending: str, case: Path) -> Exited:
        shutil.rmtree(self._folder / "another", ignore_errors=True)
        self._given = {}
        self._start_ending(ending, case)
        return self._forks.wait()

    def _recover(self, case: Path) -> list[object]:
        where = (*self.incident.arguments, "--endpoint-url", self._proxy.endpoint_url)
        return ["recover", *where, "--agent", "gone", "--yes", "--case", case]

    # -- judging -------------------------------------------------------------------------------------------------------

    def _harm(self, tally: Tally, when: str) -> list[str]:
        judged = self.incident.judge()
        tally.twice += bool(judged.twice)
        return [f"{when}: {judged}"] if judged.twice or judged.removed else []

    def _open_files(self) -> list[str]:
        """What killed runs have left in scratch and case is their user's alone."""
        return [
            f"{path} has mode {path.lstat().st_mode:o}"
            for top in (self._scratch, *self._folder.glob("case-*"))
            for path in (top, *top.rglob("*"))
            if path.exists() and path.lstat().st_mode & 0o077 and not path.is_symlink()
        ]

    def _new_case(self) -> Path:
        self._given = {}
        self._cases += 1
        return self._folder / f"case-{self._cases}"

    @property
    def _scratch(self) -> Path:
        return self._folder / "scratch"


def prepare(given: dict[str, Any]) -> None:
    """In the new process: its scratch folder, its short pauses, and where it is to die."""
    os.environ["TMPDIR"] = given["scratch"]
    tempfile.tempdir = None
    os.chdir(given["cwd"])
    os.umask(0o022)
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, 0.002))  # type: ignore[assignment]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(given["points"])
    Points(given.get("kill_at", 0), signal.SIGKILL, given["points"]).watch()


def _kill(pid: int) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def killer(name: str, folder: Path, seed: int) -> Iterator[Killer]:
    """Everything that trials need, started and stopped."""
    with Forks(folder, prepare) as forks, Moto(folder) as moto, FaultProxy(moto.endpoint_url) as proxy:
        home = folder / "incident"
        home.mkdir()
        s3 = moto.client
        incident: Incident = SmallIncident(home, s3) if name == "small" else CapturedIncident(name, home, s3)
        yield Killer(incident, proxy, forks, folder, seed)


def run(numbers: range, incident: str, seed: int, kinds: tuple[str, ...]) -> tuple[dict[str, Tally], list[str]]:
    """Trials by number; gives the tallies and what was wrong."""
    tallies = {kind: Tally() for kind in kinds}
    wrong = []
    with (
        tempfile.TemporaryDirectory(prefix="kills-", dir=folder_in_memory()) as folder,
        killer(incident, Path(folder), seed) as k,
    ):
        tallies[kinds[0]].at["calls"], tallies[kinds[0]].at["points"] = k.calls, len(k.points)
        for number in numbers:
            kind = kinds[number % len(kinds)]
            said = k.trial(number // len(kinds), kind, tallies[kind])
            wrong += [f"trial {number}: {line}" for line in said]
    return tallies, wrong


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--trials", type=int, default=1000)
    asked.add_argument("--first", type=int, default=0, help="number of the first trial: with --trials 1 repeats one")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--incident", default="small", help="small, or the name of one of fixtures/cases")
    asked.add_argument("--kind", choices=KINDS, action="append", help="only these kinds (default: all, in turn)")
    asked.add_argument("--workers", type=int, default=2, help="so many at once, each with a server of its own")
    given = asked.parse_args()
    kinds = tuple(given.kind or KINDS)
    started = time.monotonic()
    print(machine.facts())
    numbers = range(given.first, given.first + given.trials)
    size = max(1, -(-len(numbers) // (given.workers * 8)))
    shares = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    total = {kind: Tally() for kind in kinds}
    with ProcessPoolExecutor(given.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = pool.map(run, shares, *([value] * len(shares) for value in (given.incident, given.seed, kinds)))
        for share, (tallies, wrong) in zip(shares, done, strict=True):
            for line in wrong:
                print(f"WRONG: {line}", flush=True)
            for kind, tally in tallies.items():
                total[kind].add(tally)
            seconds = time.monotonic() - started
            print(f"{share.stop - given.first} trials in {seconds:.0f} s", file=sys.stderr, flush=True)
    sizes = total[kinds[0]].at
    print(f"incident {given.incident}, seed {given.seed}: {sizes['calls']} calls, {sizes['points']} points")
    print(f"{'kind':8}  {'trials':>6}  {'killed':>6}  {'lost':>4}  {'twice':>5}  {'wrong':>5}")
    for kind, tally in total.items():
        print(f"{kind:8}  {tally.trials:6}  {tally.killed:6}  {tally.lost:4}  {tally.twice:5}  {tally.wrong:5}")
    print(f"{len(numbers)} trials in {time.monotonic() - started:.0f} s")
    return 1 if any(tally.wrong for tally in total.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
