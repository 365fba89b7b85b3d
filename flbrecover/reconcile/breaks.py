"""Finds where Fluent Bit broke joined records off: it sent their first lines as one record and the others apart, for
its flush timer came in between, or it was stopped.

The log alone cannot tell. But the pieces lie in objects and buffer files, right behind the record before them or right
before the one after them, and each is what some lines of the joined record make. What is found here decides nothing by
itself: a log that is read with these breaks has an entry for each piece, and those are placed like any others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Protocol

from flbrecover.model import ByteRange
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.ledger import Ledger

NEARBY = 16  # entries that are looked at for a piece
FEW = 16  # strangers of one gap that are kept before those of others
MOST_LOOSE = 256  # such strangers
MOST_MISSING = 2000  # missing records that are looked at for them

At = tuple[int, int]
"""Which record of a sequence was placed, and on which entry."""


class Gap(Protocol):
    """Hears of strangers, by their indexes, between two records that were placed (None: there is none). True: some of
    them are pieces of joined records."""

    def __call__(self, before: At | None, strange: Mapping[int, Copy], after: At | None, /) -> bool: ...


class Joined(Protocol):
    """A joined record of a log. ``starts`` has where each of its lines begins."""

    @property
    def starts(self) -> Sequence[int]: ...

    def end_of(self, first: int, copy: Copy) -> int:
        """Behind the last of the lines from ``first`` on of which ``copy`` is the record; 0 where it is none."""
        ...

    def start_of(self, end: int, copy: Copy) -> int:
        """The first of the lines before ``end`` of which ``copy`` is the record; NONE where it is none."""
        ...

    def find(self, copy: Copy) -> range:
        """The lines of which ``copy`` is the record, and not of all; empty where there are none."""
        ...


class BreakSearch:
    """``joined`` gives the record of an entry, None where it is none that has several lines."""

    def __init__(self, ledger: Ledger, joined: Callable[[int], Joined | None]) -> None:
        self._ledger = ledger
        self._joined = joined
        self._loose: list[Copy] = []  # strangers whose neighbours do not tell what they are: a few of each gap
        self._more: list[Copy] = []  # and what else there is of them, if there is room
        self._pieces: dict[int, _Pieces] = {}  # by their entries

    def look(self, before: At | None, strange: Mapping[int, Copy], after: At | None) -> bool:
        """See :class:`Gap`."""
        forwards = backwards = 0
        if before is not None:
            copies = _in_a_row(strange, range(before[0] + 1, before[0] + 1 + len(strange)))
            forwards = self._forwards(before[1], copies)
        if after is not None:
            copies = _in_a_row(strange, range(after[0] - 1, after[0] - 1 - len(strange) + forwards, -1))
            backwards = self._backwards(after[1], copies)
        rest = list(strange.values())[forwards : len(strange) - backwards]
        nearby = [copy for copy in rest[:MOST_LOOSE] if self._is_nearby(copy, before, after)] if rest else []
        loose = [copy for copy in rest[:MOST_LOOSE] if copy not in nearby]
        self._loose += loose[:FEW][: MOST_LOOSE - len(self._loose)]
        self._more += loose[FEW:][: MOST_LOOSE - len(self._more)]
        return forwards + backwards + len(nearby) > 0

    def stopped_at(self, entry: int, place: int) -> None:
        """Fluent Bit has read the log up to this place, within the record of an entry: if it goes on there it does not
        join what comes with what came before."""
        joined = self._record(entry, entry)
        if joined is not None and place in joined.starts[1:]:
            self._note(entry, joined, 0, list(joined.starts).index(place))

    def found(self) -> dict[int, list[ByteRange]]:
        """The spans of the pieces but for the last one, by their entries: of records that are nowhere as a whole."""
        ledger = self._ledger
        self._place_loose()
        whole = {e for e in self._pieces if ledger.stored[e] != NONE or ledger.held[e] != NONE}
        return {entry: _spans(self._pieces[entry]) for entry in sorted(self._pieces.keys() - whole)}

    def _place_loose(self) -> None:
        """Looks for strangers without a neighbour that tells their place (a sequence may have nothing but pieces): in
        records that are known to be in pieces, in others that are missing, and next to one where such a stranger is."""
        self._loose += self._more[: MOST_LOOSE - len(self._loose)]
        runs = self._ledger.runs
        todo = [*islice(self._ledger.missing(), MOST_MISSING), *self._pieces] if self._loose else []
        seen: set[int] = set()
        while todo and self._loose:
            entry = todo.pop()
            if entry in seen:
                continue
            seen.add(entry)
            joined = self._record(entry, entry)
            rest = [copy for copy in self._loose if not self._is_piece(copy, entry, joined)]
            if len(rest) < len(self._loose):
                todo += [e for e in (entry - 1, entry + 1) if e >= 0 and runs.of(e) == runs.of(entry)]
            self._loose = rest

    def _forwards(self, before: int, copies: Iterable[Copy]) -> int:
        """How many of the records right behind the one of an entry are pieces of those after it."""
        entry, line, pieces = self._ledger.runs.after(before), 0, 0
        for copy in copies:
            joined = self._record(entry, before)
            end = joined.end_of(line, copy) if joined is not None else 0
            if joined is None or not end:
                break
            if (line, end) == (0, len(joined.starts)):
                break  # it is the whole record, of another time
            self._note(entry, joined, line, end)
            line = end
            if end == len(joined.starts):
                before, entry, line = entry, self._ledger.runs.after(entry), 0
            pieces += 1
        return pieces

    def _backwards(self, after: int, copies: Iterable[Copy]) -> int:
        """How many of the records right before the one of an entry, the last one first, are pieces of those before."""
        entry, end, pieces = self._ledger.runs.before(after), 0, 0
        for copy in copies:
            joined = self._record(entry, after)
            if joined is None:
                break
            end = end or len(joined.starts)
            start = joined.start_of(end, copy)
            if start == NONE or (start, end) == (0, len(joined.starts)):
                break
            self._note(entry, joined, start, end)
            end = start
            if not start:
                after, entry = entry, self._ledger.runs.before(entry)
            pieces += 1
        return pieces

    def _is_nearby(self, copy: Copy, before: At | None, after: At | None) -> bool:
        """Is it a piece of a record near a gap? Where two streams are mixed, a record is on the ledger where its last
        line is, and others lie between its pieces."""
        if before is not None:
            known, entries = before[1], range(before[1] + 1, before[1] + 1 + NEARBY)
        elif after is not None:
            known, entries = after[1], range(max(after[1] - NEARBY, 0), after[1])
        else:
            return False
        return any(self._is_piece(copy, entry, self._record(entry, known)) for entry in entries)

    def _is_piece(self, copy: Copy, entry: int, joined: Joined | None) -> bool:
        lines = joined.find(copy) if joined is not None else range(0)
        if joined is None or not lines:
            return False
        self._note(entry, joined, lines.start, lines.stop)
        return True

    def _record(self, entry: int, neighbour: int) -> Joined | None:
        """The record of an entry near another one, if it is joined, of the same tag, and not to be seen anywhere as a
        whole."""
        ledger, runs = self._ledger, self._ledger.runs
        if not 0 <= entry < ledger.indexed or runs.of(entry) != runs.of(neighbour) or ledger.is_unread(entry):
            return None
        if not runs.are_of_one_tag(entry, neighbour):
            return None
        if ledger.stored[entry] != NONE or ledger.held[entry] != NONE:
            return None
        return self._joined(entry)

    def _note(self, entry: int, joined: Joined, first: int, end: int) -> None:
        self._pieces.setdefault(entry, _Pieces(joined.starts, set())).lines.add((first, end))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What was found of a record: the first line of each piece, and the one behind it. ``starts`` is where lines
    begin."""

    starts: Sequence[int]
    lines: set[tuple[int, int]]


def _spans(pieces: _Pieces) -> list[ByteRange]:
    """The spans that a record falls into, but for the last one. Where pieces have lines in common the largest counts:
    it may be one that was recovered when the others were not found."""
    chosen: list[tuple[int, int]] = []
    for first, end in sorted(pieces.lines, key=lambda piece: (piece[0] - piece[1], piece)):
        if all(end <= other[0] or other[1] <= first for other in chosen):
            chosen.append((first, end))
    lines = sorted({0, *(line for piece in chosen for line in piece)} - {len(pieces.starts)})
    return [ByteRange(pieces.starts[a], pieces.starts[b]) for a, b in pairwise(lines)]


def _in_a_row(strange: Mapping[int, Copy], indexes: Iterable[int]) -> Iterator[Copy]:
    for index in indexes:
        if index not in strange:
            return
        yield strange[index]
