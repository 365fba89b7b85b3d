"""The page of one case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flbrecover.report import html, html_tables
from flbrecover.report.case_data_rows import Row
from flbrecover.report.case_data_story import MEANINGS, STATES
from flbrecover.report.case_data_view import CaseView
from flbrecover.report.coverage_svg import Timeline, timeline

MARKS = {"complete": "✓", "recovered": "✓", "left": "✓", "partly": "!", "open": "!", "interrupted": "!", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class TagPart:
    """A tag with its numbers; without a timeline where none of its records has a time."""

    tag: str
    row: Row
    timeline: Timeline | None


def case_page(view: CaseView, made_ns: int) -> Iterator[str]:
    """The page in pieces; ``made_ns`` is the time of making it."""
    side = view.case.latest
    axis = view.axis
    context = {
        "view": view,
        "story": view.story,
        "mark": MARKS[view.story.status],
        "known": lambda number: "?" if number is None else f"{number:,}",
        "span": None if axis is None else (axis.start, axis.end),
        "states": list(_states(view)),
        "left": sorted(view.case.left.items()),
        "gone": side.gone if side else _NOTHING,
        "notes": view.case.before.notes if view.case.before else _NOTHING,
        "overall": timeline(view.overall) if view.overall and view.overall.bins and view.tags.total != 1 else None,
        "tags": list(_tags(view)),
        "tables": html_tables.tables(view),
        "problems": html_tables.problems(view),
        "evidence": html_tables.evidence(view),
        "runs": html_tables.runs(view),
        "made": made_ns,
    }
    return html.page("case.html", context)


@dataclass(frozen=True, slots=True)
class _Nothing:
    rows: tuple[()] = ()
    more: int = 0


_NOTHING = _Nothing()


def _states(view: CaseView) -> Iterator[tuple[str, str, int | None, int | None]]:
    """(state, meaning, before, now) of the states that have a record."""
    before = view.case.before.summary if view.case.before else None
    now = view.case.now.summary if view.case.now else None
    for state in STATES:
        numbers = [None if side is None else side["states"].get(state, 0) for side in (before, now)]
        if any(numbers):
            yield state, MEANINGS[state], numbers[0], numbers[1]


def _tags(view: CaseView) -> Iterator[TagPart]:
    for row in view.tags.rows:
        track = view.tracks.get((row.line["output"], row.line["tag"]))
        yield TagPart(row.line["tag"], row, timeline(track) if track and track.bins else None)
