"""Where a quarantined file starts all over again.

Fluent Bit appends a chunk to its own quarantined copy when several processes quarantine it (seen). Dates of whole
seconds do not tell such a copy from new records, so the order of all of them has to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

MANY = 8  # different records in the order of the file's beginning, which no application writes in that order again
MOST_COPIES = 4  # of one chunk: what is repeated more often are lines that an application writes in turn


class RepeatedBlocks(NamedTuple):
    """Records that are copies of those ``shift`` before them."""

    shift: int
    records: range


NO_BLOCKS = RepeatedBlocks(0, range(0))


def repeated_blocks(digests: Sequence[bytes]) -> RepeatedBlocks:
    """All further copies of a file's beginning.

    Different records have to repeat in order, as one line does again and again. Mostly the whole file is copies of one
    block, the shortest that fits; the last copy may be torn. Else the chunk has grown between two copies: then it is
    the longest block that is followed by itself, if one of its records comes twice and no more.
    """
    count = len(digests)
    same = _same_as_beginning(digests)
    whole = next((n for n in range(1, count) if n + same[n] == count), count)
    if whole < count and _is_copy(digests[whole:], whole):
        return RepeatedBlocks(whole, range(whole, count)) if count <= MOST_COPIES * whole else NO_BLOCKS
    grown = next((n for n in range(count // 2, 1, -1) if same[n] >= n), 0)
    often = Counter(digests) if grown else Counter()
    block = set(digests[:grown])
    if len(block) > 1 and any(often[one] == 2 for one in block):
        return RepeatedBlocks(grown, range(grown, 2 * grown))
    return NO_BLOCKS


def _is_copy(rest: Sequence[bytes], block: int) -> bool:
    """Is what comes behind a block of so many records another copy of it? A few lines that end a file as they began it
    are none: an application may write them again."""
    different = len(set(rest))
    return different > 1 and (2 * len(rest) >= block or different >= MANY)


def _same_as_beginning(digests: Sequence[bytes]) -> list[int]:
    """How many records from each one on are those that the file begins with (the Z function, in linear time)."""
    count = len(digests)
    same = [0] * count
    start = end = 0  # the stretch that is known to be as the beginning, and reaches furthest
    for n in range(1, count):
        length = min(end - n, same[n - start]) if n < end else 0
        while n + length < count and digests[length] == digests[n + length]:
            length += 1
        if n + length > end:
            start, end = n, n + length
        same[n] = length
    return same
