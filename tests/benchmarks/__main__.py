"""``python -m tests.benchmarks``: runs the benchmarks and prints one table."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import compare, growth, listing, memory, stage, table, upload
from .bench import REPOSITORY, Bench, Options
from .peers import peers
from .server import BenchmarkServer
from .table import Row

BENCHMARKS: dict[str, Callable[[Bench], list[Row]]] = {
    "compare": compare.measure,
    "list": listing.measure,
    "upload": upload.measure,
    "stage": stage.measure,
    "memory": memory.measure,
    "growth": growth.measure,
}
SPECS = {
    "compare": compare.specs,
    "upload": upload.specs,
    "stage": stage.specs,
    "memory": memory.specs,
    "growth": growth.specs,
}
DATA = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flbrecover-benchmarks"


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server is to end in peace, for its data is kept
    options = Options(
        compare_mb=given.compare_mb,
        stage_mb=given.stage_mb,
        growth_mb=given.growth_mb,
        memory_gb=tuple(given.sizes),
        memory_all_gb=given.memory_all_gb,
        repeat=given.repeat,
        limit=given.limit,
    )
    given.data.mkdir(parents=True, exist_ok=True)
    programs = peers(given.data)
    facts = table.facts(programs.versions, REPOSITORY)
    rows: list[Row] = []
    with BenchmarkServer(given.data, programs) as server:
        bench = Bench(given.data, programs, server, options)
        if given.prepare:
            _prepare(bench, given.only)
            return 0
        for name in given.only:
            began = time.monotonic()
            bench.say(f"{name}:")
            measured = BENCHMARKS[name](bench)
            rows += measured
            bench.say(f"{table.markdown(measured)}\n{name} took {time.monotonic() - began:.0f} s\n")
    rows.sort(key=lambda row: row.number)
    text = f"{facts}\n\n{table.markdown(rows)}"
    sys.stdout.write(text + "\n")
    if given.write:
        table.write(given.write, text)
    return 1 if any(row.wrong for row in rows) else 0


def _prepare(bench: Bench, names: list[str]) -> None:
    """Makes all that the benchmarks of these names work on."""
    for name in names:
        if name == "list":
            listing.made(bench)
        for spec in SPECS[name](bench.options) if name in SPECS else ():
            bench.world(spec)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Benchmarks: docs/performance.md.")
    parser.add_argument("--only", type=_names, default=list(BENCHMARKS), metavar="NAMES",
                        help=f"some of {','.join(BENCHMARKS)} (default: all)")  # fmt: skip
    parser.add_argument("--data", type=lambda p: Path(p).absolute(), default=DATA, metavar="DIR",
                        help="peers, incidents and the server's data, kept for the next run (%(default)s)")  # fmt: skip
    parser.add_argument("--prepare", action="store_true", help="make the incidents for a later run, measure nothing")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the markers of this page")
    parser.add_argument("--sizes", type=_sizes, default=None, metavar="GB,GB", help="of memory (default: 0.1,1)")
    parser.add_argument("--full", action="store_true", help="memory at 10 GB, too: some 20 GB of disk, and time")
    parser.add_argument("--memory-all-gb", type=float, default=0.1, metavar="GB",
                        help="largest size at which all commands are measured (%(default)s)")  # fmt: skip
    parser.add_argument("--compare-mb", type=int, default=200, metavar="MB", help="buffers of compare (%(default)s)")
    parser.add_argument("--stage-mb", type=int, default=1000, metavar="MB", help="objects of stage (%(default)s)")
    parser.add_argument("--growth-mb", type=int, default=25, metavar="MB", help="smallest size of growth (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="the best of N counts (%(default)s)")
    parser.add_argument("--limit", type=float, default=600, metavar="S", help="for one command (%(default)s)")
    given = parser.parse_args()
    if given.sizes is None:
        given.sizes = [0.1, 1.0, 10.0] if given.full else [0.1, 1.0]
    if given.full and given.limit == parser.get_default("limit"):
        given.limit = 3600
    return given


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - BENCHMARKS.keys():
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(BENCHMARKS)}")
    return names


def _sizes(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
