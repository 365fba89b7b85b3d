"""What a case comes to, in a few sentences: how much was missing, how much is back, what is gone and why.

A number is only said where the file that holds it is whole. That an action was carried out does not make its records
count as recovered: only a comparison afterwards does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flbrecover.reconcile.states import is_missing
from flbrecover.recover.case_folder import AFTER, BEFORE
from flbrecover.recover.done import FINISHED
from flbrecover.report import text
from flbrecover.report.case_data import CaseData
from flbrecover.report.case_data_rows import Fields, back, missing

Status = Literal["complete", "recovered", "left", "partly", "open", "interrupted", "unknown"]

LABELS: dict[Status, str] = {
    "complete": "Nothing was missing",
    "recovered": "Recovered and proved",
    "left": "Recovered as planned, the rest is left alone",
    "partly": "Records are still missing",
    "open": "Not recovered yet",
    "interrupted": "Interrupted: not proved",
    "unknown": "Not known",
}

MEANINGS = {
    "stored": "found in an object, by its bytes",
    "pending": "in parts of a multipart upload that was never completed, as far as they fit",
    "buffered": "in a buffer file of Fluent Bit, in no object",
    "lost": "only in the log: Fluent Bit had read it, and delivered it nowhere",
    "unread": "only in the log: Fluent Bit never came that far",
    "gone": "nowhere: provably written, and in no file and no object any more",
    "maybe filtered": "a filter may have dropped it on purpose; not counted as missing",
    "not looked for": "outside of the window, and in no object that was looked at; not counted as missing",
}
STATES = tuple(MEANINGS)


@dataclass(frozen=True, slots=True)
class Story:
    """``sentences`` begin with the most important one. Numbers are None where they are not known."""

    status: Status
    sentences: tuple[str, ...]
    records: int | None
    were_missing: int | None
    back: int | None
    missing: int | None
    gone_bytes: int | None
    gone_uncounted: int = 0
    not_looked_for: int = 0  # outside of the window

    @property
    def is_known(self) -> bool:
        """Is it known how things are now? Not so after a recovery that was cut off: nobody has looked since."""
        return self.status != "interrupted"

    @property
    def label(self) -> str:
        of_window = ", in the window that was asked for" if self.not_looked_for else ""
        return LABELS[self.status] + of_window


def story(case: CaseData) -> Story:
    before = case.before.summary if case.before else None
    now = case.now.summary if case.now else None
    latest = case.latest if case.latest is not None and case.latest.complete else None
    status = _status(case, before, now)
    return Story(
        status=status,
        sentences=tuple(_sentences(case, before, now)),
        records=latest.summary["records"] if latest and latest.summary else None,
        were_missing=before["missing"] if before else None,
        back=back(before, now) if before and now else None,
        missing=latest.summary["missing"] if latest and latest.summary and status != "interrupted" else None,
        gone_bytes=latest.gone_bytes if latest else None,
        gone_uncounted=latest.gone_uncounted if latest else 0,
        not_looked_for=latest.summary["states"].get("not looked for", 0) if latest and latest.summary else 0,
    )


def _status(case: CaseData, before: Fields | None, now: Fields | None) -> Status:
    if before is None:
        return "unknown"
    if now is None:
        begun = case.now is not None or bool(case.db.outcomes)
        return "interrupted" if begun else "open" if before["missing"] else "complete"
    if now["missing"]:
        return "left" if _only_left(case, now) else "partly"
    return "recovered" if before["missing"] else "complete"


def _only_left(case: CaseData, now: Fields) -> bool:
    """Is all that is missing what the plan leaves alone?"""
    verdict = case.now.verdict if case.now else None
    return verdict is not None and verdict["missing"] == 0 and sum(verdict["left"].values()) >= now["missing"]


def _sentences(case: CaseData, before: Fields | None, now: Fields | None) -> Iterator[str]:
    if before is None:
        yield f"What was missing is not known: {_why(case.before is not None, BEFORE)}."
    elif not before["records"]:
        yield "No records were found in the evidence."
    elif not before["missing"]:
        stored, records = before["states"].get("stored", 0), text.count(before["records"], "record")
        all_of = "All" if stored == before["records"] else f"{stored:,} of"
        yield f"{all_of} {records} of the evidence were in S3 already{_not_counted(before)}."
    else:
        were = "was" if before["missing"] == 1 else "were"
        of = f"Of {text.count(before['records'], 'record')} in the evidence, {before['missing']:,} {were}"
        if before["missing"] == before["records"]:
            of = f"All {text.count(before['records'], 'record')} of the evidence {were}"
        yield f"{of} missing from S3 ({in_states(before)}){_not_counted(before)}."
    if now is not None:
        yield from _outcome(case, before, now)
    elif before is not None and before["missing"]:
        yield from _not_compared(case)
    yield from _gone(case)
    yield from _doubts(case)


def _outcome(case: CaseData, before: Fields | None, now: Fields) -> Iterator[str]:
    if before is not None and before["missing"]:
        recovered = back(before, now)
        every = "All of them are" if recovered == before["missing"] else f"{recovered:,} of them are"
        yield f"{every} back: S3 was compared again and holds them."
    elif before is None:
        yield f"S3 now holds {now['states'].get('stored', 0):,} of {text.count(now['records'], 'record')}."
    if now["missing"]:
        still = "record is" if now["missing"] == 1 else "records are"
        why = ", and left alone on purpose (see below)" if _only_left(case, now) else ""
        yield f"{now['missing']:,} {still} still missing ({in_states(now)}){why}."
    if before is not None and now["records"] > before["records"]:
        yield f"The logs have grown by {text.count(now['records'] - before['records'], 'record')} in between."


def _not_compared(case: CaseData) -> Iterator[str]:
    planned = len(case.plan.actions) if case.plan else None
    if case.now is not None:
        yield f"What is back is not known: {_why(True, AFTER)}."
    elif not case.db.outcomes:
        ready = "there is no plan" if planned is None else f"a plan of {text.count(planned, 'action')} is ready"
        yield f"Nothing was recovered so far; {ready}."
        return
    finished = sum(outcome.outcome in FINISHED for outcome in case.db.outcomes.values())
    of = "" if planned is None else f" of {planned:,}"
    yield (
        f"The recovery was interrupted: its journal notes {finished:,}{of} actions as carried out, but S3 was not "
        "compared again, so nothing is counted as back. The same command goes on from there."
    )


def _gone(case: CaseData) -> Iterator[str]:
    side = case.latest
    if side is None or not side.complete:
        return
    if side.gone_bytes:
        logs = len({line["log"] for line in side.gone.rows if line["missing_bytes"]})
        shown = f"{logs:,} logs" if logs != 1 else "one log"
        yield (
            f"Gone for good: {side.gone_bytes:,} bytes of {shown}{' or more' if side.gone.more else ''}; Fluent Bit "
            "had read them, the files are not there any more, and no object and no buffer holds them."
        )
    if side.gone_uncounted:
        ranges = text.count(side.gone_uncounted, "range")
        yield f"Of {ranges} of logs that are not there any more it cannot be counted what was delivered."
    if not side.gone_bytes and not side.gone_uncounted:
        yield "Nothing is known to be gone."


def _doubts(case: CaseData) -> Iterator[str]:
    side = case.latest
    unreadable = side.unreadable if side else 0
    if unreadable:
        pieces = text.count(unreadable, "piece")
        yield f"Numbers are a lower bound: {pieces} of evidence could not be read (see Problems)."
    if case.problems:
        yield f"This report is not complete: {text.count(len(case.problems), 'problem')} with the case folder itself."


def _why(there: bool, name: str) -> str:
    return f"{name} was cut short" if there else f"the case has no {name}"


def in_states(summary: Fields) -> str:
    """``320 buffered, 95 unread``, or just ``buffered``: the states that count as missing."""
    states = summary["states"]
    only = [s for s in STATES if is_missing(s) and states.get(s) == missing(summary)]
    if only:
        return only[0]
    said = [f"{states[s]:,} {s}" for s in STATES if states.get(s) and is_missing(s)]
    other = missing(summary) - sum(states.get(s, 0) for s in STATES if is_missing(s))
    return ", ".join([*said, *([f"{other:,} in another state"] if other else [])])


def _not_counted(summary: Fields) -> str:
    said = ""
    if number := summary["states"].get("maybe filtered", 0):
        said += f"; {number:,} may have been dropped on purpose by a filter"
    if number := summary["states"].get("not looked for", 0):
        said += f"; {number:,} lie outside of the window that was asked for, and were not looked for"
    return said
