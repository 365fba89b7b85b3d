"""The ledger: one entry for each record that must be accounted for.

Entries come first from the source logs, in writing order, so that neighbours in a log are neighbours here; then from
buffer files for what no log shows (any more). A record of a buffer file or an object is *placed* on the entry that it
is a copy of (:mod:`placement`). What no stored copy was placed on is missing.

Columns instead of objects: a node can hold millions of records.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from struct import Struct

NONE = -1
NO_TIME = -(1 << 63)
NO_KEY = bytes(16)
FEW = 16  # entries of one key that are looked at one by one
MOST = 200  # entries of one key that are looked at for one copy
_KEY = Struct(">QQ")
_SPREAD = 0x9E3779B97F4A7C15  # 2^64 by the golden ratio: spreads times over all 64 bits
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Run:
    """Entries that lie next to each other because their records do: one source file, or one buffer file.

    ``not_before_ns`` is the time before which no record of it can have been delivered (None: unknown); ``timed`` says
    that the entries' times come from the records themselves and so have to agree with a copy's time.
    """

    name: str
    not_before_ns: int | None = None
    timed: bool = False


class Ledger:
    """Entries are numbered from 0. ``stored``, ``held`` hold NONE or the number of an object or a holder.

    Entries with a match key come first; :meth:`of_key` finds them once :meth:`index_keys` was called.
    """

    def __init__(self, *, time_resolution_ns: int = 1) -> None:
        self.runs: list[Run] = []
        self.stored = array("i")
        self.held = array("i")
        self.held_at = array("i")
        self.time = array("q")
        self.tags: list[str] = []
        self._tag = array("i")
        self._tag_numbers: dict[str, int] = {}
        self._resolution = time_resolution_ns
        self._run = array("i")
        self._unread = bytearray()
        self._key_high = array("Q")  # a key is 16 bytes: two numbers
        self._key_low = array("Q")
        self.indexed = 0  # entries that of_key knows of
        self._sorted_high: array[int] = array("Q")
        self._sorted_entries: memoryview | array[int] = array("i")
        self._timed_high: array[int] = array("Q")
        self._timed_entries: array[int] = array("i")
        self._digest: dict[int, bytes] = {}
        self._by_digest: dict[bytes, int | list[int]] = {}

    def __len__(self) -> int:
        return len(self._run)

    def start_run(self, run: Run) -> int:
        self.runs.append(run)
        return len(self.runs) - 1

    def add(
        self, run: int, tag: str, key: bytes | None, time_ns: int | None = None, *, unread: bool = False
    ) -> int:
        """A new entry at the end of ``run`` (the latest one started). Returns its number. ``unread``: Fluent Bit never
        read its record, so no buffer of Fluent Bit's can hold it."""
        entry = len(self._run)
        self._unread.append(unread)
        self._run.append(run)
        tag_number = self._tag_numbers.setdefault(tag, len(self.tags))
        if tag_number == len(self.tags):
            self.tags.append(tag)
        self._tag.append(tag_number)
        self.stored.append(NONE)
        self.held.append(NONE)
        self.held_at.append(NONE)
        self.time.append(NO_TIME if time_ns is None else time_ns)
        high, low = _KEY.unpack(NO_KEY if key is None else key)
        self._key_high.append(high)
        self._key_low.append(low)
        return entry

    def index_keys(self) -> None:
        """Makes the keys of all entries so far known to :meth:`of_key`: by a sorted column, which takes a tenth of the
        memory of a dictionary."""
        self.indexed = len(self)
        entries = sorted(range(len(self)), key=self._key_high.__getitem__)
        self._sorted_high = array("Q", (self._key_high[e] for e in entries))
        self._sorted_entries = memoryview(array("i", entries))
        timed = [e for e in range(len(self)) if self.runs[self._run[e]].timed]
        timed.sort(key=self._moment_of)
        self._timed_high = array("Q", map(self._moment_of, timed))
        self._timed_entries = array("i", timed)

    def _moment_of(self, entry: int) -> int:
        return self._moment(self._key_high[entry], self.time[entry])

    def _moment(self, high: int, time_ns: int) -> int:
        """A key and a time at the resolution of the output's date, in one number of 64 bits."""
        return (high + _SPREAD * (time_ns // self._resolution)) & _MASK

    def run_of(self, entry: int) -> int:
        return self._run[entry]

    def tag_of(self, entry: int) -> str:
        return self.tags[self._tag[entry]]

    def is_unread(self, entry: int) -> bool:
        return bool(self._unread[entry])

    def time_of(self, entry: int) -> int | None:
        time_ns = self.time[entry]
        return None if time_ns == NO_TIME else time_ns

    def entries_of(self, run: int) -> range:
        """The entries of one run: they are contiguous."""
        return range(bisect_left(self._run, run), bisect_right(self._run, run))

    def start_of_run(self, entry: int) -> int:
        return bisect_left(self._run, self._run[entry])

    def end_of_run(self, entry: int) -> int:
        return bisect_right(self._run, self._run[entry])

    def hold(self, entry: int, holder: int, record: int, digest: bytes, time_ns: int | None) -> None:
        """Record number ``record`` of a holder is the copy that a recovery would upload for ``entry``."""
        self.held[entry] = holder
        self.held_at[entry] = record
        self._digest[entry] = digest
        known = self._by_digest.setdefault(digest, entry)
        if isinstance(known, list):
            known.append(entry)
        elif known != entry:
            self._by_digest[digest] = [known, entry]
        self.learn_time(entry, time_ns)

    def learn_time(self, entry: int, time_ns: int | None) -> None:
        """A copy tells the time of a record whose line carries none."""
        if time_ns is not None and not self.runs[self._run[entry]].timed:
            self.time[entry] = time_ns

    def digest(self, entry: int) -> bytes | None:
        return self._digest.get(entry)

    def of_digest(self, digest: bytes) -> Sequence[int]:
        """Entries that are held with exactly these bytes."""
        found = self._by_digest.get(digest, ())
        return (found,) if isinstance(found, int) else found

    def of_key(self, key: bytes) -> Sequence[int]:
        """Entries with this match key, in writing order."""
        high, low = _KEY.unpack(key)
        start = bisect_left(self._sorted_high, high)
        if start == len(self._sorted_high) or self._sorted_high[start] != high:
            return ()
        found = self._sorted_entries[start : bisect_right(self._sorted_high, high, start)]
        same = all(self._key_low[e] == low for e in (found[0], found[-1]))
        return found if same else [e for e in found if self._key_low[e] == low]

    def of_key_at(self, key: bytes, time_ns: int | None) -> list[int]:
        """Entries with this match key that :meth:`agrees_in_time` with a copy; quick where the key has thousands."""
        entries = self.of_key(key)
        if len(entries) <= FEW or time_ns is None or not self._timed_high:
            return [e for e in islice(entries, MOST) if self.agrees_in_time(e, time_ns)]
        high, _ = _KEY.unpack(key)
        found: list[int] = []
        for moment in (self._moment(high, time_ns), self._moment(high, NO_TIME)):
            start, end = bisect_left(self._timed_high, moment), bisect_right(self._timed_high, moment)
            found += self._timed_entries[start : min(end, start + MOST)]
        found += islice((e for e in entries if not self.runs[self._run[e]].timed), 0 if found else MOST)
        return [e for e in found if self.has_key(e, key) and self.agrees_in_time(e, time_ns)]

    def has_key(self, entry: int, key: bytes) -> bool:
        return 0 <= entry < len(self) and (self._key_high[entry], self._key_low[entry]) == _KEY.unpack(key)

    def neighbours(self, first: int, second: int) -> bool:
        """Does ``second`` come right after ``first``?"""
        return second == first + 1 and 0 <= first < len(self) - 1 and self._run[first] == self._run[second]

    def agrees_in_time(self, entry: int, time_ns: int | None) -> bool:
        """Can a copy with this time be the record of ``entry``? For timed runs the times have to be the same at the
        resolution of the output's date; else the copy may only not be older than its log."""
        run = self.runs[self._run[entry]]
        if time_ns is None:
            return True
        if run.timed:
            known = self.time[entry]
            return known == NO_TIME or known // self._resolution == time_ns // self._resolution
        return run.not_before_ns is None or time_ns >= run.not_before_ns

    def missing(self) -> Iterator[int]:
        return (entry for entry, at in enumerate(self.stored) if at == NONE)
