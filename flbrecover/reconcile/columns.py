"""Columns of numbers: what the ledger is made of. In memory here; :mod:`flbrecover.recover.scratch` has a kind that
moves to disk when there are too many."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Protocol, cast

NONE = -1  # no row, no entry
MOST_FILTER = 1 << 23  # bytes
MOST_TABLE = 1 << 20  # bytes
GUIDE = 1 << 9  # keys that are read for a look into an index: a page
BUCKET = 1 << 17  # entries that are sorted at a time: some 10 MB


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


NewColumn = Callable[[str], Column]
"""Makes an empty column; the argument is a typecode of :mod:`array`."""


def in_memory(typecode: str) -> Column:
    column: Column = MemoryColumn(typecode)
    return column


class Filter:
    """Says of a 64-bit key that it is surely not in a set, or that it may be. ``size`` is in bytes, a power of two."""

    def __init__(self, size: int = 1 << 20) -> None:
        self.bits = bytearray(size)
        self.mask = size - 1

    def add(self, key: int) -> None:
        self.bits[(key >> 3) & self.mask] |= 1 << (key & 7)

    def add_all(self, keys: Iterable[int]) -> None:
        bits, mask = self.bits, self.mask
        for key in keys:
            bits[(key >> 3) & mask] |= 1 << (key & 7)

    def __contains__(self, key: int) -> bool:
        return bool(self.bits[(key >> 3) & self.mask] >> (key & 7) & 1)


class PairFilter:
    """Says of many 64-bit keys at once which may be among ``keys``. Most are ruled out by one look into a table that
    is small enough to stay in the processor's cache, by the upper half of their bits; the others by a :class:`Filter`,
    by the lower half. Where there are so many keys that the table would rule out hardly any, there is none."""

    def __init__(self, keys: Sequence[int] | memoryview) -> None:
        size = 1 << (2 * len(keys)).bit_length()
        self._filter = Filter(min(MOST_FILTER, max(1 << 13, size)))
        self._filter.add_all(keys)
        table = bytearray(min(MOST_TABLE, max(1 << 13, size)))
        self._table = table if len(keys) < 2 * len(table) else None
        mask = len(table) - 1
        for half in _upper_halves(keys) if self._table is not None else ():
            table[half & mask] = 1

    def hits(self, keys: array[int]) -> list[int]:
        """The places of those that may be among them."""
        table, bits, mask = self._table, self._filter.bits, self._filter.mask
        if table is None:
            return [at for at, key in enumerate(keys) if bits[(key >> 3) & mask] >> (key & 7) & 1]
        upper = len(table) - 1
        some = [at for at, half in enumerate(_upper_halves(keys)) if table[half & upper]]
        return [at for at in some if bits[((key := keys[at]) >> 3) & mask] >> (key & 7) & 1]


def _upper_halves(keys: Sequence[int] | memoryview) -> memoryview:
    """Those 32 bits of each key that lie behind the others: on a machine with the big end first, the lower ones."""
    return memoryview(keys if isinstance(keys, (array, memoryview)) else array("Q", keys)).cast("B").cast("I")[1::2]


class SortedIndex:
    """From 64-bit keys to the entries that have them: two columns, sorted by key, entries of one key in the order they
    were given. Every 512th key is in memory as well, so that a look takes one read of the column, wherever it lies."""

    def __init__(self, keys: Column, entries: Column, guide: array[int]) -> None:
        self._keys, self._entries = keys, entries
        self._guide = guide  # keys 0, 512, 1024, ...

    @classmethod
    def of(cls, keys: Column, entries: Column | range, new: NewColumn) -> SortedIndex:
        """Sorts a piece at a time, so that memory does not grow with the number of keys: first into buckets by the
        upper bits of the keys, then each bucket."""
        size = len(keys)
        bits = (size // BUCKET).bit_length() + 1 if size > BUCKET else 0
        starts = _starts(keys, bits)
        out_keys, out_entries, guide = new("Q"), new("i"), array("Q")
        out_keys.grow(size)
        out_entries.grow(size)
        ends = starts[:-1]  # of what is in each bucket so far
        for start in range(0, size if bits else 0, BUCKET):
            some, of = _in_order(keys.read(start, start + BUCKET), _part(entries, start, start + BUCKET))
            at = 0
            while at < len(some):
                bucket = some[at] >> (64 - bits)
                end = bisect_left(some, (bucket + 1) << (64 - bits), at)
                out_keys.write(ends[bucket], some[at:end])
                out_entries.write(ends[bucket], of[at:end])
                ends[bucket] += end - at
                at = end
        source: tuple[Column, Column | range] = (out_keys, out_entries) if bits else (keys, entries)
        for start, end in pairwise(starts):
            some, of = _in_order(source[0].read(start, end), _part(source[1], start, end))
            out_keys.write(start, some)
            out_entries.write(start, of)
            guide.extend(some[-start % GUIDE :: GUIDE])
        return cls(out_keys, out_entries, guide)

    def __len__(self) -> int:
        return len(self._keys)

    def add_to(self, keys: Column, entries: Column) -> None:
        """Appends all of it to two columns."""
        for start in range(0, len(self), BUCKET):
            keys.extend(self._keys.read(start, start + BUCKET))
            entries.extend(self._entries.read(start, start + BUCKET))

    def find(self, key: int) -> array[int] | memoryview:
        """The entries of a key."""
        start, stop = self.between(key)
        if stop - start > GUIDE:
            return self._entries.raw()[start:stop]
        return self._entries.read(start, stop) if start < stop else array("i")

    def between(self, key: int) -> tuple[int, int]:
        """Where the entries of a key lie."""
        first, last = bisect_left(self._guide, key), bisect_right(self._guide, key)
        base, some = self._before(first)
        start = bisect_left(some, key)
        if first != last:
            after, others = self._before(last)
            return base + start, after + bisect_right(others, key)
        return base + start, base + bisect_right(some, key, start)

    def _before(self, guide: int) -> tuple[int, array[int]]:
        """The keys from the guide before this one up to it, and where they begin."""
        start = max(0, guide - 1) * GUIDE
        return start, self._keys.read(start, guide * GUIDE)


class GrowingIndex:
    """A :class:`SortedIndex` that takes more keys: new ones in a dictionary, older ones in sorted pieces that are
    merged as they become many. Two filters in front of them, by the lower and by the upper half of a key, answer for
    most keys that are not there."""

    LIMIT = 1 << 16
    MERGED = 16

    def __init__(self, new: NewColumn, filter_size: int = 1 << 20) -> None:
        self._new = new
        self._filter = Filter(filter_size)
        self._upper = Filter(filter_size)
        self._young: dict[int, int | list[int]] = {}
        self._young_size = 0
        self._levels: list[list[SortedIndex]] = []

    def add(self, key: int, entry: int) -> None:
        self._filter.add(key)
        self._upper.add(key >> 32)
        known = self._young.setdefault(key, entry)
        if isinstance(known, list):
            known.append(entry)
        elif known != entry:
            self._young[key] = [known, entry]
        self._grew(1)

    def add_new(self, keys: Sequence[int], first: int) -> None:
        """Keys that are all different and not in the index yet, for entries ``first`` on."""
        self._filter.add_all(keys)
        self._upper.add_all([key >> 32 for key in keys])
        self._young.update(zip(keys, range(first, first + len(keys)), strict=True))
        self._grew(len(keys))

    def has_none_of(self, keys: Sequence[int]) -> bool:
        """Are all these keys different, and not in the index?"""
        if len(set(keys)) < len(keys) or not self._young.keys().isdisjoint(keys):
            return False
        if not self._levels:
            return True
        bits, mask = self._filter.bits, self._filter.mask
        likely = [key for key in keys if bits[(key >> 3) & mask] >> (key & 7) & 1]
        return not any(map(self.find, likely))

    def _grew(self, number: int) -> None:
        self._young_size += number
        if self._young_size >= self.LIMIT:
            self.settle()

    def settle(self) -> None:
        """Moves all that is in a dictionary, of ten times the size, into a sorted piece."""
        if not self._young:
            return
        if len(self._young) == self._young_size:  # one entry a key
            keys = MemoryColumn("Q", self._young)
            entries = MemoryColumn("i", cast("Iterable[int]", self._young.values()))
        else:
            lists = [(key, of if isinstance(of, list) else [of]) for key, of in self._young.items()]
            keys = MemoryColumn("Q", (key for key, of in lists for _ in of))
            entries = MemoryColumn("i", (entry for _, of in lists for entry in of))
        self._young, self._young_size = {}, 0
        self._push(SortedIndex.of(keys, entries, self._new), 0)

    def find(self, key: int) -> list[int]:
        """The entries of a key, in the order in which they were added."""
        if key not in self._filter or (key >> 32) not in self._upper:
            return []
        found = [e for level in reversed(self._levels) for some in level for e in some.find(key)]
        young = self._young.get(key)
        if young is not None:
            found += young if isinstance(young, list) else [young]
        return found

    def _push(self, some: SortedIndex, level: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(some)
        if len(self._levels[level]) == self.MERGED:
            merged, self._levels[level] = self._levels[level], []
            keys, entries = self._new("Q"), self._new("i")
            for one in merged:
                one.add_to(keys, entries)
            self._push(SortedIndex.of(keys, entries, self._new), level + 1)


def _starts(keys: Column, bits: int) -> list[int]:
    """Where each bucket begins and the last one ends, if as many upper bits of a key tell its bucket."""
    counts = [0] * (1 << bits)
    if not bits:
        return [0, len(keys)]
    for start in range(0, len(keys), BUCKET):
        for key in keys.read(start, start + BUCKET):
            counts[key >> (64 - bits)] += 1
    return [0, *accumulate(counts)]


def _part(entries: Column | range, start: int, stop: int) -> Sequence[int]:
    return entries[start:stop] if isinstance(entries, range) else entries.read(start, stop)


def _in_order(keys: array[int], entries: Sequence[int]) -> tuple[array[int], array[int]]:
    """Both sorted by key; what has the same key stays in its order."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return array("Q", map(keys.__getitem__, order)), array("i", map(entries.__getitem__, order))
