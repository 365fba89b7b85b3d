"""Puts results on stdout (the answer) and stderr (everything else)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from flbrecover.model import Problem
from flbrecover.reconcile.plan import Plan
from flbrecover.report import jsonl, problems, states, text
from flbrecover.report.escape import shown
from flbrecover.report.notes import analysis_notes, plan_notes

if TYPE_CHECKING:  # who only looks has no need of what uploads and moves
    from flbrecover.recover.analysis import Analysis
    from flbrecover.recover.done import Done
    from flbrecover.recover.recovery import Proof
    from flbrecover.recover.retire import Moved

Plans = Sequence[tuple[Plan, dict[str, int]]]


def all_problems(analysis: Analysis, notes: Iterable[Problem] = ()) -> list[Problem]:
    failed = [Problem(f"s3://{output.bucket}/", str(error)) for output, error in analysis.failed]
    return [*notes, *analysis.problems, *failed]


def diff_text(out: TextIO, analysis: Analysis, plans: Plans, *, log_file: str | None, files: bool) -> None:
    if log_file is not None:
        out.write(states.stretch_table(analysis, log_file) + "\n")
        return
    out.write(states.headline(analysis) + "\n\n" + states.tag_table(analysis) + "\n")
    if files:
        out.write("\n" + states.file_table(analysis) + "\n")
    for plan, left in plans:
        asked = "if Fluent Bit is gone" if plan.agent == "gone" else "if Fluent Bit comes back"
        out.write(f"\nA recovery (--agent {plan.agent}: {asked}) would:\n{states.plan_lines(plan, left)}\n")
    _notes(out, analysis, plans)


def _notes(out: TextIO, analysis: Analysis, plans: Plans) -> None:
    said = analysis_notes(analysis, [plan for plan, _ in plans])
    if said:
        out.write("\n" + "".join(f"note: {shown(line)}\n" for line in said))
    for gone in analysis.gone:
        where = f"{gone.range.name} (inode {gone.range.inode}) {gone.range.where}"
        out.write(shown(f"gone: {where}: {gone.range.proof}; {gone.text}") + "\n")
    found = all_problems(analysis)
    if found:
        out.write("\n")
        problems.write(out, found)


def diff_json(out: TextIO, analysis: Analysis, plans: Plans) -> None:
    for kind, fields in states.analysis_json(analysis):
        jsonl.write(out, kind, fields)
    for plan, left in plans:
        plan_json(out, plan, left)
    for note in analysis_notes(analysis, [plan for plan, _ in plans]):
        jsonl.write(out, "note", {"text": note})
    for problem in all_problems(analysis):
        jsonl.write(out, "problem", problems.as_json(problem))
    total = analysis.totals()
    jsonl.write(out, "summary", {"records": total.records, "states": dict(total.counts), "missing": total.missing})


def plan_text(out: TextIO, plan: Plan) -> None:
    """A plan that was made earlier, for who is asked about it."""
    buckets = ", ".join(f"s3://{bucket}/" for bucket in sorted({action.bucket for action in plan.actions}))
    made = f"plan {plan.id} of {text.time(plan.created_ns)[:19]} UTC (--agent {plan.agent})"
    out.write(shown(f"The {made} would write to {buckets}:") + f"\n{states.plan_lines(plan, {})}\n")
    out.write("".join(f"note: {shown(line)}\n" for line in plan_notes(plan)))


def plan_json(out: TextIO, plan: Plan, left: dict[str, int]) -> None:
    jsonl.write(
        out,
        "plan",
        {"id": plan.id, "agent": plan.agent, "sources": list(plan.sources), "actions": len(plan.actions), "left": left},
    )
    for action in plan.actions:
        jsonl.write(out, "action", {"plan": plan.id, **states.action_json(action)})


def done_text(out: TextIO, done: Done) -> None:
    said = "FAILED" if done.outcome == "failed" else text.OUTCOMES[done.outcome]
    detail = f": {done.detail}" if done.detail else ""
    out.write(shown(f"{done.action.number}  {said}  s3://{done.action.bucket}/{done.key}{detail}") + "\n")


def done_json(out: TextIO, done: Done) -> None:
    jsonl.write(
        out,
        "done",
        {
            "number": done.action.number,
            "outcome": done.outcome,
            "bucket": done.action.bucket,
            "key": done.key,
            "detail": done.detail,
        },
    )


def moved(out: TextIO, moved: Moved, *, as_json: bool) -> None:
    """A buffer file that was moved aside or put back, or could not be."""
    if as_json:
        jsonl.write(out, "moved", asdict(moved))
        return
    kept = f": now {moved.kept}" if moved.outcome == "retired" else ""
    said = "LEFT" if moved.outcome == "left" else moved.outcome
    detail = f": {moved.detail}" if moved.detail else ""
    out.write(shown(f"{said}  {moved.path} ({count(moved.records, 'record')}){kept}{detail}") + "\n")


def say(line: str) -> None:
    """A line for the person, on stderr."""
    sys.stderr.write(shown(line) + "\n")


def count(number: int, one: str) -> str:
    return text.count(number, one)


def proof_text(out: TextIO, proof: Proof) -> None:
    said = "proved" if proof.ok else "NOT THERE" if proof.known else "NOT KNOWN"
    out.write(shown(f"{proof.action.number}  {said}  s3://{proof.action.bucket}/{proof.key}: {proof.detail}") + "\n")


def proof_json(out: TextIO, proof: Proof) -> None:
    jsonl.write(
        out,
        "proof",
        {
            "number": proof.action.number,
            "ok": proof.ok,
            "bucket": proof.action.bucket,
            "key": proof.key,
            "records": proof.action.records,
            "detail": proof.detail,
        },
    )
