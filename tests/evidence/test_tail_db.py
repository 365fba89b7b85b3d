"""The tail DB: both schemas, rows that are only in the WAL, and every way to be damaged."""

from __future__ import annotations

import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import cases
import pytest
from tail_support import COLUMNS, MARKERS, make_db, run_sql_and_die

from flbrecover.evidence import tail_db
from flbrecover.evidence.node import Node
from flbrecover.model import TailRow


def row(i: int) -> tuple[object, ...]:
    return (i, f"/var/log/app-{i}.log", i * 100, i + 1000, 1_795_433_950, 0, -i, 32)


@pytest.mark.parametrize("name", cases.NAMES)
def test_captured_databases(name: str, tmp_path: Path) -> None:
    root = cases.unpack(name, tmp_path)
    before = cases.footprint(root)
    (path,) = Node(root).glob("/var/log/*.db")
    db = tail_db.read(Node(root), path)
    assert db.problems == ()
    assert db.schema == ("without markers" if name == "fluent-bit-1.9" else "with markers")
    assert db.rows
    for r in db.rows:
        assert r.name.startswith("/var/log/containers/")
        assert r.offset > 0
        assert not r.rotated
        assert r.marker_size == (0 if name == "fluent-bit-1.9" else 32)
    assert cases.footprint(root) == before


def test_a_captured_row_in_full(tmp_path: Path) -> None:
    root = cases.unpack("rotated-unread", tmp_path)
    (r,) = tail_db.read(Node(root), "/var/log/flb_test.db").rows
    assert (r.row_id, r.name, r.offset) == (1, "/var/log/containers/test-api.log", 25685)
    assert (r.created_s, r.rotated, r.marker, r.marker_size) == (1795433975, False, -3464540007446102884, 32)


def test_rows_that_are_only_in_the_wal(tmp_path: Path) -> None:
    db = make_db(tmp_path / "a.db", [row(1), row(2)])
    assert b"app-1" not in db.read_bytes()
    assert [r.row_id for r in tail_db.read(Node(tmp_path), "/a.db").rows] == [1, 2]


def test_the_older_schema(tmp_path: Path) -> None:
    make_db(tmp_path / "a.db", [(3, "/a.log", 5, 9, 7, 1)], markers=False)
    db = tail_db.read(Node(tmp_path), "/a.db")
    assert db.schema == "without markers"
    assert db.rows == (TailRow(3, "/a.log", 5, 9, 7, True, 0, 0),)


def test_inodes_beyond_63_bits(tmp_path: Path) -> None:
    make_db(tmp_path / "a.db", [(1, "/a.log", 5, -1, 7, 0, 0, 0)])
    assert tail_db.read(Node(tmp_path), "/a.db").rows[0].inode == 2**64 - 1


