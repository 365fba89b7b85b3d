"""Stretches and byte ranges: what neighbouring records have in common."""

from __future__ import annotations

from flbrecover.model import ByteRange
from flbrecover.reconcile.states import EntryState, Stretch, Totals, join_ranges, stretches


def test_ranges_are_joined_only_where_nothing_lies_between() -> None:
    lines = [(0, 10), (10, 20), (21, 30)]  # bytes 20-21 are an empty line: a record
    assert join_ranges(lines, between=0) == [ByteRange(0, 20), ByteRange(21, 30)]
    without_newlines = [(0, 9), (10, 19), (21, 30)]  # an empty record at 20
    assert join_ranges(without_newlines, between=1) == [ByteRange(0, 19), ByteRange(21, 30)]


def test_records_within_each_other_keep_ranges_of_their_own() -> None:
    mixed = [(0, 100), (40, 60), (100, 120)]
    assert join_ranges(mixed, between=0) == [ByteRange(0, 100), ByteRange(40, 60), ByteRange(100, 120)]
    assert join_ranges([], between=0) == []


def test_stretches_join_neighbours_in_the_same_state() -> None:
    states: list[EntryState] = ["stored", "stored", "lost", "stored"]
    found = stretches(
        range(4), states.__getitem__, lambda e: ByteRange(e * 10, e * 10 + 10), lambda e: None if e == 2 else 100 - e
    )
    assert list(found) == [
        Stretch("stored", ByteRange(0, 20), 2, 99, 100),
        Stretch("lost", ByteRange(20, 30), 1, None, None),
        Stretch("stored", ByteRange(30, 40), 1, 97, 97),
    ]


def test_totals() -> None:
    totals = Totals.of(["stored", "lost", "lost", "maybe filtered"]) + Totals.of(["unread"])
    assert (totals.records, totals.missing, totals["lost"], totals["gone"]) == (5, 3, 2, 0)
