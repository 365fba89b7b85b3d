"""Records in groups: those that follow each other, and those that fit into one object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol


class Sizes(Protocol):
    """Records by number, each without its newline: see :class:`~flbrecover.reconcile.holders.Holder`."""

    def size(self, indexes: range) -> int: ...

    def places(self, indexes: range) -> Iterable[tuple[int, int]]: ...


def split(wanted: Iterable[range], records: Sizes, most: int) -> Iterator[list[range]]:
    """Groups of records for one object each, of at most ``most`` bytes; never an empty one. What is left over goes with
    the last of them where it is less than half as large: Fluent Bit's own objects outgrow ``total_file_size`` by a
    chunk, and a file that did so by a record is no two objects."""
    last: list[range] = []
    group: list[range] = []
    total = 0
    for indexes in wanted:
        start, size_of_all = indexes.start, records.size(indexes)
        if total + size_of_all <= most:
            group.append(indexes)
            total += size_of_all
            continue
        for index, (first, end) in zip(indexes, records.places(indexes), strict=True):
            size = end - first + 1
            if total and total + size > most:
                if index > start:
                    group.append(range(start, index))
                if last:
                    yield last
                last, group, total, start = group, [], 0, index
            total += size
        group.append(range(start, indexes.stop))
    if last and 2 * total < most:
        group, last = _joined(last, group), []
    yield from (some for some in (last, group) if some)


def _joined(first: list[range], second: list[range]) -> list[range]:
    """Both, neighbours as one range."""
    if first[-1].stop != second[0].start:
        return first + second
    return [*first[:-1], range(first[-1].start, second[0].stop), *second[1:]]


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
