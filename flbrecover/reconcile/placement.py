"""Places the records of one sequence (a buffer file, an object) on the ledger, in order.

Most records are unmistakable: their bytes, or their fields, occur once. Records that occur several times (heartbeats)
are told apart by their neighbours: what stands together in a log goes together into a buffer and an object.
A repeated record is placed next to where its neighbour was placed; one whose neighbours are all strangers is itself a
stranger (the same text from another time, or from another node), and is not taken for a copy of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from flbrecover.reconcile.breaks import Gap
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.entry_search import LOOK_AHEAD, EntrySearch
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.precision import ALWAYS, Precision
from flbrecover.reconcile.strangers import Strangers

MAX_PENDING = 10_000  # repeated records in a row that are held back until a neighbour tells their place
_index_of = attrgetter("index")


class Placement:
    """``place(copy, entry)`` is called for every record that finds its entry, not always in order.

    ``taken(entry)`` says whether another sequence already has a copy on the entry; a repeated record prefers entries
    that are free. ``precision`` tells of a record whether it carries a date so fine that the same bytes are the same
    record; without one (plain lines, dates of whole seconds) even a record that occurs once needs a neighbour.

    After :meth:`finish`, ``strangers`` counts the records that belong to no entry, ``loose`` those that could be ours
    but stand among strangers, or repeat and have no neighbour of ours, and ``ambiguous`` those of a sequence of which
    every record could be ours, and none surely is: with ``take_ambiguous`` they count one for one, else not at all.

    ``tags``: only entries of these tags (None: all). ``latest``: such a sequence is what was read last (a buffer) and
    not what was delivered first (an object). ``ours`` may be set for an object that flbrecover wrote: it holds nothing
    but records of this node, picked out of their neighbourhood. Set before the first record, no neighbour is asked, and
    what nothing is ``said`` of goes where it is free. ``gap`` hears of strangers that may be pieces of
    joined records; those it takes are left to it.
    """

    def __init__(
        self,
        ledger: Ledger,
        place: Callable[[Copy, int], None],
        taken: Callable[[int], bool],
        *,
        tags: Collection[str] | None = None,
        precision: Precision = ALWAYS,
        take_ambiguous: bool = True,
        latest: bool = False,
        gap: Gap | None = None,
    ) -> None:
        self._ledger = ledger
        self._runs = ledger.runs
        self._entries = EntrySearch(ledger, taken, tags=tags, precision=precision, latest=latest)
        self._take_ambiguous = take_ambiguous
        self._precision = precision
        self._latest = latest
        self._strangers = Strangers(ledger.runs, self._entries, self._found, gap)
        self._place_at = place
        self._previous = NONE  # entry of the record right before, if it was placed
        self._pending: list[Copy] = []
        self._loose: list[Copy] = []
        self._no_place: list[Copy] = []  # beside neighbours that were placed, and none of their entries
        self.latest_entry = NONE  # that a record was placed on
        self.placed = 0
        self.loose = 0
        self.ambiguous = 0
        self.ours = False

    def restrict(self, tags: Collection[str]) -> None:
        """Only entries of these tags from now on: what is fed is known to be theirs."""
        self._entries.tags = tags

    def feed(self, copy: Copy, said: int = NONE) -> None:
        """The next record of the sequence; ``said`` is the entry that it is the record of, as somebody knows who has
        more than its neighbours to go by."""
        if said != NONE and self._entries.may_be(copy, said):
            self._settle(said)
            self._put(copy, said)
            return
        if self.ours:
            self._leave(copy)
            return
        previous = self.previous
        after = NONE if previous == NONE else self._runs.after(previous)
        if after != NONE and self._entries.fits(copy, after, previous):
            self._put(copy, after)
            return
        entry, known = self._entries.unmistakable(copy)
        if entry != NONE:
            self._settle(entry)
            self._put(copy, entry)
        elif known:
            self._pending.append(copy)
            if len(self._pending) >= MAX_PENDING:
                self._settle(NONE)
        else:
            self._settle(NONE)
            self._previous = NONE
            self._strangers.add(copy)

    def _leave(self, copy: Copy) -> None:
        """A record of ours of which nothing tells the entry."""
        self._loose.append(copy)
        if len(self._loose) >= MAX_PENDING:
            left, self._loose = self._loose, []
            self._one_for_one(left)

    @property
    def strangers(self) -> int:
        return self._strangers.count

    @property
    def previous(self) -> int:
        """The entry of the record right before, NONE where that is not known (yet)."""
        return NONE if self._pending else self._previous

    def run(self, index: int, entries: range) -> None:
        """Records ``index`` on are copies of ``entries``, which follow :attr:`previous` in its run: the caller has
        compared them, and places them itself."""
        if self._latest:
            for entry in entries:
                self._entries.take(entry)
        self._previous = self.latest_entry = entries.stop - 1
        self._strangers.went_on(index + len(entries) - 1, self._previous)
        self.placed += len(entries)

    def pass_by(self, count: int) -> None:
        """So many strangers, of whom nothing is kept."""
        self._settle(NONE)
        self._strangers.pass_by(count)
        self._previous = NONE

    def is_uncertain(self) -> bool:
        """Could no record so far be placed, nor be found to be a stranger?"""
        self._settle(NONE)
        return not self.placed and not self.strangers

    def finish(self) -> None:
        """The sequence is over."""
        ambiguous = self.is_uncertain()
        self._strangers.end()
        self._previous = NONE
        if ambiguous and not self.ours:
            self.ambiguous = len(self._loose)
        no_place, self._no_place = sorted(self._no_place, key=_index_of), []
        left = sorted([*self._loose, *self._place_rows(no_place)], key=_index_of)
        self._loose = []
        if self.ours or (ambiguous and self._take_ambiguous):
            self._one_for_one(left)
            left, self._no_place = self._no_place, []
        self._among_ours(left)
        self.loose += len(self._no_place)
        for copy in self._no_place:
            self._entries.refuse(copy)

    def _place_rows(self, copies: Sequence[Copy]) -> Iterator[Copy]:
        """Places those of which many in a row are many in a row in a log, though their neighbours here stand elsewhere
        there; gives the rest. What two Fluent Bits have read, or one has twice, comes in any order."""
        for _, numbered in groupby(enumerate(copies), lambda pair: pair[1].index - pair[0]):
            row = [copy for _, copy in numbered]
            yield from self._in_company(row, least=LOOK_AHEAD) if len(row) >= LOOK_AHEAD else row

    def _among_ours(self, left: Sequence[Copy]) -> None:
        """Places what is left of a sequence that has no stranger, if it can be one entry only. Records of several logs
        under one tag stand in any order, and what stood between two records can be in another object. (What repeats
        stays loose: the sequence may have been sent twice, and would take the place of another record.)"""
        is_ours = self._take_ambiguous and not self.strangers
        for copy in left:
            self._put_or_drop(copy, self._entries.only(copy) if is_ours else NONE, NONE)

    def _one_for_one(self, left: Sequence[Copy]) -> None:
        """Places what is left on free entries, in order: the first ones, or those that were read last."""
        if self._latest:
            self._put_backwards(left, 0, len(self._ledger))
            return
        after: dict[bytes, int] = {}  # by digest: up to there nothing is free for it
        for copy in left:
            before = after.get(copy.digest, NONE) if len(copy.keys) < 2 else NONE  # by several keys it is not in order
            found = self._entries.first_free(copy, before, len(self._ledger))
            after[copy.digest] = self._put_or_drop(copy, found, len(self._ledger))

    def _put_forwards(self, copies: Iterable[Copy], after: int, end: int) -> None:
        """Places each on the first free entry behind that of the one before it, up to ``end``."""
        nowhere: set[bytes] = set()  # digests for which there is none: none becomes free
        beside = after
        for copy in copies:
            found = NONE if copy.digest in nowhere else self._entries.first_free(copy, after, end, beside)
            if found == NONE:
                nowhere.add(copy.digest)
            after = self._put_or_drop(copy, found, after)

    def _put_backwards(self, copies: Sequence[Copy], start: int, end: int, beside: int = NONE) -> None:
        """Places each, from the last one on, on the last free entry before that of the one behind it, down to
        ``start``."""
        nowhere: set[bytes] = set()
        for copy in reversed(copies):
            found = NONE if copy.digest in nowhere else self._entries.last_free(copy, start, end, beside)
            if found == NONE:
                nowhere.add(copy.digest)
            end = self._put_or_drop(copy, found, end)

    def _put(self, copy: Copy, entry: int, *, guessed: bool = False) -> None:
        self._strangers.placed(copy.index, entry, guessed=guessed)
        self._previous = self.latest_entry = entry
        self._found(copy, entry)

    def _found(self, copy: Copy, entry: int) -> None:
        self._entries.take(entry)
        self.placed += 1
        self._place_at(copy, entry)

    def _settle(self, anchor: int) -> None:
        """Places what is pending between the record before it and ``anchor`` (NONE: a stranger or the end)."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        before, limit = self._previous, anchor
        while pending and limit != NONE:
            before_it = self._runs.before(limit)
            if not self._entries.fits(pending[-1], before_it, limit):
                break
            limit = before_it
            self._put(pending.pop(), limit)
        if before != NONE:
            self._put_forwards(pending, before, limit if limit != NONE else self._runs.chain(before).stop)
        elif anchor != NONE:
            self._put_backwards(pending, self._runs.chain(anchor).start, limit, beside=anchor)
        else:
            self._loose.extend(self._in_company(pending))
            if len(self._loose) > MAX_PENDING:
                self.loose += len(self._loose)
                self._loose = []
        self._previous = NONE

    def _put_or_drop(self, copy: Copy, entry: int, otherwise: int) -> int:
        if entry != NONE:
            self._put(copy, entry, guessed=True)
            return entry
        if len(self._no_place) < MAX_PENDING:
            self._no_place.append(copy)
        else:
            self.loose += 1
        return otherwise

    def _in_company(self, pending: list[Copy], *, least: int = 2) -> list[Copy]:
        """Places records of which so many are neighbours here and in the log, though each alone could be another; gives
        the rest.

        A run of one and the same text is no company: heartbeats stand next to heartbeats everywhere.
        """
        rest: list[Copy] = []
        at = 0
        while at < len(pending):
            entry = self._entries.best_start(pending[at : at + LOOK_AHEAD], least)
            if entry == NONE:
                rest.append(pending[at])
                at += 1
                continue
            if self._entries.is_early(pending[at], entry):
                self._entries.show_older(pending[at], entry)
            self._backwards(rest, pending[at].index, entry)
            self._put(pending[at], entry)
            at += 1
            while at < len(pending) and self._entries.goes_on(pending[at], self._previous):
                self._put(pending[at], self._runs.after(self._previous))
                at += 1
        return rest

    def _backwards(self, rest: list[Copy], index: int, entry: int) -> None:
        """Places the records right before record ``index``, of whom nothing was known, right before its entry."""
        while rest and rest[-1].index == index - 1:
            before = self._runs.before(entry)
            if not self._entries.fits(rest[-1], before, entry):
                break
            index, entry = index - 1, before
            self._put(rest.pop(), entry)
