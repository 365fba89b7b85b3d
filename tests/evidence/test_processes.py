"""A live Fluent Bit is known by what it has open: on a made-up /proc for the odd cases, and on the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tail_support import make_db, write

from flbrecover.evidence.node import Node
from flbrecover.evidence.processes import RunningAgent, agents, scan
from flbrecover.model import Problem

DB = "/var/log/flb.db"
STORE = "/var/log/s3"
CHUNK = f"{STORE}/bucket/2026-11-23T11:38:28/123-456"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    make_db(root / DB[1:], [(1, "/a", 0, 1, 0, 0, 0, 0)])
    write(root, CHUNK, b"chunk")
    return root


def process(root: Path, pid: int, comm: str, *, opened: tuple[str, ...] = (), flags: str = "0100002") -> Path:
    """A process of a made-up procfs, whose fd links lead to files as the kernel's do."""
    folder = root / "proc" / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "fdinfo").mkdir()
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "root").symlink_to(root)
    (folder / "cwd").symlink_to(root)
    for number, path in enumerate(opened):
        (folder / "fd" / str(number)).symlink_to(root / path[1:])
        (folder / "fdinfo" / str(number)).write_text(f"pos:\t0\nflags:\t{flags}\nmnt_id:\t29\n")
    return folder


def look(root: Path) -> list[RunningAgent]:
    found, problems = scan(root / "proc", Node(root), dbs={DB}, folders={STORE, "/var/log/flb-storage"})
    assert problems == []
    return found


def test_by_open_files(root: Path) -> None:
    process(root, 7, "fluent-bit", opened=("/etc/x", DB, f"{DB}-wal", CHUNK))
    process(root, 8, "nginx", opened=("/etc/x", "/var/log/app.log"))
    assert look(root) == [RunningAgent(7, "fluent-bit", (DB, f"{DB}-wal", CHUNK))]


def test_not_by_name_alone(root: Path) -> None:
    process(root, 7, "fluent-bit", opened=("/etc/x",))
    process(root, 8, "another-name", opened=(CHUNK,))
    assert [a.pid for a in look(root)] == [8]


def test_a_container_of_an_older_package(root: Path, tmp_path: Path) -> None:
    inside = container(root, tmp_path, 7, comm="td-agent-bit")
    os.link(root / DB[1:], inside / DB[1:])
    assert [a.pid for a in look(root)] == [7]
    node = Node(root)
    node._procfs = root / "proc"  # the kernel's own cannot show a container here
    assert node.agents_in_containers() == ["7"]
    node._procfs = root / "nothing"
    assert node.agents_in_containers() == []


def test_readers_are_no_agents(root: Path) -> None:
    process(root, 7, "tar", opened=(DB, CHUNK), flags="0100000")
    process(root, 8, "rsync", opened=(DB,), flags="02100000")
    assert look(root) == []


def test_flags_that_cannot_be_read_count(root: Path) -> None:
    folder = process(root, 7, "fluent-bit", opened=(DB,))
    (folder / "fdinfo/0").write_text("nothing of use")
    assert [a.pid for a in look(root)] == [7]
    (folder / "fdinfo/0").unlink()
    assert [a.pid for a in look(root)] == [7]


def test_symlinked_evidence(root: Path) -> None:
    (root / "data").mkdir()
    (root / "var/log/s3").rename(root / "data/s3")
    (root / "var/log/s3").symlink_to("/data/s3")
    process(root, 7, "x", opened=("/data/s3/bucket/2026-11-23T11:38:28/123-456",))
    assert [a.pid for a in look(root)] == [7]


def test_the_wal_lies_beside_the_file_behind_a_symlink(root: Path) -> None:
    (root / "data").mkdir()
    for suffix in ("", "-wal"):
        (root / f"{DB[1:]}{suffix}").rename(root / f"data/real.db{suffix}")
    (root / DB[1:]).symlink_to("/data/real.db")
    process(root, 7, "x", opened=("/data/real.db-wal",))
    assert look(root) == [RunningAgent(7, "x", ("/data/real.db-wal",))]


def test_a_working_directory_in_the_store(root: Path) -> None:
    folder = process(root, 7, "sh")
    (folder / "cwd").unlink()
    (folder / "cwd").symlink_to(root / f"{STORE[1:]}/bucket")
    assert look(root) == [RunningAgent(7, "sh", (f"{STORE}/bucket",))]


def container(root: Path, tmp_path: Path, pid: int, comm: str = "fluent-bit") -> Path:
    inside = tmp_path / f"container-{pid}"
    (inside / "var/log").mkdir(parents=True)
    folder = process(root, pid, comm)
    (folder / "root").unlink()
    (folder / "root").symlink_to(inside)
    return inside


