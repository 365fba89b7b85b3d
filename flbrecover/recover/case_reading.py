"""``case.db`` for those who only look: nothing is left beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from flbrecover.recover.case_db import NAME
from flbrecover.sqlite_errors import SQLITE_ERRORS

ROOT = "root"  # the fact that says of which --root a case is


def opened_to_read(path: Path) -> sqlite3.Connection:
    """The database, read-only. Raises sqlite3.Error.

    SQLite leaves ``-wal`` and ``-shm`` behind where a reader may not write. A run that is under way, or was killed, has
    both, and what it wrote lies in the ``-wal``; where that holds nothing the file is whole by itself, and SQLite is
    told so. Then a folder that cannot be written is read as well.
    """
    try:
        whole = not path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        whole = True
    alone = "&immutable=1" if whole else ""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{alone}", uri=True)
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    db.execute("PRAGMA trusted_schema=OFF")
    return db


def root_of(case: Path) -> str | None:
    """The root that a case is of."""
    return _first(case, f"SELECT value FROM facts WHERE name = '{ROOT}'")


def tool_of(case: Path) -> str | None:
    """The flbrecover that used a case last."""
    return _first(case, "SELECT tool FROM runs ORDER BY id DESC")


def _first(case: Path, query: str) -> str | None:
    """None where the database does not say so, or is damaged: nothing depends on it."""
    if not (case / NAME).is_file():
        return None
    try:
        with closing(opened_to_read(case / NAME)) as db:
            row = db.execute(query).fetchone()
    except SQLITE_ERRORS:
        return None
    value = row[0] if row else None
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
