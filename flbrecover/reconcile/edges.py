"""The first and the last ones of the strangers between two lines that a scan found: where an input joins lines, they
may be pieces of a joined record (:mod:`breaks`), and placement has to see them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from flbrecover.reconcile.segments import Lines, Segment, Strangers

EDGE = 256  # strangers that are handed over on either side: as many pieces may lie there
ALONE = 16  # those at the beginning, where nothing has been found


class Block(Protocol):
    @property
    def lines(self) -> list[bytes]: ...


class Edges:
    """Strangers since the last line that was found. Blocks are cut into lines only where those are wanted."""

    def __init__(self) -> None:
        self._first: list[bytes] = []
        self._last: deque[tuple[Block, int, int]] = deque(maxlen=2)  # no line before those is asked for, mostly

    def add(self, block: Block, at: int, end: int, *, found_before: bool) -> None:
        """More strangers: some lines of a block."""
        most = EDGE if found_before else ALONE
        if len(self._first) < most:
            self._first += block.lines[at : min(end, at + most - len(self._first))]
        self._last.append((block, at, end))

    def take(self, index: int, count: int, *, found_before: bool, found_after: bool) -> Iterator[Segment]:
        """All of them, ``count`` from line ``index`` on; the next ones are others. Where nothing was found they are
        handed over only if they are few: a large object of pieces alone there is not."""
        first, self._first = self._first, []
        if not found_before and not found_after and count > ALONE:
            first = []
        wanted = min(EDGE, count - len(first)) if found_after else 0
        parts = [block.lines[max(at, end - wanted) : end] for block, at, end in self._last] if wanted else []
        last = [line for part in parts for line in part][-wanted:] if wanted else []
        self._last.clear()
        between = count - len(first) - len(last)
        if first:
            yield Lines(index, first)
        if between:
            yield Strangers(index + len(first), between)
        if last:
            yield Lines(index + len(first) + between, last)
