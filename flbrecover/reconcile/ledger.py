"""The ledger: one entry for each record that must be accounted for.

Entries come first from the source logs, in writing order, so that neighbours in a log are neighbours here; then from
buffer files for what no log shows (any more). A record of a buffer file or an object is *placed* on the entry that it
is a copy of (:mod:`placement`). What no stored copy was placed on is missing.

Columns instead of objects: a node can hold millions of records.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from flbrecover.reconcile.batch import Batch
from flbrecover.reconcile.columns import NO_TIME, NONE, NewColumn, TimeLimits, in_memory, limits_of, same_stretches
from flbrecover.reconcile.held_digests import HeldDigests
from flbrecover.reconcile.held_records import TWO_NUMBERS, Halves, HeldRecords
from flbrecover.reconcile.key_index import NO_KEY, KeyIndex, Moment, exactly
from flbrecover.reconcile.runs import MIXED, Runs
from flbrecover.reconcile.sorted_index import GrowingIndex

FEW = 16  # entries of one key that are looked at one by one
MOST = 200  # entries of one key that are looked at for one copy
_NONE = array("i", [NONE]).tobytes()
_PIECE = 1 << 16


class Ledger:
    """Entries are numbered from 0. ``stored`` holds NONE or the number of an object, ``held`` NONE or the number of a
    record among the ``records`` of all buffer files.

    Entries with a match key come first; :meth:`of_key` finds them once :meth:`index_keys` was called. ``own`` is what
    :mod:`scan` compares: a hash of the part of a record that is the same in all its copies (0: not known). ``moment``
    tells which times are written alike, ``new`` makes the columns.
    """

    def __init__(self, *, moment: Moment = exactly, new: NewColumn = in_memory) -> None:
        self.runs = Runs(new)
        self.records = HeldRecords(new)
        self.stored = new("i")
        self.held = new("i")
        self.time = new("q")
        self.own = new("Q")
        self._open: Counter[int] = Counter()  # entries that no object is known to hold, by the number of their tag
        self._moment = moment
        self._unread = new("b")
        self._keys = KeyIndex(moment, new)
        self._digests = HeldDigests(self.records, new)
        self._copies = GrowingIndex(new)  # of entries that carry no time and that no buffer file holds

    def __len__(self) -> int:
        return self.runs.entry_count

    def add(
        self, run: int, tag: str, key: bytes | None, time_ns: int | None = None, *, unread: bool = False, own: int = 0
    ) -> int:
        """A new entry at the end of ``run`` (the latest one that was begun). Returns its number. ``unread``: Fluent Bit
        never read its record, so no buffer of Fluent Bit's can hold it."""
        entry = len(self)
        self._open[self.runs.add(run, tag)] += 1
        self._unread.append(unread)
        self.stored.append(NONE)
        self.held.append(NONE)
        self.own.append(own)
        self.time.append(NO_TIME if time_ns is None else time_ns)
        self._keys.append(NO_KEY if key is None else key)
        return entry

    def add_all(
        self,
        run: int,
        tags: Sequence[str],
        numbers: Sequence[int],
        keys: Halves,
        times: Sequence[int],
        unread: Sequence[int],
        owns: Sequence[int],
    ) -> None:
        """:meth:`add` for many: ``numbers`` are the indexes of their tags in ``tags``; keys may be NO_KEY, times
        NO_TIME."""
        size = len(numbers)
        self._open.update(self.runs.add_all(run, tags, numbers))
        self._unread.extend(unread)
        none = array("i", [NONE]) * size
        self.stored.extend(none)
        self.held.extend(none)
        self.own.extend(owns)
        self.time.extend(times)
        self._keys.extend(keys)

    def begin_file(self) -> None:
        """What is held from now on is of another buffer file."""
        self._digests.end_segment()

    def hold_new(self, run: int, tag: str, batch: Batch) -> None:
        """New entries at the end of ``run`` for as many records of a buffer file, which no entry has yet: as
        :meth:`HeldRecords.add`, :meth:`add` and :meth:`hold` for each, many at a time."""
        first, record, size = len(self), len(self.records), len(batch)
        none = array("Q", bytes(8 * size))
        keys, unread = Halves(none, none), array("b", bytes(size))
        self.add_all(run, (tag,), array("i", bytes(4 * size)), keys, batch.times, unread, batch.owns)
        self.held.write(first, array("i", range(record, record + size)))
        self.records.add_all(batch.starts, batch.ends, batch.digests, range(first, first + size))
        self._digests.add_all(tag, range(first, first + size), record, batch.limits)

    def knows_none_of(self, tag: str, batch: Batch, *, dated: bool) -> bool:
        """Are these all different, and none of them held under this tag? ``dated``: their times are what their bytes
        carry."""
        dates = batch.limits if dated and batch.all_timed else None
        if dates is not None and self._digests.are_new(tag, batch.digests.high, dates):
            return True
        return self._digests.has_none_of(batch.digests.high)

    @property
    def indexed(self) -> int:
        """How many entries :meth:`of_key` knows of."""
        return self._keys.indexed

    def index_keys(self) -> None:
        """Makes the keys of all entries so far known to :meth:`of_key`."""
        self._keys.index()

    def settle(self) -> None:
        """When all entries are there: they take less memory then."""
        self._digests.settle()

    def _timed(self) -> Iterator[tuple[int, int]]:
        """The entries of timed runs that have keys, with their times."""
        for number in range(len(self.runs)):
            for entry in self.runs.entries(number) if self.runs[number].timed else ():
                if entry < self.indexed:
                    yield entry, self.time[entry]

    def is_unread(self, entry: int) -> bool:
        return bool(self._unread[entry])

    def time_of(self, entry: int) -> int | None:
        time_ns = self.time[entry]
        return None if time_ns == NO_TIME else time_ns

    def limits(self, entries: range) -> TimeLimits:
        """The first and the last time of these entries; None where none is known."""
        first = last = None
        for start in range(entries.start, entries.stop, _PIECE):
            if (some := limits_of(self.time.read(start, min(start + _PIECE, entries.stop)))) is not None:
                first = some[0] if first is None else min(first, some[0])
                last = some[1] if last is None else max(last, some[1])
        return first, last

    def times(self, entries: range, width: int) -> Counter[int | None]:
        """How many of these entries are in which multiple of ``width`` ns; None: have no known time."""
        counts: Counter[int | None] = Counter()
        for start in range(entries.start, entries.stop, _PIECE):
            some = sorted(self.time.read(start, min(start + _PIECE, entries.stop)))  # nearly in order: quick
            at = bisect_right(some, NO_TIME)
            if at:
                counts[None] += at
            while at < len(some):
                multiple = some[at] // width
                end = bisect_left(some, (multiple + 1) * width, at)
                counts[multiple] += end - at
                at = end
        return counts

    def stored_stretches(self) -> Iterator[tuple[int, range]]:
        """Objects (or NONE) with entries that they hold, neighbours together; in the order of the entries."""
        stored = self.stored.raw()
        return ((stored[some.start], some) for some in same_stretches(stored, range(len(stored))))

    def hold(self, entry: int, record: int, time_ns: int | None) -> None:
        """A record of a buffer file is the copy that a recovery would upload for ``entry``."""
        self.held[entry] = record
        self._digests.add(self.runs.tag_of(entry), entry, record, time_ns)
        self.learn_time(entry, time_ns)

    def hold_all(self, entries: range, record: int, times: array[int]) -> bool:
        """:meth:`hold` for entries of one run and tag, and the records from ``record`` on, with their times (NO_TIME:
        none). False, and nothing is done, where one of the entries is held already."""
        if self.held.read(entries.start, entries.stop).tobytes() != _NONE * len(entries):
            return False
        self.held.write(entries.start, array("i", range(record, record + len(entries))))
        self._digests.add_all(self.runs.tag_of(entries.start), entries, record, limits_of(times))
        if not self.runs[self.runs.of(entries.start)].timed:
            known = self.time.read(entries.start, entries.stop)
            learned = (old if new == NO_TIME else new for old, new in zip(known, times, strict=True))
            self.time.write(entries.start, array("q", learned))
        return True

    def are_held(self, entries: range, record: int) -> bool:
        """Are these entries held by ``record`` and those after it, one by one?"""
        held = self.held.raw()[entries.start : entries.stop]
        return bytes(held) == array("i", range(record, record + len(entries))).tobytes()

    def store(self, entry: int, number: int) -> bool:
        """Object ``number`` holds a copy of an entry. False where another one was known to do so already."""
        if self.stored[entry] != NONE:
            return False
        self.stored[entry] = number
        self._open[self.runs.tag_number(entry)] -= 1
        return True

    def store_all(self, entries: range, number: int) -> None:
        """:meth:`store` for entries that follow each other."""
        if not entries:
            return
        column = memoryview(self.stored.raw())[entries.start : entries.stop]
        tag = self.runs.common_tag(entries)
        if tag == MIXED or bytes(column) != _NONE * len(entries):
            for entry in entries:
                self.store(entry, number)
            return
        column[:] = memoryview(array("i", [number]) * len(entries))
        self._open[tag] -= len(entries)

    def open_entries(self, tags: Iterable[str]) -> int:
        """How many entries of these tags no object is known to hold."""
        return sum(self._open[self.runs.number_of(tag)] for tag in tags)

    def learn_time(self, entry: int, time_ns: int | None) -> None:
        """A copy tells the time of a record whose line carries none."""
        if time_ns is not None and not self.runs[self.runs.of(entry)].timed:
            self.time[entry] = time_ns

    def digest(self, entry: int) -> bytes | None:
        """The digest of the bytes that an entry is held with, None where no buffer file holds it."""
        at = self.held[entry]
        return None if at == NONE else self.records.digest(at)

    def of_digest(self, digest: bytes, only: int = NONE) -> Sequence[int]:
        """Entries that are held with exactly these bytes; ``only``: no other one is."""
        if only != NONE:
            return (only,) if self.digest(only) == digest else ()
        found = self._digests.find(digest)
        return [e for e in found if self.digest(e) == digest] if found else ()

    def know_copy(self, entry: int, digest: bytes) -> None:
        """An object has a copy of these bytes, with a date of its own, on an entry of which nothing else tells them."""
        if entry < self.indexed and self.held[entry] == NONE and not self.runs[self.runs.of(entry)].timed:
            self._copies.add(TWO_NUMBERS.unpack(digest)[0], entry)

    def of_copy(self, digest: bytes) -> int:
        """The entry that a copy of the same bytes and date is on; NONE where there is none."""
        found = self._copies.find(TWO_NUMBERS.unpack(digest)[0])
        return found[0] if found else NONE

    def of_key(self, key: bytes) -> Sequence[int]:
        """Entries with this match key, in writing order."""
        return self._keys.of(key)

    def of_key_in(self, key: bytes, ranges: Sequence[range] | None) -> Iterator[int]:
        """Entries with this match key that lie in some ranges, which are in order (None: all of them)."""
        entries = self._keys.of(key)
        if ranges is None:
            yield from entries
        else:
            for some in ranges:
                yield from entries[bisect_left(entries, some.start) : bisect_left(entries, some.stop)]

    def of_key_at(self, key: bytes, time_ns: int | None, ranges: Sequence[range] | None = None) -> list[int]:
        """Those of them that :meth:`agrees_in_time` with a copy, at most MOST of them where that is not told by the
        key; quick where the key has thousands."""
        few = len(self._keys.of(key)) <= FEW
        entries = self.of_key_in(key, ranges)
        if few or time_ns is None:
            return [e for e in islice(entries, MOST) if self.agrees_in_time(e, time_ns)]
        if not self._keys.has_moments:
            self._keys.index_moments(self._timed())
        found = self._keys.at(key, (time_ns, NO_TIME), MOST)
        found += islice((e for e in entries if not self.runs[self.runs.of(e)].timed), 0 if found else MOST)
        return [e for e in found if self.has_key(e, key) and self.agrees_in_time(e, time_ns)]

    def has_key(self, entry: int, key: bytes) -> bool:
        return self._keys.has(entry, key)

    def has_own(self, entry: int, own: int) -> bool:
        """Has the record of a log the same own part: all that is compared, in the same bytes?"""
        return own != 0 and 0 <= entry < self.indexed and self.own[entry] == own

    def agrees_in_time(self, entry: int, time_ns: int | None) -> bool:
        """Can a copy with this time be the record of ``entry``? For timed runs the times have to be written
        alike; else the copy may only not be older than its log."""
        run = self.runs[self.runs.of(entry)]
        if time_ns is None:
            return True
        if run.timed:
            known = self.time[entry]
            return known == NO_TIME or self._moment(known) == self._moment(time_ns)
        return run.not_before_ns is None or time_ns >= run.not_before_ns

    def missing(self) -> Iterator[int]:
        return (entry for entry, at in enumerate(self.stored.raw()) if at == NONE)
