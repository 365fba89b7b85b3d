"""``case.db``: what a case says of itself, its plan, its journal and its evidence, in SQLite.

Every write is a transaction of its own and on the disk when the call returns (WAL, ``synchronous=FULL``). A database
that is damaged is moved aside and a new one begun: nothing depends on it (decision 4).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flbrecover.errors import FlbrecoverError
from flbrecover.sqlite_errors import SQLITE_ERRORS, sqlite_text

NAME = "case.db"
LAYOUT = 1  # of the tables below; PRAGMA user_version
_LAYOUTS = 100  # more than there will be: a larger number is damage, and no other version
SIDE_FILES = ("-wal", "-shm", "-journal")
_DAMAGED = ".damaged-"
# What SQLite says of a header that it does not know, though the file was opened for writing: SQLITE_ERROR and
# SQLITE_READONLY. All other operational errors are a full disk, a lock and the like. Python 3.10 does not tell them.
_CODES_OF_DAMAGE = (1, 8)

# table -> (columns, primary key). Times are ns since the epoch; what is not known is NULL.
TABLES: Mapping[str, tuple[Mapping[str, type], str | tuple[str, ...]]] = {
    "facts": ({"name": str, "value": str}, "name"),
    "runs": (
        {"id": int, "command": str, "tool": str, "hostname": str, "root": str, "python": str, "os": str, "pid": int,
         "started_ns": int, "ended_ns": int, "exit_code": int},
        "id",
    ),
    "actions": (
        {"number": int, "kind": str, "bucket": str, "key": str, "tag": str, "records": int, "size": int,
         "content": str, "reason": str},
        "number",
    ),
    "journal": (
        {"id": int, "run": int, "at_ns": int, "action": int, "event": str, "content": str, "outcome": str,
         "key": str, "etag": str, "detail": str},
        "id",
    ),
    "manifest": (
        {"run": int, "moment": str, "path": str, "kind": str, "size": int, "mtime_ns": int, "device": int,
         "inode": int, "mode": int, "uid": int, "gid": int, "hashed": int, "sha256": str},
        ("run", "moment", "path"),
    ),
    "retired": (
        {"id": int, "at_ns": int, "state": str, "path": str, "records": int, "size": int, "sha256": str, "mode": int,
         "uid": int, "gid": int, "atime_ns": int, "mtime_ns": int, "folder_mode": int, "folder_uid": int,
         "folder_gid": int, "folder_atime_ns": int, "folder_mtime_ns": int},
        "id",
    ),
}  # fmt: skip


class CaseDb:
    """An open ``case.db``. Text that is no valid Unicode (a path's stray byte) is kept as bytes, and read back as it
    was. Raises FlbrecoverError where it cannot be written."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        import sqlite_utils  # a tenth of the start of commands that keep no case

        self.path = path
        self._db = sqlite_utils.Database(connection, execute_plugins=False)

    @classmethod
    def open(cls, folder: Path) -> tuple[CaseDb, Path | None]:
        """The database of a case, made where there is none; and where a damaged one was moved to, if so."""
        path = folder / NAME
        aside = None
        with _explained(path):
            try:
                db = cls._opened(path)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as e:
                code = getattr(e, "sqlite_errorcode", None)
                if isinstance(e, sqlite3.OperationalError) and code not in _CODES_OF_DAMAGE:
                    raise
                aside = move_aside(path)
                db = cls._opened(path)
        return db, aside

    @classmethod
    def _opened(cls, path: Path) -> CaseDb:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=5)
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA journal_mode=WAL")
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            db = cls(path, connection)
            db._prepare()
        except BaseException:
            connection.close()
            raise
        return db

    def _prepare(self) -> None:
        (layout,) = self._db.execute("PRAGMA user_version").fetchone()
        if not 0 <= layout < _LAYOUTS:
            raise sqlite3.DatabaseError(f"no layout has the number {layout}")
        if layout not in (0, LAYOUT):
            raise FlbrecoverError(
                f"{self.path}: of another version of flbrecover; use that one, or name another --case"
            )
        with self._db.atomic():
            for table, (columns, key) in TABLES.items():
                self._db.table(table).create(dict(columns), pk=key, if_not_exists=True)
                if set(self._db.table(table).columns_dict) != set(columns):
                    raise sqlite3.DatabaseError(f"table {table} has other columns")
            self._db.execute(f"PRAGMA user_version={LAYOUT}")
        fsync_folder(self.path.parent)

    def close(self) -> None:
        self._db.close()

    def insert(self, table: str, row: Mapping[str, Any], *, replace: bool = False) -> int:
        """Adds a row; gives its number."""
        with _explained(self.path):
            done = self._db.table(table).insert(_bound(row), replace=replace)
        return int(done.last_rowid or 0)

    def insert_all(self, table: str, rows: Iterable[Mapping[str, Any]], *, clear: bool = False) -> None:
        """Adds rows, all or none; ``clear`` takes what the table holds away in the same step."""
        columns = TABLES[table][0]
        names = ", ".join(f"[{name}]" for name in columns)
        # sqlite-utils looks at each row for columns to add: for thousands of actions that takes longer than adding them
        add = f"INSERT OR REPLACE INTO [{table}] ({names}) VALUES ({', '.join('?' * len(columns))})"
        with _explained(self.path), self._db.atomic():
            if clear:
                self._db.execute(f"DELETE FROM [{table}]")
            self._db.conn.executemany(add, ([_storable(row.get(name)) for name in columns] for row in rows))

    def update(self, table: str, number: int, row: Mapping[str, Any]) -> None:
        with _explained(self.path):
            self._db.table(table).update(number, _bound(row))

    def delete(self, table: str, where: str, values: dict[str, Any]) -> None:
        with _explained(self.path):
            self._db.table(table).delete_where(where, values)

    def rows(self, table: str, where: str | None = None, values: dict[str, Any] | None = None) -> Iterator[Any]:
        """Rows as dicts, in the order of their primary key."""
        key = TABLES[table][1]
        order = ", ".join((key,) if isinstance(key, str) else key)
        with _explained(self.path):
            for row in self._db.table(table).rows_where(where, values, order_by=order):
                yield {name: _text(value) for name, value in row.items()}

    def fact(self, name: str) -> str | None:
        return next((row["value"] for row in self.rows("facts", "name = :name", {"name": name})), None)

    def say(self, name: str, value: str) -> None:
        """Notes a fact of the case."""
        self.insert("facts", {"name": name, "value": value}, replace=True)


def move_aside(path: Path) -> Path:
    """Gives a damaged database with its side files another name, the next free one."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}{_DAMAGED}{number}")):
        number += 1
    for suffix in SIDE_FILES:
        side = path.with_name(path.name + suffix)
        if os.path.lexists(side):
            side.replace(aside.with_name(aside.name + suffix))
    path.replace(aside)
    fsync_folder(path.parent)
    return aside


def fsync_folder(folder: Path) -> None:
    """Names in the folder survive a power loss from here on."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _bound(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _storable(value) for name, value in row.items()}


def _storable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")
    return value


def _text(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except SQLITE_ERRORS as e:
        way_out = "the case folder needs room on a disk of this machine (--case)"
        raise FlbrecoverError(f"{path}: {sqlite_text(e)}; {way_out}") from e
    except OSError as e:
        raise FlbrecoverError(f"{path}: {e.strerror}; see --case") from e
