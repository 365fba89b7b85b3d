"""Where a path inside a root leads, with every symlink followed as in a chroot: an absolute one starts at the root
again, and ``..`` stops there."""

from __future__ import annotations

import stat
from typing import Protocol

from flbrecover.errors import EvidenceError

MAX_SYMLINKS = 40  # what Linux allows (MAXSYMLINKS)
Parts = tuple[str, ...] | list[str]  # of a path inside the root


class Stat(Protocol):
    """What is looked at of ``os.stat_result``."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_dev(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_uid(self) -> int: ...
    @property
    def st_gid(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...


class FileSystem(Protocol):
    """What a resolver asks: see :class:`~flbrecover.evidence.node.Node`."""

    def lstat(self, parts: Parts) -> Stat: ...
    def stat(self, parts: Parts) -> Stat: ...
    def readlink(self, parts: Parts) -> str: ...
    def leads_into_a_process(self, parts: Parts) -> bool: ...


class PathResolver:
    """Looks at every part of a path. Of a folder that no symlink led to, device and inode are remembered: while its
    path leads to these, the parts need no second look."""

    def __init__(self, file_system: FileSystem) -> None:
        self._file_system = file_system
        self._folders: dict[str, tuple[int, int]] = {}

    def resolve(self, path: str) -> str:
        """See :meth:`Node.resolve`."""
        if not _can_be_a_path(path):
            raise EvidenceError(f"{path!r}: no file can have this name")
        folder, _, name = path.rpartition("/")
        known = self._is_as_it_was(folder)
        done = parts_of(folder) if known else []
        todo = [name] if known else path.split("/")[::-1]
        links = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if done:
                    done.pop()
                continue
            here = [*done, part]
            try:
                is_link = stat.S_ISLNK(self._file_system.lstat(here).st_mode)
            except (FileNotFoundError, NotADirectoryError):
                is_link = False
            except OSError as e:
                raise EvidenceError(f"{path}: {e.strerror}") from e
            if not is_link or self._file_system.leads_into_a_process(here):
                done.append(part)
                continue
            links += 1
            if links > MAX_SYMLINKS:
                raise EvidenceError(f"{path}: too many levels of symbolic links")
            try:
                target = self._file_system.readlink(here)
            except OSError as e:
                raise EvidenceError(f"{path}: {e.strerror}") from e
            if target.startswith("/"):
                done = []
            todo.extend(reversed(target.split("/")))
        resolved = "/" + "/".join(done)
        if not known and folder and resolved == path and not links:
            self._remember(folder)
        return resolved

    def _is_as_it_was(self, folder: str) -> bool:
        known = self._folders.get(folder)
        return known is not None and known == self._identity_of(folder)

    def _remember(self, folder: str) -> None:
        identity = self._identity_of(folder)
        if identity is not None:
            self._folders[folder] = identity

    def _identity_of(self, folder: str) -> tuple[int, int] | None:
        try:
            found = self._file_system.stat(parts_of(folder))
        except OSError:
            return None
        return found.st_dev, found.st_ino


def parts_of(resolved: str) -> list[str]:
    return resolved.split("/")[1:] if resolved != "/" else []


def _can_be_a_path(path: str) -> bool:
    try:
        return b"\0" not in path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
