"""Do the same bytes mean the same record? Only where the record's own date is so fine that no second one has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flbrecover.fluentbit.formats import MILLISECOND_NS
from flbrecover.model import SECOND_NS

BY_CHANCE = 50  # one date in so many may end in zeros though it is exact: of a thousand one does


@dataclass(frozen=True, slots=True)
class Precision:
    """How fine the dates of a tag are. A date that is a multiple of ``coarse_ns`` may be that of many records
    (0: none is); 1: no date tells anything, as all are multiples of it."""

    coarse_ns: int

    def tells(self, time_ns: int | None) -> bool:
        """Does a record with this date have bytes that no other record has?"""
        return not self.coarse_ns or (time_ns is not None and time_ns % self.coarse_ns != 0)


ALWAYS = Precision(0)
NEVER = Precision(1)
MIXED = Precision(MILLISECOND_NS)
FINE = Precision(SECOND_NS)
"""Of a tag whose dates have microseconds: one that ends in 000 does so by chance, one of a whole second does not."""


def precision_of(times: Sequence[int | None]) -> Precision:
    """That of a tag, by the dates of some of its records (None: it has none). True of no record: ALWAYS.

    One line that was not parsed has the time of reading, to the microsecond, among those that carry whole seconds. So
    a tag is FINE only if no more of its dates end in zeros than do by chance.
    """
    coarse = sum(not MIXED.tells(time_ns) for time_ns in times)
    if not times:
        return ALWAYS
    return FINE if coarse * BY_CHANCE <= len(times) else MIXED


def strictest(some: Iterable[Precision]) -> Precision:
    """What holds for records that may be of several tags."""
    return Precision(min((one.coarse_ns for one in some if one.coarse_ns), default=0))
