"""Records of a sequence that belong to no entry by their bytes and fields, until what stands beside them tells.

A version of Fluent Bit, or a filter, that writes a field in another way does not make another record of it.
"""

from __future__ import annotations

from collections.abc import Callable

from flbrecover.reconcile.breaks import At, Gap
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.entry_search import EntrySearch
from flbrecover.reconcile.runs import Runs

MAX_KEPT = 10_000  # strangers in a row


class Strangers:
    """``place(copy, entry)`` is called for those that turn out to be ours; ``count`` are the others. ``gap`` hears of
    those between two records that were placed; those it takes are left to it."""

    def __init__(
        self, runs: Runs, entries: EntrySearch, place: Callable[[Copy, int], None], gap: Gap | None = None
    ) -> None:
        self._runs = runs
        self._entries = entries
        self._place_at = place
        self._gap = gap
        self._kept: dict[int, Copy] = {}  # since the latest record that was placed, by index
        self._last: At | None = None
        self._guessed = False  # that place
        self.count = 0

    def add(self, copy: Copy) -> None:
        """The next record of the sequence is a stranger."""
        self.count += 1
        if len(self._kept) < MAX_KEPT:
            self._kept[copy.index] = copy

    def went_on(self, index: int, entry: int) -> None:
        """Records up to ``index`` were placed, up to ``entry``, right behind one that was placed."""
        self._last, self._guessed = (index, entry), False

    def placed(self, index: int, entry: int, *, guessed: bool) -> None:
        """A record was placed; ``guessed``: it could as well stand elsewhere."""
        if self._kept and not self._tell_gap((index, entry)):
            if not guessed:
                self._between(index, entry)
                self._beside(index, entry, -1)
            self._behind_last()
        self._kept = {}
        self._last, self._guessed = (index, entry), guessed

    def end(self) -> None:
        """There is no more record, or none that is looked at."""
        if self._kept and not self._tell_gap(None):
            self._behind_last()
        self._kept = {}
        self._last = None

    def pass_by(self, count: int) -> None:
        """The next records are so many strangers, of whom nothing is kept."""
        self.end()
        self.count += count

    def _tell_gap(self, after: At | None) -> bool:
        """Tells of those that are kept. Are some of them accounted for?"""
        return self._gap is not None and self._gap(self._last, self._kept, after)

    def _between(self, index: int, entry: int) -> None:
        """What lies between two records that surely were placed are the entries between those, if they are as many."""
        if self._last is None or self._guessed:
            return
        at, before = self._last
        for there in self._runs.between(before, entry, index - at - 1):
            at += 1
            copy = self._kept.get(at)
            if copy is not None and self._entries.is_free(copy, there):
                self._take(copy, there)

    def _behind_last(self) -> None:
        if self._last is not None and not self._guessed:
            self._beside(*self._last, 1)

    def _beside(self, index: int, entry: int, step: int) -> None:
        """What lies right behind (1) or before (-1) a record that surely was placed is the entry there, if it has the
        same date, and one so fine that no other record has it."""
        while (copy := self._kept.get(index + step)) is not None:
            entry = self._runs.after(entry) if step > 0 else self._runs.before(entry)
            if entry == NONE or not self._entries.is_of_moment(copy, entry):
                return
            index += step
            self._take(copy, entry)

    def _take(self, copy: Copy, entry: int) -> None:
        del self._kept[copy.index]
        self.count -= 1
        self._place_at(copy, entry)