def test_a_container_that_mounts_the_store(root: Path, tmp_path: Path) -> None:
    """Between two flushes no buffer file is open; the mount under the configured path tells."""
    inside = container(root, tmp_path, 7)
    os.link(root / DB[1:], inside / DB[1:])  # stands for a mount: the same file under the same path
    assert look(root) == [RunningAgent(7, "fluent-bit", (f"{DB} (mounted in its container)",))]


def test_a_container_with_its_own_files(root: Path, tmp_path: Path) -> None:
    inside = container(root, tmp_path, 7)
    (inside / DB[1:]).write_bytes(b"another DB of the same name")
    assert look(root) == []
    for name in (DB, f"{DB}-wal", f"{DB}-shm"):
        (root / name[1:]).unlink(missing_ok=True)  # the node has none: so this is the one
    assert look(root) == [RunningAgent(7, "fluent-bit", (f"{DB} (in its container)",))]


def test_another_program_in_a_container(root: Path, tmp_path: Path) -> None:
    inside = container(root, tmp_path, 7, comm="nginx")
    os.link(root / DB[1:], inside / DB[1:])
    assert look(root) == []


def test_symlinks_in_a_container_stay_in_it(root: Path, tmp_path: Path) -> None:
    inside = container(root, tmp_path, 7)
    (inside / "var/log").rmdir()
    (inside / "var/log").symlink_to(root / "var/log")
    assert look(root) == []


def test_this_process_and_processes_that_end(root: Path) -> None:
    process(root, 7, "python", opened=(DB,))
    (root / "proc/self").symlink_to("7")
    (root / "proc/8").mkdir()  # ended: nothing in it
    (root / "proc/9").write_bytes(b"")
    for name in ("meminfo", "sys", "12a", "²"):
        (root / "proc" / name).mkdir()
    assert look(root) == []


def test_a_journal_that_goes_meanwhile(root: Path) -> None:
    journal = write(root, f"{DB}-journal", b"")
    process(root, 7, "x", opened=(DB,))

    class CommitMeanwhile(Node):
        def host_path(self, path: str) -> Path:
            found = super().host_path(path)
            if path == f"{DB}-journal":
                journal.unlink(missing_ok=True)
            return found

    found, _ = scan(root / "proc", CommitMeanwhile(root), dbs={DB}, folders=())
    assert found == [RunningAgent(7, "x", (DB,))]


def test_nothing_configured_and_nothing_there(root: Path) -> None:
    process(root, 7, "fluent-bit", opened=(DB,))
    assert scan(root / "proc", Node(root), dbs=(), folders=()) == ([], [])
    found, _ = scan(root / "proc", Node(root), dbs={"/gone.db"}, folders={"/gone"})
    assert found == []


@pytest.mark.parametrize("proc", ["missing", "empty", "copied"])
def test_a_copied_disk_has_no_processes(root: Path, proc: str) -> None:
    if proc == "empty":
        (root / "proc").mkdir()
    elif proc == "copied":
        process(root, 7, "fluent-bit", opened=(DB,))
    found, (note,) = agents(Node(root), dbs={DB}, store_dirs={STORE}, storage_paths=())
    assert found == []
    assert isinstance(note, Problem)
    assert not note.unreadable
    assert "not checked" in note.what


def test_the_real_proc(tmp_path: Path) -> None:
    db = make_db(tmp_path / "flb.db", [(1, "/a", 0, 1, 0, 0, 0, 0)])
    chunk = write(tmp_path, "/s3/bucket/quarantine/1-2", b"x")
    code = """
import sys
files = [open(name, mode) for name, mode in zip(sys.argv[2:], sys.argv[1].split(","))]
print("open", flush=True); sys.stdin.read()
"""

    def holding(modes: str) -> tuple[int, list[RunningAgent]]:
        holder = subprocess.Popen(
            [sys.executable, "-c", code, modes, db, chunk], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"open\n"
            found, _ = agents(
                Node("/"), dbs={str(db)}, store_dirs={str(tmp_path / "s3")}, storage_paths={str(tmp_path / "none")}
            )
        finally:
            holder.communicate()
        return holder.pid, found

    pid, found = holding("r+b,ab")
    assert [(a.pid, a.holds) for a in found] == [(pid, (str(db), str(chunk)))]
    assert found[0].comm.startswith("python")
    assert holding("rb,rb")[1] == []
    with db.open("r+b"):  # this process itself
        assert agents(Node("/"), dbs={str(db)}, store_dirs=(), storage_paths=())[0] == []
