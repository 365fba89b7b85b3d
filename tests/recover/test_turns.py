"""Turns: the actions of a tag one after the other, those of several tags at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile.plan import CompleteUpload
from flbrecover.recover.done import Done
from flbrecover.recover.turns import Step, in_turns


def completion(number: int) -> CompleteUpload:
    return CompleteUpload(number, 0, "b", f"{number}", "id", (), "")


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=6), st.integers(0, 20))
def test_each_lane_in_its_order_and_one_request_of_it_at_a_time(lanes: list[list[int]], most: int) -> None:
    """``lanes``: how many requests each step makes, one after the other. No step is begun once ``most`` have ended."""
    under_way: set[int] = set()
    ended: list[tuple[int, int]] = []

    def step(lane: int, number: int, requests: int) -> Step:
        assert lane not in under_way
        assert number == 0 or len(ended) < most
        under_way.add(lane)
        for _ in range(requests):
            yield
        under_way.remove(lane)
        ended.append((lane, number))
        return Done(completion(number), "completed", f"{lane}")

    steps = [[step(at, number, requests) for number, requests in enumerate(lane)] for at, lane in enumerate(lanes)]
    results = in_turns(steps, lambda: len(ended) >= most)
    assert not under_way
    for lane, of_lane in enumerate(results):
        assert [(done.key, done.action.number) for done in of_lane] == [(f"{lane}", n) for n in range(len(of_lane))]
        assert len(of_lane) == len([one for one in ended if one[0] == lane])
    if most > sum(map(len, lanes)):
        assert [len(of_lane) for of_lane in results] == [len(lane) for lane in lanes]


def test_requests_of_all_lanes_are_under_way_before_one_is_waited_for() -> None:
    said: list[str] = []

    def step(name: str) -> Step:
        said.append(f"send {name}")
        yield
        said.append(f"read {name}")
        return Done(completion(1), "completed", name)

    in_turns([[step("a1"), step("a2")], [step("b1")]], lambda: False)
    assert said == ["send a1", "send b1", "read a1", "send a2", "read b1", "read a2"]


def test_what_goes_wrong_in_one_step_closes_the_others() -> None:
    closed: list[str] = []

    def step(name: str) -> Step:
        try:
            yield
            raise MemoryError
        finally:
            closed.append(name)
        return Done(completion(1), "completed", name)

    b = step("b")
    with pytest.raises(MemoryError):
        in_turns([[step("a")], [b]], lambda: False)
    assert closed == ["a", "b"]
