"""Indexes over columns: which entries have a key, for any number of keys in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import cast

from flbrecover.reconcile.columns import NONE, Column, MemoryColumn, NewColumn, in_memory
from flbrecover.reconcile.filters import MOST_FILTER, Filter

GUIDE = 1 << 9  # keys that are read for a look into an index: a page
BUCKET = 1 << 17  # entries that are sorted at a time: some 10 MB
MARKED = 1 << 21  # keys from which on a filter in memory rules out too few


class SortedIndex:
    """From 64-bit keys to the entries that have them: two columns, sorted by key, entries of one key in the order they
    were given. Every 512th key is in memory as well, so that a look takes one read of the column, wherever it lies.
    A large index has a :class:`_Marks` besides: a look for a key that is not there takes a third of the time."""

    def __init__(self, keys: Column, entries: Column, guide: array[int], marks: _Marks | None) -> None:
        self._keys, self._entries = keys, entries
        self._guide = guide  # keys 0, 512, 1024, ...
        self._marks = marks

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
        marks = _Marks(size, new) if size > MARKED else None
        for start, end in pairwise(starts):
            some, of = _in_order(source[0].read(start, end), _part(source[1], start, end))
            out_keys.write(start, some)
            out_entries.write(start, of)
            guide.extend(some[-start % GUIDE :: GUIDE])
            if marks:
                marks.add(some)
        return cls(out_keys, out_entries, guide, marks)

    def __len__(self) -> int:
        return len(self._keys)

    def add_to(self, keys: Column, entries: Column) -> None:
        """Appends all of it to two columns."""
        for start in range(0, len(self), BUCKET):
            keys.extend(self._keys.read(start, start + BUCKET))
            entries.extend(self._entries.read(start, start + BUCKET))

    def find(self, key: int) -> array[int] | memoryview:
        """The entries of a key."""
        if self._marks and key not in self._marks:
            return array("i")
        start, stop = self.between(key)
        if stop - start > GUIDE:
            return self._entries.raw()[start:stop]
        return self._entries.read(start, stop) if start < stop else array("i")

    def among(self, keys: Sequence[int], places: list[int]) -> list[int]:
        """Those of the places in ``keys`` whose keys are in the index."""
        likely = self._marks.among(keys, places) if self._marks else places
        return [at for at in likely if len(self.find(keys[at]))]

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


class _Marks:
    """A filter that lies where columns do: a bit for each value that the upper bits of a key may have, set where a key
    of ours has it. There are at least 16 times as many bits as keys."""

    def __init__(self, size: int, new: NewColumn) -> None:
        bits = max(3, (16 * size).bit_length())
        self._shift = 64 - bits
        self._bytes = new("B")
        self._bytes.grow(1 << (bits - 3))

    def add(self, keys: array[int]) -> None:
        """Keys in their order."""
        if not keys:
            return
        shift = self._shift
        first = keys[0] >> shift >> 3
        some = self._bytes.read(first, (keys[-1] >> shift >> 3) + 1)
        for key in keys:
            place = key >> shift
            some[(place >> 3) - first] |= 1 << (place & 7)
        self._bytes.write(first, some)

    def __contains__(self, key: int) -> bool:
        return bool(self.among((key,), [0]))

    def among(self, keys: Sequence[int], places: list[int]) -> list[int]:
        """Those of the places in ``keys`` whose keys may be ours."""
        read, shift = self._bytes.read, self._shift
        return [at for at in places if read((place := keys[at] >> shift) >> 3, (place >> 3) + 1)[0] >> (place & 7) & 1]


class FilteredIndex:
    """A :class:`SortedIndex` with a filter in memory before it, of at most ``most`` bytes."""

    def __init__(self, keys: Column, entries: range, new: NewColumn, most: int = MOST_FILTER) -> None:
        self._filter = Filter.of(keys.raw(), most)
        self._index = SortedIndex.of(keys, entries, new)

    def hits(self, keys: Sequence[int]) -> list[int]:
        """The places of those that are in the index."""
        return self._index.among(keys, self._filter.hits(keys if isinstance(keys, array) else array("Q", keys)))

    def only(self, key: int) -> int:
        """The entry of a key; NONE where it has none, or more than one."""
        found = self._index.find(key)
        return found[0] if len(found) == 1 else NONE


class KeySet:
    """A set of 64-bit keys. :meth:`hits` knows of those that were added before :meth:`settle`."""

    FILTER = 1 << 21  # bytes

    def __init__(self, new: NewColumn = in_memory) -> None:
        self._new = new
        self._keys = new("Q")
        self._index: FilteredIndex | None = None

    def add_all(self, keys: Iterable[int]) -> None:
        self._keys.extend(keys)

    def settle(self) -> None:
        """When all are there."""
        self._index = FilteredIndex(self._keys, range(len(self._keys)), self._new, self.FILTER)

    def hits(self, keys: array[int]) -> list[int]:
        """The places of those that are in the set."""
        return self._index.hits(keys) if self._index else []


class GrowingIndex:
    """A :class:`SortedIndex` that takes more keys: new ones in a dictionary, older ones in sorted pieces that are
    merged as they become many. A filter in front of them answers for most keys that are not there."""

    LIMIT = 1 << 16
    MERGED = 16

    def __init__(self, new: NewColumn, filter_size: int = 1 << 21) -> None:
        self._new = new
        self._filter = Filter(filter_size)
        self._young: dict[int, int | list[int]] = {}
        self._young_size = 0
        self._levels: list[list[SortedIndex]] = []

    def add(self, key: int, entry: int) -> None:
        self._filter.add(key)
        known = self._young.setdefault(key, entry)
        if isinstance(known, list):
            known.append(entry)
        elif known != entry:
            self._young[key] = [known, entry]
        self._grew(1)

    def add_new(self, keys: Sequence[int], first: int) -> None:
        """Keys that are all different and not in the index yet, for entries ``first`` on."""
        self._filter.add_all(keys)
        self._young.update(zip(keys, range(first, first + len(keys)), strict=True))
        self._grew(len(keys))

    def add_all(self, keys: Sequence[int], entries: range) -> None:
        """:meth:`add` for many."""
        if self.has_none_of(keys):
            self.add_new(keys, entries.start)
            return
        for key, entry in zip(keys, entries, strict=True):
            self.add(key, entry)

    def has_none_of(self, keys: Sequence[int]) -> bool:
        """Are all these keys different, and not in the index?"""
        if len(set(keys)) < len(keys) or not self._young.keys().isdisjoint(keys):
            return False
        if not self._levels:
            return True
        return not any(self.find(keys[at]) for at in self._filter.hits(array("Q", keys)))

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
        if key not in self._filter:
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
