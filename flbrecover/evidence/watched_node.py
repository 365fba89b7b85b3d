"""A node that remembers what was asked of it.

A bundle has to answer whatever a command asks: so the commands' own survey is run on this node, and what it looked at,
listed and opened is what the bundle must hold.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.evidence.bundle_manifest import Entry, of_stat
from flbrecover.evidence.node import Node
from flbrecover.evidence.path_resolver import Parts, parts_of


class WatchedNode(Node):
    """``opened`` are the resolved paths of all files opened so far, in order. ``instead`` are contents to give out in
    place of a file's own."""

    def __init__(self, root: Path | str = "/") -> None:
        super().__init__(root)
        self.opened: dict[str, None] = {}
        self.instead: dict[str, bytes] = {}
        self._seen: dict[str, os.stat_result | OSError] = {}
        self._links: dict[str, str] = {}
        self._listed: dict[str, list[str] | None] = {}
        self._agents: list[str] = []

    def lstat(self, parts: Parts) -> os.stat_result:
        path = "/" + "/".join(parts)
        try:
            found = self._lstat(parts)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as e:
            self._seen[path] = e
            raise
        self._seen[path] = found
        return found

    def readlink(self, parts: Parts) -> str:
        target = super().readlink(parts)
        self._links["/" + "/".join(parts)] = target
        return target

    def names(self, path: str) -> list[str]:
        real = self.resolve(path)
        try:
            found = super().names(path)
        except EvidenceError as e:
            if not isinstance(e.__cause__, (FileNotFoundError, NotADirectoryError)):
                self._listed.setdefault(real, None)
            raise
        self._listed[real] = found
        return found

    def open(self, path: str) -> BinaryIO:
        real = self.resolve(path)
        if real in self.instead:
            return io.BytesIO(self.instead[real])
        file = super().open(path)
        self.opened[real] = None
        return file

    def agents_in_containers(self) -> list[str]:
        self._agents = super().agents_in_containers()
        return self._agents

    @property
    def seen_agents(self) -> list[str]:
        return self._agents

    def entries(self) -> dict[str, Entry]:
        """Everything that was seen, by path: with the names in every folder that was listed, and all folders above."""
        self._look([])
        for folder, names in list(self._listed.items()):
            for name in names or ():
                self._look([*parts_of(folder), name])
        for path in list(self._seen):
            parts = parts_of(path)
            for i in range(len(parts)):
                self._look(parts[:i])
        return {path: entry for path in sorted(self._seen) if (entry := self._entry(path)) is not None}

    def _look(self, parts: list[str]) -> None:
        if "/" + "/".join(parts) not in self._seen:
            try:
                self.lstat(parts)
            except OSError:  # what is remembered, or a file that is gone by now
                return

    def _entry(self, path: str) -> Entry | None:
        found, parts = self._seen[path], parts_of(path)
        if isinstance(found, OSError):
            return Entry(path, "unknown", error=found.errno or 0)
        if self.leads_into_a_process(parts):
            try:
                return of_stat(path, os.stat(self._host(parts)), listed=self._listed.get(path) is not None)
            except OSError as e:
                return Entry(path, "unknown", error=e.errno or 0)
        entry = of_stat(path, found, listed=self._listed.get(path) is not None)
        if entry.kind == "directory" and path in self._listed and not entry.listed:
            return of_stat(path, found, error=_errno_of_listing(self._host(parts)))
        if entry.kind == "symlink":
            return of_stat(path, found, target=self._link(path, parts))
        return entry

    def _link(self, path: str, parts: list[str]) -> str:
        try:
            return self._links.get(path) or os.readlink(self._host(parts))
        except OSError:  # replaced by now: a link to itself leads nowhere
            return path


def _errno_of_listing(host: str) -> int:
    try:
        with os.scandir(host):
            return 0
    except OSError as e:
        return e.errno or 0
