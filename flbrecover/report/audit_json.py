"""An audit as JSON lines: docs/json-output.md is the contract."""

from __future__ import annotations

from typing import Any, TextIO

from flbrecover.audit.findings import SEVERITIES, Finding, Judged, Passed, Report
from flbrecover.audit.rules.all import RULES
from flbrecover.report import jsonl, problems

_NAMES = {r.id: r.name for r in RULES}


def write_json(stream: TextIO, report: Report) -> None:
    """``audit_finding``, ``audit_passed``, ``audit_not_known``, ``problem``, and one ``audit_summary``."""
    for judged in report.judged:
        jsonl.write(stream, *_line(judged))
    for problem in report.problems:
        jsonl.write(stream, "problem", problems.as_json(problem))
    counts = {s: len(report.of_severity(s)) for s in SEVERITIES}
    jsonl.write(
        stream,
        "audit_summary",
        {"subjects": list(report.subjects), "findings": counts, "passed_over": list(report.passed_over)},
    )


def _line(judged: Judged) -> tuple[str, dict[str, Any]]:
    outcome = judged.outcome
    common = {"rule": judged.rule, "name": _NAMES[judged.rule], "subject": judged.subject, "what": outcome.what}
    if isinstance(outcome, Finding):
        places = [{"path": p.path, "line": p.line or None} for p in outcome.places]
        more = {"severity": outcome.severity, "incident": outcome.incident, "change": outcome.change}
        return "audit_finding", {**common, **more, "places": places}
    if isinstance(outcome, Passed):
        return "audit_passed", common
    return "audit_not_known", {**common, "give": outcome.give}
