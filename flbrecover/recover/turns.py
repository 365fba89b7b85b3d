"""Actions of several tags, carried out in turns by one thread.

A small upload is mostly waiting. So a thread has those of several tags under way, and reads the answer to the first
while the others are on their way: threads that wait for each other's turn cost more than the uploads do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice

from flbrecover.recover.done import Done

Step = Generator[None, None, Done]
"""Carries one action out: it yields while a request of it is on its way."""


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
