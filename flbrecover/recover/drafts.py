"""Actions that upload records, before it is known what their content comes to: its hash decides the key.

Reading and hashing release the interpreter, so it is done on all cores; what follows each other is done together, for a
small content takes less time than a thread takes to hear of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.columns import TimeLimits
from flbrecover.reconcile.plan import Additions, Piece, PutRecords
from flbrecover.recover.contents import Contents, Summed, sum_up
from flbrecover.recover.object_key import derived_keys
from flbrecover.recover.worker import usable_cores
from flbrecover.threads import Pool

NOTHING = Additions()
TOGETHER = 16  # drafts, at most


@dataclass(frozen=True, slots=True)
class Draft:
    """As :class:`PutRecords`. ``limits`` are the first and last time of its records, where these are known already;
    ``fallback_ns`` stands for times that no record has."""

    tag: str
    pieces: tuple[Piece, ...]
    reason: str
    fallback_ns: int
    after: tuple[str, ...]
    additions: Additions = NOTHING
    rebuilt: bool = False
    limits: TimeLimits | None = None


def actions_of(
    drafts: Sequence[Draft], contents: Contents, output: S3Output, first_number: int
) -> Iterator[PutRecords]:
    """The actions, in order, numbered from ``first_number`` on. Raises PlanError where a file is not among the
    evidence."""
    for number, (draft, summed) in enumerate(zip(drafts, _summed(drafts, contents), strict=True), first_number):
        first = summed.first_ns if summed.first_ns is not None else draft.fallback_ns
        last = summed.last_ns if summed.last_ns is not None else first
        key = next(derived_keys(output, draft.tag, first, draft.pieces, summed.sha256))
        yield PutRecords(
            number, output.number, output.bucket, draft.tag, key, draft.pieces, summed.records, summed.size,
            summed.sha256, first, last, draft.reason, draft.rebuilt, draft.additions, draft.after,
        )  # fmt: skip


def _summed(drafts: Sequence[Draft], contents: Contents) -> Iterator[Summed]:
    def summed(some: Sequence[Draft]) -> list[Summed]:
        return [sum_up(contents, draft.pieces, draft.tag, draft.additions, draft.limits) for draft in some]

    cores = usable_cores()
    size = max(1, min(TOGETHER, len(drafts) // (2 * cores)))
    with Pool(cores, "sums") as pool:
        for some in pool.map(summed, [drafts[at : at + size] for at in range(0, len(drafts), size)]):
            yield from some
