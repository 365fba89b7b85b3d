"""Everything that a page or a ticket shows of a case, chosen in two passes over its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flbrecover import __version__
from flbrecover.reconcile.plan import Action, CompleteUpload
from flbrecover.recover.done import FINISHED
from flbrecover.report.case_data import CaseData, open_case
from flbrecover.report.case_data_db import Outcome
from flbrecover.report.case_data_rows import Fields, Rows, SideName, Top
from flbrecover.report.case_data_story import Story, story
from flbrecover.report.coverage import Bins
from flbrecover.report.coverage_axis import AXIS_BINS, Axis, Track, add_line, axis_of

MOST_TAGS = 60
MOST_ROWS = 200

_KEYS = {"tag": ("output", "tag"), "log_state": ("output", "path", "tag"), "buffer_state": ("output", "path")}
_SECOND = (*_KEYS, "coverage", "object_state", "upload")  # what the second pass needs; the last two as they are now


@dataclass(frozen=True, slots=True)
class ActionRow:
    """An action of the plan with what became of it. ``key`` is the one that was really written, if any; ``found`` is
    how many records of the evidence the second comparison found in its object (None: not looked at, or not there)."""

    action: Action
    outcome: Outcome | None
    key: str
    found: int | None


@dataclass(frozen=True, slots=True)
class CaseView:
    """``tracks`` are the coverage of the tags in ``tags``, ``overall`` that of all; ``axis`` None: no record has a
    time."""

    case: CaseData
    story: Story
    tags: Rows
    logs: Rows
    buffers: Rows
    objects: Top
    uploads: Top
    actions: tuple[ActionRow, ...]
    more_actions: int
    axis: Axis | None
    overall: Track | None
    tracks: dict[tuple[str, str], Track]
    tool: str = f"flbrecover {__version__}"


class _First:
    """What the first pass over all lines collects: which rows to show, and the axis of time."""

    def __init__(self) -> None:
        self.tags = Rows(lambda line: tuple(line[k] for k in _KEYS["tag"]), MOST_TAGS)
        self.logs = Rows(lambda line: tuple(line[k] for k in _KEYS["log_state"]), MOST_ROWS)
        self.buffers = Rows(lambda line: tuple(line[k] for k in _KEYS["buffer_state"]), MOST_ROWS)
        self.bins = Bins(AXIS_BINS)

    def rows_of(self, kind: str) -> Rows | None:
        return {"tag": self.tags, "log_state": self.logs, "buffer_state": self.buffers}.get(kind)

    def take(self, side: SideName, line: Fields) -> None:
        rows = self.rows_of(line["type"])
        if rows is not None:
            rows.choose(side, line)
        elif line["type"] == "coverage":
            add_line(self.bins, line)


def view(folder: Path) -> CaseView:
    """Reads a case folder. Raises UsageError where there is none."""
    first = _First()
    case = open_case(folder, first.take)
    axis = axis_of(first.bins)
    overall = Track(axis) if axis else None
    tracks: dict[tuple[str, str], Track] = {}
    objects, uploads = Top(MOST_ROWS), Top(MOST_ROWS)
    actions, more = _shown_actions(case)
    written = {_key(action, case): number for number, action in enumerate(actions)}
    found: dict[int, int] = {}
    latest = case.latest
    for side in (case.before, case.now):
        if side is None or not side.complete:
            continue
        for line in side.lines(_SECOND if side is latest else _SECOND[:-2]):
            kind = line["type"]
            rows = first.rows_of(kind)
            if rows is not None:
                rows.fill(side.name, line)
            elif kind == "coverage" and axis is not None and overall is not None:
                overall.add(line, side.name)
                which = (line["output"], line["tag"])
                if first.tags.shows(which):
                    tracks.setdefault(which, Track(axis)).add(line, side.name)
            elif kind == "object_state":
                number = written.get((line["bucket"], line["key"]))
                if number is not None and side.name == "now":
                    found[number] = line["records"]
                objects.offer((number is not None, line["records"]), line)
            elif kind == "upload":
                uploads.offer(0, line)
    if not case.compared_again:
        for kept in (first.tags, first.logs, first.buffers):
            kept.keep_before()
        for track in (*tracks.values(), *((overall,) if overall else ())):
            track.keep_before()
    shown = [
        ActionRow(a, case.db.outcomes.get(a.number), _key(a, case)[1], found.get(number))
        for number, a in enumerate(actions)
    ]
    return CaseView(
        case, story(case), first.tags, first.logs, first.buffers, objects, uploads,
        tuple(shown), more, axis, overall, tracks,
    )  # fmt: skip


def _shown_actions(case: CaseData) -> tuple[list[Action], int]:
    """Failed, skipped and cut off ones first, then those that are still to do, then the others in their order."""
    top = Top(MOST_ROWS)
    for action in case.plan.actions if case.plan else ():
        outcome = case.db.outcomes.get(action.number)
        urgent = 0 if outcome is not None and outcome.outcome in FINISHED else 2 if outcome is not None else 1
        top.offer(urgent, action)
    return top.rows, top.more


def _key(action: Action, case: CaseData) -> tuple[str, str]:
    outcome = case.db.outcomes.get(action.number)
    return action.bucket, outcome.key if outcome is not None and outcome.key else action.key


def what(action: Action) -> str:
    """The action in a word or two."""
    if isinstance(action, CompleteUpload):
        return "complete upload"
    return "rebuild" if action.rebuilt else "upload"
