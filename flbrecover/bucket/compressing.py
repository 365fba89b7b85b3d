"""Compresses the content of an object as the s3 output does: one gzip member, one zstd frame, one snappy block.

The same content gives the same bytes: no time stamp in them, fixed levels, and fixed pieces whatever the chunks are.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import zstandard

from flbrecover.bucket import snappy_block
from flbrecover.fluentbit.pipeline import Compression

PIECE = 1024 * 1024
GZIP_LEVEL = 6
ZSTD_LEVEL = 3
_GZIP_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"  # no time, no name, unknown system: as flb_gzip.c


def compress(chunks: Iterable[bytes], compression: Compression, file: BinaryIO) -> int:
    """Writes the compressed content to ``file`` and gives its size in bytes; the file is left at its start.

    Raises OSError where the file's disk is full.
    """
    pieces = _pieces(chunks)
    if compression == "gzip":
        _write(file, _gzip(pieces))
    elif compression == "zstd":
        _write(file, _zstd(pieces))
    elif compression == "snappy":
        _snappy(pieces, file)
    else:
        _write(file, pieces)
    size = file.tell()
    file.seek(0)
    return size


def _write(file: BinaryIO, blocks: Iterable[bytes]) -> None:
    for block in blocks:
        file.write(block)
    file.flush()


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = size = 0
    yield _GZIP_HEADER
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
        yield deflate.compress(piece)
    yield deflate.flush()
    yield struct.pack("<II", checksum, size & 0xFFFFFFFF)


def _zstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    deflate = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compressobj()
    for piece in pieces:
        yield deflate.compress(piece)
    yield deflate.flush()


def _snappy(pieces: Iterable[bytes], file: BinaryIO) -> None:
    """A snappy block starts with the size of its content: the content is written aside first."""
    with tempfile.TemporaryFile(prefix="flbrecover-") as plain:
        _write(plain, pieces)
        size = plain.tell()
        plain.seek(0)
        _write(file, snappy_block.encoded(iter(lambda: plain.read(PIECE), b""), size))
