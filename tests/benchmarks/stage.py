"""(4) The compare stage against decompression alone.

The stage's time is what ``diff`` takes with the objects, less what it takes for the same node and an empty bucket: with
the fetching and everything that is done with a record, but without the start of Python and the reading of buffers.
"""

from __future__ import annotations

import sys
from functools import partial

from .bench import Bench, Options, wrong_states
from .measure import Run
from .spec import MB, Spec
from .table import Row

GOAL = 0.6

LIMIT = """
import sys, time, gzip
from pathlib import Path
from isal import igzip
kind, folder = sys.argv[1:]
opener = {"isal": igzip.open, "zlib": gzip.open}[kind]
began, size = time.perf_counter(), 0
for path in Path(folder).rglob("*.gz"):
    with opener(path) as file:
        while block := file.read(1 << 20):
            size += len(block)
print(size, time.perf_counter() - began)
"""


def specs(options: Options) -> list[Spec]:
    """The same node, with objects and without."""
    size = options.stage_mb * MB
    return [Spec(size // 20, 0, size), Spec(size // 20, 0, 0)]


def measure(bench: Bench) -> list[Row]:
    full, empty = map(bench.world, specs(bench.options))
    folder = bench.scratch("limit")
    bench.run("s5cmd cp", [bench.peers.s5cmd, "--log", "error", "cp", f"s3://{full.bucket}/*", f"{folder}/"])
    limit = [bench.best(partial(_limit, bench, kind, str(folder)))[0] for kind in ("isal", "zlib")]
    with_objects, without = bench.best(partial(bench.diff, full), partial(bench.diff, empty))
    bench.scratch("limit")
    wrong = wrong_states(with_objects, full) or wrong_states(without, empty)
    seconds = max(1e-6, with_objects.seconds - without.seconds)
    ours = full.object_content / seconds / MB
    rows = []
    for kind, done in zip(("isal", "zlib"), limit, strict=True):
        content, alone = map(float, done.output.split())
        peer = content / alone / MB
        share = ours / peer
        goal, met = (f"≥ {GOAL}", share >= GOAL) if kind == "isal" else ("", None)
        what = f"compare stage against decompressing alone with {kind} on one core ({content / MB:,.0f} MB of records)"
        rows.append(
            Row("4", what, f"{ours:,.0f} MB/s", f"{peer:,.0f} MB/s", f"{share:.2f} of its speed", goal, met, wrong)
        )
    return rows


def _limit(bench: Bench, kind: str, folder: str) -> Run:
    return bench.run(f"decompress with {kind}", [sys.executable, "-c", LIMIT, kind, folder])
