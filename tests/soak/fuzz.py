"""Mutated buffer files, engine chunks, notes of uploads, objects, DBs, configurations, plans, bundles and log lines.

    python -m tests.soak.fuzz --count 1000000

Each input may be refused (FlbrecoverError) or reported; no other exception, no reader that takes longer than
--seconds, no memory that grows. What fails is kept below --failures; ``--repeat FILE KIND`` runs one such file.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from conftest import FreshBucket  # noqa: F401 - its import sets the environment of the tests

from flbrecover.errors import FlbrecoverError
from soak import machine
from soak.mutate import Mutator
from soak.targets import TARGETS, Target, folder_in_memory

SHARES = {
    "buffer": 0.2, "note": 0.1, "chunk": 0.15, "body": 0.2, "database": 0.03, "configuration": 0.1, "plan": 0.07,
    "bundle": 0.05, "line": 0.1,
}  # fmt: skip
WARM_UP = 2000  # inputs before memory is looked at first
GROWTH = 16 << 20  # bytes of resident memory that may be caches


class HangError(BaseException):
    """A reader took too long."""


def attempt(target: Target, data: bytes, folder: Path, seconds: float) -> str:
    """What is wrong with how the readers took the input; "" for nothing."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise HangError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        target.run(data, folder)
    except FlbrecoverError:
        pass
    except HangError:
        return f"took longer than {seconds} s\n{traceback.format_exc()}"
    except Exception:  # noqa: BLE001 - is what is looked for
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def alone(name: str, *given: Any) -> tuple[int, str]:
    """:func:`fuzz` in a new process: what other kinds have freed is no room that this one grows into unseen, or seen
    as growth."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(fuzz, name, *given).result()


def fuzz(name: str, count: int, seed: int, seconds: float, failures: Path) -> tuple[int, str]:
    """Runs ``count`` inputs; gives how many were wrong, and a line on the run."""
    target = TARGETS[name]
    wrong: dict[str, int] = {}
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=folder_in_memory()) as scratch:
        folder = Path(scratch)
        tempfile.tempdir = str(folder / "scratch")
        Path(tempfile.tempdir).mkdir()
        mutator = Mutator(target.seeds(folder), target.words)
        started = time.monotonic()
        first = most = resident()
        for number in range(count):
            data = mutator.make(random.Random(f"{seed}/{target.name}/{number}"))
            before = time.monotonic()
            said = attempt(target, data, folder, seconds)
            slowest = max(slowest, time.monotonic() - before)
            if said:
                lines = said.strip().splitlines()
                where = lines[-1] + "".join(line for line in lines if "flbrecover/" in line)[-200:]
                wrong[where] = wrong.get(where, 0) + 1
                if wrong[where] == 1:
                    failures.mkdir(parents=True, exist_ok=True)
                    kept = failures / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
                    kept.write_bytes(data)
                    print(f"WRONG: {target.name} {number}, kept as {kept}: {said}", flush=True)
            if number % 1000 == 0:
                now = resident()
                most = max(most, now)
                if number <= WARM_UP:
                    first = now
        grown = resident() - first
        left = [path.name for path in Path(tempfile.tempdir).iterdir()]
        took = time.monotonic() - started
    tempfile.tempdir = None
    bad = sum(wrong.values())
    if grown > GROWTH:
        bad += 1
        print(f"WRONG: {target.name}: memory grew by {grown >> 20} MiB")
    if left:
        bad += 1
        print(f"WRONG: {target.name}: left in scratch: {left[:5]}")
    memory = f"{first >> 20:5} MiB {grown / 2**20:+6.1f} MiB"
    return bad, f"{target.name:13} {count:9,} {bad:5} {slowest:8.3f} s {memory} {took:6.0f} s"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--count", type=int, default=1_000_000, help="inputs of all kinds together")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--seconds", type=float, default=10.0, help="what one input may take")
    asked.add_argument("--kind", choices=sorted(TARGETS), action="append", help="only these (--count is for each then)")
    asked.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    asked.add_argument("--repeat", nargs=2, metavar=("FILE", "KIND"))
    given = asked.parse_args()
    if given.repeat:
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        said = attempt(TARGETS[given.repeat[1]], Path(given.repeat[0]).read_bytes(), folder, given.seconds)
        shutil.rmtree(folder)
        print(said or "nothing wrong")
        return 1 if said else 0
    print(machine.facts())
    print(f"seed {given.seed}")
    print(f"{'kind':13} {'inputs':>9} {'wrong':>5} {'slowest':>10} {'memory':>9} {'growth':>10} {'time':>8}")
    bad = 0
    for name in TARGETS:
        if given.kind and name not in given.kind:
            continue
        count = given.count if given.kind else int(given.count * SHARES[name])
        wrong, line = alone(name, count, given.seed, given.seconds, given.failures)
        bad += wrong
        print(line, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
