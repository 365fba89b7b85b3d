"""Own parts: a dictionary of a tag's entries and an index of all of them tell the same of each line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile import own_parts
from flbrecover.reconcile.columns import NONE, in_memory
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.own_parts import FewOwnParts, OwnIndex
from flbrecover.reconcile.runs import Run

TAGS = ("a", "b", "c")
OWNS = st.sampled_from([1, 2, 3, 2**64 - 1, 7 << 40]) | st.integers(1, 2**64 - 1)
RUNS = st.lists(st.lists(st.tuples(st.sampled_from(TAGS), OWNS), max_size=8) | st.lists(OWNS, max_size=8), max_size=5)
"""Runs of several tags, or of one."""


def ledger_of(runs: list[list[tuple[str, int]] | list[int]]) -> tuple[Ledger, list[tuple[str, int]]]:
    """The ledger, and tag and own part of each of its entries."""
    ledger, entries = Ledger(), list[tuple[str, int]]()
    for number, of_run in enumerate(runs):
        run = ledger.runs.begin(Run(f"run {number}"))
        for one in of_run:
            tag, own = one if isinstance(one, tuple) else (TAGS[number % 2], one)
            ledger.add(run, tag, None, own=own)
            entries.append((tag, own))
    return ledger, entries


@pytest.mark.parametrize("few", [0, 1000])
@given(runs=RUNS, others=st.lists(OWNS, max_size=5))
def test_they_are_those_of_the_entries_of_a_tag(few: int, runs: list[list[int]], others: list[int]) -> None:
    ledger, entries = ledger_of(runs)
    owns = [*(own for _, own in entries), *others]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_parts, "FEW", few)
        patch.setattr(own_parts, "PIECE", 3)
        index = OwnIndex(ledger, in_memory)
        for tags in (("a",), ("b",), ("a", "b"), ("a",), ("nobody's",)):
            known = index.of(tags)
            assert known is index.of(tags)
            assert isinstance(known, FewOwnParts) or not few
            hits = known.hits(owns)
            assert hits == sorted(set(hits))
            ours = {own for tag, own in entries if tag in tags}
            assert {place for place, own in enumerate(owns) if own in ours} <= set(hits)
            assert all(any(own == owns[place] for _, own in entries) for place in hits)
            for place in hits:
                of = [entry for entry, (_, own) in enumerate(entries) if own == owns[place]]
                assert known.only(owns[place]) in (of if len(of) == 1 else [*of, NONE])
        assert known.only(12) in (NONE, *range(len(entries)))


def test_what_two_entries_have_is_no_single_ones() -> None:
    ledger, _ = ledger_of([[5, 6, 5], [9], [7, 6]])
    for known in (FewOwnParts(ledger, ledger.runs.with_tags(["a"])), OwnIndex(ledger, in_memory).of(("a",))):
        assert [known.only(own) for own in (5, 6, 7, 8, 9)] == [NONE, NONE, 4, NONE, NONE]
        assert known.hits([9, 7, 8, 5]) == [1, 3]


def test_other_tags_are_left_out_where_there_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_parts, "FEW", 3)
    ledger, _ = ledger_of([[1, 2, 3], [4, 5, 6]])
    assert OwnIndex(ledger, in_memory).of(("a",)).hits([1, 2, 3, 4, 5]) == [0, 1, 2]
    monkeypatch.setattr(own_parts, "FEW", 2)
    assert OwnIndex(ledger, in_memory).of(("a",)).hits([1, 2, 3, 4, 5]) == [0, 1, 2, 3, 4]
