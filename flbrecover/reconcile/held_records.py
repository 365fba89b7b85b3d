"""The records of all buffer files, in columns."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

from flbrecover.reconcile.columns import NONE, NewColumn

TWO_NUMBERS = Struct(">QQ")  # 16 bytes, a digest or a key, as columns have them


class Halves(NamedTuple):
    """Digests of many records, each as two numbers."""

    high: array[int]
    low: array[int]

    @classmethod
    def of(cls, digests: Iterable[bytes]) -> Halves:
        numbers = array("Q", b"".join(digests))
        if sys.byteorder == "little":
            numbers.byteswap()
        return cls(numbers[0::2], numbers[1::2])

    def digest(self, at: int) -> bytes:
        return TWO_NUMBERS.pack(self.high[at], self.low[at])

    def differ(self) -> bool:
        """Are they not all the same?"""
        return len(set(self.high)) > 1 or len(set(self.low)) > 1


class HeldRecords:
    """All records of all buffer files, one row each: its place in its file, its entry, and the digest of its bytes."""

    def __init__(self, new: NewColumn) -> None:
        self.starts = new("q")
        self.ends = new("q")
        self.entries = new("i")
        self._high = new("Q")
        self._low = new("Q")

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, start: int, end: int, digest: bytes) -> None:
        """One more record, that has no entry yet."""
        self.starts.append(start)
        self.ends.append(end)
        self.entries.append(NONE)
        high, low = TWO_NUMBERS.unpack(digest)
        self._high.append(high)
        self._low.append(low)

    def add_all(self, starts: Sequence[int], ends: Sequence[int], digests: Halves, entries: Iterable[int]) -> None:
        """More records, with their entries."""
        self.starts.extend(starts)
        self.ends.extend(ends)
        self.entries.extend(entries)
        self._high.extend(digests.high)
        self._low.extend(digests.low)

    def put(self, at: int, entries: range) -> None:
        """Record ``at`` and those after it have these entries."""
        self.entries.write(at, array("i", entries))

    def high(self, at: int) -> int:
        """The upper half of a digest."""
        return self._high[at]

    def highs(self, at: int, number: int) -> array[int]:
        """The upper halves of the digests of so many records."""
        return self._high.read(at, at + number)

    def digest(self, at: int) -> bytes:
        return TWO_NUMBERS.pack(self._high[at], self._low[at])
