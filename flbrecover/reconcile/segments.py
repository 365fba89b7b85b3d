"""What a scan tells of the lines of an object, a stretch of them at a time."""

from __future__ import annotations

from dataclasses import dataclass

from flbrecover.reconcile.columns import NONE


@dataclass(frozen=True, slots=True)
class Strangers:
    """``count`` lines from number ``index`` on are copies of no entry."""

    index: int
    count: int


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines from number ``index`` on that placement has to look at. ``only`` is the one entry that has the own part of
    the first of them (NONE: not known)."""

    index: int
    lines: list[bytes]
    only: int = NONE


@dataclass(frozen=True, slots=True)
class Follow:
    """Lines from number ``index`` on have the own parts of ``entries``, one after the other, if the line before them is
    the entry before those. ``first`` and ``last`` are the outermost lines; ``some`` are a few more from the start."""

    index: int
    entries: range
    first: bytes
    last: bytes
    some: tuple[bytes, ...] = ()


Segment = Strangers | Lines | Follow
