"""(6) How the time of ``diff`` grows: the slope of log time over log size, by least squares over four sizes.

What ``diff`` takes for next to nothing hides growth at small sizes, so the slope without it is shown as well.
"""

from __future__ import annotations

from functools import partial
from math import log

from .bench import Bench, Options, wrong_states
from .measure import Run
from .spec import MB, Spec
from .table import Row

GOAL = 1.05
SIZES = (1, 2, 4, 8)  # of what grows; the rest stays
NOTHING = Spec(10_000, 0, 0, apps=1)


def series(options: Options) -> dict[str, list[Spec]]:
    """By what grows."""
    unit = options.growth_mb * MB
    return {
        "buffers": [Spec(unit * n, 0, 4 * unit) for n in SIZES],
        "objects": [Spec(unit, 0, 4 * unit * n, "shifted") for n in SIZES],
        "logs": [Spec(unit, unit * n, 12 * unit, "shifted") for n in SIZES],
    }


def specs(options: Options) -> list[Spec]:
    return [NOTHING, *(spec for of in series(options).values() for spec in of)]


def measure(bench: Bench) -> list[Row]:
    nothing = bench.world(NOTHING)
    (fixed,) = bench.best(partial(bench.diff, nothing))
    return [_row(bench, fixed, what, of) for what, of in series(bench.options).items()]


def _row(bench: Bench, fixed: Run, what: str, sized: list[Spec]) -> Row:
    times, sizes, wrong = [], [], ""
    for spec in sized:
        world = bench.world(spec)
        (done,) = bench.best(partial(bench.diff, world))
        times.append(done.seconds)
        sizes.append({"buffers": world.buffer_bytes, "objects": world.object_content, "logs": world.log_bytes}[what])
        wrong = wrong or wrong_states(done, world)
    found = slope(sizes, times)
    net = slope(sizes, [max(0.001, t - fixed.seconds) for t in times])
    shown = ", ".join(f"{t:.2f}" for t in times)
    size = ", ".join(f"{s / MB:,.0f}" for s in sizes)
    ratio = f"slope {found:.2f} ({net:.2f} without the {fixed.seconds:.2f} s for nothing)"
    said = f"time of `diff` over {what} ({size} MB)"
    return Row("6", said, f"{shown} s", "", ratio, f"≤ {GOAL}", found <= GOAL, wrong)


def slope(sizes: list[int], times: list[float]) -> float:
    """Of log time over log size; 1 is linear."""
    xs, ys = [log(s) for s in sizes], [log(t) for t in times]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)
