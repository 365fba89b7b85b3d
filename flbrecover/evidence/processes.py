"""Running processes that use the evidence: a live Fluent Bit, known by the files that it has open.

The kernel's ``/proc/PID/fd/N`` lead to the open files themselves, also out of a container's own mounts, so device and
inode compare with those of the evidence, whatever the names. A name alone proves nothing: another Fluent Bit may run
for another purpose, and this one may be called otherwise.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.evidence.procfs import comm_of, is_agent, pids
from flbrecover.model import Problem
from flbrecover.wording import count

MAX_FILES = 100_000  # below the folders, and of one process
_MAX_DEPTH = 8
_FileKey = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """A process that uses the evidence. ``comm`` is the kernel's name for it, ``holds`` says what it has open (paths
    inside the root) or, for a Fluent Bit in a container, what it sees of the evidence."""

    pid: int
    comm: str
    holds: tuple[str, ...]


def agents(
    node: Node, *, dbs: Collection[str], store_dirs: Collection[str], storage_paths: Collection[str]
) -> tuple[list[RunningAgent], list[Problem]]:
    """Processes under the root's ``/proc`` that use a tail DB (or its ``-wal``, ``-shm``) or buffer files.

    A process counts that has such a file open for writing, that has its working directory there, or that is called
    like a Fluent Bit, has another root than the node, and finds the same DB or folder under the configured path, or its
    own one there while the node has none. Processes that only read are none: they may be backups.

    Without a live procfs under the root (a copied disk) nothing runs; a note says that nothing was looked at.
    """
    proc = node.procfs()
    if proc is None:
        return [], [Problem("/proc", node.not_seen(), unreadable=False)]
    return scan(proc, node, dbs=dbs, folders={*store_dirs, *storage_paths})


def scan(
    proc: Path, node: Node, *, dbs: Collection[str], folders: Collection[str]
) -> tuple[list[RunningAgent], list[Problem]]:
    """:func:`agents` on the procfs at ``proc``, which is taken as it is."""
    files, inside = _evidence_files(node, dbs, folders)
    own = _own_pid(proc)
    found: list[RunningAgent] = []
    hidden = 0
    for pid in pids(proc):
        if pid == own:
            continue
        comm = comm_of(proc / str(pid))
        try:
            holds = set(_open_files(proc / str(pid), files))
        except PermissionError:
            hidden += 1
            holds = set()
        except OSError:  # it ended a moment ago
            continue
        holds |= _standing_in(proc / str(pid), inside)
        if is_agent(comm):
            holds |= _seen_from_its_root(proc / str(pid), node, {*dbs, *folders})
        if holds:
            found.append(RunningAgent(pid, comm, tuple(sorted(holds))))
    problems = []
    if hidden:
        of = count(hidden, "process", "processes")
        what = f"the open files of {of} may not be looked at: a Fluent Bit among them is not seen"
        problems.append(Problem("/proc", what, way_out="run as root", unreadable=False))
    return found, problems


def _evidence_files(
    node: Node, dbs: Iterable[str], folders: Iterable[str]
) -> tuple[dict[_FileKey, str], dict[_FileKey, str]]:
    """Device and inode of every evidence file that may be open, and of the folders that hold them."""
    files: dict[_FileKey, str] = {}
    inside: dict[_FileKey, str] = {}
    for db in dbs:
        for suffix in ("", "-wal", "-shm", "-journal"):
            for path in (db + suffix, _resolved(node, db) + suffix):
                st = _stat(node, path)  # one look: SQLite deletes a -journal at every commit
                if st is not None and stat.S_ISREG(st.st_mode):
                    files.setdefault(_key(st), path)
    for folder in folders:
        for path, st in _below(node, folder):
            (inside if stat.S_ISDIR(st.st_mode) else files).setdefault(_key(st), path)
    return files, inside


def _resolved(node: Node, path: str) -> str:
    try:
        return node.resolve(path)
    except EvidenceError:
        return path


def _below(node: Node, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """The folder and what is below it, without following symlinks, bounded in number and depth."""
    top = folder.rstrip("/") or "/"
    try:
        st = os.stat(node.host_path(top))
    except (OSError, EvidenceError):
        return
    if not stat.S_ISDIR(st.st_mode):
        return
    todo, count = [(top, 0)], 0
    yield top, st
    while todo:
        path, depth = todo.pop()
        try:
            names = node.names(path)
        except EvidenceError:
            continue
        host = node.host_path(path)
        for name in names:
            count += 1
            if count > MAX_FILES:
                return
            try:
                st = os.lstat(host / name)
            except OSError:
                continue
            yield f"{path}/{name}", st
            if stat.S_ISDIR(st.st_mode) and depth < _MAX_DEPTH:
                todo.append((f"{path}/{name}", depth + 1))


def _own_pid(proc: Path) -> int | None:
    """This process in the numbers of that procfs: a mounted host's procfs counts otherwise than a container's."""
    try:
        return int((proc / "self").readlink().name)
    except (OSError, ValueError):
        return None


def _open_files(process: Path, files: dict[_FileKey, str]) -> Iterator[str]:
    """Evidence files that the process has open for writing. Raises OSError where it may not be looked at."""
    with os.scandir(process / "fd") as entries:
        for count, entry in enumerate(entries):
            if count == MAX_FILES:
                return
            try:
                path = files.get(_key(os.stat(entry.path)))
            except OSError:  # closed a moment ago, or not to be looked at
                continue
            if path is not None and _writes(process, entry.name):
                yield path


def _writes(process: Path, fd: str) -> bool:
    """Whether an open file was opened for writing; where that cannot be read, it is taken to be."""
    try:
        with open(process / "fdinfo" / fd, "rb") as f:
            lines = f.read(4096).splitlines()
        flags = next(int(line.split()[1], 8) for line in lines if line.startswith(b"flags:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return True
    return flags & os.O_ACCMODE != os.O_RDONLY


def _standing_in(process: Path, inside: dict[_FileKey, str]) -> set[str]:
    try:
        path = inside.get(_key(os.stat(process / "cwd")))
    except OSError:
        return set()
    return {path} if path else set()


def _seen_from_its_root(process: Path, node: Node, paths: Iterable[str]) -> set[str]:
    """What a process called like a Fluent Bit, in a root of its own, finds under the configured paths."""
    try:
        theirs = os.stat(process / "root")
        if _key(theirs) == _key(os.stat(node.root)):
            return set()
        container = Node(process / "root")
    except (OSError, EvidenceError):
        return set()
    found = set()
    for path in paths:
        there, here = _stat(container, path), _stat(node, path)
        if there is not None and (here is None or _key(there) == _key(here)):
            where = "in its container" if here is None else "mounted in its container"
            found.add(f"{PurePosixPath(path)} ({where})")
    return found


def _stat(node: Node, path: str) -> os.stat_result | None:
    try:
        return os.lstat(node.host_path(path))
    except (OSError, EvidenceError):
        return None


def _key(st: os.stat_result) -> _FileKey:
    return st.st_dev, st.st_ino
