"""What times show to be new is new, and every question is answered from all that is held."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile import held_digests
from flbrecover.reconcile.columns import NO_TIME, in_memory, limits_of
from flbrecover.reconcile.held_digests import HeldDigests, Spans
from flbrecover.reconcile.held_records import Halves, HeldRecords
from flbrecover.reconcile.match_key import digest_of

Dated = tuple[int | None, str]  # bytes: a date, and a text
RECORD = st.tuples(st.none() | st.integers(0, 5), st.sampled_from("ab"))
FILE = st.tuples(st.sampled_from(["app", "web"]), st.lists(st.lists(RECORD, min_size=1, max_size=3), max_size=3))


class Held:
    """Digests, and the records behind them by tag."""

    def __init__(self, segment: int) -> None:
        self.records = HeldRecords(in_memory)
        self.digests = HeldDigests(self.records, in_memory, segment)
        self.of: dict[str, list[Dated]] = {"app": [], "web": []}
        self.entries: list[Dated] = []

    def add(self, tag: str, some: Sequence[Dated]) -> tuple[bool, bool]:
        """(Do the times show that all are new, are they?)"""
        halves = Halves.of(map(bytes_of, some))
        dates = limits_of([NO_TIME if date is None else date for date, _ in some])
        all_dated = dates is not None and all(date is not None for date, _ in some)
        said = dates is not None and all_dated and self.digests.are_new(tag, halves.high, dates)
        new = len(set(some)) == len(some) and not set(some) & set(self.of[tag])
        first, count = len(self.records), len(self.entries)
        entries = range(count, count + len(some))
        self.records.add_all(range(len(some)), range(len(some)), halves, entries)
        if said:
            self.digests.add_all(tag, entries, first, dates)
        for at, entry in enumerate(() if said else entries):
            self.digests.add(tag, entry, first + at, some[at][0])
        self.of[tag] += some
        self.entries += some
        return said, new

    def find(self, record: Dated) -> list[int]:
        return self.digests.find(bytes_of(record))


def bytes_of(record: Dated) -> bytes:
    return digest_of(f"{record[0]}/{record[1]}".encode())


@given(
    files=st.lists(FILE, max_size=6), segment=st.integers(1, 4), asked=st.lists(st.tuples(st.integers(0, 5), RECORD))
)
def test_what_times_show_to_be_new_is_new(
    files: list[tuple[str, list[list[Dated]]]], segment: int, asked: list[tuple[int, Dated]]
) -> None:
    held = Held(segment)
    for number, (tag, batches) in enumerate(files):
        held.digests.end_segment()
        for some in batches:
            said, new = held.add(tag, some)
            assert new or not said
        for record in [record for when, record in asked if when == number]:
            assert held.find(record) == [n for n, other in enumerate(held.entries) if other == record]
    for record in set(held.entries):
        assert held.find(record) == [n for n, other in enumerate(held.entries) if other == record]


SPAN = st.tuples(st.integers(0, 30), st.integers(0, 5)).map(lambda at: (at[0], sum(at)))


@given(some=st.lists(SPAN, max_size=12), other=SPAN)
def test_a_span_meets_what_one_of_those_that_were_added_meets(
    some: list[tuple[int, int]], other: tuple[int, int]
) -> None:
    spans = Spans()
    for first, last in some:
        spans.add(first, last)
    assert spans.meet(*other) == any(first <= other[1] and other[0] <= last for first, last in some)


def test_files_in_any_order_of_their_times_are_told_apart_without_an_index() -> None:
    """Their names are hashes, so they come in any order."""
    held = Held(100)
    for start in (500, 100, 300, 0, 400):
        held.digests.end_segment()
        for n in range(0, 50, 10):
            assert held.add("app", [(start + n + k, "a") for k in range(10)]) == (True, True)
    held.digests.end_segment()
    assert [held.add("app", [(date, "a")]) for date in (120, 549)] == [(False, False), (False, False)]
    assert held.find((120, "a")) == [70, 250]


def test_very_many_files_prove_less_and_nothing_wrong() -> None:
    held = Held(100)
    for n in range(0, 3 * held_digests.MOST_SPANS, 2):
        held.digests.end_segment()
        assert held.add("app", [(n, "a")]) == (True, True)
    assert held.add("app", [(7, "b"), (7, "b")])[0] is False
    held.digests.end_segment()
    assert held.add("app", [(4, "a")])[0] is False
