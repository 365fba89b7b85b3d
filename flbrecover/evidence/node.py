"""The node's file system, read-only and confined to a root.

Every path that a configuration, a DB row or a symlink of the node names is a path *inside* the root: an absolute
symlink starts at the root again and ``..`` stops there, as in a chroot. Files are opened without following what
was not resolved here, without blocking on FIFOs, and without touching access times where the mount allows it.

``/proc/PID/root`` and ``/proc/PID/cwd`` of a live procfs are the one exception: the kernel leads through them into the
root of that process, which no other path may reach (a container's own files). A copied tree has no procfs, so a
symlink of that name in it is a symlink like any other.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.evidence import shell_pattern
from flbrecover.evidence.path_resolver import Parts, PathResolver, Stat, parts_of
from flbrecover.evidence.procfs import comm_of, is_agent, pids
from flbrecover.model import FileFacts, Problem

MACHINE_ID = "/etc/machine-id"
_MACHINE_ID_SIZE = 32
MAX_AGENTS = 2000  # processes called fluent-bit
_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class Node:
    """A file system at ``root``: the live one (``/``), a mounted one (``/host``), or an unpacked copy.

    Everything goes through ``lstat``, ``stat``, ``readlink``, ``names`` and ``open``; a bundle is a node that answers
    these from its manifest (:mod:`flbrecover.evidence.bundle`).
    """

    problems: tuple[Problem, ...] = ()
    """What is known to be missing from this node's evidence as a whole; only a bundle has any."""
    config: str | None = None
    """The configuration to take where none is named; None: look for it. Only a bundle has one."""

    def __init__(self, root: Path | str = "/") -> None:
        self.root = Path(os.path.abspath(root))
        self._prefix = "" if str(self.root) == "/" else str(self.root)
        if not self.root.is_dir():
            raise EvidenceError(f"--root {self.root}: no such directory")

    def __repr__(self) -> str:
        return f"Node({str(self.root)!r})"

    def resolve(self, path: str) -> str:
        """The path inside the root behind every symlink of ``path``; the last part need not exist.

        Raises EvidenceError on a symlink loop, on a directory that may not be searched and on what no path can be.
        """
        return self._resolver.resolve(path)

    def host_path(self, path: str) -> Path:
        """Where ``path`` lies on the machine that runs this process, symlinks resolved inside the root."""
        return Path(self._host(parts_of(self.resolve(path))))

    def facts(self, path: str) -> FileFacts:
        """``stat`` of a path. Raises EvidenceError where there is none or it may not be looked at."""
        real = self.resolve(path)
        try:
            st = self.lstat(parts_of(real))
        except OSError as e:
            raise EvidenceError(f"{path}: {e.strerror}") from e
        return FileFacts(path, real, st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns)

    def open(self, path: str) -> BinaryIO:
        """A regular file, opened for reading. Raises EvidenceError for anything else, and never blocks."""
        fd = self._open(path, os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise EvidenceError(f"{path}: not a regular file")
        return os.fdopen(fd, "rb")

    def exists(self, path: str) -> bool:
        return self._mode(path, self.lstat) is not None

    def may_be_there(self, path: str) -> bool:
        """:meth:`exists`, or nobody can say because it may not be looked at."""
        try:
            self.facts(path)
        except EvidenceError as e:
            return is_hidden(e)
        return True

    def is_dir(self, path: str) -> bool:
        return stat.S_ISDIR(self._mode(path, self.stat) or 0)

    def is_file(self, path: str) -> bool:
        return stat.S_ISREG(self._mode(path, self.stat) or 0)

    def lstat(self, parts: Parts) -> Stat:
        """``lstat`` of a path inside the root that has been resolved but for its last part. Raises OSError."""
        return self._lstat(parts)

    def stat(self, parts: Parts) -> Stat:
        """``stat`` of a resolved path: another answer than ``lstat`` for ``/proc/PID/root`` alone. Raises OSError."""
        return os.stat(self._host(parts))

    def leads_into_a_process(self, parts: Parts) -> bool:
        """Does the kernel lead through this symlink into the root of a process?"""
        in_process = len(parts) == 3 and parts[0] == "proc" and parts[1].isdecimal() and parts[2] in ("root", "cwd")
        return in_process and self.procfs() is not None

    def readlink(self, parts: Parts) -> str:
        return os.readlink(self._host(parts))

    def stat_of(self, file: BinaryIO) -> Stat:
        """``fstat`` of a file that :meth:`open` gave. Raises OSError."""
        return os.fstat(file.fileno())

    def moment_ns(self, now_ns: int) -> int:
        """The time whose state this node shows: now."""
        return now_ns

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises EvidenceError where it cannot be listed."""
        fd = self._open(path, os.O_DIRECTORY)
        try:
            return sorted(os.listdir(fd))
        except OSError as e:
            raise EvidenceError(f"{path}: {e.strerror}") from e
        finally:
            os.close(fd)

    def open_folder(self, path: str) -> int:
        """A directory, opened; the caller closes it. Raises EvidenceError."""
        return self._open(path, os.O_DIRECTORY)

    def glob(self, pattern: str) -> list[str]:
        """Paths inside the root that match a shell pattern, as glob(3) gives them to Fluent Bit and in its order
        (``*`` does not cross ``/`` nor match a leading dot). Directories that cannot be listed are passed over."""
        return self.find(pattern)[0]

    def find(self, pattern: str) -> tuple[list[str], list[Problem]]:
        """:meth:`glob`, and a problem for each directory that could not be listed and each name that leads to where
        nobody may look."""
        found, problems = [""], []
        for part in pattern.split("/"):
            if part in ("", "."):
                continue
            name = shell_pattern.literal(part)
            if name is not None:
                found = [f"{base}/{name}" for base in found]
                continue
            fits, longer = shell_pattern.compile_name(part), []
            for base in found:
                try:
                    longer += [f"{base}/{n}" for n in self.names(base or "/") if fits(n)]
                except EvidenceError as e:
                    if not isinstance(e.__cause__, (FileNotFoundError, NotADirectoryError)):
                        problems.append(Problem(base or "/", f"cannot be listed ({e}), so {pattern} may miss files"))
            found = longer
        there = set()
        for path in filter(None, found):
            try:
                self.facts(path)
                there.add(path)
            except EvidenceError as e:
                if is_hidden(e):
                    problems.append(Problem(path, f"cannot be followed: {e}"))
        return sorted(there, key=lambda p: p.encode("utf-8", "surrogateescape")), problems

    @functools.cached_property
    def identity(self) -> str:
        """What tells this node from others: a hash of its machine-id (machine-id(5): no other program is to show the id
        itself); "" where it has none."""
        try:
            with self.open(MACHINE_ID) as file:
                text = file.read(64).strip()
        except (EvidenceError, OSError):  # an image without systemd, or a copy of some folders
            return ""
        return hashlib.sha256(b"flbrecover:" + text).hexdigest()[:16] if len(text) == _MACHINE_ID_SIZE else ""

    def procfs(self) -> Path | None:
        """Where the root's ``/proc`` lies if the kernel says that a live procfs is mounted there, else None."""
        return self._procfs

    def agents_in_containers(self) -> list[str]:
        """The ids of processes called like a Fluent Bit that have another root than this node's."""
        proc = self.procfs()
        if proc is None:
            return []
        found = []
        for pid in pids(proc):
            try:
                if is_agent(comm_of(proc / str(pid))) and not (proc / str(pid) / "root").samefile(self.root):
                    found.append(str(pid))
            except OSError:  # it ended, or may not be looked at
                continue
        return found[:MAX_AGENTS]

    def not_seen(self) -> str:
        """Why :meth:`procfs` shows no processes."""
        return "no processes to see: whether a Fluent Bit is running on this node was not checked"

    @functools.cached_property
    def _procfs(self) -> Path | None:
        here = Path(self._host(["proc"]))
        try:
            device = os.lstat(here).st_dev
            with open("/proc/self/mountinfo", "rb") as mounts:  # of this process, not of the evidence
                of_proc = {line.split()[2] for line in mounts if b" - proc " in line}
        except OSError:
            return None
        return here if f"{os.major(device)}:{os.minor(device)}".encode() in of_proc else None

    def _open(self, path: str, flags: int) -> int:
        host = self._host(parts_of(self.resolve(path)))
        flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            try:
                return os.open(host, flags | getattr(os, "O_NOATIME", 0))
            except PermissionError:  # O_NOATIME is for the owner and root alone
                return os.open(host, flags)
        except OSError as e:
            what = "is a symbolic link" if e.errno == errno.ELOOP else e.strerror
            raise EvidenceError(f"{path}: {what}") from e

    def _mode(self, path: str, look: Callable[[Parts], Stat]) -> int | None:
        try:
            return look(parts_of(self.resolve(path))).st_mode
        except (EvidenceError, OSError):
            return None

    def _lstat(self, parts: Parts) -> os.stat_result:
        return os.lstat(self._host(parts)) if parts else os.stat(self.root)  # which may be /proc/PID/root, a link

    @functools.cached_property
    def _resolver(self) -> PathResolver:
        return PathResolver(self)

    def _host(self, parts: Parts) -> str:
        return f"{self._prefix}/{'/'.join(parts)}" if parts else str(self.root)


def is_hidden(error: EvidenceError) -> bool:
    """Whether a name could not be looked at: then a file may be there, which is not the same as that there is none."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno not in _NO_FILE
