"""The answer of ``tail``: rows of the tail DB, the files of every log, and what stands in the way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from flbrecover.evidence.log_names import is_followed
from flbrecover.evidence.node import Node
from flbrecover.evidence.source_files import GoneRange
from flbrecover.evidence.tail_db import TailDb
from flbrecover.model import SECOND_NS, Problem, SourceFile, SourceLog, TailPosition
from flbrecover.recover.survey import Survey
from flbrecover.report import jsonl, problems, text
from flbrecover.report.escape import shown


def write_text(out: TextIO, survey: Survey, notes: Sequence[Problem] = ()) -> None:
    """Tables for a person: first what the DB says, then every file of every log."""
    for db in survey.dbs:
        out.write(shown(f"tail DB {db.path}: {db_state(survey.node, db)}") + "\n")
    if survey.positions:
        out.write("\n" + row_table(survey.positions) + "\n")
        for line in row_notes(survey.positions):
            out.write(shown(line) + "\n")
    if survey.logs:
        out.write("\n" + file_table(survey.logs) + "\n")
        for line in file_notes(survey.logs):
            out.write(shown(line) + "\n")
    hidden = hidden_logs(survey)
    if survey.logs or hidden:
        out.write("\n" + "".join(line + "\n" for line in totals(survey.logs, len(hidden))))
    elif not survey.positions:
        paths = ", ".join(path for tail in survey.pipeline.inputs for path in tail.paths)
        out.write(shown(f"no log matches {paths}") + "\n")
    for line in said(survey):
        out.write(shown(line) + "\n")
    found = [*notes, *survey.problems]
    if found:
        out.write("\n")
        problems.write(out, found)


def db_state(node: Node, db: TailDb) -> str:
    """What a DB holds, in a few words; why it cannot be read is a problem."""
    if db.schema == "unknown":
        return "cannot be read" if node.may_be_there(db.path) else "not there"
    with_or_without = "with" if db.schema == "with markers" else "without"
    return f"{text.count(len(db.rows), 'row')}, {with_or_without} offset markers"


def hidden_logs(survey: Survey) -> set[str]:
    """Logs that inputs follow and that could not be looked at: no table has them."""
    listed = {file.path for log in survey.logs for file in log.files}
    paths = {problem.path for problem in survey.problems if problem.unreadable} - listed
    return {path for path in paths if any(is_followed(tail, path) for tail in survey.pipeline.inputs)}


def totals(logs: Sequence[SourceLog], hidden: int) -> Iterator[str]:
    """What is unread of all logs, and of how many files nobody knows it: of those of the ``hidden`` logs, too."""
    by_log = [[unread_of(file) for file in log.files] for log in logs] + [[None]] * hidden
    by_file = [unread for files in by_log for unread in files]
    unknown = by_file.count(None)
    some = sum(any(files) for files in by_log)
    known = some or sum(None not in files for files in by_log)
    if known:
        of = f"{known} of " if some or known < len(by_log) else ""
        yield f"{text.size(sum(filter(None, by_file)))} unread in {of}{text.count(len(by_log), 'log')}."
    if unknown:
        yield f"How much is unread is not known for {unknown:,} of {text.count(len(by_file), 'file')}."


def row_table(positions: Sequence[TailPosition]) -> str:
    """One line a row. Sizes are bytes: offsets are compared with them."""
    folder = common_folder([p.row.name for p in positions])
    name = shown(f"name in {folder}") if folder else "name"
    head = ["row", name, "fate", "offset", "size", "unread", "marker", "created"]
    rows = [
        [
            str(p.row.row_id),
            p.row.name.removeprefix(f"{folder}/") if folder else p.row.name,
            p.fate + (" (old row)" if p.superseded else ""),
            f"{p.row.offset:,}",
            "-" if p.file is None else size_of(p.file.path, p.file.size),
            "?" if p.unread is None else f"{p.unread:,}",
            p.marker,
            text.time(p.row.created_s * SECOND_NS)[:19] if p.row.created_s else "-",
        ]
        for p in positions
    ]
    return text.table(head, rows, right=(0, 3, 4, 5), fit=(1,))


def common_folder(names: Sequence[str]) -> str:
    """The folder that all files lie in, "" where there is none but the root."""
    folders = {name.rpartition("/")[0] for name in names}
    return folders.pop() if len(folders) == 1 else ""


def row_notes(positions: Iterable[TailPosition]) -> Iterator[str]:
    """What a table has no room for."""
    for p in positions:
        if p.fate == "rotated" and p.file is not None:
            yield f"row {p.row.row_id}: rotated to {p.file.path}"
        elif p.fate == "replaced":
            there = f"{p.file.path} holds" if p.file is not None else "the name leads to"
            yield f"row {p.row.row_id}: {there} other bytes now; the bytes below offset {p.row.offset:,} are not in it"
        elif p.fate == "deleted":
            yield f"row {p.row.row_id}: {p.row.name}: no file has its inode, its name or its bytes any more"
        elif p.fate == "unknown":
            why = "a file or folder of this log could not be looked at (see the problems)"
            yield f"row {p.row.row_id}: {p.row.name}: what became of it is not known: {why}"
        if p.row.rotated:
            yield f"row {p.row.row_id}: the DB marks it as rotated"
        if p.superseded:
            yield f"row {p.row.row_id}: a newer row has the same inode, Fluent Bit uses only that one"


def file_table(logs: Sequence[SourceLog]) -> str:
    """Every file of every log, oldest first. ``read to`` of a compressed file counts uncompressed bytes."""
    head = ["file", "size", "read to", "unread", "known from"]
    rows = [
        [
            file.path,
            size_of(file.path, file.facts.size),
            _number(file.read_to),
            _number(unread_of(file)),
            re.split("[:,;]", file.read_proof)[0],
        ]
        for log in logs
        for file in log.files
    ]
    return text.table(head, rows, right=(1, 2, 3), fit=(0,))


def file_notes(logs: Sequence[SourceLog]) -> Iterator[str]:
    """How far a file was read, where more than its row's inode tells it."""
    for file in (file for log in logs for file in log.files):
        if not file.read_proof.endswith(": its inode"):
            yield f"{file.path}: {file.read_proof}"


