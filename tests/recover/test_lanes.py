"""Lanes: which actions are begun together, and which after which."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile.plan import Action, Additions, CompleteUpload, Piece, PutRecords
from flbrecover.recover import lanes
from flbrecover.recover.lanes import Batch, Lanes


def upload(number: int, size: int = 1, tag: str = "tag") -> PutRecords:
    pieces = (Piece("/buffer", "buffer", (), 1),)
    return PutRecords(
        number, 0, "b", tag, f"{number}", pieces, 1, size, "", 0, 0, "", rebuilt=False, additions=Additions(),
        after_uploads=(),
    )  # fmt: skip


def completion(number: int) -> CompleteUpload:
    return CompleteUpload(number, 0, "b", f"{number}", "id", (), "")


def indexes(begun: list[list[Batch]]) -> list[list[list[int]]]:
    return [[batch.indexes for batch in some] for some in begun]


def test_small_actions_of_a_tag_are_taken_together() -> None:
    of_tag = Lanes([upload(n, size) for n, size in enumerate([1, 1, lanes.SMALL, 5, *[1] * 30])], lambda _: False)
    taken = []
    while of_tag:
        begun = of_tag.begin(1)
        taken += indexes(begun)
        of_tag.give_back(begun[0])
    assert taken == [[[0, 1]], [[2]], [[*range(3, 34)]]]


def test_what_is_sent_ahead_shares_a_thread() -> None:
    actions = [*(upload(n, tag=f"tag-{n}") for n in range(20)), upload(20, 2, "large"), completion(21)]
    begun = Lanes(actions, lambda action: isinstance(action, PutRecords) and action.size == 1).begin(64)
    alone = [some for some in indexes(begun) if some in ([[20]], [[21]])]
    assert len(alone) == 2
    assert [len(some) for some in begun if indexes([some])[0] not in alone] == [8, 8, 4]


def test_one_of_each_tag_shows_what_the_rest_can_be() -> None:
    known: list[bool] = []
    of_two = Lanes([upload(n, tag=f"tag-{n % 2}") for n in range(20)], lambda _: known[0] if known else None)
    begun = of_two.begin(8)
    assert of_two.learning and sorted(indexes(begun)) == [[[0]], [[1]]]
    known.append(True)
    of_two.give_back(chain.from_iterable(begun))
    assert sorted(indexes(of_two.begin(8))[0]) == [[*range(2, 20, 2)], [*range(3, 20, 2)]]
    assert not of_two.learning


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([1, lanes.SMALL, lanes.SMALL + 1]))),
    st.integers(1, 4),
    st.data(),
)
def test_every_action_once_and_those_of_a_tag_in_their_order(
    made: list[tuple[int, int]], most: int, data: st.DataObject
) -> None:
    actions: list[Action] = [upload(n, size, f"tag-{tag}") for n, (tag, size) in enumerate(made)]
    of_all = Lanes(actions, lambda action: data.draw(st.sampled_from([True, False, None])))
    running: list[list[Batch]] = []
    order: list[int] = []
    while of_all or running:
        begun = of_all.begin(most - sum(map(len, running)))
        running += begun
        assert 0 < sum(map(len, running)) <= most
        order += [index for some in begun for batch in some for index in batch.indexes]
        done = running.pop(data.draw(st.integers(0, len(running) - 1)))
        of_all.give_back(done)
    assert sorted(order) == [*range(len(actions))]
    for tag in range(4):
        mine = [index for index in order if made[index][0] == tag]
        assert mine == sorted(mine)
