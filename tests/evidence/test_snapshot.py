"""Private copies of databases: consistent, private, gone afterwards, and the originals as they were."""

from __future__ import annotations

import os
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import pytest
from tail_support import make_db, run_sql_and_die

from flbrecover.errors import EvidenceError, FlbrecoverError
from flbrecover.evidence.node import Node
from flbrecover.evidence.snapshot import snapshot

ROW = (1, "/var/log/a.log", 10, 77, 0, 0, 0, 0)


def trace(root: Path) -> dict[str, tuple[object, ...]]:
    """All that must not change: names, inodes, bytes, modes and times of files and folders."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        os.utime(path, ns=(10**18, path.stat().st_mtime_ns))  # our own look must not count
        st = path.stat()
        found[str(path)] = (st.st_ino, st.st_mode, st.st_size, st.st_mtime_ns, st.st_atime_ns, content)
    return found


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_rows_of_the_wal_are_in_the_copy_and_nothing_else_happens(tmp_path: Path, scratch: Path) -> None:
    root = tmp_path / "root"
    make_db(root / "a.db", [ROW])
    (root / "a.db-shm").unlink(missing_ok=True)
    (root / "a.db").chmod(0o644)
    before = trace(root)
    with snapshot(Node(root), "/a.db") as copy:
        con = sqlite3.connect(copy)
        assert con.execute("SELECT inode FROM in_tail_files").fetchall() == [(77,)]
        con.close()
        assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert copy.parent.parent == scratch
    for path, facts in before.items():
        st = os.stat(path)
        assert facts[:5] == (st.st_ino, st.st_mode, st.st_size, st.st_mtime_ns, st.st_atime_ns), path
    assert trace(root).keys() == before.keys()
    assert trace(root) == before
    assert list(scratch.iterdir()) == []


def test_the_wal_lies_beside_the_file_behind_a_symlink(tmp_path: Path) -> None:
    make_db(tmp_path / "data/real.db", [ROW])
    (tmp_path / "link.db").symlink_to("/data/real.db")
    with snapshot(Node(tmp_path), "/link.db") as copy:
        con = sqlite3.connect(copy)
        assert con.execute("SELECT count(*) FROM in_tail_files").fetchone() == (1,)
        con.close()


def test_an_unfinished_transaction_is_rolled_back_in_the_copy_only(tmp_path: Path) -> None:
    db = make_db(tmp_path / "a.db", [ROW], wal=False)
    spill = [("PRAGMA cache_size=1", []), ("BEGIN", []), ("DELETE FROM in_tail_files", [])]
    insert = "INSERT INTO in_tail_files (name, offset, inode) VALUES (?, 0, 5)"
    run_sql_and_die(db, [*spill, *[(insert, ["/x" * 500]) for _ in range(200)]])
    before = trace(tmp_path)
    assert f"{db}-journal" in before
    with snapshot(Node(tmp_path), "/a.db") as copy:
        con = sqlite3.connect(copy)
        assert con.execute("SELECT inode FROM in_tail_files").fetchall() == [(77,)]
        con.close()
    assert trace(tmp_path) == before


def test_a_journal_that_would_delete_a_file_is_refused(tmp_path: Path) -> None:
    """SQLite deletes the super-journal that a journal names once it has rolled back: any file, as this user."""
    root = tmp_path / "root"
    db = make_db(root / "a.db", [ROW], wal=False)
    victim = tmp_path / "victim"
    victim.write_bytes(b"important")
    spill = [("PRAGMA cache_size=1", []), ("BEGIN", [])]
    insert = "INSERT INTO in_tail_files (name, offset, inode) VALUES (?, 0, 5)"
    run_sql_and_die(db, [*spill, *[(insert, ["/x" * 500]) for _ in range(200)]])
    name = os.fsencode(victim)
    checksum = sum(struct.unpack(f"{len(name)}b", name)) & 0xFFFFFFFF
    with Path(f"{db}-journal").open("ab") as f:
        f.write(name + struct.pack(">II", len(name), checksum) + bytes.fromhex("d9d505f920a163d7"))
    with pytest.raises(EvidenceError, match="delete"), snapshot(Node(root), "/a.db"):
        pass
    assert victim.read_bytes() == b"important"
    con = sqlite3.connect(db)  # what would have happened
    con.execute("SELECT * FROM in_tail_files").fetchall()
    con.close()
    assert not victim.exists()


def test_a_database_that_keeps_changing(tmp_path: Path) -> None:
    db = make_db(tmp_path / "a.db", [ROW])

    class BusyNode(Node):
        def open(self, path: str) -> BinaryIO:
            with Path(f"{db}-wal").open("ab") as f:
                f.write(b"x")
            return super().open(path)

    with pytest.raises(EvidenceError, match="changed while it was copied"), snapshot(BusyNode(tmp_path), "/a.db"):
        pass


def test_a_change_that_no_time_shows(tmp_path: Path) -> None:
    """Two writes within one tick of the kernel's clock leave one mtime: the bytes themselves are compared."""
    db = make_db(tmp_path / "a.db", [ROW], wal=False)
    looks = []

    class QuietWriter(Node):
        def open(self, path: str) -> BinaryIO:
            looks.append(path)
            source = super().open(path)
            if len(looks) == 2:
                st = db.stat()
                db.write_bytes(db.read_bytes().replace(b"a.log", b"b.log"))
                os.utime(db, ns=(st.st_atime_ns, st.st_mtime_ns))
            return source

    with snapshot(QuietWriter(tmp_path), "/a.db") as copy:
        assert b"b.log" in copy.read_bytes()
    assert len(looks) == 4


