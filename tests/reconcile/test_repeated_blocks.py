"""A quarantined file that holds its chunk more than once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile.repeated_blocks import repeated_blocks

BEATING = "-abcd-efgh-ijkl-mnop"  # a line that comes again and again, first of all


def copies(text: str) -> range:
    return repeated_blocks([c.encode() for c in text]).records


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("", range(0)),
        ("a", range(0)),
        ("aaaa", range(0)),
        ("abcd", range(0)),
        ("abcabd", range(0)),
        ("abab", range(2, 4)),
        ("abcab", range(3, 5)),
        ("ababx" * 2, range(5, 10)),
        (BEATING, range(0)),
        (BEATING + "-", range(0)),
        (BEATING * 2, range(20, 40)),
        (BEATING * 3, range(20, 60)),
        (BEATING * 2 + BEATING[:3], range(20, 43)),
        (BEATING + BEATING[:12], range(20, 32)),
        (BEATING[:14] + BEATING, range(14, 28)),
        ("-x" * 30, range(0)),  # two lines in turn: nobody quarantines a chunk thirty times
        ("-x" * 30 + "end", range(0)),
        ("-x" + BEATING[1:] + "-x", range(0)),  # a pair of lines that comes at the end as well
    ],
)
def test_copies_of_the_beginning(text: str, records: range) -> None:
    assert copies(text) == records


@given(st.lists(st.sampled_from("ab-"), max_size=12), st.integers(1, 5), st.lists(st.sampled_from("ab-"), max_size=12))
def test_what_is_a_copy_is_the_same(block: list[str], times: int, more: list[str]) -> None:
    digests = [c.encode() for c in [*block * times, *more]]
    found = repeated_blocks(digests)
    assert all(digests[n] == digests[n - found.shift] for n in found.records)
    assert not found.records or found.records.start == found.shift > 0
