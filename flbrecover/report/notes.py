"""What a reader of ``diff`` has to know besides the numbers: proofs, filters, guesses, fields that nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from flbrecover.reconcile.plan import Plan
from flbrecover.recover.analysis import Analysis
from flbrecover.recover.left_to_agent import read_again
from flbrecover.report import text
from flbrecover.wording import are


def _proof_lines(analysis: Analysis) -> Iterator[str]:
    """By what the answer holds, where objects did not have to be downloaded for it."""
    for output in analysis.outputs:
        found = output.comparison
        for proof, number in sorted(Counter(found.proofs.values()).items()):
            yield f"{output.output.name}: {text.count(number, 'object')} shown to hold a whole buffer file by {proof}"
        if found.not_read:
            yield (
                f"{output.output.name}: {text.count(found.not_read, 'object')} not read: "
                "no record was left to look for in them"
            )


def analysis_notes(analysis: Analysis, plans: Sequence[Plan]) -> list[str]:
    """What a reader has to know besides the numbers: filters, guesses, fields that nobody knows. Of several plans each
    is named: their actions have the same numbers."""
    said = list(_proof_lines(analysis))
    for output in analysis.outputs:
        comparison = output.comparison
        said += [
            f"{output.output.name}: upload of {u.key} ({text.size(u.size)} in parts) is left alone: {u.state}"
            for u in output.uploads
            if u.state in ("key taken", "parts missing", "parts refused", "not this node's")
        ]
        for by, records in sorted(comparison.logs.dropped.items()):
            said.append(f"{output.output.name}: {text.count(records, 'record')} dropped by filter {by} as configured")
        if unwritten := comparison.logs.unwritten:
            key = output.output.log_key
            why = f"without the field {key} (log_key)" if key is not None else "nested too deeply"
            said.append(
                f"{output.output.name}: {text.count(unwritten, 'record')} {why}: Fluent Bit writes nothing of them"
            )
        doubtful = sum(totals["maybe filtered"] for totals in output.by_tag().values())
        if doubtful:
            names = ", ".join(sorted({reason.by for reason in comparison.logs.reasons}))
            said.append(
                f"{output.output.name}: {text.count(doubtful, 'record')} may have been dropped on purpose by "
                f"filter {names}; --assume-kept takes them for lost"
            )
        if comparison.loose:
            said.append(
                f"{output.output.name}: {text.count(comparison.loose, 'stored record')} could be copies of ours by "
                "their text, but stand among records of others; they were not taken for ours"
            )
        if comparison.ambiguous:
            said.append(
                f"{output.output.name}: {text.count(comparison.ambiguous, 'stored record')} are ambiguous: whole "
                "objects of lines that this node wrote again and again, and another may have; see --ambiguous"
            )
    unsure = {tag: names for o in analysis.outputs for tag, names in o.comparison.logs.unsure.items()}
    for output in analysis.outputs if [plan.agent for plan in plans] == ["returning"] else ():
        for path, records in read_again(output.comparison, output.states, plans[0].created_ns):
            said.append(
                f"{path}: Fluent Bit finds no row that fits this file and reads all of it again when it comes back; "
                f"{text.count(records, 'record')} that S3 has by then {are(records)} stored twice. To avoid that: "
                "recover with --agent gone, and then start it once with Read_from_Head off"
            )
    for plan in plans:
        which = f"--agent {plan.agent}, " if len(plans) > 1 else ""
        said += [f"{which}{note}" for note in plan_notes(plan, unsure)]
    return said


def plan_notes(plan: Plan, unsure: Mapping[str, Collection[str]] = MappingProxyType({})) -> Iterator[str]:
    """What is guessed or left out in what a plan writes; ``unsure`` are the filters that may change a tag, which only a
    comparison knows."""
    for put in plan.puts:
        if put.rebuilt and put.tag in unsure:
            names = ", ".join(sorted(unsure[put.tag]))
            yield f"action {put.number}: written as in the log, though a filter may rename or change it: {names}"
        if put.estimated:
            yield f"action {put.number}: {text.count(put.estimated, 'record')} with an estimated date"
        if put.additions.missing:
            yield f"action {put.number}: left out, as siblings differ: {', '.join(put.additions.missing)}"
