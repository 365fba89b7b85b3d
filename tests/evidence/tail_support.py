"""Builders for tail tests: databases as a killed Fluent Bit leaves them, rows, logs; none of it uses the readers."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import xxhash

from flbrecover.model import TailRow

COLUMNS = (
    "id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER, "
    "rotated INTEGER DEFAULT 0"
)
MARKERS = ", offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0"

_WRITE = """
import os, sqlite3, sys, json
path, statements = sys.argv[1], json.load(sys.stdin)
con = sqlite3.connect(path, isolation_level=None)
for sql, args in statements:
    con.execute(sql, [a.encode('latin-1') if isinstance(a, str) and a.startswith('blob:') else a for a in args])
os._exit(0)
"""


def run_sql_and_die(path: Path, statements: Iterable[tuple[str, list[object]]]) -> None:
    """Runs statements in a process that ends without closing, as SIGKILL does: no checkpoint, no clean-up."""
    said = json.dumps(list(statements)).encode()
    subprocess.run([sys.executable, "-c", _WRITE, str(path)], input=said, check=True)


def make_db(path: Path, rows: Iterable[tuple[object, ...]], *, markers: bool = True, wal: bool = True) -> Path:
    """A tail DB; with ``wal`` the rows are only in the ``-wal`` file. Rows are tuples in the order of the columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = f"CREATE TABLE IF NOT EXISTS in_tail_files ({COLUMNS}{MARKERS if markers else ''});"
    statements: list[tuple[str, list[object]]] = [(table, [])]
    if wal:
        statements += [("PRAGMA journal_mode=WAL", []), ("PRAGMA wal_autocheckpoint=0", [])]
    places = ",".join("?" * (8 if markers else 6))
    inserts: list[tuple[str, list[object]]] = [
        (f"INSERT INTO in_tail_files VALUES ({places})", list(row)) for row in rows
    ]
    statements += inserts if wal else [("BEGIN", []), *inserts, ("COMMIT", [])]
    run_sql_and_die(path, statements)
    return path


def marker(window: bytes) -> int:
    value = xxhash.xxh3_64(window[-32:]).intdigest()
    return value - 2**64 if value >= 2**63 else value


def row_for(
    root: Path, name: str, offset: int, *, row_id: int = 1, inode: int | None = None, content: bytes | None = None,
    marked: bool = True, rotated: bool = False,
) -> TailRow:  # fmt: skip
    """The row that Fluent Bit would have after reading ``offset`` bytes of the file that is at ``name`` now."""
    host = root / name.lstrip("/")
    if content is None:
        content = host.read_bytes()
    if inode is None:
        inode = os.stat(host).st_ino
    window = content[:offset][-32:]
    size = len(window) if marked else 0
    return TailRow(row_id, name, offset, inode, 1_795_433_950, rotated, marker(window) if size else 0, size)


def lines(first: int, count: int) -> bytes:
    """``count`` different lines."""
    return b"".join(b"2026-11-23T11:00:%06d line %d of the log\n" % (i, i) for i in range(first, first + count))


def write(root: Path, name: str, content: bytes, *, mtime: float | None = None) -> Path:
    """A file inside the root; ``*.gz`` names get gzip content."""
    host = root / name.lstrip("/")
    host.parent.mkdir(parents=True, exist_ok=True)
    host.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    if mtime is not None:
        os.utime(host, (mtime, mtime))
    return host
