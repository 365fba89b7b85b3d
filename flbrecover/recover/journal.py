"""The journal of a case: what became of each action of its plan, on the disk before anybody is told.

Nothing depends on it (decision 4): it saves the time that asking S3 again costs, and tells a report what was done when.
An action is noted as started before its first request, and with its result once there is one. A start without a result
is an action that was cut off: it is done again, which changes nothing where S3 has it already.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from flbrecover.reconcile.plan import Action, CompleteUpload, Plan
from flbrecover.recover.case_db import CaseDb
from flbrecover.recover.done import FINISHED, Done

STARTED, RESULT = "started", "result"
_PLAN_ID = "plan"


class CaseJournal:
    """The journal of one run of a case."""

    def __init__(self, db: CaseDb, run: int) -> None:
        self._db = db
        self._run = run

    def note(self, ended: Sequence[Done], started: Sequence[Action]) -> None:
        """Results and beginnings, on the disk together."""
        rows = [self._row(done.action, RESULT, _said(done)) for done in ended]
        rows += [self._row(action, STARTED, {}) for action in started]
        if rows:
            self._db.insert_all("journal", rows)

    def withdraw(self, never_begun: Sequence[Action]) -> None:
        """Takes the starts of these actions out again. A run that is killed before leaves them: they look cut off, and
        are done again as those are."""
        if never_begun:
            numbers = ", ".join(str(action.number) for action in never_begun)
            of_them = f"run = :run AND event = :event AND action IN ({numbers})"
            self._db.delete("journal", of_them, {"run": self._run, "event": STARTED})

    def finished(self, plan: Plan) -> dict[int, Done]:
        """The actions of the plan whose last result is that they are finished, by number."""
        actions = {action.number: action for action in plan.actions}
        found: dict[int, Done] = {}
        for row in self._db.rows("journal", "event = :event", {"event": RESULT}):
            action = actions.get(row["action"])
            # A comparison in between may have put less in the place of an action: that is not the action itself.
            if action is None or row["content"] != content_of(action):
                continue
            if row["outcome"] in FINISHED:
                found[action.number] = Done(action, row["outcome"], row["key"], row["detail"], row["etag"])
            else:
                found.pop(action.number, None)
        return found

    def completed_uploads(self) -> set[str]:
        """The ids of the uploads that this case has completed, by whatever plan: S3 does not know them any more."""
        done = {"event": RESULT, "completed": "completed", "before": "already completed"}
        rows = self._db.rows("journal", "event = :event AND outcome IN (:completed, :before)", done)
        return {row["content"] for row in rows}

    def _row(self, action: Action, event: str, said: Mapping[str, str]) -> dict[str, object]:
        row = {"run": self._run, "at_ns": time.time_ns(), "action": action.number, "event": event}
        return {**row, "content": content_of(action), **said}


def _said(done: Done) -> dict[str, str]:
    return {"outcome": done.outcome, "key": done.key, "etag": done.etag, "detail": done.detail}


def content_of(action: Action) -> str:
    """What an action is about: the SHA-256 of the content that it writes, or the upload that it completes."""
    return action.upload_id if isinstance(action, CompleteUpload) else action.sha256


def hold(db: CaseDb, plan: Plan) -> None:
    """Puts the actions of a plan into the database; what is noted of another plan goes."""
    db.insert_all("actions", (_row(action) for action in plan.actions), clear=True)
    db.say(_PLAN_ID, plan.id)


def held(db: CaseDb) -> str | None:
    """The id of the plan whose actions the database holds."""
    return db.fact(_PLAN_ID)


def _row(action: Action) -> dict[str, object]:
    common = {"number": action.number, "bucket": action.bucket, "key": action.key, "reason": action.reason}
    if isinstance(action, CompleteUpload):
        return {**common, "kind": "complete_upload", "content": action.upload_id}
    kind = "rebuild" if action.rebuilt else "upload"
    sums = {"records": action.records, "size": action.size, "content": action.sha256}
    return {**common, "kind": kind, "tag": action.tag, **sums}
