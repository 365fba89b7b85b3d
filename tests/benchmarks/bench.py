"""What every benchmark needs: the server, the peers, the options of the run, and how our own command is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import world as worlds
from .measure import Run, run
from .peers import Peers
from .server import BenchmarkServer
from .spec import Spec
from .world import World

REPOSITORY = Path(__file__).parents[2]
CONFIG = "/etc/fluent-bit/fluent-bit.conf"
QUICK_SECONDS = 20.0  # what takes less is done again, and the best counts


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes of this run. ``limit`` is the most time that one command gets, in seconds."""

    compare_mb: int
    stage_mb: int
    growth_mb: int
    memory_gb: tuple[float, ...]
    memory_all_gb: float
    repeat: int
    limit: float


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks."""

    data: Path
    peers: Peers
    server: BenchmarkServer
    options: Options

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201

    def world(self, spec: Spec) -> World:
        return worlds.world(spec, self.data, self.server, self.say)

    def scratch(self, name: str) -> Path:
        """An empty folder."""
        from shutil import rmtree

        path = self.data / "scratch" / name
        rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def ours(self, command: str, *arguments: str | Path, memory: bool = False) -> Run:
        """Runs ``flbrecover`` in a process of its own, as a user does. Standard output is what the command wrote."""
        program: list[str | Path] = [sys.executable, "-m", "flbrecover", command]
        return self.run(f"flbrecover {command}", [*program, *arguments], memory=memory)

    def changing(self, command: str, *arguments: str | Path, memory: bool = False) -> Run:
        """``recover`` or ``apply`` without a question, with a case folder that is new."""
        self.scratch("case")
        return self.ours(command, *arguments, "--yes", "--json", "--case", self.case, memory=memory)

    @property
    def case(self) -> Path:
        """The case folder of the last such call."""
        return self.data / "scratch" / "case" / "case"

    def diff(self, world: World, *arguments: str, memory: bool = False) -> Run:
        return self.ours("diff", *self.node(world), "--json", *arguments, memory=memory)

    def node(self, world: World) -> list[str]:
        """The options that name a world's node and the server."""
        return ["--root", str(world.root), "--config", CONFIG, "--endpoint-url", self.server.url]

    def run(self, name: str, command: list[str | Path], *, memory: bool = False) -> Run:
        """Runs any command; ``name`` is what is said of it while the benchmarks run."""
        environment = {**self.server.environment, "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C"}
        environment["TMPDIR"] = os.environ.get("TMPDIR", "/tmp")
        # As pip installs it: compiled. Without, each start would compile 300 modules, and keep the memory of that.
        environment["PYTHONPYCACHEPREFIX"] = str(self.data / "compiled")
        for setting in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
            environment.pop(setting, None)
        done = run(command, environment, limit=self.options.limit, memory=memory, cwd=self.data)
        more = f", {done.rss / 1e6:,.0f} MB" if memory else ""
        self.say(f"  {name}: {done.seconds:.2f} s (CPU {done.cpu_seconds:.2f} s{more}), exit code {done.code}")
        return done

    def best(self, *sides: Callable[[], Run]) -> list[Run]:
        """The fastest of several runs of each side, in turns, so that what else the machine does hits all alike."""
        best = [side() for side in sides]
        for _ in range(self.options.repeat - 1):
            for at, side in enumerate(sides):
                if best[at].seconds < QUICK_SECONDS:
                    best[at] = min(best[at], side(), key=lambda r: (r.timed_out, r.seconds))
        return best


def problem(done: Run, *, codes: tuple[int, ...] = (0,)) -> str:
    """Why a run's time does not count; "" where it does."""
    if done.timed_out:
        return f"not done after {done.seconds:.0f} s"
    if done.code not in codes:
        last = done.errors.decode(errors="replace").strip().splitlines()[-1:]
        return f"exit code {done.code}: {''.join(last)[:120]}"
    return ""


def wrong_states(done: Run, world: World) -> str:
    """What is not right in an answer of ``diff``; "" where all is."""
    if said := problem(done, codes=(0, 3)):
        return said
    states = done.record("summary").get("states", {})
    found = tuple(states.get(name, 0) for name in ("stored", "buffered", "unread"))
    right = (world.stored, world.buffered, world.unread)
    return "" if found == right else f"(stored, buffered, unread) {found}, it should be {right}"
