"""Records of a buffer file that follow each other, in columns: a process can send them to another in little time."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from flbrecover.reconcile.columns import NO_TIME, limits_of
from flbrecover.reconcile.held_records import Halves


@dataclass(frozen=True, slots=True)
class Batch:
    """Where each record begins and ends, its digest, its time (ns; NO_TIME: none), and the hash of its own part.
    ``limits`` are the first and the last of the times (None: there is none); ``all_timed``: each record has one."""

    starts: array[int]
    ends: array[int]
    digests: Halves
    times: array[int]
    owns: array[int]
    limits: tuple[int, int] | None = field(init=False)
    all_timed: bool = field(init=False)

    def __post_init__(self) -> None:
        limits = limits_of(self.times)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "all_timed", limits is not None and self.times.count(NO_TIME) == 0)

    def __len__(self) -> int:
        return len(self.starts)
