"""An audit as SARIF 2.1.0, for code scanning. The standard: OASIS, "Static Analysis Results Interchange Format"."""

from __future__ import annotations

import json
from typing import Any, TextIO
from urllib.parse import quote

from flbrecover import __version__
from flbrecover.audit.findings import Finding, Report
from flbrecover.audit.rules.all import RULES
from flbrecover.fluentbit.pipeline import Origin

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_INDEX = {r.id: i for i, r in enumerate(RULES)}


def write_sarif(stream: TextIO, report: Report) -> None:
    """One run: a rule for each of the audit's, a result for each finding, a notification for each unreadable file."""
    run = {
        "tool": {"driver": {"name": "flbrecover", "version": __version__, "rules": [_rule(i) for i in _INDEX]}},
        "results": [_result(j.rule, j.subject, j.outcome) for j in report.judged if isinstance(j.outcome, Finding)],
        "invocations": [
            {
                "executionSuccessful": not any(p.unreadable for p in report.problems),
                "toolExecutionNotifications": [
                    {"level": "error" if p.unreadable else "note", "message": {"text": _clean(f"{p.path}: {p.what}")}}
                    for p in report.problems
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
    }
    json.dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, stream, indent=2)
    stream.write("\n")


def _rule(rule_id: str) -> dict[str, Any]:
    rule = RULES[_INDEX[rule_id]]
    name = "".join(word.capitalize() for word in rule.name.split("-"))
    return {"id": rule.id, "name": name, "shortDescription": {"text": rule.title}}


def _result(rule: str, subject: str, finding: Finding) -> dict[str, Any]:
    text = f"{finding.what} ({subject}). {finding.incident} Change: {finding.change}"
    return {
        "ruleId": rule,
        "ruleIndex": _INDEX[rule],
        "level": finding.severity,
        "message": {"text": _clean(text)},
        "locations": [_location(p) for p in finding.places[:1]],
        "relatedLocations": [_location(p) for p in finding.places[1:]],
    }


def _location(place: Origin) -> dict[str, Any]:
    path = place.path.removeprefix("./")
    uri = ("file://" if path.startswith("/") else "") + quote(path.encode("utf-8", "surrogateescape"))
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if place.line:
        physical["region"] = {"startLine": place.line}
    return {"physicalLocation": physical}


def _clean(text: str) -> str:
    """Without lone surrogates, which JSON readers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")
