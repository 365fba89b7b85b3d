"""Which entries of the ledger a record can be a copy of: by its bytes, by its fields, next to its neighbour."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from flbrecover.model import SECOND_NS
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.ledger import FEW, Ledger
from flbrecover.reconcile.precision import Precision

LOOK_AHEAD = 16  # records that are enough to tell one place from another
LOOK_AT = 100  # places that are tried for one record
SAME_READ_NS = 5 * SECOND_NS  # what lies this close before a record was read with it
MOST_REPEATED = 256  # digests of which the entries are kept


class EntrySearch:
    """For the records of one sequence: see :class:`~flbrecover.reconcile.placement.Placement` for what it is made
    with."""

    def __init__(
        self,
        ledger: Ledger,
        is_taken: Callable[[int], bool],
        *,
        tags: Collection[str] | None,
        precision: Precision,
        latest: bool,
    ) -> None:
        self._ledger = ledger
        self._tags = tags
        self._ranges: list[range] | None = None  # where entries of the tags are, once that is asked for
        self.is_taken = is_taken
        self._precision = precision
        self._latest = latest
        # What :meth:`_exact` and :meth:`_lists` found of digests that many entries have.
        self._repeated: dict[bytes, Sequence[int]] = {}
        self._repeated_lists: dict[bytes, list[tuple[bool, Sequence[int]]]] = {}
        # A bit for each entry that a buffer file's records took: that alone does not make it taken.
        self._own = bytearray(len(ledger) // 8 + 1 if latest else 0)

    @property
    def tags(self) -> Collection[str] | None:
        return self._tags

    @tags.setter
    def tags(self, tags: Collection[str]) -> None:
        self._tags = tags
        self._ranges = None
        self._repeated.clear()
        self._repeated_lists.clear()

    def _ranges_for(self, key: bytes) -> Sequence[range] | None:
        """Where to look for entries with a key: of one that repeats, those of other tags can be thousands."""
        if self._tags is None or len(self._ledger.of_key(key)) <= FEW:
            return None
        if self._ranges is None:
            self._ranges = self._ledger.runs.with_tags(self._tags)
        return self._ranges

    def take(self, entry: int) -> None:
        """A record of the sequence is on this entry."""
        if self._latest:
            self._own[entry >> 3] |= 1 << (entry & 7)

    def unmistakable(self, copy: Copy) -> tuple[int, bool]:
        """(the only entry that it can be or NONE, whether there is any)."""
        exact = self._exact(copy)
        if exact:
            return (exact[0] if len(exact) == 1 and self._precision.tells(copy.time_ns) else NONE), True
        found = self._by_key(copy)
        if not found and self._too_early(copy):
            return NONE, True
        if len(found) != 1 or not (self._precision.tells(copy.time_ns) or self._is_own(found[0])):
            return NONE, bool(found)
        other = self._ledger.digest(found[0])
        if other is not None and other != copy.digest:
            # The same fields with other bytes (another date): the line read twice, or another line. Neighbours decide.
            return NONE, True
        return found[0], True

    def fits(self, copy: Copy, entry: int, after: int) -> bool:
        """Is ``copy`` the record of ``entry``, given that its neighbour is the one of ``after``?"""
        low, high = min(entry, after), max(entry, after)
        if low == NONE or not self._ledger.runs.are_neighbours(low, high) or not self._is_of_tags(entry):
            return False
        if self._ledger.digest(entry) == copy.digest:
            return True
        # Where the lines carry no time, neighbours may show that the file is older than its row.
        in_time = self._is_untimed(entry) or self._ledger.agrees_in_time(entry, copy.time_ns)
        return in_time and self._is_alike(copy, entry)

    def is_early(self, copy: Copy, entry: int) -> bool:
        """Is ``copy`` older than an entry can be by the row of its file?"""
        return not self._ledger.agrees_in_time(entry, copy.time_ns)

    def show_older(self, copy: Copy, entry: int) -> None:
        """``copy`` surely is the record of ``entry``, though the file's row is younger: the row was made anew."""
        if copy.time_ns is not None:
            self._ledger.runs.was_delivered(self._ledger.runs.of(entry), copy.time_ns - SAME_READ_NS)

    def refuse(self, copy: Copy) -> None:
        """``copy`` was placed nowhere: the files that it could be of but for their rows have to be noted. What may have
        shown since that such a file is older came too late for it."""
        runs = self._ledger.runs
        for entry in (entry for key in copy.keys for entry in islice(self._of_key(key), LOOK_AT)):
            name = runs[runs.of(entry)].name
            if self._is_untimed(entry) and (name in runs.older or self.is_early(copy, entry)):
                runs.refused.add(name)

    def may_be(self, copy: Copy, entry: int) -> bool:
        """Has ``copy``, which is said to be the record of ``entry``, the bytes or the fields of that? Its time may be
        an estimate."""
        if not self._is_of_tags(entry):
            return False
        return self._ledger.digest(entry) == copy.digest or self._is_alike(copy, entry)

    def _is_alike(self, copy: Copy, entry: int) -> bool:
        if self._ledger.has_own(entry, copy.own):
            return True
        return any(self._ledger.has_key(entry, key) for key in copy.keys)

    def starts(self, copy: Copy) -> list[int]:
        """Entries that the first record of some neighbours can be; not all, where there are very many."""
        found = list(self._exact(copy)[:LOOK_AT])
        if not found or not self._precision.tells(copy.time_ns):
            found += [e for e in self._by_key(copy)[:LOOK_AT] if e not in found]
            found += [e for e in self._too_early(copy) if e not in found]
        return found

    def best_start(self, ahead: list[Copy], least: int) -> int:
        """The entry of ``ahead[0]`` from which most of the following records fit, so many at least; one of them has to
        stand in our logs once."""
        if len({copy.keys or copy.digest for copy in ahead}) < 2:
            return NONE
        best, best_length = NONE, 1
        best_free = 0
        for start in self.starts(ahead[0]):
            entries = self._row(ahead, start)
            length = len(entries)
            if length < least:
                continue
            if length < LOOK_AHEAD and self.is_early(ahead[0], start):
                continue  # the messages of an application's start, of the day before
            if not any(map(self._tells, ahead[:length])):
                continue  # the same stack as another one
            free = sum(not self.is_taken(entry) for entry in entries)
            if (length, free) > (best_length, best_free):
                best, best_length, best_free = start, length, free
        return best

    def _tells(self, copy: Copy) -> bool:
        """Is there only one entry that has the bytes or the fields of the record?"""
        return len(self._all(copy)) == 1

    def _all(self, copy: Copy) -> set[int]:
        """The entries that have the bytes or the fields of the record; not all, where there are several."""
        return {*self._exact(copy)[:2], *(entry for key in copy.keys for entry in islice(self._of_key(key), 2))}

    def _row(self, ahead: Sequence[Copy], start: int) -> list[int]:
        """The entries of those of the records that are in a row from ``start`` on."""
        entries = [start]
        for copy in ahead[1:]:
            after = self._ledger.runs.after(entries[-1])
            if not self.fits(copy, after, entries[-1]):
                break
            entries.append(after)
        return entries

    def goes_on(self, copy: Copy, previous: int) -> bool:
        """Is it the record of the next entry? Where another object has one of another date there, it may be alike and
        stand elsewhere."""
        entry = self._ledger.runs.after(previous)
        if not self.fits(copy, entry, previous):
            return False
        return self._latest or not self._precision.tells(copy.time_ns) or not self.is_taken(entry)

    def is_free(self, copy: Copy, entry: int, *, exact: bool = False) -> bool:
        """Can ``copy`` be on an entry, and nothing else is? ``exact``: its bytes are known to be those of the entry."""
        if (self._latest and self._has_taken(entry)) or self.is_taken(entry):
            return False
        return self._can_be(copy, entry, exact=exact)

    def is_of_moment(self, copy: Copy, entry: int) -> bool:
        """Can ``copy`` be on a free entry, which has its date, and one that no other record has?"""
        known = not self._is_untimed(entry) and self._ledger.time_of(entry) is not None
        return known and self._precision.tells(copy.time_ns) and self.is_free(copy, entry)

    def _has_taken(self, entry: int) -> bool:
        """Has a record of this buffer file taken it?"""
        return bool(self._own[entry >> 3] >> (entry & 7) & 1)

    def _can_be(self, copy: Copy, entry: int, *, exact: bool = False) -> bool:
        if not self._is_of_tags(entry) or (self._latest and self._ledger.is_unread(entry)):
            return False
        if exact:
            return True
        other = self._ledger.digest(entry)
        return (other is None or other == copy.digest) and self._ledger.agrees_in_time(entry, copy.time_ns)

    def first_free(self, copy: Copy, after: int, end: int, beside: int = NONE) -> int:
        """The first free entry between ``after`` and ``end`` that ``copy`` can be, or NONE; of the tag of the entry
        ``beside``, if there is one."""
        for exact, entries in self._lists(copy):
            for at in range(bisect_right(entries, after), bisect_left(entries, end)):
                if self._is_beside(entries[at], beside) and self.is_free(copy, entries[at], exact=exact):
                    return entries[at]
        return NONE

    def _is_beside(self, entry: int, other: int) -> bool:
        """Can records of both be in one object, which has those of one tag?"""
        return other == NONE or self._ledger.runs.are_of_one_tag(entry, other)

    def last_free(self, copy: Copy, start: int, end: int, beside: int = NONE) -> int:
        """The last one from ``start`` on and before ``end``, or NONE."""
        for exact, entries in self._lists(copy):
            for at in range(bisect_left(entries, end) - 1, bisect_left(entries, start) - 1, -1):
                if self._is_beside(entries[at], beside) and self.is_free(copy, entries[at], exact=exact):
                    return entries[at]
        return NONE

    def only(self, copy: Copy) -> int:
        """The only entry that ``copy`` can be by its bytes or fields, wherever it stands, or NONE. Two records of a
        buffer are never one; two buffers or objects may hold the same one, which two Fluent Bits have read at once."""
        found = self._all(copy)
        if len(found) != 1:
            return NONE
        entry = found.pop()
        if self._latest:
            fits = not self._has_taken(entry) and self._is_of_tags(entry) and not self._ledger.is_unread(entry)
            return entry if fits and self._is_same_reading(copy, entry) else NONE
        return entry if self._can_be(copy, entry) else NONE

    def _is_same_reading(self, copy: Copy, entry: int) -> bool:
        """Can two buffers have a record of an entry? A line without a time can have been written twice, and be left in
        one log only; but not within a moment."""
        known = self._ledger.time_of(entry)
        if not self.is_taken(entry) or not self._is_untimed(entry) or known is None or copy.time_ns is None:
            return self._ledger.agrees_in_time(entry, copy.time_ns)
        return abs(known - copy.time_ns) <= SAME_READ_NS

    def _is_of_tags(self, entry: int) -> bool:
        return self.tags is None or self._ledger.runs.tag_of(entry) in self.tags

    def _exact(self, copy: Copy) -> Sequence[int]:
        """Entries that are held with the very bytes of the record."""
        if (known := self._repeated.get(copy.digest)) is not None:
            return known
        found = self._ledger.of_digest(copy.digest, copy.only)
        if self.tags is not None:
            found = [e for e in found if self._is_of_tags(e)]
        if len(found) > FEW and len(self._repeated) < MOST_REPEATED:
            self._repeated[copy.digest] = found
        return found

    def _by_key(self, copy: Copy) -> list[int]:
        """Entries that the record can be by its fields and time; not all, where there are very many."""
        found = [
            entry for key in copy.keys for entry in self._ledger.of_key_at(key, copy.time_ns, self._ranges_for(key))
        ]
        return found if self.tags is None else [e for e in found if self._is_of_tags(e)]

    def _of_key(self, key: bytes) -> Iterator[int]:
        """Entries with a key, of our tags."""
        return filter(self._is_of_tags, self._ledger.of_key_in(key, self._ranges_for(key)))

    def _too_early(self, copy: Copy) -> list[int]:
        """Entries of untimed runs with the fields of the record, which is older than their file by its row; not all,
        where there are very many. (With a DB that was lost, or a file that was given another name, the row is new.)"""
        found = [entry for key in copy.keys for entry in islice(self._of_key(key), LOOK_AT)]
        return [e for e in found if self.is_early(copy, e) and self._is_untimed(e)]

    def _is_own(self, entry: int) -> bool:
        """Is what has the fields and the time of an entry surely its record? In a buffer of this node it is."""
        return self._latest and not self._is_untimed(entry)

    def _is_untimed(self, entry: int) -> bool:
        return not self._ledger.runs[self._ledger.runs.of(entry)].timed

    def _lists(self, copy: Copy) -> list[tuple[bool, Sequence[int]]]:
        """Sorted entries that a record can be, and whether its bytes are known to be theirs."""
        known = self._repeated_lists.get(copy.digest)
        if known is None:
            known = self._lists_of(copy)
            if copy.digest in self._repeated:
                self._repeated_lists[copy.digest] = known
        return known

    def _lists_of(self, copy: Copy) -> list[tuple[bool, Sequence[int]]]:
        exact = self._exact(copy)
        if exact and self._precision.tells(copy.time_ns):
            return [(True, sorted(exact))]
        if exact:  # the same line may be anywhere in the logs as well
            exact = sorted(exact)
            exact = exact[bisect_left(exact, self._ledger.indexed) :] if copy.keys else exact
            return [*((False, self._ledger.of_key(key)) for key in copy.keys), (True, exact)]
        return [(False, self._ledger.of_key(key)) for key in copy.keys]
