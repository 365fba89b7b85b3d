"""The shapes of a coverage timeline: path data for an SVG that is 1000 wide and stretches with the page.

Colour is never alone: what is missing stands taller and is hatched one way, what was recovered the other way, what is
complete is a thin line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flbrecover.report import text
from flbrecover.report.coverage_axis import Axis, Bin, Span, Track, spans

WIDTH = 1000
STRIP, LANE, GAP = 14, 26, 8
MOST_SPANS = 40
LEAST = 2.0  # the smallest bar, so that one record can be seen

Value = Callable[[Bin], int]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one kind: ``look`` is their CSS class."""

    look: str
    path: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane with its label; ``top`` is where it begins, ``height`` how tall it is, in px. ``most`` is what its tallest
    bar stands for."""

    label: str
    top: int
    height: int
    most: int
    bars: tuple[Bars, ...]

    @property
    def base(self) -> int:
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that a template needs to draw one. ``data`` are the bins for the script: [bin, written, in buffers, pending,
    in S3, recovered, missing, objects]; ``spans`` say the same in words, ``more_spans`` how many were left out."""

    axis: Axis
    strip: tuple[Bars, ...]
    lanes: tuple[Lane, ...]
    height: int
    ticks: tuple[str, ...]
    data: str
    spans: tuple[Span, ...]
    more_spans: int
    estimated: int
    untimed: int


def timeline(track: Track) -> Timeline:
    bins = list(track.in_order())
    top, lanes = STRIP + GAP, []
    for label, tall, kinds in _KINDS:
        if label == "Pending" and not any(one.now["pending"] or one.before["pending"] for _, one in bins):
            continue
        lane = _lane(track.axis, bins, label, top, tall, kinds)
        lanes.append(lane)
        top += tall + GAP
    said = list(spans(track))
    return Timeline(
        track.axis, strip(track), tuple(lanes), top, tuple(ticks(track.axis)), _data(bins), tuple(said[:MOST_SPANS]),
        max(0, len(said) - MOST_SPANS), track.estimated["now"], track.untimed["now"],
    )  # fmt: skip


_KINDS: tuple[tuple[str, int, tuple[tuple[str, Value], ...]], ...] = (
    ("Written", LANE, (("source", lambda one: one.now["source"]),)),
    ("Buffers", LANE, (("buffers", lambda one: one.now["buffers"]),)),
    ("Pending", LANE, (("pending", lambda one: one.before["pending"]),)),
    (
        "In S3",
        LANE + 10,
        (
            ("stored", lambda one: one.now["stored"] - one.recovered),
            ("recovered", lambda one: one.recovered),
            ("missing", lambda one: one.missing),
        ),
    ),
    ("Objects", LANE - 12, (("objects", lambda one: one.now["objects"]),)),
)


def _lane(
    axis: Axis, bins: Sequence[tuple[int, Bin]], label: str, top: int, tall: int, kinds: Sequence[tuple[str, Value]]
) -> Lane:
    """Bars of several kinds stand on each other."""
    most = max((sum(value(one) for _, value in kinds) for _, one in bins), default=0)
    paths = {look: Path(axis) for look, _ in kinds}
    for at, one in bins:
        below = 0.0
        for look, value in kinds:
            if number := value(one):
                height = max(LEAST, number / most * tall)
                height = min(height, tall - below) if below < tall - LEAST else LEAST
                below = min(below, tall - height)
                paths[look].add(at, round(top + tall - below, 1), round(height, 1))
                below += height
    return Lane(label, top, tall, most, tuple(Bars(look, d) for look, p in paths.items() if (d := p.data())))


def strip(track: Track) -> tuple[Bars, ...]:
    """One row for a glance: complete, recovered or missing."""
    heights = {"complete": 4.0, "other": 2.0, "recovered": 10.0, "missing": float(STRIP)}
    paths: dict[str, Path] = {}
    for at, one in track.in_order():
        height = heights[one.status]
        paths.setdefault(one.status, Path(track.axis)).add(at, STRIP / 2 + height / 2, height)
    return tuple(Bars(status, path.data()) for status, path in paths.items())


class Path:
    """Path data of bars; neighbours of the same height become one."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self._done: list[str] = []
        self._open: tuple[int, int, float, float] | None = None  # first bin, bin after the last, base, height

    def add(self, at: int, base: float, height: float) -> None:
        if self._open is not None and self._open[1:] == (at, base, height):
            self._open = (self._open[0], at + 1, base, height)
            return
        self._close()
        self._open = (at, at + 1, base, height)

    def data(self) -> str:
        self._close()
        return "".join(self._done)

    def _close(self) -> None:
        if self._open is not None:
            first, after, base, height = self._open
            left, right = (round(at * WIDTH / self._axis.bins, 1) for at in (first, after))
            self._done.append(f"M{left:g} {base:g}v{-height:g}h{right - left:.4g}v{height:g}z")
            self._open = None


def ticks(axis: Axis) -> Iterator[str]:
    """Five times along the axis, in no more detail than tells them apart; the day where it changes."""
    times = [axis.start + (axis.end - axis.start) * n // 4 for n in range(5)]
    detail = 23 if axis.width < 10**9 else 19 if axis.width < 60 * 10**9 else 16
    day = ""
    for time_ns in times:
        said = text.time(time_ns).rstrip("Z")[:detail]
        yield said if said[:10] != day else said[11:] or said
        day = said[:10]


def _data(bins: Sequence[tuple[int, Bin]]) -> str:
    rows = [
        [at, b.now["source"], b.now["buffers"], b.before["pending"], b.now["stored"], b.recovered, b.missing,
         b.now["objects"]]
        for at, b in bins
    ]  # fmt: skip
    return json.dumps(rows, separators=(",", ":"))
