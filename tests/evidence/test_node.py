"""The node's file system: confined to the root, read without a trace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.evidence.path_resolver import MAX_SYMLINKS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "var/log").mkdir(parents=True)
    return root


def test_symlinks_stay_inside_the_root(root: Path) -> None:
    (root / "var/log/a.log").write_bytes(b"inside")
    (root / "etc").mkdir()
    (root / "etc/absolute").symlink_to("/var/log/a.log")
    (root / "etc/relative").symlink_to("../../../../../../var/log/a.log")
    (root / "etc/folder").symlink_to("/var")
    (root / "etc/twice").symlink_to("//var/log")  # POSIX lets // at the start be a place of its own; Linux does not
    node = Node(root)
    inside = ("/etc/absolute", "/etc/relative", "/etc/folder/log/a.log", "/../../var/log/a.log", "/etc/twice/a.log")
    for path in (*inside, "//var/log/a.log", "//etc/folder//log/./a.log"):
        assert node.resolve(path) == "/var/log/a.log"
        with node.open(path) as f:
            assert f.read() == b"inside"
    assert node.facts("/etc/absolute").real_path == "/var/log/a.log"


def test_a_file_outside_is_not_reached(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"outside")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("../secret")
    node = Node(root)
    for path in ("/link", "/up", "/../secret"):
        with pytest.raises(EvidenceError):
            node.open(path)
        assert not node.is_file(path)


def test_symlink_loops_end(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("/a")
    node = Node(root)
    with pytest.raises(EvidenceError, match="symbolic links"):
        node.resolve("/a")
    assert not node.exists("/a")
    assert not node.is_dir("/a/x")


def test_a_long_chain_of_symlinks_is_followed_as_the_kernel_does(root: Path) -> None:
    (root / "l0").write_bytes(b"end")
    for i in range(1, MAX_SYMLINKS + 2):
        (root / f"l{i}").symlink_to(f"l{i - 1}")
    node = Node(root)
    assert node.resolve(f"/l{MAX_SYMLINKS}") == "/l0"
    with pytest.raises(EvidenceError):
        node.resolve(f"/l{MAX_SYMLINKS + 1}")


@pytest.mark.parametrize("path", ["/a\0b", "/" + "x" * 300, "/" + "d/" * 5000, "/\ud800"])
def test_what_no_path_can_be(root: Path, path: str) -> None:
    node = Node(root)
    assert not node.is_file(path)
    assert not node.exists(path)
    with pytest.raises(EvidenceError):
        node.open(path)


def test_a_name_that_is_no_utf8(root: Path) -> None:
    (root / os.fsdecode(b"a\xff.log")).write_bytes(b"x")
    node = Node(root)
    (name,) = node.glob("/a*.log")
    assert os.fsencode(name) == b"/a\xff.log"
    assert node.facts(name).size == 1


def test_only_regular_files_are_opened_and_nothing_blocks(root: Path) -> None:
    os.mkfifo(root / "fifo")
    node = Node(root)
    for path in ("/fifo", "/var", "/missing"):
        with pytest.raises(EvidenceError):
            node.open(path)
    assert not node.is_file("/fifo")
    with pytest.raises(EvidenceError):
        node.names("/fifo")


def test_reading_leaves_access_times(root: Path) -> None:
    log = root / "var/log/a.log"
    log.write_bytes(b"x" * 100)
    for path in (log, log.parent):
        os.utime(path, ns=(10**18, 10**18 + 5))  # atime before mtime: relatime would update it
    node = Node(root)
    node.names("/var/log")
    with node.open("/var/log/a.log") as f:
        f.read()
    assert [p.stat().st_atime_ns for p in (log, log.parent)] == [10**18, 10**18]


def test_glob_is_glob(root: Path) -> None:
    for name in ("a.log", "b.log", ".hidden.log", "a.log.1", "[x].log", "sub"):
        (root / "var/log" / name).write_bytes(b"")
    (root / "var/log/pods/p/c").mkdir(parents=True)
    (root / "var/log/pods/p/c/0.log").write_bytes(b"")
    (root / "var/log/dangling.log").symlink_to("/nowhere")
    node = Node(root)
    assert node.glob("/var/log/[^b].log") == ["/var/log/a.log"]
    assert node.glob("/var/log/*.log") == ["/var/log/[x].log", "/var/log/a.log", "/var/log/b.log"]
    assert node.glob("/var//log/./a.log") == ["/var/log/a.log"]
    assert node.glob("/var/log/\\[x].log") == ["/var/log/[x].log"]
    assert node.glob("/var/log/pods/*/*/*.log") == ["/var/log/pods/p/c/0.log"]
    assert node.glob("/var/*/.hid*") == ["/var/log/.hidden.log"]
    assert node.glob("/nowhere/*.log") == []


def test_a_folder_that_cannot_be_listed_is_a_problem(root: Path) -> None:
    (root / "var/log/loop").symlink_to("loop")
    names, problems = Node(root).find("/var/log/loop/*.log")
    assert names == []
    assert [p.path for p in problems] == ["/var/log/loop"]
    assert Node(root).find("/missing/*.log") == ([], [])


def test_a_copied_proc_leads_nowhere_else(root: Path, tmp_path: Path) -> None:
    """On a copied disk /proc/PID/root is a plain symlink: it must not lead to the machine that looks at the copy."""
    (tmp_path / "secret").write_bytes(b"outside")
    (root / "proc/1").mkdir(parents=True)
    (root / "proc/1/root").symlink_to("/")
    node = Node(root)
    assert node.procfs() is None
    assert node.resolve("/proc/1/root/var") == "/var"
    assert not node.exists(f"/proc/1/root{tmp_path}/secret")


def test_a_live_proc_leads_into_the_process(tmp_path: Path) -> None:
    (tmp_path / "inside").write_bytes(b"through the kernel")
    node = Node("/")
    path = f"/proc/{os.getpid()}/cwd/inside"
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert node.resolve(path) == path
        with node.open(path) as f:
            assert f.read() == b"through the kernel"
    finally:
        os.chdir(here)


def test_a_missing_root() -> None:
    with pytest.raises(EvidenceError, match="no such directory"):
        Node("/nowhere/at/all")
