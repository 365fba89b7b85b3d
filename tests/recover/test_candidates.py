"""Candidates: kept small, given back as they were, in order."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.model import StoredObject
from flbrecover.recover.candidates import Candidate, Candidates

TIMES = st.integers(0, 2**62)
ONE = st.builds(
    Candidate,
    st.builds(
        StoredObject,
        st.just("b"),
        st.text(st.characters(codec="utf-8"), max_size=20),
        st.integers(0, 2**45),
        st.binary(min_size=16, max_size=16).map(bytes.hex) | st.text("0123456789abcdef-\"'", max_size=40),
        TIMES,
    ),
    st.sampled_from([("a",), ("a",), ("b",), ("c",), ("c", "d"), ("d", "e")]),
    st.none() | TIMES,
)


@settings(max_examples=200)
@given(st.lists(ONE, max_size=20))
def test_they_are_given_back_sorted(given_in: list[Candidate]) -> None:
    found = Candidates("b")
    for one in given_in:
        found.add(one)
    assert list(found) == given_in
    found.sort()
    one_by_one = not any(a.tags != b.tags and {*a.tags} & {*b.tags} for a in given_in for b in given_in)
    order = [(c.tags if one_by_one else (), _time(c), c.object.key.encode()) for c in found]
    assert order == sorted(order)
    assert len(found) == len(given_in) and all(c in found for c in given_in)
    assert [found[n] for n in range(len(found))] == found[:] == list(found)


def _time(one: Candidate) -> int:
    return one.object.last_modified_ns if one.key_time_ns is None else one.key_time_ns


def test_a_hundred_thousand_of_them_take_some_mebibytes() -> None:
    key = "fluent-bit-logs/kube.var.log.containers.cart-6d4cf56db6-x2k4p_shop/2026/11/23/11/38/24/{:08}.gz"
    found = Candidates("bucket")
    tracemalloc.start()
    for n in range(20_000):
        stored = StoredObject("bucket", key.format(n), n, f"{n:032x}", n * 10**9)
        found.add(Candidate(stored, (f"tag {n % 3}",), n // 4))
    found.sort()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / 20_000 < 300
    assert peak / 20_000 < 400
