"""From the ledger to statements: the state of every entry, and what stretches of a file are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flbrecover.model import ByteRange

EntryState = Literal["stored", "pending", "buffered", "lost", "unread", "gone", "maybe filtered", "not looked for"]
"""A state of the design, or "maybe filtered": a filter could have dropped the record on purpose; "not looked for": it
lies outside of the window that was asked for, and in no object that was looked at."""


def is_missing(state: str) -> bool:
    """Does S3 not have a record in this state, and should have it?"""
    return state not in ("stored", "maybe filtered", "not looked for")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring records of one file in the same state. Times are None where none of the records is known to
    have one."""

    state: EntryState
    span: ByteRange
    records: int
    first_ns: int | None = None
    last_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """How many records are in which state."""

    counts: tuple[tuple[EntryState, int], ...]

    @classmethod
    def of(cls, states: Iterable[EntryState]) -> Totals:
        return cls(tuple(sorted(Counter(states).items())))

    def __getitem__(self, state: EntryState) -> int:
        return dict(self.counts).get(state, 0)

    def __add__(self, other: Totals) -> Totals:
        return Totals(tuple(sorted((Counter(dict(self.counts)) + Counter(dict(other.counts))).items())))

    @property
    def records(self) -> int:
        return sum(n for _, n in self.counts)

    @property
    def missing(self) -> int:
        """Records that S3 does not have and should have."""
        return sum(n for state, n in self.counts if is_missing(state))


def stretches(
    entries: Sequence[int],
    state: Callable[[int], EntryState],
    span: Callable[[int], ByteRange],
    time_ns: Callable[[int], int | None],
) -> Iterator[Stretch]:
    """Joins neighbouring entries that are in the same state."""
    open_state: EntryState | None = None
    start = end = count = 0
    times: list[int] = []
    for entry in entries:
        now, where, time = state(entry), span(entry), time_ns(entry)
        if now != open_state:
            if open_state is not None:
                yield Stretch(open_state, ByteRange(start, end), count, *_limits(times))
            open_state, start, count, times = now, where.start, 0, []
        end, count = where.end, count + 1
        if time is not None:
            times = [min(times[0], time), max(times[1], time)] if times else [time, time]
    if open_state is not None:
        yield Stretch(open_state, ByteRange(start, end), count, *_limits(times))


def _limits(times: list[int]) -> tuple[int | None, int | None]:
    return (times[0], times[1]) if times else (None, None)


def join_ranges(spans: Iterable[tuple[int, int]], between: int) -> list[ByteRange]:
    """The byte ranges that records lie in, of where each begins and ends: joined where one ends and the next begins.
    ``between`` is what may lie between them: 1 for spans without their newline, else 0.

    Records that lie within each other (two streams mixed in one log) keep ranges of their own.
    """
    joined: list[list[int]] = []
    for start, end in spans:
        if joined and 0 <= start - joined[-1][1] <= between:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return [ByteRange(start, end) for start, end in joined]
