"""Records in groups that fit into one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.recover.groups import runs_of, split


@dataclass
class Records:
    """Records of these sizes; other bytes lie between them."""

    sizes: Sequence[int]

    def size(self, indexes: range) -> int:
        return sum(self.sizes[n] + 1 for n in indexes)

    def places(self, indexes: range) -> list[tuple[int, int]]:
        return [(100 * n, 100 * n + self.sizes[n]) for n in indexes]


@given(
    wanted=st.lists(st.integers(0, 40), unique=True).map(sorted),
    sizes=st.lists(st.integers(0, 9), min_size=41, max_size=41),
    most=st.integers(1, 30),
)
def test_all_records_are_in_one_group_that_is_as_large_as_it_may_be(
    wanted: list[int], sizes: list[int], most: int
) -> None:
    groups = [*split(runs_of(wanted), Records(sizes), most)]
    records = [[index for indexes in group for index in indexes] for group in groups]
    for done in range(1, len(groups)):  # a run that was killed goes on with the same objects
        rest = [index for group in records[done:] for index in group]
        assert [*split(runs_of(rest), Records(sizes), most)] == groups[done:]
    assert [index for group in records for index in group] == wanted
    assert all(a.stop < b.start for group in groups for a, b in pairwise(group))
    bytes_of = [sum(sizes[index] + 1 for index in group) for group in records]
    assert all(size <= most or len(group) == 1 for group, size in zip(records[:-1], bytes_of, strict=False))
    first = [sizes[group[0]] + 1 for group in records]
    assert all(size + after > most for size, after in zip(bytes_of, first[1:], strict=False))
    if len(groups) > 1:
        assert 2 * bytes_of[-1] >= most  # no small rest


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [((10, 5), [[range(2)]]), ((9, 6), [[range(1)], [range(1, 2)]]), ((10, 10, 4), [[range(1)], [range(1, 3)]])],
)
def test_a_rest_goes_with_the_last_group(sizes: tuple[int, ...], groups: list[list[range]]) -> None:
    """Of 11 bytes at most; each record has a newline besides."""
    assert [*split([range(len(sizes))], Records([size - 1 for size in sizes]), 11)] == groups
