"""What a scan of a whole object told, in a form that another process can send."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flbrecover.model import Problem
from flbrecover.reconcile.segments import Follow, Lines, Segment

MOST_BYTES = 4 << 20  # of lines that are sent over; an object that needs more is scanned here


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan of a whole object told, and what :class:`ObjectRecords` tells after reading it."""

    segments: list[Segment]
    metadata: dict[str, str]
    problems: list[Problem]
    denied: bool
    too_long: bool


def within_bound(segments: Iterable[Segment]) -> list[Segment] | None:
    """All segments, or None where they hold too many lines to be sent."""
    kept: list[Segment] = []
    size = 0
    for segment in segments:
        if isinstance(segment, Lines):
            size += sum(map(len, segment.lines))
        elif isinstance(segment, Follow):
            size += sum(map(len, segment.some))
        if size > MOST_BYTES:
            return None
        kept.append(segment)
    return kept
