"""The answer of ``diff``: how many records are where, and what a recovery would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from flbrecover.errors import UsageError
from flbrecover.model import ByteRange
from flbrecover.reconcile.columns import NONE, same_stretches
from flbrecover.reconcile.holders import Holder
from flbrecover.reconcile.plan import CompleteUpload, Plan, PutRecords
from flbrecover.reconcile.states import Stretch, Totals, stretches
from flbrecover.recover.analysis import Analysis, OutputAnalysis
from flbrecover.recover.states import CODES
from flbrecover.report import text
from flbrecover.report.coverage import Held, coverage_json, held_by_objects
from flbrecover.report.escape import shown
from flbrecover.report.jsonl import iso
from flbrecover.report.uploads import case_json
from flbrecover.wording import are


def tag_table(analysis: Analysis) -> str:
    """Records per output and tag, by state; columns without a record are left out."""
    rows = [(o.output.name, tag, totals) for o in analysis.outputs for tag, totals in o.by_tag().items()]
    if not rows:
        return "no records in the evidence"
    total = analysis.totals()
    states = [s for s in CODES if total[s]]
    head = ["output", "tag", "records", *states]
    cells = [[name, tag, f"{t.records:,}", *(_number(t[s]) for s in states)] for name, tag, t in rows]
    if len(rows) > 1:
        cells.append(["", "all", f"{total.records:,}", *(_number(total[s]) for s in states)])
    return text.table(head, cells, right=range(2, len(head)), fit=(1,))


def _number(number: int) -> str:
    return f"{number:,}" if number else "-"


def file_rows(output: OutputAnalysis) -> Iterator[tuple[str, str, Totals]]:
    """(kind, path, totals) of every buffer file and log file."""
    comparison, states = output.comparison, output.states
    for holder in comparison.holders:
        yield holder.buffer.kind, holder.buffer.path, states.totals_of(holder)
    for run in comparison.logs.runs:
        yield "log", run.file.path, states.totals(comparison.ledger.runs.entries(run.run))


def file_table(analysis: Analysis) -> str:
    rows = [row for output in analysis.outputs for row in file_rows(output)]
    states = [s for s in CODES if any(totals[s] for _, _, totals in rows)]
    head = ["file", "kind", "records", *states]
    cells = [[path, kind, f"{t.records:,}", *(_number(t[s]) for s in states)] for kind, path, t in rows]
    return text.table(head, cells, right=range(2, len(head)), fit=(0,))


def file_stretches(output: OutputAnalysis) -> Iterator[tuple[str, str, Stretch]]:
    """(kind, path, stretch) for all files: byte ranges of records in the same state."""
    comparison, states, ledger = output.comparison, output.states, output.comparison.ledger
    for run in comparison.logs.runs:
        for state, entries in states.stretches(ledger.runs.entries(run.run)):
            span = ByteRange(comparison.logs.span(entries[0]).start, comparison.logs.span(entries[-1]).end)
            yield "log", run.file.path, Stretch(state, span, len(entries), *states.limits(entries))
    for holder in comparison.holders:
        whole = holder.entry_range
        if whole is not None:
            for state, entries in states.stretches(whole):
                first, last = entries[0] - whole.start, entries[-1] - whole.start
                span = ByteRange(holder.span(first).start, holder.span(last).end)
                stretch = Stretch(state, span, len(entries), *states.limits(entries))
                yield holder.buffer.kind, holder.buffer.path, stretch
            continue
        numbers = range(len(holder))
        of = lambda i, h=holder: states[h.entry(i)]  # noqa: E731
        times = lambda i, h=holder: ledger.time_of(h.entry(i))  # noqa: E731
        for stretch in stretches(numbers, of, holder.span, times):
            yield holder.buffer.kind, holder.buffer.path, stretch


def stretch_table(analysis: Analysis, asked: str) -> str:
    """The byte ranges of one file, asked for by any of its names, below the path that it has in the evidence. Raises
    UsageError for one that is not among the evidence."""
    names = {asked, analysis.survey.node.resolve(asked)}
    by_path: dict[str, list[list[str]]] = {}
    for output in analysis.outputs:
        for _, path, s in file_stretches(output):
            if path in names or analysis.survey.node.resolve(path) in names:
                by_path.setdefault(path, []).append(
                    [output.output.name, s.state, f"{s.records:,}", str(s.span.start), str(s.span.end),
                     text.time(s.first_ns), text.time(s.last_ns)]
                )  # fmt: skip
    if not by_path:
        raise UsageError(f"--file {asked}: no record of the evidence lies in this file; --files lists those that have")
    head = ["output", "state", "records", "from byte", "to byte", "first time", "last time"]
    return "\n\n".join(f"{shown(path)}\n{text.table(head, rows, right=(2, 3, 4))}" for path, rows in by_path.items())


def stored_in(output: OutputAnalysis, holder_number: int) -> dict[str, int]:
    """The objects that hold records of a buffer file, with how many."""
    comparison = output.comparison
    stored, holder = comparison.ledger.stored.raw(), comparison.holders[holder_number]
    counts: Counter[int] = Counter()
    if holder.entry_range is None:
        counts.update(map(stored.__getitem__, holder.entries))
    else:
        for entries in same_stretches(stored, holder.entry_range):
            counts[stored[entries.start]] += len(entries)
    return {comparison.candidates[at].object.key: number for at, number in counts.items() if at != NONE}


def proof_of(holder: Holder, totals: Totals) -> str:
    """How the records of a buffer file were shown to be stored; "" where none is."""
    return holder.proof or ("records" if totals["stored"] else "")


def plan_lines(plan: Plan, left: Mapping[str, int]) -> str:
    """The plan as a table, with what it leaves alone."""
    if not plan.actions:
        said = "Nothing to do."
    else:
        rows = [_action_row(a) for a in plan.actions]
        said = text.table(["#", "action", "records", "size", "key", "why"], rows, right=(0, 2, 3), fit=(4, 5))
    for reason, records in sorted(left.items()):
        said += f"\nleft alone: {text.left_alone(reason, records)}"
    return said


def _action_row(action: PutRecords | CompleteUpload) -> list[str]:
    if isinstance(action, CompleteUpload):
        size = sum(p.size or 0 for p in action.parts)
        return [str(action.number), "complete upload", "?", text.size(size), action.key, action.reason]
    kind = "rebuild" if action.rebuilt else "upload"
    return [str(action.number), kind, f"{action.records:,}", text.size(action.size), action.key, action.reason]


def analysis_json(analysis: Analysis) -> Iterator[tuple[str, dict[str, Any]]]:
    """(type, fields) of the JSON lines of an analysis."""
    for output in analysis.outputs:
        name = output.output.name
        for tag, totals in output.by_tag().items():
            yield "tag", {"output": name, "bucket": output.output.bucket, "tag": tag, **_counts(totals)}
        for holder in output.comparison.holders:
            buffer = holder.buffer
            totals = output.states.totals_of(holder)
            yield "buffer_state", {
                "output": name, "path": buffer.path, "kind": buffer.kind, "tag": buffer.tag, **_counts(totals),
                "copies": holder.copies, "proof": proof_of(holder, totals),
                "stored_in": stored_in(output, holder.number),
                "first_time": iso(holder.first_ns), "last_time": iso(holder.last_ns),
            }  # fmt: skip
        for run in output.comparison.logs.runs:
            totals = output.states.totals(output.comparison.ledger.runs.entries(run.run))
            yield "log_state", {
                "output": name, "path": run.file.path, "log": run.log.name, "tag": run.log.tag,
                "read_to": run.file.read_to, "read_proof": run.file.read_proof, **_counts(totals),
            }  # fmt: skip
        for kind, path, stretch in file_stretches(output):
            yield "stretch", {
                "output": name, "path": path, "kind": kind, "state": stretch.state, "records": stretch.records,
                "start": stretch.span.start, "end": stretch.span.end,
                "first_time": iso(stretch.first_ns), "last_time": iso(stretch.last_ns),
            }  # fmt: skip
        objects = held_by_objects(output)
        for fields in object_states(output, objects):
            yield "object_state", fields
        for upload in output.uploads:
            yield "upload", case_json(upload)
        for fields in coverage_json(output, objects):
            yield "coverage", fields
    for gone in analysis.gone:
        yield "gone", {
            "log": gone.range.name, "tag": gone.range.tag, "inode": gone.range.inode, "start": gone.range.where.start,
            "end": gone.range.where.end, "proof": gone.range.proof, "missing_bytes": gone.missing,
        }  # fmt: skip


def object_states(output: OutputAnalysis, objects: Mapping[int, Held]) -> Iterator[dict[str, Any]]:
    """The fields of an ``object_state`` line for every object that holds records of the evidence or was denied."""
    denied = {candidate.object.key for candidate in output.comparison.denied}
    for number, candidate in enumerate(output.comparison.candidates):
        stored, held = candidate.object, objects.get(number)
        if held is None and stored.key not in denied:
            continue
        held = held or Held()
        yield {
            "output": output.output.name, "bucket": stored.bucket, "key": stored.key, "tags": list(candidate.tags),
            "records": held.records, "first_time": iso(held.first_ns), "last_time": iso(held.last_ns),
            "readable": stored.key not in denied, "size": stored.size, "etag": stored.etag,
            "key_time": iso(candidate.key_time_ns), "last_modified": iso(stored.last_modified_ns),
        }  # fmt: skip


def _counts(totals: Totals) -> dict[str, Any]:
    return {"records": totals.records, "states": dict(totals.counts)}


def action_json(action: PutRecords | CompleteUpload) -> dict[str, Any]:
    """The fields of an ``action`` line."""
    common = {"number": action.number, "bucket": action.bucket, "key": action.key, "reason": action.reason}
    if isinstance(action, CompleteUpload):
        return {"action": "complete_upload", **common, "upload_id": action.upload_id, "parts": len(action.parts)}
    return {
        "action": "put_records", **common, "tag": action.tag, "records": action.records, "size": action.size,
        "sha256": action.sha256, "first_time": iso(action.first_ns), "last_time": iso(action.last_ns),
        "rebuilt": action.rebuilt, "estimated_dates": action.estimated,
        "missing_fields": list(action.additions.missing), "after_uploads": list(action.after_uploads),
        "sources": [{"path": p.path, "records": p.records} for p in action.pieces],
    }  # fmt: skip


def headline(analysis: Analysis) -> str:
    """One sentence on top: how many records, how many missing, where."""
    total = analysis.totals()
    where = [f"{total[s]:,} {s}" for s in CODES if total[s] and s != "stored"]
    failed = "".join(f" Output {output.name} was not compared." for output, _ in analysis.failed)
    if not total.records:
        return f"No records were found in the evidence.{failed}"
    if where:
        return f"{text.count(total.records, 'record')}: {total['stored']:,} stored, {', '.join(where)}.{failed}"
    if not is_partial(analysis):
        return f"{_all(total.records)} of the evidence {are(total.records)} stored in S3."
    read = f"{_all(total.records)} that could be read {are(total.records)} stored in S3"
    return f"{read}; some evidence could not be read (see the problems).{failed}"


def is_partial(analysis: Analysis) -> bool:
    """Was something not read, or not compared?"""
    return bool(analysis.failed) or any(problem.unreadable for problem in analysis.problems)


def _all(records: int) -> str:
    return "The one record" if records == 1 else f"All {text.count(records, 'record')}"
