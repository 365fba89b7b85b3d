"""Which run and which tag each entry of a ledger belongs to.

Entries lie next to each other because their records do, in a source file or a buffer file: they are a run. Runs of the
files of one log are a chain: what was written last into one comes right before what was written first into the next.
Nearly always all of a run have one tag.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from flbrecover.reconcile.columns import NONE, NewColumn

NEAR = 1000  # entries, most of other tags, among which the next one of a tag is looked for
MIXED = -2  # instead of the number of a tag: there are several


@dataclass(frozen=True, slots=True)
class Run:
    """One source file, or one buffer file. ``not_before_ns`` is the time before which no record of it can have been
    delivered (None: unknown); ``timed`` says that the entries' times come from the records themselves and so have to
    agree with a copy's time. ``follows``: its first record was written right after the last one of the run before it.
    """

    name: str
    not_before_ns: int | None = None
    timed: bool = False
    follows: bool = False


class Runs:
    """Runs, tags and entries have numbers, each from 0; ``tags`` are the tags by theirs."""

    def __init__(self, new: NewColumn) -> None:
        self.tags: list[str] = []
        self._numbers: dict[str, int] = {}  # of the tags
        self._tag = new("i")  # of each entry
        self._runs: list[Run] = []
        self._starts: list[int] = []
        self._tag_of_run: list[int] = []  # or NONE for a run without entries, or MIXED
        self.older: dict[str, int] = {}  # by name: a time before its ``not_before_ns`` at which the run was delivered
        self.refused: set[str] = set()  # the names of runs that were too young for some record

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, run: int) -> Run:
        return self._runs[run]

    @property
    def entry_count(self) -> int:
        return len(self._tag)

    # -- adding ------------------------------------------------------------------------------------------------------

    def begin(self, run: Run) -> int:
        """A new run, for the entries that are added next. Gives its number."""
        self._runs.append(run)
        self._starts.append(self.entry_count)
        self._tag_of_run.append(NONE)
        return len(self._runs) - 1

    def was_delivered(self, run: int, time_ns: int) -> None:
        """Records of the run were delivered at this time, whatever its ``not_before_ns`` says."""
        known = self._runs[run]
        if known.not_before_ns is not None and time_ns < known.not_before_ns:
            self._runs[run] = replace(known, not_before_ns=time_ns)
            self.older[known.name] = time_ns

    def add(self, run: int, tag: str) -> int:
        """A new entry at the end of ``run`` (the latest one that was begun). Gives the number of its tag."""
        number = self._tag_of_new(run, tag)
        self._tag.append(number)
        return number

    def add_all(self, run: int, tags: Sequence[str], indexes: Sequence[int]) -> dict[int, int]:
        """:meth:`add` for many: ``indexes`` are those of their tags in ``tags``. Gives how many were added, by the
        numbers of the tags."""
        if not indexes:
            return {}
        counts = Counter(indexes) if len(tags) > 1 else {0: len(indexes)}
        numbers = {index: self._tag_of_new(run, tags[index]) for index in counts}
        if len(counts) > 1:
            self._tag_of_run[run] = MIXED
        same = len(counts) == 1
        some = array("i", [numbers[indexes[0]]]) * len(indexes) if same else map(numbers.__getitem__, indexes)
        self._tag.extend(some)
        return {numbers[index]: count for index, count in counts.items()}

    def _tag_of_new(self, run: int, tag: str) -> int:
        number = self._numbers.setdefault(tag, len(self.tags))
        if number == len(self.tags):
            self.tags.append(tag)
        if self._tag_of_run[run] != number:
            self._tag_of_run[run] = number if self._starts[run] == self.entry_count else MIXED
        return number

    # -- runs --------------------------------------------------------------------------------------------------------

    def of(self, entry: int) -> int:
        """The run of an entry."""
        return bisect_right(self._starts, entry) - 1

    def entries(self, run: int) -> range:
        """The entries of a run: they are contiguous."""
        end = self._starts[run + 1] if run + 1 < len(self._starts) else self.entry_count
        return range(self._starts[run], end)

    def chain(self, entry: int) -> range:
        """The entries of all runs of an entry's chain."""
        first = last = self.of(entry)
        while self._runs[first].follows:
            first -= 1
        while last + 1 < len(self._runs) and self._runs[last + 1].follows:
            last += 1
        return range(self._starts[first], self.entries(last).stop)

    def are_neighbours(self, first: int, second: int) -> bool:
        """Does ``second`` come right after ``first``, but for entries of other tags?"""
        if second == first + 1:
            return 0 <= first < self.entry_count - 1 and self.are_of_one_chain(first, second)
        return 0 <= first < second and self.after(first) == second

    def after(self, entry: int) -> int:
        """The next entry of the same tag and chain, NONE where there is none near. Buffer files and objects have the
        records of one tag: where a filter gives the records of a log several, those of each tag are neighbours."""
        return self._next_to(entry, 1)

    def before(self, entry: int) -> int:
        """:meth:`after`, the other way."""
        return self._next_to(entry, -1)

    def between(self, first: int, second: int, number: int) -> Sequence[int]:
        """The entries between two neighbours of one tag and chain, if they are so many; else none."""
        between = range(first + 1, second)
        if len(between) < number:
            return ()
        if between and self.common_tag(range(first, second + 1)) != MIXED:
            return between if len(between) == number else ()
        found: list[int] = []
        entry = self.after(first)
        while NONE < entry < second and len(found) < number:
            found.append(entry)
            entry = self.after(entry)
        return found if entry == second and len(found) == number else ()

    def _next_to(self, entry: int, step: int) -> int:
        own = self.of(entry)
        if self._tag_of_run[own] != MIXED and entry + step in self.entries(own):
            return entry + step
        limit = min(entry + step * NEAR, self.entry_count) if step > 0 else max(entry + step * NEAR, -1)
        number = self._tag[entry]
        found = next((e for e in range(entry + step, limit, step) if self._tag[e] == number), NONE)
        return found if found != NONE and self.are_of_one_chain(entry, found) else NONE

    def are_of_one_chain(self, first: int, second: int) -> bool:
        low, high = sorted((self.of(first), self.of(second)))
        return low == high or all(run.follows for run in self._runs[low + 1 : high + 1])

    def are_of_one_tag(self, first: int, second: int) -> bool:
        return bool(self._tag[first] == self._tag[second])

    @property
    def were_refused_in_vain(self) -> bool:
        """Did a record find no place as it was too old for a file that has turned out to be older?"""
        return not self.refused.isdisjoint(self.older)

    # -- tags --------------------------------------------------------------------------------------------------------

    def tag_of(self, entry: int) -> str:
        return self.tags[self._tag[entry]]

    def tag_number(self, entry: int) -> int:
        return self._tag[entry]

    def number_of(self, tag: str) -> int:
        """NONE where no entry has it."""
        return self._numbers.get(tag, NONE)

    def common_tag(self, entries: range) -> int:
        """The number of the tag that all these entries have as they are of one run that has no other; else MIXED."""
        run = self.of(entries.start)
        return self._tag_of_run[run] if self.of(entries[-1]) == run else MIXED

    def tags_of(self, entries: range) -> set[str]:
        number = self.common_tag(entries)
        return {self.tags[number]} if number != MIXED else {self.tag_of(entry) for entry in entries}

    def by_tag(self, entries: range) -> Iterator[tuple[str, range]]:
        """Entries, neighbours of one tag together."""
        if not entries:
            return
        number = self.common_tag(entries)
        if number != MIXED:
            yield self.tags[number], entries
            return
        for tag, some in groupby(entries, key=self._tag.__getitem__):
            found = list(some)
            yield self.tags[tag], range(found[0], found[-1] + 1)

    def with_tags(self, tags: Iterable[str]) -> list[range]:
        """The entries of all runs that may have some of these tags: of other tags as well, where a run has several."""
        numbers = {self.number_of(tag) for tag in tags} - {NONE} | {MIXED}
        return [self.entries(run) for run, number in enumerate(self._tag_of_run) if number in numbers]
