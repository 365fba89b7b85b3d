"""Which actions are begun next: those of one tag in the order of the plan, those of several tags at once.

Small uploads of several tags are for one thread, which has them under way together
(:mod:`flbrecover.recover.turns`), where their requests can be sent before anybody waits for the answers. Whether a
server allows that shows with the first uploads, so of those there is one a tag.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from flbrecover.reconcile.plan import Action, CompleteUpload, PutRecords

SMALL = 4 << 20  # bytes of actions of one tag that are noted, and begun, together: each note waits for the disk
MOST_AT_ONCE = 32  # of them
TAGS_A_THREAD = 8

SentAhead = Callable[[Action], bool | None]
"""Is the request of an action under way before anybody waits for its answer? None: that is not known yet."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The next actions of one tag, by index; ``rest`` are those after them."""

    rest: deque[int]
    indexes: list[int]


class Lanes:
    """The actions that are still to be begun, by tag. ``learning``: what was begun last shows what the rest can be."""

    def __init__(self, actions: Sequence[Action], sent_ahead: SentAhead) -> None:
        self._actions = actions
        self._sent_ahead = sent_ahead
        lanes: dict[tuple[int, str], deque[int]] = {}
        for index, action in enumerate(actions):
            what = action.key if isinstance(action, CompleteUpload) else action.tag
            lanes.setdefault((action.output, what), deque()).append(index)
        self._waiting = list(lanes.values())
        self.learning = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def begin(self, most: int) -> list[list[Batch]]:
        """The next actions of at most so many tags, those together that one thread carries out."""
        self._waiting.sort(key=len)  # the longest first, so that no single one is left over at the end
        lanes = [self._waiting.pop() for _ in range(min(most, len(self._waiting)))]
        self.learning = any(self._sent_ahead(self._actions[lane[0]]) is None for lane in lanes)
        return list(self._by_thread([self._next_of(lane) for lane in lanes]))

    def give_back(self, batches: Iterable[Batch]) -> None:
        """These are done: what is left of their tags can be begun."""
        self._waiting += [batch.rest for batch in batches if batch.rest]

    def _next_of(self, lane: deque[int]) -> Batch:
        """Takes the next action, and with a small one those after it that are small, too."""
        some = [lane.popleft()]
        size = size_of(self._actions[some[0]])
        most = 1 if self.learning else MOST_AT_ONCE
        while lane and len(some) < most and (size := size + size_of(self._actions[lane[0]])) <= SMALL:
            some.append(lane.popleft())
        return Batch(lane, some)

    def _by_thread(self, batches: Iterable[Batch]) -> Iterator[list[Batch]]:
        ahead: list[Batch] = []
        for batch in batches:
            if all(self._sent_ahead(self._actions[index]) for index in batch.indexes):
                ahead.append(batch)
            else:
                yield [batch]
        rest = iter(ahead)
        while some := list(islice(rest, TAGS_A_THREAD)):
            yield some


def size_of(action: Action) -> int:
    return action.size if isinstance(action, PutRecords) else SMALL
