"""An audit for people: what will go wrong, where, and what to change; then what is right, and what cannot be known."""

from __future__ import annotations

import textwrap
from typing import TextIO

from flbrecover.audit.findings import SEVERITIES, Finding, Judged, NotKnown, Passed, Report, Severity
from flbrecover.audit.rules.all import RULES
from flbrecover.report import problems
from flbrecover.report.escape import shown
from flbrecover.report.text import count, width

_NAMES = {r.id: r.name for r in RULES}
_INDENT = "    "


def write_text(stream: TextIO, report: Report) -> None:
    """A sentence on top, then each Fluent Bit with its findings, the worst first."""
    if report.subjects:
        stream.write(f"{_verdict(report)}\n")
    for subject in report.subjects:
        _subject(stream, subject, [j for j in report.judged if j.subject == subject])
    if report.passed_over:
        stream.write(f"\nno rule looks at: {shown(', '.join(report.passed_over))}\n")
    if report.problems:
        stream.write("\n" if report.subjects else "")
        problems.write(stream, report.problems)


def _verdict(report: Report) -> str:
    numbers = {s: len(report.of_severity(s)) for s in SEVERITIES}
    audited = count(len(report.subjects), "Fluent Bit")
    said = _counts(numbers)
    if numbers["error"]:
        return f"Records will be lost or stored twice: {said} in {audited}."
    if numbers["warning"]:
        return f"Records can be lost or stored twice: {said} in {audited}."
    notes = f", {said}" if numbers["note"] else ""
    return f"Nothing found that loses or duplicates records in {audited}{notes}."


def _counts(numbers: dict[Severity, int]) -> str:
    return ", ".join(count(numbers[s], s) for s in SEVERITIES if numbers[s])


def _subject(stream: TextIO, subject: str, judged: list[Judged]) -> None:
    stream.write(f"\n{shown(subject)}\n{'=' * min(len(subject), width())}\n")
    for severity in SEVERITIES:
        alike: dict[tuple[str, str, str], list[Finding]] = {}
        for one in judged:
            if isinstance(one.outcome, Finding) and one.outcome.severity == severity:
                key = (one.rule, one.outcome.incident, one.outcome.change)
                alike.setdefault(key, []).append(one.outcome)
        for (rule, _, _), findings in alike.items():
            _findings(stream, rule, findings)
    passed = [(j.rule, j.outcome.what) for j in judged if isinstance(j.outcome, Passed)]
    if passed:
        stream.write(f"\nright ({len(passed)}):\n")
        for rule, what in passed:
            _wrapped(stream, f"  ok  {rule}  ", what)
    unknown = [(j.rule, j.outcome) for j in judged if isinstance(j.outcome, NotKnown)]
    if unknown:
        stream.write(f"\nnot known ({len(unknown)}):\n")
        for rule, outcome in unknown:
            _wrapped(stream, f"  ?   {rule}  ", f"{outcome.what}; {outcome.give}")


def _findings(stream: TextIO, rule: str, findings: list[Finding]) -> None:
    """Findings that differ only in their place: what happens and what to change is said once."""
    stream.write("\n")
    for finding in findings:
        _wrapped(stream, f"{finding.severity.upper()} {rule} {_NAMES[rule]}: ", finding.what, indent=_INDENT)
        for number, place in enumerate(dict.fromkeys(finding.places)):
            line = f":{place.line}" if place.line else ""
            stream.write(f"{_INDENT}{'at' if number == 0 else '  '}      {shown(place.path)}{line}\n")
    _wrapped(stream, f"{_INDENT}then    ", findings[0].incident)
    _wrapped(stream, f"{_INDENT}change  ", findings[0].change)


def _wrapped(stream: TextIO, label: str, text: str, *, indent: str | None = None) -> None:
    """Paths and keys are never broken: they are there to be copied."""
    after = " " * len(label) if indent is None else indent
    lines = textwrap.wrap(
        label + shown(text), width(), subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )
    stream.write("\n".join(lines) + "\n")