def test_a_database_that_is_locked(tmp_path: Path) -> None:
    db = make_db(tmp_path / "a.db", [row(1)])
    code = """
import sqlite3, sys
con = sqlite3.connect(sys.argv[1], isolation_level=None)
con.execute("PRAGMA locking_mode=EXCLUSIVE"); con.execute("BEGIN EXCLUSIVE")
con.execute("INSERT INTO in_tail_files (name) VALUES ('/unfinished')")
print("locked", flush=True); sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", code, str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin and holder.stdout
    try:
        assert holder.stdout.readline() == b"locked\n"
        found = tail_db.read(Node(tmp_path), "/a.db")
        assert [r.row_id for r in found.rows] == [1]
        assert all(not p.unreadable for p in found.problems)
    finally:
        holder.communicate()


def test_a_row_without_its_name_and_other_odd_cells(tmp_path: Path) -> None:
    odd: list[tuple[object, ...]] = [
        row(1),
        (2, "/text-offset", "abc", 9, 0, 0, 0, 0),
        (3, "/null-inode", 5, None, 0, 0, 0, 0),
        (4, "/real-offset", 5.5, 9, 0, 0, 0, 0),
        (5, "", 5, 9, 0, 0, 0, 0),
        (6, "/negative", -5, 9, 0, 0, 0, 0),
        (7, "/odd-but-usable", 5, 9, "soon", "x", "marker", 3.5),
        (8, "/" + "x" * 5000, 5, 9, 0, 0, 0, 0),
        (9, "blob:/in/a/blob\xff", 5, 9, 0, 0, 0, 0),
        row(10),
    ]
    make_db(tmp_path / "a.db", odd)
    db = tail_db.read(Node(tmp_path), "/a.db")
    assert [r.row_id for r in db.rows] == [1, 7, 9, 10]
    assert db.rows[1] == TailRow(7, "/odd-but-usable", 5, 9, 0, False, 0, 0)
    assert db.rows[2].name == b"blob:/in/a/blob\xff".decode("utf-8", "surrogateescape")
    (problem,) = db.problems
    assert problem.what == "row 2: no usable offset or inode (and 5 more rows like it)"
    make_db(tmp_path / "b.db", odd[:3])
    (problem,) = tail_db.read(Node(tmp_path), "/b.db").problems
    assert problem.what.endswith("(and 1 more row like it)")


@pytest.mark.parametrize("created", [-1, 1 << 32, (1 << 63) - 1, -(1 << 63)])
def test_a_time_that_no_clock_shows_is_not_known(tmp_path: Path, created: int) -> None:
    """A `recover` that dated lines by it ended in a traceback."""
    make_db(tmp_path / "a.db", [(1, "/app.log", 5, 9, created, 0, 0, 0)])
    (found,) = tail_db.read(Node(tmp_path), "/a.db").rows
    assert found.created_s == 0


def problem_of(tmp_path: Path) -> str:
    db = tail_db.read(Node(tmp_path), "/a.db")
    assert (db.rows, db.schema) == ((), "unknown")
    (problem,) = db.problems
    assert problem.path == "/a.db"
    assert problem.unreadable
    assert "\n" not in problem.what
    assert "/tmp" not in problem.what
    return problem.what


def test_a_missing_database(tmp_path: Path) -> None:
    assert problem_of(tmp_path) == "No such file or directory"
    assert "--db" in tail_db.read(Node(tmp_path), "/a.db").problems[0].way_out


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    assert problem_of(tmp_path).startswith("is empty (0 bytes)")


@pytest.mark.parametrize("content", [b"hello\n" * 1000, b"\0" * 8192, b"x"])
def test_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)
    assert problem_of(tmp_path) == "is not a SQLite database"


def test_another_database(tmp_path: Path) -> None:
    run_sql_and_die(tmp_path / "a.db", [("CREATE TABLE in_systemd_cursor (id)", [])])
    assert "no table in_tail_files" in problem_of(tmp_path)


def test_a_table_of_the_same_name(tmp_path: Path) -> None:
    run_sql_and_die(tmp_path / "a.db", [("CREATE TABLE in_tail_files (a, b)", [])])
    assert "no column id, inode, name, offset" in problem_of(tmp_path)


def test_a_view_that_would_never_end_is_not_run(tmp_path: Path) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    endless = f"{numbers} SELECT i AS id, '' name, i offset, i inode FROM n"
    run_sql_and_die(tmp_path / "a.db", [(f"CREATE VIEW in_tail_files AS {endless}", [])])
    assert "not an ordinary table" in problem_of(tmp_path)


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop"])
def test_no_file_at_all(tmp_path: Path, kind: str) -> None:
    import os

    path = tmp_path / "a.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/a.db")
    assert problem_of(tmp_path)


def big(tmp_path: Path) -> Path:
    return make_db(tmp_path / "a.db", [row(i) for i in range(1, 2001)], wal=False)


def test_rows_on_both_sides_of_damage_are_salvaged(tmp_path: Path) -> None:
    db = big(tmp_path)
    data = bytearray(db.read_bytes())
    at = data.index(b"app-1000.log") // 4096 * 4096
    data[at : at + 4096] = b"\xee" * 4096
    db.write_bytes(data)
    found = tail_db.read(Node(tmp_path), "/a.db")
    ids = [r.row_id for r in found.rows]
    assert ids[0] == 1
    assert ids[-1] == 2000
    assert 1000 not in ids
    assert len(ids) > 1900
    assert ids == sorted(set(ids))
    (problem,) = found.problems
    assert problem.what.startswith("is damaged (database disk image is malformed): ")
    assert problem.unreadable


@pytest.mark.parametrize("keep", [100, 4096, 5000, 40_000])
def test_a_truncated_database(tmp_path: Path, keep: int) -> None:
    db = big(tmp_path)
    db.write_bytes(db.read_bytes()[:keep])
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert len(found.rows) < 2000
    assert [p.unreadable for p in found.problems] == [True]


def test_a_damaged_schema(tmp_path: Path) -> None:
    db = big(tmp_path)
    db.write_bytes(db.read_bytes().replace(b"CREATE TABLE in_tail_files", b"CREATE TABLE )n_tail_files"))
    assert "malformed" in problem_of(tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_never_raises(tmp_path: Path, seed: int) -> None:
    import random

    random.seed(seed)
    db = make_db(tmp_path / "a.db", [row(i) for i in range(1, 300)], wal=seed % 2 == 0)
    for path in [db, Path(f"{db}-wal")]:
        data = bytearray(path.read_bytes()) if path.exists() else bytearray()
        for _ in range(random.choice([1, 20, 500])):
            if data:
                data[random.randrange(len(data))] = random.randrange(256)
        path.write_bytes(data)
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert len(found.rows) <= 300
    assert all(isinstance(r.name, str) and r.offset >= 0 for r in found.rows)


def frames(wal: bytes) -> int:
    page = struct.unpack(">I", wal[8:12])[0]
    return (len(wal) - 32) // (page + 24)


def test_a_damaged_wal_says_that_newer_rows_may_be_missing(tmp_path: Path) -> None:
    wal = Path(f"{make_db(tmp_path / 'a.db', [row(i) for i in range(1, 31)])}-wal")
    data = bytearray(wal.read_bytes())
    total = frames(data)
    assert total > 10
    page = struct.unpack(">I", data[8:12])[0]
    data[32 + (page + 24) * 5 + 100] ^= 0xFF
    wal.write_bytes(data)
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert 0 < len(found.rows) < 30
    (problem,) = found.problems
    assert problem.path == "/a.db-wal"
    assert problem.what.startswith(f"the last {total - 5} of {total} pages")
    assert problem.unreadable


def test_one_torn_page_at_the_end_is_what_a_kill_leaves(tmp_path: Path) -> None:
    wal = Path(f"{make_db(tmp_path / 'a.db', [row(1), row(2)])}-wal")
    wal.write_bytes(wal.read_bytes()[:-100])
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert [r.row_id for r in found.rows] == [1]
    assert [p.unreadable for p in found.problems] == [False]


def test_a_wal_without_its_header(tmp_path: Path) -> None:
    wal = Path(f"{make_db(tmp_path / 'a.db', [row(1)])}-wal")
    wal.write_bytes(b"\0" * 32 + wal.read_bytes()[32:])
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert found.rows == ()
    assert any("header is damaged" in p.what for p in found.problems)


def test_old_frames_behind_the_newest_are_no_damage(tmp_path: Path) -> None:
    """After a checkpoint SQLite starts the file anew and leaves the old frames behind the new ones."""
    insert = ("INSERT INTO in_tail_files VALUES (?,?,?,?,?,?,?,?)", list(row(99)))
    table = [(f"CREATE TABLE in_tail_files ({COLUMNS}{MARKERS})", []), ("PRAGMA journal_mode=WAL", [])]
    rows = [("INSERT INTO in_tail_files VALUES (?,?,?,?,?,?,?,?)", list(row(i))) for i in range(1, 20)]
    run_sql_and_die(tmp_path / "a.db", [*table, *rows, ("PRAGMA wal_checkpoint(RESTART)", []), insert])
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert len(found.rows) == 20
    assert found.problems == ()


def test_a_query_that_takes_too_long_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big(tmp_path)
    monkeypatch.setattr(tail_db, "_STEPS", 100)
    monkeypatch.setattr(tail_db, "_MAX_STEPS", 3)
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert found.problems


def test_rows_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big(tmp_path)
    monkeypatch.setattr(tail_db, "MAX_ROWS", 10)
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert len(found.rows) == 10
    assert "more than 10 rows" in found.problems[0].what


def test_python_sees_the_same_rows(tmp_path: Path) -> None:
    """The reader against plain sqlite3, on a copy that may be touched."""
    db = make_db(tmp_path / "a.db", [row(i) for i in range(1, 8)])
    read = tail_db.read(Node(tmp_path), "/a.db").rows
    con = sqlite3.connect(db)
    columns = "id, name, offset, inode, created, rotated, offset_marker, offset_marker_size"
    plain = con.execute(f"SELECT {columns} FROM in_tail_files").fetchall()
    con.close()
    assert [
        (r.row_id, r.name, r.offset, r.inode, r.created_s, int(r.rotated), r.marker, r.marker_size) for r in read
    ] == plain


def test_a_schema_whose_damage_is_no_utf_8(tmp_path: Path) -> None:
    """SQLite quotes it in its message, which Python cannot decode then."""
    db = make_db(tmp_path / "a.db", [row(1)])
    with sqlite3.connect(db) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()
    damaged = db.read_bytes().replace(b"in_tail_files", b"in_tail_\x93\x1bles")
    db.write_bytes(damaged.replace(b"CREATE TABLE", b"CREATE TXBLE"))
    found = tail_db.read(Node(tmp_path), "/a.db")
    assert found.rows == ()
    (problem,) = found.problems
    assert problem.what.startswith("is damaged and cannot be read: malformed database schema (in_tail_\\x93")
