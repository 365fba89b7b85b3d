"""(3) Upload of missing data: 200 buffer files of 1 MB and 2,000 of 10 kB, against ``s5cmd cp`` of the same contents.

Ours is measured twice: the uploads themselves, from the first to the last PUT that the server counts, and the whole
command, which compares before and after besides.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .bench import Bench, Options, problem
from .measure import Run
from .server import BenchmarkServer
from .spec import MB, Spec
from .table import Row
from .world import World

GOAL = 0.9
LOOK_SECONDS = 0.02  # between two looks while the first or the last PUT is to be seen
GLANCE_SECONDS = 0.1  # and in between: each look takes 2 ms of the processor, which s5cmd has to itself


@dataclass(frozen=True, slots=True)
class _Timed:
    """A run, and how long its uploads took."""

    run: Run
    uploads: float


def specs(options: Options) -> list[Spec]:
    sizes = ((200, MB, 8), (2000, MB // 100, 20))
    return [Spec(count * size, 0, 0, unit=size, apps=apps, compression="none") for count, size, apps in sizes]


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for spec in specs(bench.options):
        world = bench.world(spec)
        each = world.buffer_bytes / world.buffer_files / 1000
        rows += _rows(bench, world, f"{world.buffer_files:,} × {each:,.0f} kB")
    return rows


def _rows(bench: Bench, world: World, size: str) -> list[Row]:
    bench.server.used_bucket(world.bucket)  # a run that was cut off may have left objects in it
    plan = bench.scratch("plan") / "plan.json"
    planned = bench.diff(world, "--agent", "gone", "--plan", str(plan))
    contents = bench.scratch("contents")
    _copy_contents(world, contents)
    recovers: list[_Timed] = []
    applies: list[_Timed] = []
    recovered, applied, copied = bench.best(
        partial(_ours, bench, world, recovers, "recover", "--agent", "gone", *bench.node(world)),
        partial(_ours, bench, world, applies, "apply", str(plan), "--root", str(world.root), "--endpoint-url",
                bench.server.url),
        partial(_s5cmd, bench, contents),
    )  # fmt: skip
    wrong = (
        problem(planned, codes=(3,))
        or _wrong("recover", recovered, world)
        or _wrong("apply", applied, world)
        or problem(copied)
    )
    uploads = min(t.uploads for t in applies + recovers)
    return [
        _row(f"upload {size}: first to last PUT", uploads, copied, GOAL, wrong),
        _row(f"upload {size}: all of `apply`, with its proof", applied.seconds, copied, None, wrong),
        _row(f"upload {size}: all of `recover`, with comparison and proof", recovered.seconds, copied, None, wrong),
    ]


def _ours(bench: Bench, world: World, into: list[_Timed], command: str, *arguments: str) -> Run:
    """Runs a command that uploads everything, into a bucket that is empty again afterwards."""
    bench.server.used_bucket(world.bucket)
    with _Puts(bench.server, world.buffer_files) as puts:
        done = bench.changing(command, *arguments)
    into.append(_Timed(done, puts.seconds))
    bench.server.fresh_bucket(world.bucket)
    return done


def _s5cmd(bench: Bench, contents: Path) -> Run:
    bucket = bench.server.used_bucket("uploads")
    done = bench.run("s5cmd cp", [bench.peers.s5cmd, "--log", "error", "cp", f"{contents}/", f"s3://{bucket}/"])
    bench.server.drop_bucket(bucket)
    return done


def _row(what: str, ours: float, peer: Run, goal: float | None, wrong: str) -> Row:
    speed = peer.seconds / ours
    return Row("3", what, f"{ours:.2f} s", f"s5cmd cp {peer.seconds:.2f} s", f"{speed:.2f} of its speed",
               f"≥ {goal}" if goal else "", speed >= goal if goal else None, wrong)  # fmt: skip


def _wrong(who: str, done: Run, world: World) -> str:
    if said := problem(done):
        return f"{who}: {said}"
    stored = done.record("verdict").get("stored")
    return "" if stored == world.records else f"{who}: {stored} records stored, it should be {world.records}"


def _copy_contents(world: World, to: Path) -> None:
    """The contents of the buffer files, as files: what s5cmd uploads."""
    for number, path in enumerate(sorted((world.root / "var/log/s3").rglob("*-*"))):
        if path.is_file():
            data = path.read_bytes()
            (to / f"{number:05d}.log").write_bytes(data[data.index(b'{"date"') :].rstrip(b"\0"))


class _Puts:
    """Watches the server's count of PUTs, which are to be ``expected`` ones: how long it grows. A context manager."""

    def __init__(self, server: BenchmarkServer, expected: int) -> None:
        self._server = server
        self._expected = expected
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._first = self._last = 0.0

    def __enter__(self) -> _Puts:
        self._count = self._asked()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """From before the first PUT was seen to when the last one was."""
        return self._last - self._first

    def _asked(self) -> int:
        return self._server.traffic().requests.get("PUT", 0)

    def _look(self) -> None:
        before, at_first = time.monotonic(), self._count
        pause = LOOK_SECONDS
        while not self._over.wait(pause):
            now, count = time.monotonic(), self._asked()
            if count > self._count:
                self._first = self._first or before
                self._last, self._count = now, count
            before = now
            pause = GLANCE_SECONDS if 0 < count - at_first < self._expected * 0.8 else LOOK_SECONDS
