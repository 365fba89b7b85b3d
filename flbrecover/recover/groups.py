"""Records in groups: those that follow each other, and those that fit into one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def split(
    wanted: Iterable[range], places: Callable[[range], Iterable[tuple[int, int]]], most: int
) -> Iterator[list[range]]:
    """Groups of records that are no larger than an object of this output may be; never an empty one. ``places`` tells
    where records begin and end, each without its newline."""
    group: list[range] = []
    total = 0
    for indexes in wanted:
        start = indexes.start
        for index, (first, end) in zip(indexes, places(indexes), strict=True):
            size = end - first + 1
            if total and total + size > most:
                if index > start:
                    group.append(range(start, index))
                yield group
                group, total, start = [], 0, index
            total += size
        group.append(range(start, indexes.stop))
    if group:
        yield group


def runs_of(numbers: Iterable[int]) -> Iterator[range]:
    """Rising numbers, those that follow each other as one range."""
    start = end = -1
    for number in numbers:
        if number != end:
            if start >= 0:
                yield range(start, end)
            start = number
        end = number + 1
    if start >= 0:
        yield range(start, end)
