"""What the tests of the audit share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flbrecover.audit.assembling import audit
from flbrecover.audit.findings import Finding, NotKnown, Passed, Report

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "audit"

GOOD = (FIXTURES / "good.yaml").read_text()


def of_text(tmp_path: Path, text: str, *changes: tuple[str, str], name: str = "given.yaml") -> Report:
    """The audit of a text with some of it replaced; each replacement has to be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file = tmp_path / name
    file.write_text(text)
    return audit([str(file)], {})


def findings(report: Report, rule: str | None = None) -> list[Finding]:
    return [j.outcome for j in report.judged if isinstance(j.outcome, Finding) and rule in (None, j.rule)]


def found(report: Report) -> set[str]:
    """The ids of the rules that found something."""
    return {j.rule for j in report.judged if isinstance(j.outcome, Finding)}


def passed(report: Report) -> set[str]:
    return {j.rule for j in report.judged if isinstance(j.outcome, Passed)}


def not_known(report: Report) -> set[str]:
    return {j.rule for j in report.judged if isinstance(j.outcome, NotKnown)}


def severities(report: Report, rule: str) -> Sequence[str]:
    return [f.severity for f in findings(report, rule)]
