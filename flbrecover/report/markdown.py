"""The short form of a case, to paste into a ticket: what was missing, what is back, what is gone and why, the proof.

Names that came from outside stand in code spans that they cannot leave; a line break or a pipe in one breaks no table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from flbrecover.reconcile.plan import PutRecords
from flbrecover.recover.done import FINISHED
from flbrecover.report import text
from flbrecover.report.case_data_db import CaseDbData
from flbrecover.report.case_data_view import ActionRow, CaseView, what
from flbrecover.report.escape import shown
from flbrecover.report.html_tables import NOT_SEEN_AGAIN, no_outcome

MOST_TAGS, MOST_ACTIONS, MOST_GONE, MOST_PROBLEMS, MOST_RUNS = 15, 20, 10, 10, 5
LONGEST = 160
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~@!&$])")


def case_markdown(view: CaseView) -> Iterator[str]:
    """The ticket, line by line."""
    yield f"**{view.story.label}.** " + " ".join(map(plain, view.story.sentences))
    yield ""
    yield from _tags(view)
    yield from _actions(view)
    yield from _gone(view)
    yield from _left(view)
    yield from _problems(view)
    yield from _evidence(view)
    yield f"_{plain(view.tool)}, from case {code(view.case.folder.name)}. Times are UTC._"


def code(said: str) -> str:
    """A name as a code span: visible, of bounded length, and without the characters that could end it or a cell."""
    said = text.shorten(shown(said), LONGEST).replace("`", "\\x60").replace("|", "\\x7c")
    return f"`{said or ' '}`"


def plain(said: str) -> str:
    """A sentence in which nothing is markup."""
    return _ACTIVE.sub(r"\\\1", text.shorten(shown(said), 4 * LONGEST))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(" ---: " if i in right else " --- " for i in range(len(head))) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _more(number: int, of: str) -> Iterator[str]:
    if number > 0:
        yield ""
        yield f"… and {text.count(number, of)} more; `flbrecover report --format json` has all."


def _tags(view: CaseView) -> Iterator[str]:
    rows = view.tags.rows[:MOST_TAGS]
    if not rows:
        return
    known = view.story.is_known
    cells = [
        [
            code(r.line["tag"]), f"{r.line['records']:,}", f"{r.was_missing:,}" if r.before else "?",
            f"{r.back:,}" if known and r.back is not None else "?",
            NOT_SEEN_AGAIN if r.missing is None else f"{r.missing:,}" if known else "?",
        ]
        for r in rows
    ]  # fmt: skip
    yield from table(("tag", "records", "were missing", "back", "missing now"), cells, (1, 2, 3, 4))
    yield from _more(view.tags.total - len(rows), "tag")
    yield ""


def _actions(view: CaseView) -> Iterator[str]:
    if not view.actions:
        return
    rows = view.actions[:MOST_ACTIONS]
    cells = [
        [
            str(row.action.number), what(row.action),
            f"{row.action.records:,}" if isinstance(row.action, PutRecords) else "?",
            code(f"s3://{row.action.bucket}/{row.key}"), plain(row.action.reason), _outcome(view, row),
        ]
        for row in rows
    ]  # fmt: skip
    yield from table(("#", "action", "records", "key", "why", "outcome"), cells, (0, 2))
    yield from _more(len(view.actions) - len(rows) + view.more_actions, "action")
    yield ""


def _outcome(view: CaseView, row: ActionRow) -> str:
    said = row.outcome
    words = no_outcome(view) if said is None else plain(text.OUTCOMES.get(said.outcome, said.outcome))
    detail = f": {plain(said.detail)}" if said is not None and said.detail and said.outcome not in FINISHED else ""
    found = "" if row.found is None else f"; {text.count(row.found, 'record')} read back"
    return words + detail + found


def _gone(view: CaseView) -> Iterator[str]:
    side = view.case.latest
    rows = side.gone.rows[:MOST_GONE] if side else []
    if not side or not rows:
        return
    yield "Gone, and why:"
    yield ""
    for line in rows:
        missing = line["missing_bytes"]
        counted = "cannot be counted" if missing is None else f"{missing:,} bytes"
        yield f"- {code(line['log'])}, bytes {line['start']:,} to {line['end']:,}: {plain(line['proof'])} ({counted})"
    yield from _more(side.gone.seen - len(rows), "range")
    yield ""


def _left(view: CaseView) -> Iterator[str]:
    if not view.case.left:
        return
    yield "Left alone, and why:"
    yield ""
    for reason, records in sorted(view.case.left.items()):
        yield f"- {plain(text.left_alone(reason, records))}"
    yield ""


def _problems(view: CaseView) -> Iterator[str]:
    side = view.case.latest
    said = [(p.path, p.what) for p in view.case.problems]
    said += [(line["path"], line["what"]) for line in (side.problems.rows if side else ()) if line["unreadable"]]
    if not said:
        return
    yield "Could not be read:"
    yield ""
    for path, problem in said[:MOST_PROBLEMS]:
        yield f"- {code(path)}: {plain(problem)}"
    total = len(view.case.problems) + (side.unreadable if side else 0)
    yield from _more(total - min(len(said), MOST_PROBLEMS), "problem")
    yield ""


def _evidence(view: CaseView) -> Iterator[str]:
    db = view.case.db
    if db.manifest_digest:
        yield f"Evidence: {_hashed(db)}; manifest digest `{db.manifest_digest}`."
        yield ""
    elif view.case.plan is not None:
        yield f"Evidence: {text.count(len(view.case.plan.evidence), 'file')} hashed in plan `{view.case.plan_id}`."
        yield ""
    runs = db.runs.rows[:MOST_RUNS]
    for row in runs:
        yield f"    {shown(str(row['command'] or '?'))}"
    if runs:
        yield from _more(db.runs.seen - len(runs), "command")
        yield ""


def _hashed(db: CaseDbData) -> str:
    files = text.count(db.hashed, "file")
    if not db.hashed_twice:
        return f"{files}, hashed once"
    some = "" if db.hashed_twice == db.hashed else f"{db.hashed_twice:,} of them "
    changed = f", {db.changed:,} changed in between" if db.changed else ""
    return f"{files}, {some}hashed before and after{changed}"
