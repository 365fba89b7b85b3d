"""The archive of a bundle: what says that it is one, the lines of its manifest, and the bytes of its entries."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import zstandard

from flbrecover.errors import EvidenceError, UsageError
from flbrecover.evidence import bundle_manifest as manifest
from flbrecover.evidence.bundle_manifest import Entry
from flbrecover.evidence.frames import WAY_OUT, FrameReader

_BLOCK = 1 << 20
_TAR_BLOCK = 512
_TAIL = 1 << 16  # of the archive, holds the manifest's last line


class Content(io.RawIOBase):
    """The bytes of one entry."""

    def __init__(self, frames: FrameReader, entry: Entry) -> None:
        self._frames = frames
        self.entry = entry
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.entry.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        wanted = min(len(view), self.entry.size - self._position)
        if wanted <= 0:
            return 0
        try:
            data = self._frames.read((self.entry.at or 0) + self._position, wanted)
        except EvidenceError as e:
            raise OSError(errno.EIO, str(e)) from e
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def marker_of(file: BinaryIO, name: str) -> dict[str, Any]:
    """The archive's first member, which says what it is. Read on its own, so that it is found in a torso too."""
    none = UsageError(f"--root {name}: neither a directory nor a bundle that `flbrecover collect` made")
    head = file.read(1 << 16)
    try:
        if zstandard.frame_content_size(head) not in range(1, 1 << 16):
            raise none
        first = zstandard.ZstdDecompressor().decompress(head)
    except zstandard.ZstdError as e:
        raise none from e
    if not first.startswith(manifest.MARKER.encode() + b"\0"):
        raise none
    marker = manifest.decode(first[_TAR_BLOCK:].partition(b"\n")[0], name)
    made_with = marker.get("format")
    if type(made_with) is not int:
        raise none
    if made_with > manifest.FORMAT:
        tool = str(marker.get("tool"))[:100]
        raise UsageError(f"--root {name}: bundle format {made_with}, made by {tool}: newer than this flbrecover")
    return marker


def last_line(frames: FrameReader, name: str) -> dict[str, Any]:
    """The manifest's last line, which says where the others lie. Raises EvidenceError."""
    start = max(0, frames.size - _TAIL)
    raw = b"".join(blocks(frames, start, frames.size - start, name)).rstrip(b"\0")
    end = manifest.decode(raw[raw.rfind(b"\n", 0, len(raw) - 1) + 1 :], name)
    if end["type"] != "end":
        raise EvidenceError(f"{name}: its manifest is damaged; {WAY_OUT}")
    return end


def lines(frames: FrameReader, at: int, size: int, name: str) -> Iterator[bytes]:
    """The lines in a range of the archive, each with its newline. Raises EvidenceError."""
    rest = b""
    for block in blocks(frames, at, size, name):
        *ended, rest = (rest + block).split(b"\n")
        for line in ended:
            yield line + b"\n"
        if len(rest) > manifest.MAX_LINE:
            break
    if rest:
        raise EvidenceError(f"{name}: its manifest is damaged; {WAY_OUT}")


def blocks(frames: FrameReader, at: int, size: int, name: str) -> Iterator[bytes]:
    """The bytes of a range of the archive. Raises EvidenceError."""
    end = at + size
    while at < end:
        block = frames.read(at, min(_BLOCK, end - at))
        if not block:
            raise EvidenceError(f"{name}: ends before its manifest says")
        yield block
        at += len(block)
