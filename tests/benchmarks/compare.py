"""(1) What a user would do by hand against ``flbrecover diff``: time, and bytes fetched. Both must be right."""

from __future__ import annotations

from dataclasses import dataclass

from .bench import Bench, Options, problem
from .measure import Run
from .server import Traffic
from .spec import MB, Delivered, Spec
from .table import Row
from .world import World

FASTER, FEWER = 8.0, 50.0

BY_HAND = r"""
set -eu -o pipefail
"$S5CMD" --log error cp "s3://$BUCKET/logs/*" "$SCRATCH/objects/"
find "$SCRATCH/objects" -name '*.gz' -print0 | xargs -0 zcat | sort -T "$SCRATCH" > "$SCRATCH/stored"
find "$STORE" -type f -print0 | xargs -0 grep -aho '{"date":.*}' | sort -T "$SCRATCH" > "$SCRATCH/wanted"
comm -23 "$SCRATCH/wanted" "$SCRATCH/stored" | wc -l
"""


@dataclass(slots=True)
class _Side:
    """The fastest run of one side with what it fetched."""

    run: Run
    traffic: Traffic
    missing: int


CASES: tuple[tuple[str, str, Delivered], ...] = (
    ("1a", "whole buffers stored", "whole"),
    ("1b", "only records decide", "shifted"),
    ("1c", "half stored whole, half nowhere", "half"),
)


def specs(options: Options) -> list[Spec]:
    size = options.compare_mb * MB
    return [Spec(size, 0, 5 * size, delivered) for _, _, delivered in CASES]


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for (number, what, _), spec in zip(CASES, specs(bench.options), strict=True):
        world = bench.world(spec)
        rows += _rows(number, what, world, *_sides(bench, world))
    return rows


def _sides(bench: Bench, world: World) -> tuple[_Side, _Side]:
    ours: list[_Side] = []
    hand: list[_Side] = []

    def diff() -> Run:
        before = bench.server.traffic()
        done = bench.diff(world)
        missing = int(done.record("summary").get("missing", -1))
        ours.append(_Side(done, bench.server.traffic().since(before), missing))
        return done

    def by_hand() -> Run:
        scratch = bench.scratch("by-hand")
        before = bench.server.traffic()
        done = bench.run(
            "by hand",
            ["/usr/bin/env", f"S5CMD={bench.peers.s5cmd}", f"BUCKET={world.bucket}", f"SCRATCH={scratch}",
             f"STORE={world.root}/var/log/s3", "bash", "-c", BY_HAND],
        )  # fmt: skip
        hand.append(_Side(done, bench.server.traffic().since(before), int(done.output or -1)))
        bench.scratch("by-hand")
        return done

    bench.best(by_hand, diff)
    return min(ours, key=lambda s: s.run.seconds), min(hand, key=lambda s: s.run.seconds)


def _rows(number: str, what: str, world: World, ours: _Side, hand: _Side) -> list[Row]:
    sizes = f"{world.buffer_bytes / MB:,.0f} MB of buffers, {world.object_content / MB:,.0f} of objects"
    wrong = _wrong("flbrecover", ours, world, (0, 3)) or _wrong("by hand", hand, world, (0,))
    faster = hand.run.seconds / ours.run.seconds
    fewer = hand.traffic.sent / max(1, ours.traffic.sent)
    goal, met = (f"≥ {FEWER:g}", fewer >= FEWER) if number == "1a" else ("", None)
    return [
        Row(number, f"{what}: `diff` against s5cmd, zcat, sort, comm ({sizes})", f"{ours.run.seconds:.2f} s",
            f"{hand.run.seconds:.2f} s", f"{faster:.1f} × faster", f"≥ {FASTER:g}", faster >= FASTER, wrong),
        Row(number, f"{what}: bytes of objects fetched", _fetched(ours.traffic), _fetched(hand.traffic),
            f"{fewer:.1f} × fewer", goal, met, wrong),
    ]  # fmt: skip


def _fetched(traffic: Traffic) -> str:
    """Bytes of object bodies, and how many requests for objects and lists."""
    gets, lists = traffic.requests.get("GET", 0), traffic.requests.get("LIST", 0)
    size = f"{traffic.sent / MB:,.1f} MB" if traffic.sent >= MB / 10 else f"{traffic.sent / 1000:,.1f} kB"
    return f"{size}, {gets:,} GET, {lists:,} LIST"


def _wrong(who: str, side: _Side, world: World, codes: tuple[int, ...]) -> str:
    if said := problem(side.run, codes=codes):
        return f"{who}: {said}"
    if side.missing != world.buffered:
        return f"{who}: {side.missing:,} records missing, it should be {world.buffered:,}"
    return ""
