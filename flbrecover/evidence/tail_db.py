"""The tail input's database: the table ``in_tail_files``, read from a private copy.

Table and meaning: plugins/in_tail/tail_sql.h and tail_db.c; docs/formats/tail-db.md says what damage to it costs.
A database is an application's file like any other: its schema is not trusted, its cells may hold any type.
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.evidence.snapshot import scratch_error, snapshot
from flbrecover.fluentbit.values import EVENT_TIMES
from flbrecover.model import SECOND_NS, Problem, TailRow
from flbrecover.sqlite_errors import SQLITE_ERRORS, sqlite_text
from flbrecover.wording import count

Schema = Literal["with markers", "without markers", "unknown"]

MAX_ROWS = 1_000_000
MAX_NAME = 4096  # PATH_MAX
_MAX_CELL = 1 << 20
_MIN_SIZE = 512  # the smallest page; SQLite takes less for an empty database
_STEPS = 1_000_000  # of SQLite's machine between two looks at the budget
_MAX_STEPS = 500  # of these: a million rows take about twenty
_SQLITE_LIMIT_LENGTH = 0
# Switched on and off by Python 3.12 and later; the numbers are SQLite's own (sqlite3.h).
_DBCONFIG_OFF = (1003, 1015)  # triggers, views
_DBCONFIG_DEFENSIVE = 1010
_WAL_MAGIC = (0x377F0682, 0x377F0683)


@dataclass(frozen=True, slots=True)
class TailDb:
    """What a tail DB holds: rows by ascending id. ``markers`` came with Fluent Bit 5.0.3; ``unknown`` where the table
    itself could not be read. A DB that cannot be read has no rows and one problem that says why."""

    path: str
    rows: tuple[TailRow, ...] = ()
    schema: Schema = "unknown"
    problems: tuple[Problem, ...] = ()


class _UnusableError(Exception):
    """The text says in a few words why there is no table to read."""


def read(node: Node, db_path: str) -> TailDb:
    """Read the tail DB at ``db_path`` (a path inside the root) with its WAL; the original stays as it is.

    Whatever is wrong with the DB becomes a problem of the answer. Raises FlbrecoverError only where this machine's
    scratch folder cannot be written.
    """
    try:
        with snapshot(node, db_path) as copy:
            return _read_copy(db_path, copy)
    except EvidenceError as e:
        way_out = "" if node.may_be_there(db_path) else "say where the DB is with --db"
        return TailDb(db_path, problems=(Problem(db_path, _without_path(str(e), db_path), way_out=way_out),))


def _read_copy(db_path: str, copy: Path) -> TailDb:
    wal_frames = _frames_of_one_run(copy.with_name(copy.name + "-wal"))
    size = copy.stat().st_size
    if size < _MIN_SIZE:
        what = "is not a SQLite database" if size else "is empty (0 bytes): no tail DB, or one that was never written"
        return TailDb(db_path, problems=(Problem(db_path, what),))
    try:
        with closing(_open(copy)) as con:
            schema, query = _query(con)
            problems = _unread_wal(con, db_path, wal_frames)
            con.execute("PRAGMA query_only=ON")
            rows, more = _rows(con, query, db_path)
            return TailDb(db_path, rows, schema, (*problems, *more))
    except _UnusableError as e:
        return TailDb(db_path, problems=(Problem(db_path, str(e)),))
    except SQLITE_ERRORS as e:
        return TailDb(db_path, problems=(Problem(db_path, _explain(e, copy)),))


def _open(copy: Path) -> sqlite3.Connection:
    con = sqlite3.connect(copy, isolation_level=None)
    con.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    if set_limit := getattr(con, "setlimit", None):  # Python 3.11
        set_limit(_SQLITE_LIMIT_LENGTH, _MAX_CELL)
    if set_config := getattr(con, "setconfig", None):
        set_config(_DBCONFIG_DEFENSIVE, True)
        for switch in _DBCONFIG_OFF:
            set_config(switch, False)
    steps = iter(range(_MAX_STEPS))
    con.set_progress_handler(lambda: next(steps, None) is None, _STEPS)
    try:
        con.execute("PRAGMA trusted_schema=OFF")
        con.execute("PRAGMA cell_size_check=ON")
        con.execute("PRAGMA temp_store=MEMORY")
        con.execute("PRAGMA locking_mode=EXCLUSIVE")  # nobody else is here: the WAL needs no -shm
    except SQLITE_ERRORS:
        con.close()
        raise
    return con


def _query(con: sqlite3.Connection) -> tuple[Schema, str]:
    kinds = con.execute("SELECT type, rootpage FROM sqlite_master WHERE lower(name)='in_tail_files'").fetchall()
    if not kinds:
        raise _UnusableError("has no table in_tail_files: not a tail DB, or one that was never written")
    if kinds[0][0] != "table" or not kinds[0][1]:  # a view or virtual table would run what its author likes
        raise _UnusableError("in_tail_files is not an ordinary table: not a tail DB")
    columns = {str(c[1]).lower() for c in con.execute("PRAGMA table_info(in_tail_files)")}
    if missing := {"id", "name", "offset", "inode"} - columns:
        raise _UnusableError(f"in_tail_files has no column {', '.join(sorted(missing))}: not a tail DB")
    markers = {"offset_marker", "offset_marker_size"} <= columns
    wanted = [c if c in columns else "0" for c in ("created", "rotated", "offset_marker", "offset_marker_size")]
    query = f"SELECT id, name, offset, inode, {', '.join(wanted)} FROM in_tail_files ORDER BY id"
    return "with markers" if markers else "without markers", query


def _rows(con: sqlite3.Connection, query: str, db_path: str) -> tuple[tuple[TailRow, ...], list[Problem]]:
    """All rows; of a damaged table those before the damage and, read from the other end, those behind it."""
    rows: dict[int, TailRow] = {}
    bad: list[str] = []
    problems: list[Problem] = []
    damage = _collect(con, query, rows, bad)
    if damage:
        _collect(con, query + " DESC", rows, bad)
        what = f"is damaged ({damage}): {count(len(rows), 'row')} could be read, others may be lost"
        problems.append(Problem(db_path, what))
    if bad:
        more = f" (and {count(len(bad) - 1, 'more row')} like it)" if len(bad) > 1 else ""
        problems.append(Problem(db_path, bad[0] + more))
    if len(rows) + len(bad) >= MAX_ROWS:
        problems.append(Problem(db_path, f"has more than {MAX_ROWS} rows: the others were not read"))
    return tuple(rows[i] for i in sorted(rows)), problems


def _collect(con: sqlite3.Connection, query: str, rows: dict[int, TailRow], bad: list[str]) -> str | None:
    """Add rows until the end, a row that is known, the limit, or an error, whose text is the answer."""
    try:
        for cells in con.execute(query):
            if cells[0] in rows or len(rows) + len(bad) >= MAX_ROWS:
                return None
            row = _row(cells)
            if isinstance(row, TailRow):
                rows[row.row_id] = row
            else:
                bad.append(row)
    except SQLITE_ERRORS as e:
        return sqlite_text(e)
    return None


def _row(cells: tuple[object, ...]) -> TailRow | str:
    """A row as Fluent Bit would take it, or what is wrong with it."""
    row_id, name, offset, inode, created, rotated, marker, marker_size = cells
    if isinstance(name, bytes):
        name = name.decode("utf-8", "surrogateescape")
    if not isinstance(name, str) or not name or len(name) > MAX_NAME:
        return f"row {row_id}: no usable file name"
    if not isinstance(row_id, int) or not isinstance(inode, int) or not isinstance(offset, int) or offset < 0:
        return f"row {row_id}: no usable offset or inode"
    return TailRow(
        row_id=row_id,
        name=name,
        offset=offset,
        inode=inode % (1 << 64),  # stored as a signed number
        created_s=created if isinstance(created, int) and created * SECOND_NS in EVENT_TIMES else 0,
        rotated=bool(rotated) if isinstance(rotated, int) else False,
        marker=marker if isinstance(marker, int) else 0,
        marker_size=marker_size if isinstance(marker, int) and isinstance(marker_size, int) else 0,
    )


def _unread_wal(con: sqlite3.Connection, db_path: str, frames: int | None) -> list[Problem]:
    """A problem where SQLite stops before the end of what belongs together in the WAL: newer rows may be behind."""
    used = max(0, con.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])  # into the copy; -1: not in WAL mode
    wal = f"{db_path}-wal"
    if frames is None:
        return [Problem(wal, "its header is damaged: rows that were only in it are not read, offsets may be older")]
    if frames <= used:
        return []
    what = f"the last {frames - used} of {frames} pages are unfinished or damaged: offsets may be older"
    return [Problem(wal, what, unreadable=frames - used > 1)]  # one alone is what a kill leaves


def _frames_of_one_run(wal: Path) -> int | None:
    """How many frames in a row carry the header's salts, as one run of the WAL writes them; checksums not looked at.
    None where the header is not one of a WAL.

    Header of 32 bytes: magic, version, page size, sequence, salt-1, salt-2, checksum; each frame has 24 bytes (page,
    size after commit, salt-1, salt-2, checksum) and a page. Source: sqlite.org/fileformat2.html, "The Write-Ahead Log".
    """
    if not wal.exists() or wal.stat().st_size == 0:
        return 0
    with wal.open("rb") as f:
        head = f.read(32)
        if len(head) < 32:
            return None
        magic, page_size = struct.unpack(">I4xI20x", head)
        if magic not in _WAL_MAGIC or not 512 <= page_size <= 65536:
            return None
        frames = 0
        while len(frame := f.read(24)) == 24 and frame[8:16] == head[16:24]:
            frames += 1
            f.seek(page_size, 1)
        return frames


def _explain(error: Exception, copy: Path) -> str:
    text = sqlite_text(error)
    if "is full" in text or "disk I/O" in text:
        raise scratch_error(copy.parent, text) from error
    if "not a database" in text:
        return "is not a SQLite database"
    if "interrupted" in text:
        return "takes too long to read: not a tail DB"
    return f"is damaged and cannot be read: {text}"


def _without_path(text: str, path: str) -> str:
    return text.removeprefix(f"{path}: ")
