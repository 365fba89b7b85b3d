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

NONE = -1
NO_TIME = -(1 << 63)


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
    """Entries are numbered from 0. ``stored``, ``held`` hold NONE or the number of an object or a holder."""

    def __init__(self, *, time_resolution_ns: int = 1) -> None:
        self.runs: list[Run] = []
        self.stored = array("q")
        self.held = array("q")
        self.held_at = array("q")
        self.time = array("q")
        self.tags: list[str] = []
        self._tag = array("q")
        self._tag_numbers: dict[str, int] = {}
        self._resolution = time_resolution_ns
        self._run = array("q")
        self._key = array("q")
        self._key_numbers: dict[bytes, int] = {}
        self._by_key: list[array[int]] = []
        self._digest: dict[int, bytes] = {}
        self._by_digest: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        return len(self._run)

    def start_run(self, run: Run) -> int:
        self.runs.append(run)
        return len(self.runs) - 1

    def add(self, run: int, tag: str, key: bytes | None, time_ns: int | None = None) -> int:
        """A new entry at the end of ``run`` (the latest one started). Returns its number."""
        entry = len(self._run)
        self._run.append(run)
        tag_number = self._tag_numbers.setdefault(tag, len(self.tags))
        if tag_number == len(self.tags):
            self.tags.append(tag)
        self._tag.append(tag_number)
        self.stored.append(NONE)
        self.held.append(NONE)
        self.held_at.append(NONE)
        self.time.append(NO_TIME if time_ns is None else time_ns)
        number = NONE
        if key is not None:
            number = self._key_numbers.setdefault(key, len(self._by_key))
            if number == len(self._by_key):
                self._by_key.append(array("q"))
            self._by_key[number].append(entry)
        self._key.append(number)
        return entry

    def run_of(self, entry: int) -> int:
        return self._run[entry]

    def tag_of(self, entry: int) -> str:
        return self.tags[self._tag[entry]]

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
        self._by_digest.setdefault(digest, []).append(entry)
        self.learn_time(entry, time_ns)

    def learn_time(self, entry: int, time_ns: int | None) -> None:
        """A copy tells the time of a record whose line carries none."""
        if time_ns is not None and not self.runs[self._run[entry]].timed:
            self.time[entry] = time_ns

    def digest(self, entry: int) -> bytes | None:
        return self._digest.get(entry)

    def of_digest(self, digest: bytes) -> Sequence[int]:
        """Entries that are held with exactly these bytes."""
        return self._by_digest.get(digest, ())

    def of_key(self, key: bytes) -> Sequence[int]:
        """Entries with this match key, in writing order."""
        number = self._key_numbers.get(key)
        return () if number is None else self._by_key[number]

    def has_key(self, entry: int, key: bytes) -> bool:
        return 0 <= entry < len(self._key) and self._key[entry] == self._key_numbers.get(key, NONE - 1)

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
