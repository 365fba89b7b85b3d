"""All data of a case as JSON lines: one ``case`` line, then everything that its files hold, as they hold it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flbrecover.report import problems
from flbrecover.report.case_data import CaseData
from flbrecover.report.case_data_db import table_rows
from flbrecover.report.case_data_story import story

Line = tuple[str, dict[str, Any]]

VERSION = 1


def case_json(case: CaseData) -> Iterator[Line]:
    """(type, fields) of the lines. A line of before.jsonl or after.jsonl is the ``line`` of one of type ``before`` or
    ``after``."""
    said = story(case)
    yield "case", {
        "version": VERSION, "folder": case.folder.name, "status": said.status, "sentences": list(said.sentences),
        "records": said.records, "were_missing": said.were_missing, "back": said.back, "missing": said.missing,
        "gone_bytes": said.gone_bytes, "gone_uncounted": said.gone_uncounted, "left": dict(case.left),
        "plan": case.plan_id, "manifest_sha256": case.db.manifest_digest,
    }  # fmt: skip
    for kind, table in (("run", "runs"), ("journal", "journal"), ("manifest", "manifest"), ("retired", "retired")):
        for row in table_rows(case.folder, table) if case.db.found else ():
            yield kind, dict(row)
    for side, kind in ((case.before, "before"), (case.now, "after")):
        if side is not None and side.complete:
            for line in side.lines():
                yield kind, {"line": dict(line)}
    for problem in case.problems:
        yield "problem", problems.as_json(problem)
