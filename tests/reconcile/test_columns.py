"""Columns and the indexes over them: whatever is found in a dictionary is found in them, in the same order."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile import sorted_index
from flbrecover.reconcile.columns import NO_TIME, NONE, MemoryColumn, are_known, end_of_same, in_memory, limits_of
from flbrecover.reconcile.filters import Filter
from flbrecover.reconcile.sorted_index import GrowingIndex, KeySet, SortedIndex

KEYS = st.lists(st.sampled_from([0, 1, 2, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]) | st.integers(0, 2**64 - 1))


@pytest.fixture(params=[(2, 1 << 9), (1 << 17, 1 << 9), (2, 3), (1 << 17, 2)], ids=str)
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted in pieces and at once, with guides far from each other and close together."""
    monkeypatch.setattr(sorted_index, "BUCKET", request.param[0])
    monkeypatch.setattr(sorted_index, "GUIDE", request.param[1])
    monkeypatch.setattr(sorted_index, "MARKED", request.param[0])


def places(keys: list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    return found


@pytest.mark.usefixtures("bucket")
class TestSorted:
    @given(keys=KEYS, absent=st.integers(0, 2**64 - 1))
    def test_every_key_is_found_with_its_entries_in_order(self, keys: list[int], absent: int) -> None:
        index = SortedIndex.of(MemoryColumn("Q", keys), range(len(keys)), in_memory)
        known = places(keys)
        assert len(index) == len(keys)
        assert {key: list(index.find(key)) for key in known} == known
        assert list(index.find(absent)) == known.get(absent, [])
        start, stop = index.between(absent)
        assert start == sum(key < absent for key in keys)
        assert stop - start == len(known.get(absent, []))

    def test_many_keys(self) -> None:
        keys = [(n * 0x9E3779B97F4A7C15) % 2**64 for n in range(5000)] * 2
        index = SortedIndex.of(MemoryColumn("Q", keys), range(len(keys)), in_memory)
        assert all(list(index.find(key)) == [place, place + 5000] for place, key in enumerate(keys[:5000]))
        in_order, entries = in_memory("Q"), in_memory("i")
        index.add_to(in_order, entries)
        assert list(in_order.raw()) == sorted(keys)
        assert [keys[entry] for entry in entries.raw()] == sorted(keys)
        assert index.among([keys[7] + 1, keys[7], 5], [0, 1, 2]) == [1]


@pytest.mark.usefixtures("bucket")
@given(keys=KEYS, others=KEYS)
def test_a_set_of_keys_hits_what_was_added_and_nothing_else(keys: list[int], others: list[int]) -> None:
    some = KeySet()
    some.add_all(keys)
    some.settle()
    asked = array("Q", [*others, *keys])
    assert some.hits(asked) == [place for place, key in enumerate(asked) if key in keys]


@given(keys=KEYS)
def test_a_growing_index_is_a_dictionary(keys: list[int]) -> None:
    class Small(GrowingIndex):
        LIMIT = 3
        MERGED = 2

    index = Small(in_memory)
    for place, key in enumerate(keys):
        index.add(key, place)
        assert index.find(key)[-1] == place
    assert {key: index.find(key) for key in keys} == places(keys)
    index.settle()
    assert {key: index.find(key) for key in keys} == places(keys)
    assert index.find(12345) == places(keys).get(12345, [])


@given(batches=st.lists(KEYS, max_size=8))
def test_keys_that_are_new_are_added_many_at_a_time(batches: list[list[int]]) -> None:
    class Small(GrowingIndex):
        LIMIT = 5
        MERGED = 2

    index, known = Small(in_memory), dict[int, list[int]]()
    for number, keys in enumerate(batches):
        new = len(set(keys)) == len(keys) and not set(keys) & known.keys()
        assert index.has_none_of(keys) == new
        for place, key in enumerate(keys, number * 1000):
            known.setdefault(key, []).append(place)
            if not new:
                index.add(key, place)
        if new:
            index.add_new(keys, number * 1000)
        assert {key: index.find(key) for key in known} == known


@given(keys=st.sets(st.integers(0, 2**64 - 1), max_size=300))
def test_a_filter_knows_all_that_was_added(keys: set[int]) -> None:
    some, one_by_one = Filter(64), Filter(64)
    some.add_all(sorted(keys))
    for key in keys:
        one_by_one.add(key)
    assert all(key in some and key in one_by_one for key in keys)
    assert some._bits == one_by_one._bits


def test_a_filter_denies_most_others() -> None:
    some = Filter(1 << 12)
    for key in range(0, 1 << 62, 1 << 55):
        some.add((key * 31 + 7) % 2**64)
    assert sum((key * 977 + 5) in some for key in range(10_000)) < 500


@pytest.mark.parametrize("most", [1 << 20, 1 << 3], ids=["both halves", "too many keys for both"])
@given(keys=st.sets(st.integers(0, 2**64 - 1), max_size=300), others=st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_many_looks_at_once_find_all_that_is_there(most: int, keys: set[int], others: list[int]) -> None:
    some = Filter.of(array("Q", keys), most)
    asked = [*others, *keys]
    hits = some.hits(array("Q", asked))
    assert keys <= {asked[place] for place in hits}
    assert hits == [place for place, key in enumerate(asked) if key in some]


@pytest.mark.parametrize(("most", "hits"), [(1 << 20, 100), (1 << 12, 4000)], ids=["both halves", "one half"])
def test_most_of_the_others_are_ruled_out(most: int, hits: int) -> None:
    spread = array("Q", [(n * 0x9E3779B97F4A7C15) % 2**64 for n in range(20_000)])
    assert len(Filter.of(spread[:10_000], most).hits(spread[10_000:])) < hits


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 7, 300]), st.integers(1, 40)), min_size=1), st.data())
def test_the_end_of_numbers_that_are_the_same(runs: list[tuple[int, int]], data: st.DataObject) -> None:
    numbers = array("i", [number for number, times in runs for _ in range(times)])
    at = data.draw(st.integers(0, len(numbers) - 1))
    end = data.draw(st.integers(at + 1, len(numbers)))
    same = next((n for n in range(at, end) if numbers[n] != numbers[at]), end)
    assert end_of_same(numbers, at, end) == end_of_same(memoryview(numbers), at, end) == same


@given(st.lists(st.just(NONE) | st.integers(0, 2**31 - 1)))
def test_numbers_that_are_known(numbers: list[int]) -> None:
    assert list(are_known(array("i", numbers))) == [number != NONE for number in numbers]


@given(st.lists(st.just(NO_TIME) | st.integers(-5, 5)))
def test_limits_are_those_of_the_known_times(times: list[int]) -> None:
    known = [time_ns for time_ns in times if time_ns != NO_TIME]
    assert limits_of(array("q", times)) == ((min(known), max(known)) if known else None)
