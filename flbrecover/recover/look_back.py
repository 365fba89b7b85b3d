"""How far back a log may reach whose lines carry no time.

Fluent Bit's row for a file says since when it has followed it, and no copy of a line is older. But a rotated file has
lost its row, and a DB that was lost is begun anew. Then the copies of older lines lie in objects from before anything
that is known of the log. They are looked for where lines are missing that should have been delivered long ago: as far
back as the file can reach, a step at a time, for all objects of a tag may be very many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flbrecover.model import SECOND_NS
from flbrecover.reconcile.columns import NONE
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.log_entries import LogRun

DAY_NS = 24 * 3600 * SECOND_NS
STEPS_NS = (DAY_NS, 4 * DAY_NS, 16 * DAY_NS, 10_000 * DAY_NS)  # before the window; no further than the files reach
LONGEST_NS = 32 * DAY_NS  # that one file of a log is written to, where none before it tells when it was begun


@dataclass(frozen=True, slots=True)
class Older:
    """Objects of these tags may hold lines of a log that are still looked for, from ``since_ns`` on."""

    tags: frozenset[str]
    since_ns: int


def older(found: Comparison, is_untimed: Callable[[LogRun], bool]) -> Older | None:
    """What is to be looked for in older objects; None: nothing."""
    runs = [run for run in found.logs.runs if is_untimed(run) and _may_be_older(found, run)]
    if not runs:
        return None
    tags = {tag for run in runs for tag in found.ledger.runs.tags_of(found.ledger.runs.entries(run.run))}
    return Older(frozenset(tags), min(map(_begun_ns, runs)))


def _may_be_older(found: Comparison, run: LogRun) -> bool:
    """Is a line missing that Fluent Bit may have read before the row that is there now? In a file with a row the first
    line tells: what follows was read after it."""
    ledger = found.ledger
    entries = ledger.runs.entries(run.run)
    if run.file.position is not None:
        entries = entries[:1]
    return any(ledger.stored[entry] == NONE and ledger.held[entry] == NONE for entry in entries)


def _begun_ns(run: LogRun) -> int:
    """A time before which nothing was written to the file: when the older one of its log ended."""
    before = run.log.files[: run.log.files.index(run.file)]
    return before[-1].facts.mtime_ns if before else run.file.facts.mtime_ns - LONGEST_NS
