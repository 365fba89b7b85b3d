"""Columns that move to disk hold what they held in memory, and the memory that they take is bounded."""

from __future__ import annotations

import os
import tempfile
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.errors import FlbrecoverError
from flbrecover.reconcile.columns import MemoryColumn
from flbrecover.reconcile.sorted_index import SortedIndex
from flbrecover.recover.scratch import Scratch, resident

MANY = 1 << 20


@given(
    steps=st.lists(
        st.tuples(st.just("append"), st.integers(-(2**31), 2**31 - 1))
        | st.tuples(st.just("extend"), st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5000))
        | st.tuples(st.just("set"), st.integers(0, 10**6))
        | st.tuples(st.sampled_from(["spill", "breathe"]), st.none()),
        max_size=20,
    )
)
def test_a_column_is_a_list(steps: list[tuple[str, object]]) -> None:
    with Scratch(8 << 10) as scratch:
        column, expected = scratch.column("i"), array("i")
        for step, value in steps:
            if step == "append":
                column.append(value)  # type: ignore[arg-type]
                expected.append(value)  # type: ignore[arg-type]
            elif step == "extend":
                column.extend(value)  # type: ignore[arg-type]
                expected.extend(value)  # type: ignore[arg-type]
            elif step == "set" and len(expected):
                at = int(value) % len(expected)  # type: ignore[call-overload]
                column[at] = expected[at] = at
            elif step == "spill":
                scratch.grew(1 << 20)
            elif step == "breathe":
                scratch.breathe()
        assert len(column) == len(expected)
        assert array("i", column.raw()) == expected
        assert [column[at] for at in range(len(expected))] == list(expected)
        assert column.read(3, 5) == expected[3:5]
        assert column.read(0, 10**6) == expected
        with pytest.raises(IndexError):
            column[len(expected)]


def test_beyond_the_bound_the_numbers_are_on_disk_and_the_memory_is_given_back() -> None:
    with Scratch(1 << 20) as scratch:
        before = resident()
        column = scratch.column("q")
        for number in range(0, 8 * MANY, 1 << 16):
            column.extend(range(number, number + (1 << 16)))
            scratch.breathe()
        assert scratch.spilled
        assert resident() - before < 16 << 20 < 8 * MANY * 8
        assert sum(column.raw()) == sum(range(8 * MANY))


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    with Scratch(1, str(tmp_path)) as scratch:
        column = scratch.column("Q")
        column.extend(range(10_000))
        assert scratch.spilled
        assert list(tmp_path.iterdir()) == []
        files = len(os.listdir("/proc/self/fd"))
        del column
        assert len(os.listdir("/proc/self/fd")) < files


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with Scratch(1, "/proc/self/nowhere") as scratch, pytest.raises(FlbrecoverError, match="TMPDIR"):
        scratch.column("Q").extend(range(10_000))
    assert tempfile.gettempdir()


def test_a_loop_that_never_looks_up_does_not_grow_either() -> None:
    """Sorting and summing touch every page of a column: they are given back all the same."""
    with Scratch(1 << 20) as scratch:
        column = scratch.column("q")
        for number in range(0, 8 * MANY, 1 << 16):
            column.extend(range(number, number + (1 << 16)))
        scratch.release()
        before, most = resident(), 0
        raw = column.raw()
        for start in range(0, 8 * MANY, 1 << 12):
            assert raw[start] == start
            sum(raw[start : start + (1 << 12)])
            most = max(most, resident())
    assert most - before < 40 << 20  # of 64 MB


def test_what_nobody_holds_any_more_is_not_looked_after() -> None:
    scratch = Scratch(1)
    scratch.column("q").extend(range(1000))
    thread = scratch._looking
    assert thread is not None and thread.is_alive()
    del scratch
    thread.join(60)
    assert not thread.is_alive()


def test_looks_into_an_index_on_disk_take_no_memory() -> None:
    """Where each look is in another place, a mapped column would soon be in memory as a whole."""
    with Scratch(1 << 10) as scratch:
        keys = MemoryColumn("Q", [(n * 0x9E3779B97F4A7C15) % 2**64 for n in range(2 * MANY)])
        index = SortedIndex.of(keys, range(len(keys)), scratch.column)
        assert scratch.spilled
        scratch.release()
        looks = range(0, 2 * MANY, 997)
        with scratch.still():  # nobody gives pages back
            before = resident()
            assert [list(index.find(keys[n])) for n in looks] == [[n] for n in looks]
            assert resident() - before < 4 << 20 < 2 * MANY * 12
