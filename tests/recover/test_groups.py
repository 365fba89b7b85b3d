"""Records in groups that fit into one object."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flbrecover.recover.groups import runs_of, split


@given(
    wanted=st.lists(st.integers(0, 40), unique=True).map(sorted),
    sizes=st.lists(st.integers(0, 9), min_size=41, max_size=41),
    most=st.integers(1, 30),
)
def test_all_records_are_in_one_group_that_is_as_large_as_it_may_be(
    wanted: list[int], sizes: list[int], most: int
) -> None:
    groups = [*split(runs_of(wanted), lambda some: [(100 * n, 100 * n + sizes[n]) for n in some], most)]
    records = [[index for indexes in group for index in indexes] for group in groups]
    assert [index for group in records for index in group] == wanted
    bytes_of = [sum(sizes[index] + 1 for index in group) for group in records]
    assert all(size <= most or len(group) == 1 for group, size in zip(records, bytes_of, strict=True))
    first = [sizes[group[0]] + 1 for group in records]
    assert all(size + after > most for size, after in zip(bytes_of, first[1:], strict=False))
