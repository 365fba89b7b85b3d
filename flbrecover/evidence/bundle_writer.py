"""Writes a bundle from front to back: a tar in the seekable format of zstd, see docs/formats/bundle.md."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from flbrecover.errors import FlbrecoverError
from flbrecover.evidence import bundle_manifest as manifest
from flbrecover.evidence.bundle_manifest import Entry
from flbrecover.evidence.frames import FrameWriter

_BLOCK = 1 << 20
_TAR_BLOCK = 512


class DestinationError(FlbrecoverError):
    """Where the bundle goes takes no more; the text is the reason alone. No OSError: nobody may take it for a file of
    the evidence that cannot be read, and what was written is no bundle any more."""


@dataclass(frozen=True, slots=True)
class Total:
    """What a finished bundle holds. ``packed`` and ``sha256`` are of the bundle itself."""

    entries: int
    files: int
    bytes: int
    packed: int
    sha256: str


class BundleWriter:
    """``out`` takes the bytes of the bundle, in order. Nothing is read back. Whatever writes raises DestinationError
    where ``out`` raises OSError."""

    def __init__(self, out: Callable[[bytes], object], *, tool: str, collected_ns: int) -> None:
        self._out = out
        self._packed = 0
        self._digest = hashlib.sha256()
        self._frames = FrameWriter(self._put)
        self._files = self._bytes = 0
        said = {"type": "bundle", "format": manifest.FORMAT, "tool": tool, "collected_ns": collected_ns}
        self._member(manifest.MARKER, manifest.encode(said))
        self._frames.end_frame()

    def add(self, entry: Entry, content: BinaryIO) -> Entry:
        """Writes the first ``entry.size`` bytes of a file and gives the entry that says where they are; a shorter one
        where the file had fewer. Raises OSError where the file cannot be read."""
        info = tarfile.TarInfo(f"node{entry.path}")
        info.size, info.mtime = entry.size, entry.mtime_ns // 1_000_000_000
        info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
        block = content.read(min(_BLOCK, entry.size))  # what cannot be read at all raises before anything is written
        self._frames.write(_header(info))
        at, left, hasher = self._frames.position, entry.size, hashlib.sha256()
        note = ""
        while block:
            hasher.update(block)
            self._frames.write(block)
            left -= len(block)
            try:
                block = content.read(min(_BLOCK, left))
            except OSError as e:
                note = f"reading failed behind byte {entry.size - left}: {e.strerror}"
                break
        if left and not note:
            note = f"it shrank while it was read: its last {left} bytes are missing"
        self._zeros(left + -entry.size % _TAR_BLOCK)
        self._files += 1
        self._bytes += entry.size - left
        return replace(entry, at=at, size=entry.size - left, sha256=hasher.hexdigest(), note=note)

    def link(self, entry: Entry) -> None:
        """A symlink, for those who unpack the archive with tar; flbrecover takes it from the manifest."""
        info = tarfile.TarInfo(f"node{entry.path}")
        info.type, info.linkname, info.mtime = tarfile.SYMTYPE, entry.target or "", entry.mtime_ns // 1_000_000_000
        self._frames.write(_header(info))

    def finish(self, lines: Sequence[Mapping[str, Any]], entries: Sequence[Entry]) -> Total:
        """Writes the manifest as the last member, and the end of the archive."""
        encoded = [manifest.encode(line) for line in lines]
        hasher, size = hashlib.sha256(), 0
        for raw in (*encoded, *(manifest.encode(e.line()) for e in entries)):
            hasher.update(raw)
            size += len(raw)
        end = {
            "type": "end",
            "entries": len(entries),
            "files": self._files,
            "bytes": self._bytes,
            "manifest_at": "0" * 20,
            "manifest_size": size,
            "sha256": hasher.hexdigest(),
        }
        info = tarfile.TarInfo(manifest.MANIFEST)
        info.mode = 0o600
        info.size = size + len(manifest.encode(end)) - 2  # a number of 20 digits, without the quotes
        self._frames.end_frame()
        self._frames.write(_header(info))
        at = self._frames.position
        for raw in encoded:
            self._frames.write(raw)
        for entry in entries:
            self._frames.write(manifest.encode(entry.line()))
        last = manifest.encode({**end, "manifest_at": at})
        self._frames.write(last[:-1].ljust(info.size - size - 1) + b"\n")
        self._zeros(-info.size % _TAR_BLOCK + 2 * _TAR_BLOCK)
        self._frames.finish()
        return Total(len(entries), self._files, self._bytes, self._packed, self._digest.hexdigest())

    def _member(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.mode, info.size = 0o600, len(content)
        self._frames.write(_header(info) + content + bytes(-len(content) % _TAR_BLOCK))

    def _zeros(self, count: int) -> None:
        while count > 0:
            self._frames.write(bytes(min(count, _BLOCK)))
            count -= _BLOCK

    def _put(self, data: bytes) -> None:
        self._packed += len(data)
        self._digest.update(data)
        try:
            self._out(data)
        except OSError as e:
            raise DestinationError(e.strerror or str(e)) from e


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
