"""What ``case.db`` tells a report: runs, journal, evidence manifest, retired files. Any of it may be missing.

Columns that a table does not have are None, so that a database of an older version can be read as far as it goes.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flbrecover.model import Problem
from flbrecover.recover.case_db import LAYOUT, NAME
from flbrecover.recover.case_reading import opened_to_read
from flbrecover.report.case_data_rows import Top
from flbrecover.sqlite_errors import SQLITE_ERRORS, sqlite_text

MOST_RUNS = 50
MOST_FILES = 200

COLUMNS = {
    "runs": ("command", "tool", "hostname", "root", "python", "os", "started_ns", "ended_ns", "exit_code"),
    "journal": ("at_ns", "action", "event", "outcome", "key", "etag", "detail"),
    "manifest": ("moment", "path", "kind", "size", "mtime_ns", "sha256"),
    "retired": ("at_ns", "state", "path", "records", "size", "sha256"),
}
ORDER = {"runs": "id", "journal": "id", "manifest": "path, run, moment", "retired": "id"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the journal says of an action last. ``outcome`` "started": it was cut off, what became of it is unknown."""

    outcome: str
    key: str
    at_ns: int | None
    etag: str = ""
    detail: str = ""


@dataclass(slots=True)
class CaseDbData:
    """``manifest_digest`` is the SHA-256 of all lines ``sha256  moment  path`` of the manifest, in the order of their
    paths: one number that stands for all of the evidence. ``hashed`` counts its files, ``hashed_twice`` those that are
    in it more than once, ``changed`` those of them whose hash became another. Rows are the first few, ``Top.seen``
    counts all."""

    runs: Top = field(default_factory=lambda: Top(MOST_RUNS))
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    manifest: Top = field(default_factory=lambda: Top(MOST_FILES))
    manifest_digest: str | None = None
    hashed: int = 0
    hashed_twice: int = 0
    changed: int = 0
    retired: Top = field(default_factory=lambda: Top(MOST_FILES))
    found: bool = False


def read_db(folder: Path, problems: list[Problem]) -> CaseDbData:
    """The database of a case folder; what cannot be read of it becomes a problem."""
    data, path = CaseDbData(), folder / NAME
    if not path.is_file():
        return data
    try:
        with closing(opened_to_read(path)) as db:
            (layout,) = db.execute("PRAGMA user_version").fetchone()
            if layout > LAYOUT:
                what = f"of a newer flbrecover (layout {layout}, this one reads {LAYOUT}); it was left out"
                problems.append(Problem(NAME, what, way_out="make the report with that version"))
                return data
            data.found = True
            _read(db, data, problems)
    except SQLITE_ERRORS as e:
        what = f"{sqlite_text(e)}; runs, journal or manifest are missing here, in part at least"
        problems.append(Problem(NAME, what))
    return data


def _read(db: sqlite3.Connection, data: CaseDbData, problems: list[Problem]) -> None:
    for row in _rows(db, "runs", problems):
        data.runs.offer(0, row)
    for row in _rows(db, "journal", problems):
        if isinstance(row["action"], int):
            outcome = str(row["outcome"] if row["event"] == "result" else row["event"])
            said = (str(row["etag"] or ""), str(row["detail"] or ""))
            data.outcomes[row["action"]] = Outcome(outcome, str(row["key"] or ""), _ns(row["at_ns"]), *said)
    hasher = hashlib.sha256()
    path, hashes = None, list[str]()
    for row in _rows(db, "manifest", problems):
        if row["path"] != path:
            path, hashes = row["path"], []
            data.hashed += 1
        hashes.append(str(row["sha256"]))
        data.hashed_twice += len(hashes) == 2
        data.changed += len({*hashes}) == 2 and len({*hashes[:-1]}) == 1
        line = f"{row['sha256']}  {row['moment']}  {row['path']}\n"
        hasher.update(line.encode("utf-8", "surrogateescape"))
        data.manifest.offer(0, row)
    data.manifest_digest = hasher.hexdigest() if data.manifest.seen else None
    for row in _rows(db, "retired", problems):
        data.retired.offer(0, row)


def table_rows(folder: Path, table: str) -> Iterator[Row]:
    """All rows of one table; nothing where the table cannot be read, which :func:`read_db` has told."""
    with closing(opened_to_read(folder / NAME)) as db:
        try:
            yield from _rows(db, table, [])
        except SQLITE_ERRORS:
            return


def _rows(db: sqlite3.Connection, table: str, problems: list[Problem]) -> Iterator[Row]:
    there = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
    if not there:
        problems.append(Problem(NAME, f"has no table {table}"))
        return
    wanted = [name if name in there else f"NULL AS {name}" for name in COLUMNS[table]]
    order = ORDER[table] if {*ORDER[table].split(", ")} <= there else "rowid"
    for values in db.execute(f"SELECT {', '.join(wanted)} FROM {table} ORDER BY {order}"):
        yield dict(zip(COLUMNS[table], map(_value, values), strict=True))


def _value(value: Any) -> Any:
    """Text that is no valid Unicode is kept as bytes."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _ns(value: Any) -> int | None:
    return value if isinstance(value, int) else None
