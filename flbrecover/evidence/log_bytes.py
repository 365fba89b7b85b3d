"""The uncompressed bytes of one log file, as it was when it was listed: streamed, and no more than its size then.

A file that has changed since, or that cannot be read to its end, gives what there is, and a problem.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.model import ByteRange, Problem, SourceFile

BLOCK = 1 << 18
_GZIP_INPUT = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS


class LogBytes:
    """Iterate to get blocks from ``start`` (an offset in the uncompressed content) on.

    ``whole`` is False afterwards where the bytes end earlier than the file did: what came last may be torn.
    """

    def __init__(self, node: Node, file: SourceFile, start: int = 0) -> None:
        self._node = node
        self._file = file
        self._start = start
        self.whole = True
        self.problems: list[Problem] = []

    def __iter__(self) -> Iterator[bytes]:
        facts = self._file.facts
        try:
            with self._node.open(facts.real_path) as f:
                now = self._node.stat_of(f)
                if (now.st_dev, now.st_ino) != (facts.device, facts.inode):
                    self._problem("it was replaced by another file since it was found", ByteRange(0, facts.size))
                elif self._file.compressed:
                    yield from _without(self._gunzip(f), self._start)
                else:
                    f.seek(self._start)
                    yield from self._plain(f, self._start, BLOCK)
        except EvidenceError as e:
            self._problem(f"it cannot be read: {e}", ByteRange(0, facts.size))

    def _plain(self, f: BinaryIO, at: int, size: int) -> Iterator[bytes]:
        """Bytes of the file itself up to the size that it had."""
        while at < self._file.facts.size:
            try:
                block = f.read(min(size, self._file.facts.size - at))
            except OSError as e:
                self._problem(f"reading it failed: {e.strerror}", ByteRange(at, self._file.facts.size))
                return
            if not block:
                self._problem("it shrank while it was read", ByteRange(at, self._file.facts.size))
                return
            yield block
            at += len(block)

    def _gunzip(self, f: BinaryIO) -> Iterator[bytes]:
        """All gzip members one after the other. Zero bytes after a member are padding (gzip(1) ignores them, too)."""
        inflate = zlib.decompressobj(_GZIP)
        at = member = 0
        between = is_first = True
        for block in self._plain(f, 0, _GZIP_INPUT):
            at += len(block)
            while block:
                if between:
                    block = block if is_first else block.lstrip(b"\0")
                    if not block:
                        break
                    between = is_first = False
                    member = at - len(block)
                before = inflate.copy()
                try:
                    out = inflate.decompress(block, BLOCK)
                except zlib.error as e:
                    yield from _salvaged(before, block)
                    # A wrong checksum shows only at a member's end: any byte of the member may be wrong.
                    where = ByteRange(member, self._file.facts.size)
                    self._problem(f"its gzip data is damaged ({e}): what follows cannot be read", where)
                    return
                if out:
                    yield out
                block = inflate.unconsumed_tail
                if inflate.eof:
                    block = inflate.unused_data
                    inflate = zlib.decompressobj(_GZIP)
                    between = True
        if not between and self.whole:
            self._problem("its gzip data ends too early", ByteRange(member, self._file.facts.size))

    def _problem(self, what: str, where: ByteRange) -> None:
        self.whole = False
        self.problems.append(Problem(self._file.path, what, where))


def _salvaged(inflate: zlib._Decompress, block: bytes) -> Iterator[bytes]:
    """What a block gives before the byte that the decompressor stumbles over."""
    for i in range(len(block)):
        try:
            out = inflate.decompress(block[i : i + 1])
        except zlib.error:
            return
        if out:
            yield out


def _without(blocks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for block in blocks:
        if skip < len(block):
            yield block[skip:]
        skip = max(skip - len(block), 0)
