"""Random incidents that a real Fluent Bit leaves behind, and what `recover` makes of them.

    python -m tests.soak.agents --fluent-bit /path/to/fluent-bit --trials 100

Each trial draws a configuration, lets applications write numbered lines and rotate their logs, and has S3 fail, Fluent
Bit be killed, stopped and started as chance will have it. Then `recover` runs twice. Right is: every line of which a
log, a buffer file or S3 had something is in S3, unless a filter drops it; a line is there once, or once for each of its
tags, unless Fluent Bit had stored it twice; the second run writes nothing; the node is as it was. In some trials Fluent
Bit comes back between `recover --agent returning` and the last `recover`: what was left to it, it has to deliver, and
nothing that was not. What is wrong is printed, and the trial's folder is kept.

Needs Linux, root and `unshare`: Fluent Bit sees the trial's folders as its /etc/fluent-bit and /var/log.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cases import footprint
from conftest import Moto  # its import sets the environment of the tests: no real account can be reached
from faults.proxy import FaultProxy
from judge import SEQ, bodies

from flbrecover.demo.seaweedfs import ADMIN
from soak import machine
from soak.agent_config import config_path, configure, moved_to
from soak.agent_world import FLAVOURS, MOODS, App, Moody

CODES = (0, 3)  # 3: what is provably gone, or maybe filtered, is said to be missing
RETURNING = 0.3  # of the trials: Fluent Bit comes back
SURGE = 0.08  # a second Fluent Bit works on the same files, as in a rolling update with maxSurge
LOSS = 0.2  # while none runs: a DB or buffers are lost
FLOOD = 0.1  # an application writes megabytes at once, which makes uploads in parts


class Trial:
    """One of them, in ``folder``. ``said`` is what was wrong, ``events`` what happened."""

    def __init__(
        self, folder: Path, name: str, bucket: str, fluent_bit: str, endpoint_url: str, s3: Any, without: list[str]
    ) -> None:
        self._folder, self._bucket, self._s3 = folder, bucket, s3
        self._fluent_bit, self._endpoint_url = fluent_bit, endpoint_url
        self._chance = chance = random.Random(name)
        self._node = folder / "node"
        for place in ("etc/fluent-bit/meta", *(f"var/log/{name}" for name in ("apps", "more", "containers", "s3"))):
            (self._node / place).mkdir(parents=True)
        s3.create_bucket(Bucket=bucket)
        self._moody = Moody(chance)
        self._agents: list[subprocess.Popen[bytes]] = []
        self._written: dict[int, str] = {}
        self._unfiltered: dict[int, str] = {}
        self.flavour = chance.choice(FLAVOURS)
        numbers, truncate, keep = itertools.count(1), chance.random() < 0.3, chance.choice((1, 2, 99))
        self._apps = [
            App(self._node, f"app{n}", self.flavour, numbers, self._written, chance, copytruncate=truncate, keep=keep)
            for n in range(chance.choice((1, 2, 3)))
        ]
        self._drawn = configure(self._node, bucket, endpoint_url, self.flavour, chance, without)
        if self._drawn.second:
            self._apps.append(
                App(self._node, "other", "plain", numbers, self._unfiltered, chance, copytruncate=truncate, keep=keep,
                    folder="var/log/more")
            )  # fmt: skip
        self._zone = chance.choice(("UTC", "UTC", "Europe/Berlin", "America/New_York"))
        self.events: list[str] = []
        self.said: list[str] = []

    def run(self) -> None:
        with FaultProxy(self._endpoint_url) as proxy:
            proxy.watch(self._moody)
            moved_to(self._node, proxy.endpoint_url)
            self._incident()
        self._keep_objects("objects")
        if self._chance.random() < RETURNING:
            self._recover_and_return()
        else:
            self._recover_twice()
        ends = [agent.poll() or 0 for agent in self._agents]
        if ends and min(ends) > 0:  # one of two may be refused a DB that the other has locked
            self.said.append(f"Fluent Bit ended by itself: {ends}, see agent.log")

    # -- the incident ----------------------------------------------------------------------------------------------

    def _incident(self) -> None:
        chance = self._chance
        if chance.random() < 0.8:
            self._start()
        for _ in range(chance.randrange(2, 6)):
            self._moody.mood = chance.choice(MOODS)
            self.events.append(f"S3 {self._moody.mood}")
            self._write_for(chance.uniform(1, 7))
            if (what := chance.random()) < 0.35:
                self._stop(signal.SIGKILL if what < 0.2 else signal.SIGTERM)
            if chance.random() < 0.7:
                self._start()
            if chance.random() < SURGE:
                self._start(surge=True)
            if not self._running() and chance.random() < LOSS:
                self._lose(chance.choice(("flb.db*", "more.db*", "s3", "flb-storage")))
        self._start()
        time.sleep(chance.choice((0.5, 3, 8)))
        self._stop(signal.SIGKILL if chance.random() < 0.7 else signal.SIGTERM)
        if chance.random() < 0.4:
            self._write_for(0.5)
        for app in self._apps:
            app.close()

    def _write_for(self, seconds: float) -> None:
        chance, until = self._chance, time.monotonic() + seconds
        if chance.random() < FLOOD:
            self.events.append("flood")
            chance.choice(self._apps).write(chance.choice((10_000, 40_000)))
        while time.monotonic() < until:
            for app in self._apps:
                if chance.random() < 0.5:
                    app.write(chance.choice((1, 3, 20, 100, 500)))
            if chance.random() < 0.08:
                chance.choice(self._apps).rotate()
                self.events.append("rotate")
            time.sleep(chance.uniform(0.05, 0.5))

    def _running(self) -> list[subprocess.Popen[bytes]]:
        return [agent for agent in self._agents if agent.poll() is None]

    def _lose(self, names: str) -> None:
        """What was not on the node itself is gone with its pod."""
        for path in (self._node / "var/log").glob(names):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.events.append(f"without {names}")

    def _start(self, *, surge: bool = False) -> None:
        """Starts Fluent Bit where none runs, or with ``surge`` one more."""
        if self._running() and not surge:
            return
        mounts = " && ".join(f"mount --bind '{self._node}/{at}' /{at}" for at in ("etc/fluent-bit", "var/log"))
        script = f"{mounts} && exec '{self._fluent_bit}' -c /etc/fluent-bit/{config_path(self._node).name}"
        keys = {"AWS_ACCESS_KEY_ID": ADMIN.access_key, "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key}
        with (self._folder / "agent.log").open("ab") as log:
            env = {**os.environ, **keys, "TZ": self._zone}
            self._agents.append(
                subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=log, stderr=log, env=env)
            )
        self.events.append("one more" if surge else "start")

    def _stop(self, how: signal.Signals) -> None:
        for agent in self._running():
            agent.send_signal(how)
            self.events.append(how.name)
            try:
                agent.wait(30)
            except subprocess.TimeoutExpired:
                self.end()

    def end(self) -> None:
        """Leaves no Fluent Bit behind."""
        for agent in self._running():
            agent.kill()
            agent.wait()

    # -- recovery and judgement --------------------------------------------------------------------------------------

    def _keep_objects(self, name: str) -> None:
        """The bucket as it is: a file of the trial for each object."""
        (self._folder / name).mkdir()
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            for found in page.get("Contents", ()):
                body = self._s3.get_object(Bucket=self._bucket, Key=found["Key"])["Body"].read()
                (self._folder / name / quote(found["Key"], safe="")).write_bytes(body)

    def _recover_twice(self) -> None:
        before, evidence, node = self._stored(), self._evidence(), footprint(self._node)
        self._recover("first", "gone")
        after = self._stored()
        self._judge(evidence, before, after)
        self._recover("second", "gone")
        if (more := self._stored()) != after:
            self.said.append(f"a second recover stored {(more - after).total()} lines")
        if footprint(self._node) != node:
            self.said.append("the node is another")

    def _recover_and_return(self) -> None:
        before, evidence = self._stored(), self._evidence()
        retire = ["--retire"] if self._chance.random() < 0.5 else []
        self._recover("first", "returning", *retire)
        ours = self._stored() - before
        self._moody.mood = "ok"
        with FaultProxy(self._endpoint_url) as proxy:
            moved_to(self._node, proxy.endpoint_url)
            self.events += ["returns", *retire]
            self._start()
            time.sleep(self._chance.uniform(9, 16))
            self._stop(signal.SIGTERM)
        self._keep_objects("objects-then")
        between = self._stored()
        warned = "reads all of it again" in (self._folder / "first.txt").read_text()
        again = sorted(n for n in ours if between[n] > max(before[n] + ours[n], self._copies(n)))
        if again and not warned:
            self.said.append(f"Fluent Bit stored {len(again)} lines that were ours to store: {again[:5]}")
        self._recover("last", "gone")
        self._judge(evidence | self._evidence(), between, self._stored())

    def _copies(self, number: int) -> int:
        """How many records a line makes."""
        return 1 if number in self._unfiltered else self._drawn.copies(number)

    def _judge(self, evidence: Counter[int], before: Counter[int], after: Counter[int]) -> None:
        copies = self._copies
        if missing := sorted(n for n in (*self._written, *self._unfiltered) if after[n] < min(copies(n), evidence[n])):
            self.said.append(f"{len(missing)} lines are missing: {missing[:5]}")
        # Of a line that makes two records S3 may have had one twice, and not the other.
        most = {n: max(copies(n), before[n] + copies(n) - 1) for n in after}
        if twice := sorted(n for n, stored in after.items() if stored > most[n]):
            self.said.append(f"{len(twice)} lines are there too often: {twice[:5]}")
        if removed := sorted(n for n, stored in before.items() if after[n] < stored):
            self.said.append(f"{len(removed)} lines are gone: {removed[:5]}")

    def _recover(self, case: str, agent: str, *more: str) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "flbrecover", "recover", "--root", self._node, "--config",
             f"/etc/fluent-bit/{config_path(self._node).name}", "--endpoint-url", self._endpoint_url, "--agent", agent,
             "--yes", "--case", self._folder / case, *self._drawn.options, *more],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        (self._folder / f"{case}.txt").write_text(ended.stdout + ended.stderr)
        never_ran = not (self._node / "var/log/flb.db").exists()
        if ended.returncode not in CODES and not (never_ran and ended.returncode == 4):
            self.said.append(f"{case} recover: code {ended.returncode}: {ended.stderr[-300:]}")

    def _stored(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for _, body in bodies(self._s3, [self._bucket]):
            for record in body.split(b"\n"):
                found.update({int(number) for number in SEQ.findall(record)})
        return found

    def _evidence(self) -> Counter[int]:
        """How many records of each line can be expected: a log has all, a buffer file and S3 have one."""
        found: Counter[int] = Counter(self._stored().keys())
        for path in (self._node / "var/log").rglob("*"):
            if path.is_file() and not path.is_symlink() and ".db" not in path.name:
                data = path.read_bytes()
                numbers = {int(n) for n in SEQ.findall(gzip.decompress(data) if path.suffix == ".gz" else data)}
                found |= Counter(dict.fromkeys(numbers, 2 if ".log" in path.name else 1))
        return found


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--fluent-bit", required=True, help="a Fluent Bit of any version that has the s3 output")
    asked.add_argument("--trials", type=int, default=100)
    asked.add_argument("--first", type=int, default=0, help="the number of the first trial")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--jobs", type=int, default=6, help="trials at a time: mostly they wait")
    asked.add_argument("--folder", type=Path, help="where trials that were wrong are kept")
    asked.add_argument("--without", action="append", default=[], help="an option that this Fluent Bit does not know")
    given = asked.parse_args()
    Path("/etc/fluent-bit").mkdir(exist_ok=True)  # something to mount on
    folder = given.folder or Path(tempfile.mkdtemp(prefix="agents-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(machine.facts())
    print(f"seed {given.seed}, {folder}")
    began = time.monotonic()

    with Moto(folder) as moto, ThreadPoolExecutor(given.jobs) as pool:

        def run(number: int) -> bool:
            place = folder / f"{given.seed}-{number}"
            name, bucket = f"{given.seed}/{number}", f"trial-{given.seed}-{number}"
            trial = Trial(place, name, bucket, given.fluent_bit, moto.endpoint_url, moto.client, given.without)
            try:
                trial.run()
            finally:
                trial.end()
            if trial.said:
                told = f"--seed {given.seed} --first {number} --trials 1 ({trial.flavour}: {', '.join(trial.events)})"
                print(f"WRONG: {told}: {'; '.join(trial.said)}", flush=True)
            else:
                shutil.rmtree(place)
            return not trial.said

        right = list(pool.map(run, range(given.first, given.first + given.trials)))
    print(f"{given.trials} trials, {right.count(False)} wrong, in {time.monotonic() - began:.0f} s")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
