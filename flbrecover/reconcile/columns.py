"""Columns of numbers: what the ledger is made of. In memory here; :mod:`flbrecover.recover.scratch` has a kind that
moves to disk when there are too many."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

NONE = -1  # no row, no entry
TimeLimits = tuple[int | None, int | None]  # the first and the last time of some records, ns; None: none has one
NO_TIME = -(1 << 63)  # a time that is not known
_AT_ONCE = 1 << 16  # numbers


class Column(Protocol):
    """A growing sequence of integers of one size. ``raw`` gives its numbers as something that C code indexes quickly;
    it must not be kept across the next ``append`` or ``extend``."""

    def append(self, value: int, /) -> None: ...

    def extend(self, values: Iterable[int], /) -> None: ...

    def __getitem__(self, at: int, /) -> int: ...

    def __setitem__(self, at: int, value: int, /) -> None: ...

    def __len__(self) -> int: ...

    def raw(self) -> array[int] | memoryview: ...

    def grow(self, number: int, /) -> None:
        """Appends so many zeros."""
        ...

    def read(self, start: int, stop: int, /) -> array[int]:
        """A copy of some numbers: for a look here and there, which is not to bring whole pages into memory."""
        ...

    def write(self, start: int, values: array[int], /) -> None:
        """Puts some numbers, of the column's own type, in the place of those from ``start`` on."""
        ...


class MemoryColumn(array):  # type: ignore[type-arg]
    """A column in memory."""

    __slots__ = ()

    def raw(self) -> array[int]:
        return self

    def grow(self, number: int) -> None:
        self.frombytes(bytes(number * self.itemsize))

    def read(self, start: int, stop: int) -> array[int]:
        return self[start:stop]

    def write(self, start: int, values: array[int]) -> None:
        self[start : start + len(values)] = values


def end_of_same(numbers: array[int] | memoryview, at: int, end: int) -> int:
    """Behind the last of the numbers from ``at`` on, up to ``end``, that are all the same."""
    one = bytes(numbers[at : at + 1])
    at, step = at + 1, 1
    while at < end:
        some = bytes(numbers[at : min(at + step, end)])
        number = len(some) // len(one)
        if some == one * number:
            at, step = at + number, min(2 * step, _AT_ONCE)
        elif step > 1:
            step = 1
        else:
            break
    return at


def same_stretches(numbers: array[int] | memoryview, places: range) -> Iterator[range]:
    """The places, those together that follow each other and have the same number."""
    at = places.start
    while at < places.stop:
        end = end_of_same(numbers, at, places.stop)
        yield range(at, end)
        at = end


def limits_of(times: Sequence[int]) -> tuple[int, int] | None:
    """The first and the last of these times; None where none is known."""
    first = min(times, default=NO_TIME)
    if first != NO_TIME:
        return first, max(times)
    known = [time_ns for time_ns in times if time_ns != NO_TIME]
    return (min(known), max(known)) if known else None


def are_known(numbers: array[int]) -> bytes:
    """A byte for each of these 32-bit numbers, all at once: 0 where it is NONE, else 1."""
    upper = numbers.tobytes()[3 if sys.byteorder == "little" else 0 :: 4]
    return upper.translate(_KNOWN)


_KNOWN = bytes([1] * 128 + [0] * 128)  # by the upper byte: of the numbers below 0 there is NONE only

NewColumn = Callable[[str], Column]
"""Makes an empty column; the argument is a typecode of :mod:`array`."""


def in_memory(typecode: str) -> Column:
    column: Column = MemoryColumn(typecode)
    return column
