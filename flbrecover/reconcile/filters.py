"""What tells in a moment that a 64-bit key is surely not in a set."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

MOST_FILTER = 1 << 22  # bytes
MOST_TABLE = 1 << 20  # bytes


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
    by the lower half, of at most ``most`` bytes. Where there are so many keys that the table would rule out hardly any,
    there is none."""

    def __init__(self, keys: Sequence[int] | memoryview, most: int = MOST_FILTER) -> None:
        size = 1 << (2 * len(keys)).bit_length()
        self._filter = Filter(min(most, max(1 << 13, size)))
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
