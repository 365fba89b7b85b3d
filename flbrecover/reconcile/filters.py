"""What tells in a moment that 64-bit keys are surely not in a set: a tenth of a microsecond for each.

A key is turned into a place of a table. For many keys at once that is one calculation with one large number, in which
each key has its own 64 bits, and ``itemgetter`` looks at all places in C.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import compress
from operator import and_, itemgetter

MOST_FILTER = 1 << 22  # bytes
AT_ONCE = 1 << 10  # keys that are added together
_BITS = bytes(1 << bit for bit in range(8))


class Filter:
    """Says of a 64-bit key that it is surely not in a set, or that it may be: by a bit for its lower half and one for
    its upper half, or for the lower one alone where there are too many keys for both. ``size`` is in bytes, a power of
    two."""

    def __init__(self, size: int, *, both: bool = True) -> None:
        self._bits = bytearray(size)
        self._mask = size - 1
        self._both = both

    @classmethod
    def of(cls, keys: Sequence[int] | memoryview, most: int = MOST_FILTER) -> Filter:
        """Of these keys, with at most ``most`` bytes; at most half full, where that is possible."""
        size = min(most, max(1 << 13, 1 << (2 * len(keys)).bit_length()))
        made = cls(size, both=2 * len(keys) <= 4 * size)
        made.add_all(keys)
        return made

    def add(self, key: int) -> None:
        for half in (key, key >> 32) if self._both else (key,):
            self._bits[(half >> 3) & self._mask] |= 1 << (half & 7)

    def add_all(self, keys: Sequence[int] | memoryview) -> None:
        bits, mask = self._bits, self._mask
        for start in range(0, len(keys), AT_ONCE):
            some = array("Q", keys[start : start + AT_ONCE])
            for shift in (0, 32) if self._both else (0,):
                bits_of = _looked_up(_BITS, _bits_of(some, shift, 7))
                for place, bit in zip(_bits_of(some, shift + 3, mask).tolist(), bits_of, strict=False):
                    bits[place] |= bit

    def hits(self, keys: array[int]) -> list[int]:
        """The places of those that may be in it."""
        bits, mask = self._bits, self._mask
        found = map(and_, _looked_up(bits, _bits_of(keys, 3, mask)), _looked_up(_BITS, _bits_of(keys, 0, 7)))
        some = compress(range(len(keys)), found)
        if not self._both:
            return list(some)
        return [at for at in some if bits[((half := keys[at] >> 32) >> 3) & mask] >> (half & 7) & 1]

    def __contains__(self, key: int) -> bool:
        bits, mask, half = self._bits, self._mask, key >> 32
        lower = bits[(key >> 3) & mask] >> (key & 7) & 1
        return bool(lower and (not self._both or bits[(half >> 3) & mask] >> (half & 7) & 1))


def _bits_of(keys: array[int], shift: int, mask: int) -> memoryview:
    """``(key >> shift) & mask`` for each key; ``mask`` has at most ``64 - shift`` bits."""
    size = 8 * len(keys)
    all_of_them = int.from_bytes(keys.tobytes(), sys.byteorder) >> shift
    masks = int.from_bytes(mask.to_bytes(8, sys.byteorder) * len(keys), sys.byteorder)
    return memoryview((all_of_them & masks).to_bytes(size, sys.byteorder)).cast("Q")


def _looked_up(table: bytes | bytearray, places: memoryview) -> tuple[int, ...]:
    """What stands at these places, and a little more: for a single place ``itemgetter`` would give no tuple."""
    found: tuple[int, ...] = itemgetter(*places, 0, 0)(table)
    return found
