"""The match keys of entries, and the entries of a match key (:mod:`match_key`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from flbrecover.reconcile.columns import NewColumn
from flbrecover.reconcile.held_records import TWO_NUMBERS, Halves
from flbrecover.reconcile.sorted_index import SortedIndex

NO_KEY = bytes(16)
_SPREAD = 0x9E3779B97F4A7C15  # 2^64 by the golden ratio: spreads times over all 64 bits
_MASK = (1 << 64) - 1
Moment = Callable[[int], int]
"""Gives the same for times (ns) that are written as one and the same, and another one for all others."""


def exactly(time_ns: int) -> int:
    """The :data:`Moment` of times that are written to the nanosecond."""
    return time_ns


class KeyIndex:
    """Keys are appended in the order of the entries, NO_KEY for one that has none. :meth:`of` finds the entries up to
    ``indexed``. ``moment`` gives the same for times that are written alike."""

    def __init__(self, moment: Moment, new: NewColumn) -> None:
        self.indexed = 0
        self._written = moment
        self._new = new
        self._high, self._low = new("Q"), new("Q")  # of each key
        self._sorted: SortedIndex | None = None
        self._moments: SortedIndex | None = None

    def append(self, key: bytes) -> None:
        high, low = TWO_NUMBERS.unpack(key)
        self._high.append(high)
        self._low.append(low)

    def extend(self, keys: Halves) -> None:
        self._high.extend(keys.high)
        self._low.extend(keys.low)

    def has(self, entry: int, key: bytes) -> bool:
        """Is it the key of this entry?"""
        return 0 <= entry < len(self._high) and (self._high[entry], self._low[entry]) == TWO_NUMBERS.unpack(key)

    def index(self) -> None:
        """Makes the keys of all entries so far known to :meth:`of`: by a sorted column, which takes a tenth of the
        memory of a dictionary."""
        self.indexed = len(self._high)
        self._sorted = SortedIndex.of(self._high, range(self.indexed), self._new)
        self._moments = None

    def of(self, key: bytes) -> Sequence[int]:
        """Entries with this key, in writing order."""
        if self._sorted is None:
            return ()
        high, low = TWO_NUMBERS.unpack(key)
        found = self._sorted.find(high)
        if not len(found):
            return ()
        same = all(self._low[e] == low for e in (found[0], found[-1]))
        return found if same else [e for e in found if self._low[e] == low]

    @property
    def has_moments(self) -> bool:
        return self._moments is not None

    def index_moments(self, timed: Iterable[tuple[int, int]]) -> None:
        """Makes entries with their times (ns) known to :meth:`at`: for keys that very many entries have."""
        moments, entries = self._new("Q"), self._new("i")
        for entry, time_ns in timed:
            moments.append(self._moment(self._high[entry], time_ns))
            entries.append(entry)
        self._moments = SortedIndex.of(moments, entries, self._new)

    def at(self, key: bytes, times: Iterable[int], most: int) -> list[int]:
        """At most ``most`` entries for each of these times that probably have the key, and are written with the time:
        hashes say so."""
        assert self._moments is not None
        high, _ = TWO_NUMBERS.unpack(key)
        return [e for time_ns in times for e in islice(self._moments.find(self._moment(high, time_ns)), most)]

    def _moment(self, high: int, time_ns: int) -> int:
        """A key and a time in one number of 64 bits."""
        return (high + _SPREAD * self._written(time_ns)) & _MASK
