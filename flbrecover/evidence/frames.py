"""The seekable format of zstd: independent frames, and a table at the end that says where each one is.

Any zstd reads such a file from front to back; with the table any byte of it is read by decompressing one frame. Layout
of the table: contrib/seekable_format/zstd_seekable_compression_format.md of zstd.
"""

from __future__ import annotations

import bisect
import itertools
import os
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import BinaryIO

import zstandard

from flbrecover.errors import EvidenceError

FRAME = 1 << 20  # of uncompressed bytes; what is held in memory for one open file
MAX_FRAME = 1 << 23  # taken when reading
MAX_FRAMES = 1 << 24
WAY_OUT = "collect or fetch it again"  # of a bundle with damage
_LEVEL = 3
_CACHED = 4
_SKIPPABLE = 0x184D2A5E
_FOOTER = struct.Struct("<IBI")  # number of frames, descriptor, magic
_FOOTER_MAGIC = 0x8F92EAB1
_HEADER = struct.Struct("<II")
_ENTRY = struct.Struct("<II")  # compressed and decompressed size


class FrameWriter:
    """Compresses what is written into frames; only ever appends."""

    def __init__(self, out: Callable[[bytes], object]) -> None:
        self._out = out
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
        self._held = bytearray()
        self._table: list[bytes] = []
        self.position = 0  # in uncompressed bytes

    def write(self, data: bytes) -> None:
        self.position += len(data)
        self._held += data
        while len(self._held) >= FRAME:
            self._frame(bytes(self._held[:FRAME]))
            del self._held[:FRAME]

    def end_frame(self) -> None:
        if self._held:
            self._frame(bytes(self._held))
            self._held.clear()

    def finish(self) -> None:
        self.end_frame()
        entries = b"".join(self._table)
        footer = _FOOTER.pack(len(self._table), 0, _FOOTER_MAGIC)
        self._out(_HEADER.pack(_SKIPPABLE, len(entries) + len(footer)) + entries + footer)

    def _frame(self, data: bytes) -> None:
        compressed = self._compressor.compress(data)
        self._table.append(_ENTRY.pack(len(compressed), len(data)))
        self._out(compressed)


class FrameReader:
    """Reads any bytes of the uncompressed content. Every size is bounded before it is used.

    Raises EvidenceError where the table is not there (the file was cut short, or made by something else) or does not
    fit the file.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._fd = file.fileno()
        self._name = name
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        end = os.fstat(self._fd).st_size
        footer = os.pread(self._fd, _FOOTER.size, max(0, end - _FOOTER.size))
        if len(footer) < _FOOTER.size:
            raise self._damaged("it has no end")
        count, descriptor, magic = _FOOTER.unpack(footer)
        if magic != _FOOTER_MAGIC or descriptor & 0xFC:
            raise self._damaged("its end is missing")
        width = _ENTRY.size + (4 if descriptor & 0x80 else 0)
        table = count * width
        if count > MAX_FRAMES or table + _FOOTER.size + _HEADER.size > end:
            raise self._damaged("its frame table does not fit")
        at = end - _FOOTER.size - table
        header = os.pread(self._fd, _HEADER.size, at - _HEADER.size)
        if header != _HEADER.pack(_SKIPPABLE, table + _FOOTER.size):
            raise self._damaged("its frame table does not fit")
        raw = os.pread(self._fd, table, at)
        sizes = [_ENTRY.unpack_from(raw, i * width) for i in range(count)] if len(raw) == table else []
        if any(not 0 < size <= MAX_FRAME for _, size in sizes):
            raise self._damaged("it has a frame of a size that no frame of ours has")
        self._packed: list[int] = [0, *itertools.accumulate(packed for packed, _ in sizes)]
        self._plain: list[int] = [0, *itertools.accumulate(size for _, size in sizes)]
        if self._packed[-1] != at - _HEADER.size:
            raise self._damaged("its frame table does not fit")

    @property
    def size(self) -> int:
        return self._plain[-1]

    def read(self, at: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``at``: fewer at the end of a frame, none at the end of all. Raises EvidenceError
        where a frame is damaged."""
        if not 0 <= at < self.size or size <= 0:
            return b""
        number = bisect.bisect_right(self._plain, at) - 1
        inside = at - self._plain[number]
        return self._frame(number)[inside : inside + size]

    def _frame(self, number: int) -> bytes:
        cached = self._cache.get(number)
        if cached is not None:
            return cached
        start, end = self._packed[number], self._packed[number + 1]
        expected = self._plain[number + 1] - self._plain[number]
        where = f"bytes {start}-{end} are damaged; {WAY_OUT}"
        packed = os.pread(self._fd, min(end - start, 2 * MAX_FRAME), start)
        try:
            if zstandard.frame_content_size(packed) != expected:  # a frame that says little and holds much
                raise self._damaged(where)
            plain = zstandard.ZstdDecompressor().decompress(packed)  # no more than it says
        except zstandard.ZstdError as e:
            raise self._damaged(where) from e
        self._cache[number] = plain
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return plain

    def _damaged(self, what: str) -> EvidenceError:
        return EvidenceError(f"{self._name}: {what}")
