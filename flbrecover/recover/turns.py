"""The order in which actions are begun, several tags at once, and those of one tag one after the other.

A small upload is mostly waiting. So a thread has those of several tags under way, and reads the answer to the first
while the others are on their way: threads that wait for each other's turn cost more than the uploads do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from flbrecover.bucket.writing import AHEAD
from flbrecover.reconcile.plan import Action, PutRecords
from flbrecover.recover.done import Done

SMALL = 4 << 20  # bytes of actions of one tag that are noted, and begun, together: each note waits for the disk
MOST_AT_ONCE = 16  # of them
TAGS_A_THREAD = 8  # with actions whose bodies a socket takes at once

Step = Generator[None, None, Done]
"""Carries one action out: it yields while a request of it is on its way."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The next actions of one tag, by index; ``rest`` are those after them."""

    rest: deque[int]
    indexes: list[int]

    @classmethod
    def next_of(cls, lane: deque[int], actions: Sequence[Action]) -> Batch:
        """Takes the next action, and with a small one those after it that are small, too."""
        some = [lane.popleft()]
        size = size_of(actions[some[0]])
        while lane and len(some) < MOST_AT_ONCE and (size := size + size_of(actions[lane[0]])) <= SMALL:
            some.append(lane.popleft())
        return cls(lane, some)


def by_thread(batches: Iterable[Batch], actions: Sequence[Action]) -> Iterator[list[Batch]]:
    """Batches, those together that one thread carries out."""
    small: list[Batch] = []
    for batch in batches:
        if all(size_of(actions[index]) <= AHEAD for index in batch.indexes):
            small.append(batch)
        else:
            yield [batch]
    rest = iter(small)
    while some := list(islice(rest, TAGS_A_THREAD)):
        yield some


def size_of(action: Action) -> int:
    return action.size if isinstance(action, PutRecords) else SMALL


def in_turns(lanes: Iterable[Iterable[Step]], stop: Callable[[], bool]) -> list[list[Done]]:
    """Carries out the steps of each lane one after the other, all lanes at once. ``stop`` says that no further one is
    to be begun; each lane gives the results of those that were."""
    steps = [iter(lane) for lane in lanes]
    results: list[list[Done]] = [[] for _ in steps]
    under_way = deque((lane, step) for lane, some in enumerate(steps) for step in islice(some, 1))
    try:
        while under_way:
            lane, step = under_way.popleft()
            while (done := _go_on(step)) is not None:
                results[lane].append(done)
                following = None if stop() else next(steps[lane], None)
                if following is None:
                    break
                step = following
            else:
                under_way.append((lane, step))
    finally:  # something went wrong in one of them
        for _, step in under_way:
            step.close()
    return results


def _go_on(step: Step) -> Done | None:
    """Its result; None where it waits for an answer."""
    try:
        next(step)
    except StopIteration as ended:
        done: Done = ended.value
        return done
    return None
