"""Which entries have the own part of a line: what a scan asks for each line of an object. Mostly the answer is: none.

The entries of a few logs and buffer files go into a dictionary, which C code asks for many lines at once. Where there
are more, an index of all entries answers, behind a filter: it takes three times as long, and next to no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from flbrecover.reconcile.columns import NONE, NewColumn
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.sorted_index import FilteredIndex

FEW = 1 << 17  # entries in a dictionary: 16 MB
PIECE = 1 << 12  # entries that are put into it at a time


class OwnParts(Protocol):
    def hits(self, owns: Sequence[int], /) -> list[int]:
        """The places of those that entries have."""
        ...

    def only(self, own: int, /) -> int:
        """The entry with this own part; NONE where there is none, or more than one."""
        ...


class OwnIndex:
    """The own parts of all entries that there are when it is made. ``new`` makes columns."""

    def __init__(self, ledger: Ledger, new: NewColumn) -> None:
        self._ledger = ledger
        self._new = new
        self._all: FilteredIndex | None = None
        self._last: tuple[Sequence[str], OwnParts] | None = None
        if len(ledger) > FEW and any(self._are_many((tag,)) for tag in ledger.runs.tags):
            self._index_all()  # now, so that a process that is forked later has it as well

    def of(self, tags: Sequence[str]) -> OwnParts:
        """The own parts of all entries of these tags, and maybe of others."""
        if self._last is None or self._last[0] != tags:
            self._last = None  # the next one needs its memory
            many = self._are_many(tags)
            found = self._index_all() if many else FewOwnParts(self._ledger, self._ledger.runs.with_tags(tags))
            self._last = tags, found
        return self._last[1]

    def _are_many(self, tags: Sequence[str]) -> bool:
        return sum(map(len, self._ledger.runs.with_tags(tags))) > FEW

    def _index_all(self) -> FilteredIndex:
        if self._all is None:
            self._all = FilteredIndex(self._ledger.own, range(len(self._ledger)), self._new)
        return self._all


class FewOwnParts:
    """:class:`OwnParts` of some ranges of entries."""

    def __init__(self, ledger: Ledger, ranges: Iterable[range]) -> None:
        self._entries: dict[int, int] = {}
        pieces = [
            range(start, min(start + PIECE, entries.stop))
            for entries in ranges
            for start in range(entries.start, entries.stop, PIECE)
        ]
        for some in pieces:
            self._entries.update(zip(ledger.own.read(some.start, some.stop), some, strict=True))
        if len(self._entries) < sum(map(len, pieces)):  # some come twice
            self._entries.clear()
            for some in pieces:
                self._add(ledger.own.read(some.start, some.stop), some)

    def _add(self, owns: Sequence[int], entries: range) -> None:
        found = list(map(self._entries.setdefault, owns, entries))
        if found != list(entries):
            for own, entry, there in zip(owns, entries, found, strict=True):
                if there != entry:
                    self._entries[own] = NONE

    def hits(self, owns: Sequence[int]) -> list[int]:
        if self._entries.keys().isdisjoint(owns):
            return []
        return [place for place, own in enumerate(owns) if own in self._entries]

    def only(self, own: int) -> int:
        return self._entries.get(own, NONE)
