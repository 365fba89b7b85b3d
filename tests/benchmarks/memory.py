"""(5) Peak memory, with the main process and its workers added, at sizes ten times apart."""

from __future__ import annotations

from collections.abc import Iterator

from .bench import Bench, Options, problem, wrong_states
from .measure import Run
from .spec import MB, Spec
from .table import Row
from .world import World

GB = 1000 * MB
MOST = 200 * MB
FLAT = 1.25  # the largest peak over the smallest
CODES = (0, 3)


def specs(options: Options) -> list[Spec]:
    return [_spec(size) for size in options.memory_gb]


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    peaks: list[int] = []
    for size, spec in zip(bench.options.memory_gb, specs(bench.options), strict=True):
        world = bench.world(spec)
        name = f"{size:g} GB of buffers and logs, {world.object_content / GB:.1f} GB of objects"
        done = bench.diff(world, memory=True)
        rows.append(_row(f"peak memory of `diff`: {name}", done, wrong_states(done, world)))
        peaks.append(done.rss)
        if size <= bench.options.memory_all_gb:
            rows += [_row(f"peak memory of `{command}`: {name}", other, problem(other, codes=CODES))
                     for command, other in _others(bench, world)]  # fmt: skip
    if len(peaks) > 1:
        growth = max(peaks) / min(peaks)
        sizes = ", ".join(f"{s:g}" for s in bench.options.memory_gb)
        rows.append(Row("5", f"peak memory of `diff` over {sizes} GB: largest over smallest", f"{growth:.2f}", "", "",
                        f"≤ {FLAT}", growth <= FLAT))  # fmt: skip
    return rows


def _spec(gigabytes: float) -> Spec:
    """A node with so much of buffers and logs, and five times as much of objects."""
    evidence = int(gigabytes * GB)
    return Spec(evidence * 3 // 10, evidence * 7 // 10, 5 * evidence, "shifted", apps=8 if gigabytes < 2 else 40)


def _others(bench: Bench, world: World) -> Iterator[tuple[str, Run]]:
    """All other commands that read the node or the bucket; the bucket is afterwards as it was."""
    node = bench.node(world)
    here, server = node[:4], node[4:]
    for command in ("tail", "buffers"):
        yield command, bench.ours(command, *here, "--json", memory=True)
    for command in ("objects", "uploads"):
        yield command, bench.ours(command, *node, "--json", memory=True)
    yield "audit", bench.ours("audit", *here, "--json", memory=True)
    bundle = bench.scratch("bundle") / "node.tar.zst"
    yield "collect", bench.ours("collect", *here, "--out", bundle, "--json", memory=True)
    yield "diff of a bundle", bench.ours("diff", "--root", bundle, *node[2:], "--json", memory=True)
    bench.scratch("bundle")
    plan = bench.scratch("plan") / "plan.json"
    yield "diff --plan", bench.diff(world, "--agent", "gone", "--plan", str(plan), memory=True)
    yield "recover --dry-run", bench.ours("recover", *node, "--agent", "gone", "--dry-run", "--json", memory=True)
    recovered = bench.changing("recover", *node, "--agent", "gone", memory=True)
    yield "recover", recovered
    yield "report", bench.ours("report", bench.case, memory=True)
    planned = [str(plan), "--root", str(world.root), *server]
    yield "apply", bench.changing("apply", *planned, memory=True)
    yield "verify", bench.ours("verify", *planned, "--json", memory=True)
    for done in recovered.records():
        if done.get("type") == "done" and done["outcome"] == "written":
            bench.server.s3.client.delete_object(Bucket=world.bucket, Key=done["key"])


def _row(what: str, done: Run, wrong: str) -> Row:
    shown = f"{done.rss / MB:,.0f} MB ({done.pss / MB:,.0f} PSS)"
    return Row("5", what, shown, "", f"{done.seconds:.1f} s, {done.processes} processes", f"≤ {MOST / MB:.0f} MB",
               done.rss <= MOST, wrong)  # fmt: skip
