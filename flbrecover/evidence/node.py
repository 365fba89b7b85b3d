"""The node's file system, read-only and confined to a root.

Every path that a configuration, a DB row or a symlink of the node names is a path *inside* the root: an absolute
symlink starts at the root again and ``..`` stops there, as in a chroot. Files are opened without following what
was not resolved here, without blocking on FIFOs, and without touching access times where the mount allows it.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.model import FileFacts

MAX_SYMLINKS = 40  # what Linux allows (MAXSYMLINKS)
_GLOB = re.compile(r"[*?\[]")


class Node:
    """A file system at ``root``: the live one (``/``), a mounted one (``/host``), or an unpacked copy."""

    def __init__(self, root: Path | str = "/") -> None:
        self.root = Path(os.path.abspath(root))
        if not self.root.is_dir():
            raise EvidenceError(f"--root {self.root}: no such directory")

    def __repr__(self) -> str:
        return f"Node({str(self.root)!r})"

    def resolve(self, path: str) -> str:
        """The path inside the root behind every symlink of ``path``; the last part need not exist.

        Raises EvidenceError on a symlink loop or a directory that may not be searched.
        """
        todo = [p for p in reversed(PurePosixPath(path).parts) if p != "/"]
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if done:
                    done.pop()
                continue
            here = self._host([*done, part])
            try:
                is_link = stat.S_ISLNK(os.lstat(here).st_mode)
            except (FileNotFoundError, NotADirectoryError):
                is_link = False
            except OSError as e:
                raise EvidenceError(f"{path}: {e.strerror}") from e
            if not is_link:
                done.append(part)
                continue
            links += 1
            if links > MAX_SYMLINKS:
                raise EvidenceError(f"{path}: too many levels of symbolic links")
            target = PurePosixPath(os.readlink(here))
            if target.is_absolute():
                done = []
            todo.extend(p for p in reversed(target.parts) if p != "/")
        return "/" + "/".join(done)

    def host_path(self, path: str) -> Path:
        """Where ``path`` lies on the machine that runs this process, symlinks resolved inside the root."""
        return Path(self._host(PurePosixPath(self.resolve(path)).parts[1:]))

    def facts(self, path: str) -> FileFacts:
        """``stat`` of a path. Raises EvidenceError where there is none or it may not be looked at."""
        real = self.resolve(path)
        try:
            st = os.lstat(self._host(PurePosixPath(real).parts[1:]))
        except OSError as e:
            raise EvidenceError(f"{path}: {e.strerror}") from e
        return FileFacts(path, real, st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns)

    def open(self, path: str) -> BinaryIO:
        """A regular file, opened for reading. Raises EvidenceError for anything else, and never blocks."""
        host = self._host(PurePosixPath(self.resolve(path)).parts[1:])
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            try:
                fd = os.open(host, flags | getattr(os, "O_NOATIME", 0))
            except PermissionError:  # O_NOATIME is for the owner and root alone
                fd = os.open(host, flags)
        except OSError as e:
            what = "is a symbolic link" if e.errno == errno.ELOOP else e.strerror
            raise EvidenceError(f"{path}: {what}") from e
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise EvidenceError(f"{path}: not a regular file")
        return os.fdopen(fd, "rb")

    def exists(self, path: str) -> bool:
        try:
            return os.path.lexists(self.host_path(path))
        except EvidenceError:
            return False

    def is_dir(self, path: str) -> bool:
        try:
            return self.host_path(path).is_dir()
        except EvidenceError:
            return False

    def is_file(self, path: str) -> bool:
        try:
            return self.host_path(path).is_file()
        except EvidenceError:
            return False

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises EvidenceError where it cannot be listed."""
        try:
            return sorted(os.listdir(self.host_path(path)))
        except OSError as e:
            raise EvidenceError(f"{path}: {e.strerror}") from e

    def glob(self, pattern: str) -> list[str]:
        """Paths inside the root that match a shell pattern, sorted, as glob(3) gives them to Fluent Bit
        (``*`` does not cross ``/`` nor match a leading dot). Directories that cannot be listed are passed over."""
        found = [""]
        for part in PurePosixPath(pattern).parts:
            if part == "/":
                continue
            found = [f"{base}/{name}" for base in found for name in self._matching(base or "/", part)]
        return sorted(p for p in found if self.exists(p))

    def _matching(self, base: str, part: str) -> Iterator[str]:
        if not _GLOB.search(part):
            yield part
            return
        try:
            names = self.names(base)
        except EvidenceError:
            return
        for name in names:
            if fnmatch.fnmatchcase(name, part) and (not name.startswith(".") or part.startswith(".")):
                yield name

    def _host(self, parts: list[str] | tuple[str, ...]) -> str:
        return os.path.join(self.root, *parts)
