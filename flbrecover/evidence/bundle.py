"""A bundle that ``flbrecover collect`` made, as a node: the same answers as on the node itself.

Nothing is unpacked. Names, inodes and times come from the manifest, contents are decompressed where they are asked
for, so no name of a bundle ever becomes a path of this machine. The SHA-256 of a file is checked when it is first
opened.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from flbrecover.errors import EvidenceError, UsageError
from flbrecover.evidence import bundle_archive as archive
from flbrecover.evidence import bundle_manifest as manifest
from flbrecover.evidence.bundle_manifest import Entry
from flbrecover.evidence.frames import WAY_OUT, FrameReader
from flbrecover.evidence.node import Node
from flbrecover.evidence.path_resolver import Parts
from flbrecover.model import Problem
from flbrecover.wording import are, count

_MANY = 5  # names in one message
_IDENTITY = re.compile("[0-9a-f]{0,16}")


def open_root(root: Path | str) -> Node:
    """The node that ``--root`` names: a directory, or a bundle."""
    path = existing_root(root)
    return BundleNode(path) if path.is_file() else Node(path)


def existing_root(root: Path | str) -> Path:
    """The whole path of what ``--root`` names. Raises UsageError where there is nothing."""
    path = Path(os.path.abspath(root))
    try:
        path.stat()
    except FileNotFoundError as e:
        raise UsageError(f"--root {path}: no such directory") from e
    except OSError as e:
        raise UsageError(f"--root {path}: {e.strerror}") from e
    return path


class BundleNode(Node):
    """Raises EvidenceError for a bundle that is damaged or was cut short, UsageError for a file that is none and for
    one of a newer version."""

    def __init__(self, path: Path) -> None:
        self.root = path
        try:
            self._file = path.open("rb")
        except OSError as e:
            raise EvidenceError(f"--root {path}: {e.strerror}") from e
        try:
            self._read_manifest(archive.marker_of(self._file, str(path)))
        except BaseException:
            self._file.close()
            raise

    def __del__(self) -> None:
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()

    def __repr__(self) -> str:
        return f"BundleNode({str(self.root)!r})"

    def host_path(self, path: str) -> Path:
        raise EvidenceError(f"{path}: lies in the bundle {self.root}, not on this machine")

    def open_folder(self, path: str) -> int:
        self.host_path(path)
        raise AssertionError("not reached")

    def lstat(self, parts: Parts) -> Entry:
        path = "/" + "/".join(parts)
        entry = self._entries.get(path)
        if entry is None:
            above = path
            while above not in self._entries:
                above = posixpath.dirname(above)
            is_folder = self._entries[above].kind in ("directory", "unknown")
            number = errno.ENOENT if is_folder else errno.ENOTDIR
            raise OSError(number, os.strerror(number), path)  # FileNotFoundError or NotADirectoryError
        if entry.kind == "unknown":
            raise OSError(entry.error or errno.EACCES, os.strerror(entry.error or errno.EACCES), path)
        return entry

    def stat(self, parts: Parts) -> Entry:
        return self.lstat(parts)

    def readlink(self, parts: Parts) -> str:
        return self.lstat(parts).target or ""

    def names(self, path: str) -> list[str]:
        entry = self._entry(path)
        if entry.kind != "directory":
            cause = NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            raise EvidenceError(f"{path}: {cause.strerror}") from cause
        if entry.error:
            raise EvidenceError(f"{path}: {os.strerror(entry.error)}")
        if not entry.listed:
            raise EvidenceError(f"{path}: was not looked into when the bundle was collected")
        return list(self._children.get(entry.path, ()))

    def open(self, path: str) -> BinaryIO:
        entry = self._entry(path)
        if entry.kind != "file":
            raise EvidenceError(f"{path}: not a regular file")
        if entry.error:
            raise EvidenceError(f"{path}: {os.strerror(entry.error)}")
        if entry.at is None:
            raise EvidenceError(f"{path}: is not in the bundle{f' ({entry.why})' if entry.why else ''}")
        if entry.path not in self._verified:
            self._verify(entry)
            self._verified.add(entry.path)
        return io.BufferedReader(archive.Content(self._frames, entry))

    def stat_of(self, file: BinaryIO) -> Entry:
        content = file.raw if isinstance(file, io.BufferedReader) else None
        if not isinstance(content, archive.Content):
            raise EvidenceError("a file that this bundle did not open")
        return content.entry

    def moment_ns(self, now_ns: int) -> int:
        return min(now_ns, self.collected_ns)

    def procfs(self) -> Path | None:
        return None

    def agents_in_containers(self) -> list[str]:
        return list(self._agents)

    def not_seen(self) -> str:
        then = ", ".join(f"{a['pid']} ({a['comm']})" for a in self.running)
        was = f"{then} was running when it was collected" if then else "none was seen when it was collected"
        return f"a bundle: whether a Fluent Bit is running on this node now cannot be seen; {was}"

    def _entry(self, path: str) -> Entry:
        real = self.resolve(path)
        try:
            return self.lstat([p for p in real.split("/") if p])
        except OSError as e:
            raise EvidenceError(f"{path}: {e.strerror}") from e

    def _verify(self, entry: Entry) -> None:
        hasher = hashlib.sha256()
        for block in archive.blocks(self._frames, entry.at or 0, entry.size, str(self.root)):
            hasher.update(block)
        if hasher.hexdigest() != entry.sha256:
            what = "its bytes in the bundle are not those that were collected (SHA-256 differs); collect it again"
            raise EvidenceError(f"{entry.path}: {what}")

    def _read_manifest(self, marker: dict[str, Any]) -> None:
        name = str(self.root)
        try:
            self._frames = FrameReader(self._file, name)
        except EvidenceError as e:
            what = f"the bundle was cut short, or packed again by something else; {WAY_OUT}"
            raise EvidenceError(f"{e}: {what}") from e
        end = archive.last_line(self._frames, name)
        at, size = end.get("manifest_at"), end.get("manifest_size")
        if type(at) is not int or type(size) is not int or at < 0 or not 0 <= size <= manifest.MAX_MANIFEST:
            raise EvidenceError(f"{name}: its manifest is damaged; {WAY_OUT}")
        entries: list[Entry] = []
        notes: list[dict[str, Any]] = []
        hasher = hashlib.sha256()
        for raw in archive.lines(self._frames, at, size, name):
            hasher.update(raw)
            line = manifest.decode(raw, name)
            if line["type"] == "entry":
                if len(entries) > manifest.MAX_ENTRIES:
                    raise EvidenceError(f"{name}: its manifest has more than {manifest.MAX_ENTRIES} entries; refused")
                entries.append(manifest.entry_of(line, name, at))
            elif line["type"] in ("node", "note"):
                notes.append(line)
        if hasher.hexdigest() != end.get("sha256") or len(entries) != end.get("entries"):
            raise EvidenceError(f"{name}: its manifest is damaged (SHA-256 differs); {WAY_OUT}")
        self._entries = manifest.checked(entries, name)
        self._children: dict[str, list[str]] = {}
        for path in sorted(self._entries):
            if path != "/":
                self._children.setdefault(posixpath.dirname(path), []).append(posixpath.basename(path))
        self._verified: set[str] = set()
        self._facts(next((n for n in notes if n["type"] == "node"), {}), marker, name)
        self.problems = (*self._left_out(), *_notes(notes))

    def _facts(self, node: dict[str, Any], marker: dict[str, Any], name: str) -> None:
        config, collected = node.get("config"), marker.get("collected_ns")
        agents, running = node.get("agents_in_containers", []), node.get("running", [])
        identity = node.get("identity", "")
        fits = (
            (isinstance(identity, str) and _IDENTITY.fullmatch(identity) is not None)
            and (config is None or isinstance(config, str))
            and type(collected) is int
            and isinstance(agents, list)
            and all(isinstance(a, str) and a.isascii() and a.isdecimal() for a in agents)
            and isinstance(running, list)
            and all(isinstance(r, dict) for r in running)
            and all(type(r.get("pid")) is int and isinstance(r.get("comm"), str) for r in running)
        )
        if not fits:
            raise EvidenceError(f"{name}: its manifest is damaged; {WAY_OUT}")
        self.config = config
        self.identity = identity
        self.collected_ns = int(collected or 0)
        self.running: list[dict[str, Any]] = running
        self._agents: list[str] = agents

    def _left_out(self) -> Iterator[Problem]:
        by_reason: dict[str, list[Entry]] = {}
        for entry in self._entries.values():
            if entry.why:
                by_reason.setdefault(entry.why, []).append(entry)
        for why, entries in by_reason.items():
            some = ", ".join(e.path for e in entries[:_MANY])
            more = f" and {len(entries) - _MANY} more" if len(entries) > _MANY else ""
            number, total = len(entries), sum(e.size for e in entries)
            what = f"{count(number, 'file')} ({total:,} bytes) {are(number)} not in this bundle: {why}: {some}{more}"
            yield Problem(str(self.root), what, way_out="collect again without this bound")


def _notes(notes: list[dict[str, Any]]) -> Iterator[Problem]:
    for note in notes:
        if note["type"] == "note" and isinstance(note.get("path"), str) and isinstance(note.get("what"), str):
            yield Problem(note["path"], note["what"], unreadable=note.get("unreadable") is True)
