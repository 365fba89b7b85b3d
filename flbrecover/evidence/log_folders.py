"""Where the files of one log lie: the folders beside its name and beside the file behind it, looked at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node, is_hidden
from flbrecover.evidence.rotated_names import Rotation, rotation_of
from flbrecover.model import FileFacts, Problem

MAX_FILES = 100_000  # of one folder
_CONTAINER_LINK = re.compile(
    r"(?P<pod>[a-z0-9.-]+)_(?P<namespace>[a-z0-9-]+)_(?P<container>[a-z0-9-]+)-[0-9a-f]{64}\.log"
)

FileKey = tuple[int, int]
"""Device and inode: what makes two names one file."""


def key_of(facts: FileFacts) -> FileKey:
    return facts.device, facts.inode


def clean_name(name: str) -> str:
    """A row's name as a path: the kernel adds " (deleted)" to the name of an unlinked file, and Fluent Bit stores what
    the kernel says (tail_file.c flb_tail_file_name)."""
    return str(PurePosixPath("/", name.removesuffix(" (deleted)")))


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, and the live file name that rotated names in it are made from. ``other_dates``: see rotation_of."""

    folder: str
    live: str
    other_dates: bool = False


@dataclass(slots=True)
class LogFolders:
    """Folders of one node, each listed once. ``problems`` grows while folders are looked at.

    What could not be followed, listed or read is remembered: :meth:`hides` tells whether it can be a part of a log.
    """

    node: Node
    problems: list[Problem] = field(default_factory=list)
    _files: dict[str, dict[str, FileFacts]] = field(default_factory=dict)
    _by_inode: dict[str, dict[int, FileFacts]] = field(default_factory=dict)
    _hidden: set[str] = field(default_factory=set)

    def file(self, path: str) -> FileFacts | None:
        """The regular file at a path, symlinks followed; None for anything else."""
        try:
            facts = self.node.facts(path)
        except EvidenceError as e:  # nothing is there, or nobody can see it
            if is_hidden(e):
                self.hide(path)
            return None
        return facts if self.node.is_file(path) else None

    def hide(self, path: str) -> None:
        """Remembers that a name, a file or a folder could not be looked at or read."""
        self._hidden.add(path)

    def hides(self, name: str) -> bool:
        """Whether a part of this log may be what could not be looked at: then that it was not found proves nothing."""
        places, folders = self.places(name), self.container_folders(name)
        if name in self._hidden or any(place.folder in self._hidden for place in places):
            return True
        for folder, _, file in (path.rpartition("/") for path in self._hidden):
            if folder in folders or f"{folder}/{file}" in folders:
                return True
            if any(place.folder == (folder or "/") and _belongs_to(place, file) for place in places):
                return True
        return False

    def files(self, folder: str) -> dict[str, FileFacts]:
        """The regular files of a folder by name, symlinks followed; empty where there is no such folder."""
        try:
            real = self.node.resolve(folder)
        except EvidenceError as e:
            self.problems.append(Problem(folder, f"cannot be looked into: {e}"))
            if is_hidden(e):
                self.hide(folder)
            return {}
        if real not in self._files:
            self._files[real] = self._look(folder)
        return self._files[real]

    def by_inode(self, folder: str, inode: int) -> FileFacts | None:
        """The first file of a folder that has this inode."""
        if folder not in self._by_inode:
            files = self.files(folder).values()
            self._by_inode[folder] = {f.inode: f for f in reversed(files)}
        return self._by_inode[folder].get(inode)

    def places(self, name: str) -> list[Place]:
        """Where siblings of a followed name lie: beside the real file, and beside the name if that is a symlink."""
        path = PurePosixPath(name)
        by_name = Place(str(path.parent), path.name)
        try:
            real = PurePosixPath(self.node.resolve(name))
            folder = self.node.resolve(by_name.folder)
        except EvidenceError as e:
            self.problems.append(Problem(name, f"cannot be followed: {e}"))
            if is_hidden(e):
                self.hide(name)
            return [by_name]
        if (folder, by_name.live) == (str(real.parent), real.name):
            return [by_name]
        return [Place(str(real.parent), real.name, other_dates=True), by_name]

    def rotations(self, place: Place) -> Iterator[tuple[Rotation, FileFacts]]:
        """Rotated files of a place, in no order."""
        for name, facts in self.files(place.folder).items():
            if name[:1] == place.live[:1]:
                rotation = rotation_of(place.live, name, other_dates=place.other_dates)
                if rotation is not None:
                    yield rotation, facts

    def container_folders(self, name: str) -> list[str]:
        """The kubelet's folders of a container whose symlink under /var/log/containers may be gone.

        ``<pod>_<namespace>_<container>-<id>.log`` leads to ``pods/<namespace>_<pod>_<uid>/<container>/N.log``.
        """
        m = _CONTAINER_LINK.fullmatch(PurePosixPath(name).name)
        if m is None:
            return []
        pods = PurePosixPath(name).parent.parent / "pods"
        found, problems = self.node.find(f"{pods}/{m['namespace']}_{m['pod']}_*/{m['container']}")
        if problems:
            self.problems += problems
            self.hide(name)
        return [f for f in found if self.node.is_dir(f)]

    def _look(self, folder: str) -> dict[str, FileFacts]:
        try:
            names = self.node.names(folder)
        except EvidenceError as e:
            if not isinstance(e.__cause__, (FileNotFoundError, NotADirectoryError)):
                self.problems.append(Problem(folder, f"cannot be listed: {e}"))
                self.hide(folder)
            return {}
        if len(names) > MAX_FILES:
            what = f"has {len(names)} files: only {MAX_FILES} were looked at"
            self.problems.append(Problem(folder, what))
            self.hide(folder)
        found = {}
        for name in names[:MAX_FILES]:
            file = self.file(f"{folder.rstrip('/')}/{name}")
            if file is not None:
                found[name] = file
        return found


def _belongs_to(place: Place, name: str) -> bool:
    return name == place.live or rotation_of(place.live, name, other_dates=place.other_dates) is not None