def size_of(path: str, size: int) -> str:
    """Bytes, marked where they are compressed ones."""
    return f"{size:,} gz" if path.endswith(".gz") else f"{size:,}"


def unread_of(file: SourceFile) -> int | None:
    """Bytes beyond what Fluent Bit has read; None where nobody knows: a compressed file's size is not its content's."""
    if file.read_to is None:
        return None
    if file.compressed:
        return None if file.position is None or file.position.fate == "replaced" else file.position.unread
    return max(0, file.facts.size - file.read_to)


def said(survey: Survey) -> Iterator[str]:
    """Bytes that are gone, and Fluent Bits that run."""
    for gone in survey.gone:
        yield f"gone: {gone.name} (inode {gone.inode}) {gone.where}: {gone.proof}"
    for agent in survey.agents:
        yield f"running: pid {agent.pid} ({agent.comm}) has {', '.join(agent.holds)} open"


def write_json(out: TextIO, survey: Survey, notes: Sequence[Problem] = ()) -> None:
    """JSON lines of the types tail_db, tail_row, log_file, gone, agent and problem."""
    for db in survey.dbs:
        jsonl.write(out, "tail_db", {"path": db.path, "rows": len(db.rows), "schema": db.schema})
    for position in survey.positions:
        jsonl.write(out, "tail_row", _row_json(position))
    for log in survey.logs:
        for file in log.files:
            jsonl.write(out, "log_file", _file_json(log, file))
    for gone in survey.gone:
        jsonl.write(out, "gone", gone_json(gone))
    for agent in survey.agents:
        jsonl.write(out, "agent", {"pid": agent.pid, "comm": agent.comm, "holds": list(agent.holds)})
    for problem in (*notes, *survey.problems):
        jsonl.write(out, "problem", problems.as_json(problem))


def _row_json(p: TailPosition) -> dict[str, Any]:
    return {
        "db": p.db, "row": p.row.row_id, "name": p.row.name, "inode": p.row.inode, "fate": p.fate,
        "path": None if p.file is None else p.file.path, "offset": p.row.offset,
        "size": None if p.file is None else p.file.size, "unread": p.unread, "marker": p.marker,
        "created": jsonl.iso(p.row.created_s * SECOND_NS) if p.row.created_s else None,
        "rotated": p.row.rotated, "superseded": p.superseded,
    }  # fmt: skip


def _file_json(log: SourceLog, file: SourceFile) -> dict[str, Any]:
    return {
        "log": log.name, "tag": log.tag, "path": file.path, "inode": file.facts.inode, "size": file.facts.size,
        "mtime": jsonl.iso(file.facts.mtime_ns), "compressed": file.compressed, "read_to": file.read_to,
        "unread": unread_of(file), "read_proof": file.read_proof,
        "row": None if file.position is None else file.position.row.row_id,
    }  # fmt: skip


def gone_json(gone: GoneRange) -> dict[str, Any]:
    """The fields of a ``gone`` line."""
    return {
        "log": gone.name, "inode": gone.inode, "start": gone.where.start, "end": gone.where.end, "proof": gone.proof
    }  # fmt: skip


def _number(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
