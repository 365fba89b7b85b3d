"""The tables of a case's page: heads and cells, each cell with what it is, so that one macro can show them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from flbrecover.reconcile.plan import PutRecords
from flbrecover.report import jsonl, text
from flbrecover.report.case_data_db import MOST_FILES
from flbrecover.report.case_data_rows import Fields, Row, Rows
from flbrecover.report.case_data_story import STATES
from flbrecover.report.case_data_view import ActionRow, CaseView, what

Look = Literal["text", "name", "number", "hash", "time", "command"]
Tone = Literal["", "bad", "good"]

NOT_SEEN_AGAIN = "not seen again"
_NOT_SEEN_AGAIN = (
    " Of a file “not seen again” it is not known what is back and missing: when S3 was compared again it was not there "
    "under this name, as after a rotation."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """``name`` came from outside and may be folded, ``command`` may not, ``hash`` is one long word; ``tone`` marks what
    is bad or good, and never alone: the text says it too. ``hash`` is a hash that goes with a text."""

    text: str
    look: Look = "text"
    tone: Tone = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """``more`` rows are left out; ``of`` says what a row is."""

    id: str
    title: str
    of: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: int = 0
    empty: str = ""
    about: str = ""

    @property
    def total(self) -> int:
        return len(self.rows) + self.more


def tables(view: CaseView) -> list[Table]:
    """In the order in which they stand on the page; empty ones that say nothing are left out."""
    found = [actions(view), logs(view), buffers(view), objects(view), uploads(view), retired(view)]
    return [table for table in found if table.rows or table.empty]


def number(value: int, tone: Tone = "") -> Cell:
    return Cell(f"{value:,}" if value else "–", "number", tone if value else "")


def time(value: str | int | None) -> Cell:
    return Cell(text.time(jsonl.ns(value) if isinstance(value, str) else value), "time")


def times(first: str | None, last: str | None) -> Cell:
    """``2026-11-23 11:39:45.488 – 11:39:47.490``."""
    start, end = (text.time(jsonl.ns(value)).rstrip("Z") for value in (first, last))
    if start == end:
        return Cell(start, "time")
    return Cell(f"{start} – {end[11:] if start[:10] == end[:10] else end}", "time")


def actions(view: CaseView) -> Table:
    head = ("#", "Action", "Records", "Size", "Key", "Why", "Outcome", "Proof")
    rows = [
        (
            Cell(str(row.action.number), "number"), Cell(what(row.action)),
            Cell(f"{row.action.records:,}" if isinstance(row.action, PutRecords) else "?", "number"),
            Cell(text.size(_size(row)), "number"), Cell(f"s3://{row.action.bucket}/{row.key}", "name"),
            Cell(row.action.reason), outcome(view, row), proof(view, row),
        )
        for row in view.actions
    ]  # fmt: skip
    none = "The case holds no plan." if view.case.plan is None else "The plan has no actions: there was nothing to do."
    return Table("actions", "Actions", "action", head, tuple(rows), view.more_actions, empty=none)


def _size(row: ActionRow) -> int:
    if isinstance(row.action, PutRecords):
        return row.action.size
    return sum(part.size or 0 for part in row.action.parts)


def no_outcome(view: CaseView) -> str:
    """What is said of an action that the journal does not know."""
    return "not carried out" if view.story.status == "open" else "not noted"


def outcome(view: CaseView, row: ActionRow) -> Cell:
    said = row.outcome
    if said is None:
        return Cell(no_outcome(view))
    words = text.OUTCOMES.get(said.outcome, said.outcome)
    at = "" if said.at_ns is None else f", {text.time(said.at_ns)}"
    detail = f": {said.detail}" if said.detail else ""
    return Cell(f"{words}{at}{detail}", "text", "bad" if said.outcome in ("failed", "started") else "")


def proof(view: CaseView, row: ActionRow) -> Cell:
    """What shows that the records are there: the comparison afterwards, which read the object."""
    sha = row.action.sha256 if isinstance(row.action, PutRecords) else ""
    if row.found is not None:
        return Cell(f"{text.count(row.found, 'record')} read back from it; SHA-256", "text", "good", sha)
    if row.outcome is not None and row.outcome.outcome == "skipped":
        return Cell("nothing was written")
    if view.case.compared_again:
        return Cell("not seen in the comparison afterwards; SHA-256 planned", "text", "", sha)
    return Cell("not compared again yet; SHA-256 planned", "text", "", sha)


def logs(view: CaseView) -> Table:
    head = ("Log file", "Tag", "Read to byte", "Records", "Before", "Back", "Missing")
    rows = [
        (
            Cell(row.line["path"], "name"), Cell(row.line["tag"], "name"),
            Cell("?" if row.line["read_to"] is None else f"{row.line['read_to']:,}", "number"), *_numbers(view, row),
        )
        for row in view.logs.rows
    ]  # fmt: skip
    about = "The applications' log files on the node, the live ones and their rotated siblings." + _unseen(view.logs)
    return Table("logs", "Log files", "log file", head, tuple(rows), view.logs.more, "No log file was read.", about)


def buffers(view: CaseView) -> Table:
    head = ("Buffer file", "Kind", "Tag", "Time of records", "Records", "Before", "Back", "Missing", "Stored in")
    rows = [
        (
            Cell(row.line["path"], "name"), Cell(row.line["kind"]), Cell(row.line["tag"] or "?", "name"),
            times(row.line["first_time"], row.line["last_time"]), *_numbers(view, row), _stored_in(row),
        )
        for row in view.buffers.rows
    ]  # fmt: skip
    about = "What Fluent Bit had put aside on the node to send later." + _unseen(view.buffers)
    return Table(
        "buffers", "Buffer files", "buffer file", head, tuple(rows), view.buffers.more, "No buffer file was found.",
        about,
    )  # fmt: skip


def _numbers(view: CaseView, row: Row) -> tuple[Cell, ...]:
    records, before = number(row.line["records"]), Cell(states(row.before) if row.before else "?")
    if not view.story.is_known:
        return records, before, Cell("?", "number"), Cell("?", "number")
    if row.back is None or row.missing is None:
        return records, before, Cell("?", "number"), Cell(NOT_SEEN_AGAIN, "number")
    return records, before, number(row.back, "good"), number(row.missing, "bad")


def _unseen(rows: Rows) -> str:
    return _NOT_SEEN_AGAIN if any(row.now is None for row in rows.rows) else ""


def states(line: Fields) -> str:
    """``160 buffered, 95 unread``."""
    said = line["states"]
    return ", ".join(f"{said[s]:,} {s}" for s in STATES if said.get(s)) or "–"


def _stored_in(row: Row) -> Cell:
    keys = row.line["stored_in"]
    if not keys:
        return Cell("–")
    first = next(iter(keys))
    more = f" and {len(keys) - 1:,} more objects" if len(keys) > 1 else ""
    return Cell(f"{first}{more}", "name")


def objects(view: CaseView) -> Table:
    head = ("Object", "Records", "Time of records", "Size", "Last modified", "ETag", "Remark")
    written = {(row.action.bucket, row.key) for row in view.actions}
    rows = []
    for line in view.objects.rows:
        ours = "written by this recovery" if (line["bucket"], line["key"]) in written else ""
        remark = ours if line["readable"] else "could not be read"
        rows.append((
            Cell(f"s3://{line['bucket']}/{line['key']}", "name"), number(line["records"]),
            times(line["first_time"], line["last_time"]), Cell(text.size(line["size"]), "number"),
            time(line["last_modified"]), Cell(line["etag"], "hash"),
            Cell(remark, "text", "" if line["readable"] else "bad"),
        ))  # fmt: skip
    about = "The objects in which records of the evidence were found by their bytes, and those that could not be read."
    none = "No object holds a record of the evidence."
    return Table("objects", "Objects", "object", head, tuple(rows), view.objects.more, none, about)


def uploads(view: CaseView) -> Table:
    head = ("Multipart upload", "State", "Parts", "Size", "Upload id", "Remark")
    rows = [
        (
            Cell(f"s3://{line['bucket']}/{line['key']}", "name"), Cell(line["state"]),
            Cell(f"{len(line['parts']):,}", "number"), Cell(text.size(line["size"]), "number"),
            Cell(line["upload_id"], "hash"), Cell(line["difference"]),
        )
        for line in view.uploads.rows
    ]  # fmt: skip
    about = "Multipart uploads that were never completed, as of the latest comparison."
    return Table("uploads", "Pending uploads", "upload", head, tuple(rows), view.uploads.more, about=about)


def retired(view: CaseView) -> Table:
    head = ("Retired file", "State", "Moved", "Records", "Size", "SHA-256")
    rows = [
        (
            Cell(str(row["path"]), "name"), Cell(str(row["state"])), time(_int(row["at_ns"])),
            number(_int(row["records"]) or 0), Cell(text.size(_int(row["size"])), "number"),
            Cell(str(row["sha256"] or "?"), "hash"),
        )
        for row in view.case.db.retired.rows
    ]  # fmt: skip
    about = "Buffer files that were moved out of the node into the case, so that nobody sends them a second time."
    return Table("retired", "Retired files", "file", head, tuple(rows), view.case.db.retired.more, about=about)


def evidence(view: CaseView) -> Table:
    """The hashes of the evidence: the manifest, or else the files that the plan relies on."""
    head = ("File", "Noted", "Size", "Modified", "SHA-256")
    db = view.case.db
    manifest = db.manifest
    if manifest.seen:
        rows = [
            (
                Cell(str(row["path"]), "name"), Cell(str(row["moment"] or "")),
                Cell(text.size(_int(row["size"])), "number"), time(_int(row["mtime_ns"])),
                Cell(str(row["sha256"] or "–"), "hash"),
            )
            for row in manifest.rows
        ]  # fmt: skip
        about = f"Of {text.count(db.hashed_twice, 'file')} hashed more than once, {db.changed:,} changed in between."
        about = about if db.hashed_twice else ""
        return Table("evidence", "Evidence", "hashed file", head, tuple(rows), manifest.more, about=about)
    relied = view.case.plan.evidence if view.case.plan else ()
    shown = relied[:MOST_FILES]
    rows = [
        (
            Cell(str(one.path), "name"), Cell("by the plan"), Cell(text.size(one.size), "number"), Cell("–", "time"),
            Cell(str(one.sha256), "hash"),
        )
        for one in shown
    ]  # fmt: skip
    about = "The case holds no manifest; these are the files that its plan relies on, up to the bytes that it uses."
    none = "The case holds no hashes of evidence."
    more = len(relied) - len(shown)
    return Table("evidence", "Evidence", "file", head, tuple(rows), more, none, about if rows else "")


def runs(view: CaseView) -> Table:
    head = ("Started", "Ended", "Exit code", "Command", "Version", "Host", "Python and system")
    rows = [
        (
            time(_int(row["started_ns"])), time(_int(row["ended_ns"])),
            Cell("?" if row["exit_code"] is None else str(row["exit_code"]), "number"),
            Cell(str(row["command"] or "?"), "command"), Cell(str(row["tool"] or "?")),
            Cell(str(row["hostname"] or "?")), Cell(" · ".join(str(row[n]) for n in ("python", "os") if row[n]) or "?"),
        )
        for row in view.case.db.runs.rows
    ]  # fmt: skip
    none = "The case does not say which commands made it."
    return Table("runs", "Commands", "run", head, tuple(rows), view.case.db.runs.more, none)


def problems(view: CaseView) -> Table:
    """Those of the case folder first, then what could not be read of the evidence, then remarks."""
    head = ("Kind", "Where", "What", "Way out")
    rows = [
        (Cell("report", "text", "bad"), Cell(p.path, "name"), Cell(p.what), Cell(p.way_out)) for p in view.case.problems
    ]
    side = view.case.latest
    for line in side.problems.rows if side else ():
        where = "" if line["where"] is None else f" bytes {line['where'][0]}-{line['where'][1]}"
        kind = Cell("unreadable", "text", "bad") if line["unreadable"] else Cell("remark")
        rows.append((kind, Cell(f"{line['path']}{where}", "name"), Cell(line["what"]), Cell(line["way_out"])))
    more = side.problems.more if side else 0
    return Table("problems", "Problems", "problem", head, tuple(rows), more, "No problems: all evidence could be read.")


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) else None
