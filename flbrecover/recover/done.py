"""What became of an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flbrecover.reconcile.plan import Action

Outcome = Literal["written", "exists", "completed", "already completed", "skipped", "failed"]
FINISHED: tuple[Outcome, ...] = ("written", "exists", "completed", "already completed")
"""The action was carried out, by this run or before: it is not done again."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one action. ``exists``: the key held this very content already. ``skipped``: there is nothing to
    upload any more, or the evidence has changed since the plan. ``detail`` says why it was skipped or failed.
    ``refused`` is the id of an upload that failed and always will: S3 refuses its parts."""

    action: Action
    outcome: Outcome
    key: str
    detail: str = ""
    etag: str = ""
    refused: str = ""