def test_a_file_that_is_gone_in_the_second_attempt_is_gone_in_the_copy(tmp_path: Path) -> None:
    """What a checkpoint does: the -wal goes while the files are copied."""
    db = make_db(tmp_path / "a.db", [ROW])
    looks: list[str] = []

    class CheckpointMeanwhile(Node):
        def open(self, path: str) -> BinaryIO:
            looks.append(path)
            if len(looks) == 2:
                con = sqlite3.connect(db)
                con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                con.execute("PRAGMA journal_mode=DELETE")
                con.close()
            return super().open(path)

    with snapshot(CheckpointMeanwhile(tmp_path), "/a.db") as copy:
        assert sorted(p.name for p in copy.parent.iterdir()) == ["copy.db"]
        con = sqlite3.connect(copy)
        assert con.execute("SELECT inode FROM in_tail_files").fetchall() == [(77,)]
        con.close()


def test_a_journal_that_goes_between_two_looks(tmp_path: Path) -> None:
    make_db(tmp_path / "a.db", [ROW], wal=False)
    (tmp_path / "a.db-journal").touch()

    class CommitMeanwhile(Node):
        def is_file(self, path: str) -> bool:
            found = super().is_file(path)
            if path == "/a.db-journal":
                (tmp_path / "a.db-journal").unlink(missing_ok=True)
            return found

    with snapshot(CommitMeanwhile(tmp_path), "/a.db") as copy:
        assert [p.name for p in copy.parent.iterdir()] == ["copy.db"]


def test_a_full_scratch_folder_names_itself_and_the_way_out(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"x" * 3_000_000)
    code = f"""
import resource, sys
from flbrecover.evidence.node import Node
from flbrecover.evidence.snapshot import snapshot
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with snapshot(Node({str(tmp_path)!r}), "/a.db"): pass
except Exception as e:
    sys.stderr.write(type(e).__name__ + ": " + str(e)); sys.exit(7)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 7, run.stderr
    assert run.stderr.startswith(f"FlbrecoverError: scratch folder {scratch}/flbrecover-")
    assert "TMPDIR" in run.stderr
    assert list(scratch.iterdir()) == []


def test_no_scratch_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_db(tmp_path / "a.db", [ROW])
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(FlbrecoverError, match="TMPDIR") as e, snapshot(Node(tmp_path), "/a.db"):
        pass
    assert e.value.exit_code == 1


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "loop"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to("a.db")
    with pytest.raises(EvidenceError), snapshot(Node(tmp_path), "/a.db"):
        pass


def test_the_folder_goes_even_if_the_reader_fails(tmp_path: Path, scratch: Path) -> None:
    make_db(tmp_path / "a.db", [ROW])
    with pytest.raises(RuntimeError), snapshot(Node(tmp_path), "/a.db"):
        raise RuntimeError
    assert list(scratch.iterdir()) == []


def test_an_absurd_size_is_refused_unread(tmp_path: Path, scratch: Path) -> None:
    with (tmp_path / "a.db").open("wb") as f:
        f.truncate(5 << 30)
    with pytest.raises(EvidenceError, match="more than a tail DB can have"), snapshot(Node(tmp_path), "/a.db"):
        pass
