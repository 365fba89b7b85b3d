"""The bytes of log files, plain or gzip, for finding out what a file is; always streamed, never held whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import xxhash

from flbrecover.errors import EvidenceError
from flbrecover.evidence.log_bytes import LogBytes
from flbrecover.evidence.node import Node
from flbrecover.model import FileFacts, SourceFile

MARKER_SIZE = 32  # FLB_TAIL_DB_OFFSET_MARKER_SIZE
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was found, and whether to read it through gzip. Offsets are those of the uncompressed bytes."""

    facts: FileFacts
    gzipped: bool

    @property
    def path(self) -> str:
        return self.facts.path


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a content found: its size, the bytes just before each offset asked for (at most 32, fewer
    near the start; offsets beyond the end are missing), and, where it is damaged, what stopped the reading."""

    size: int
    windows: dict[int, bytes]
    damage: str = ""


def marker_of(window: bytes) -> int:
    """The offset marker of these bytes as the DB has it: XXH3-64 with seed 0, a signed number.
    Source: tail_file.c compute_offset_marker, cfl_hash.h."""
    digest = xxhash.xxh3_64_intdigest(window)
    return digest - (1 << 64) if digest >> 63 else digest


def is_gzip(node: Node, path: str) -> bool:
    """Whether the file starts as gzip does. Raises EvidenceError where it cannot be read."""
    return read_raw(node, path, 0, len(_GZIP_MAGIC)) == _GZIP_MAGIC


def read_raw(node: Node, path: str, start: int, size: int) -> bytes:
    """``size`` bytes of the file itself from ``start``, fewer at its end. Raises EvidenceError."""
    with node.open(path) as f:
        try:
            f.seek(start)
            return f.read(size)
        except (OSError, ValueError, OverflowError) as e:
            raise EvidenceError(f"{path}: {e}") from e


def blocks(node: Node, content: Content) -> Iterator[bytes]:
    """The content in small blocks. Raises EvidenceError behind the last byte that could be read."""
    reader = LogBytes(node, SourceFile(content.facts, content.gzipped, None, None, ""))
    yield from reader
    if reader.problems:
        raise EvidenceError(f"{content.path}: {reader.problems[0].what}")


def scan(node: Node, content: Content, offsets: set[int]) -> Scan:
    """Read all of a content, keeping what lies before ``offsets``. Raises EvidenceError only where it has no bytes."""
    todo = sorted(offsets, reverse=True)
    windows: dict[int, bytes] = {}
    size, tail = 0, b""
    try:
        for block in blocks(node, content):
            known = tail + block
            while todo and todo[-1] <= size + len(block):
                end = todo.pop() - size + len(tail)
                windows[size - len(tail) + end] = known[max(0, end - MARKER_SIZE) : end]
            size += len(block)
            tail = known[-MARKER_SIZE:]
    except EvidenceError as e:
        if not size:
            raise
        return Scan(size, windows, str(e))
    return Scan(size, windows)


def is_start_of(node: Node, short: Content, long: Content) -> bool:
    """Whether all bytes of ``short`` that can be read (at least one) are the first bytes of ``long``.

    A compressed copy that is still being written ends early: what there is of it counts. Raises EvidenceError where
    ``long`` cannot be read.
    """
    ahead, compared = b"", 0
    of_long = blocks(node, long)
    for block in _up_to_damage(blocks(node, short)):
        while len(ahead) < len(block):
            more = next(of_long, b"")
            if not more:
                return False
            ahead += more
        if not ahead.startswith(block):
            return False
        ahead = ahead[len(block) :]
        compared += len(block)
    return compared > 0


def line_start(node: Node, content: Content, offset: int, reach: int) -> int:
    """The offset behind the last newline in the ``reach`` bytes before ``offset``; ``offset`` where there is none.
    0 counts as the start of a line. Raises EvidenceError."""
    if offset <= 0:
        return 0
    start = max(0, offset - reach)
    if not content.gzipped:
        before = read_raw(node, content.path, start, offset - start)
        newline = before.rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        return 0 if start == 0 else offset
    last, at = (0 if start == 0 else -1), 0
    for block in blocks(node, content):
        newline = block.rfind(b"\n", 0, max(0, offset - at))
        if newline >= 0:
            last = at + newline + 1
        at += len(block)
        if at >= offset:
            break
    return last if last >= start else offset


def uncompressed_size(node: Node, facts: FileFacts, compressed: int) -> int:
    """How many bytes the first ``compressed`` bytes of a gzip file give. They end in a member: that is no damage."""
    start = Content(replace(facts, size=min(compressed, facts.size)), gzipped=True)
    return sum(len(block) for block in _up_to_damage(blocks(node, start)))


def _up_to_damage(content: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from content
    except EvidenceError:  # the answer is about what there is
        return
