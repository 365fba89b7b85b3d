"""From the bytes of an object to its content: gzip, zstd, snappy or plain, told apart by the bytes themselves. The
content of a Parquet or Arrow file are its rows, as JSON lines.

A multipart object of Fluent Bit is a row of gzip members (or zstd frames, or snappy blocks), one a part; and when
compression fails at exit, plain bytes go up under the same ``Content-Encoding``. So headers do not decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import zstandard

from flbrecover.bucket import columnar, snappy_block
from flbrecover.bucket.source import BLOCK, Source
from flbrecover.bucket.zstd_frame import is_skippable, zstd_pieces
from flbrecover.errors import BucketError, FlbrecoverError
from flbrecover.fast_zlib import fast_zlib

HEAD = 64 * 1024  # bytes of a body that are looked at to tell snappy from text
GZIP_SLICE = 32 * 1024  # bytes fed at once: what they unpack to stays in the processor's cache while it is cut up
ZSTD_WINDOW = 1 << 27  # what the zstd program takes by default
MAX_OUTPUT = 64 * 1024**3  # Fluent Bit's objects have at most 50 GB, before compression
FREE_OUTPUT = 64 * 1024**2  # below it no ratio is too high
MAX_RATIO = 10_000

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
SNAPPY_FRAMED = b"\xff\x06\x00\x00sNaPpY"
FEATHER_1 = b"FEA1"
_NOT_IN_TEXT = bytes(range(9))


class BodyDamaged(FlbrecoverError):  # noqa: N818 - what it is, not that it is an error
    """A body that ends early, or whose bytes are not what was compressed.

    ``good_bytes`` is how much of the content (which was all given out before) can be trusted: up to where a body is
    cut off, or up to the last part whose checksum holds.
    """

    def __init__(self, what: str, good_bytes: int) -> None:
        super().__init__(f"damaged body: {what}; {good_bytes} bytes of its content are good")
        self.good_bytes = good_bytes


class BodyFormatError(BucketError):
    """A body that this tool does not read: old Feather, framed snappy, or a decompression bomb."""


def decoded(chunks: Iterable[bytes], *, maybe_snappy: bool = False, max_output: int = MAX_OUTPUT) -> Iterator[bytes]:
    """The content in blocks. ``maybe_snappy``: the headers say that it is, which its bytes must bear out.

    Raises BodyDamaged and BodyFormatError. Memory stays bounded, whatever the body says of itself.
    """
    source = Source(chunks)
    given = 0
    for block in _content(source, maybe_snappy):
        given += len(block)
        if given > max_output or (given > FREE_OUTPUT and given > MAX_RATIO * source.taken):
            raise BodyFormatError(f"not read to its end: {source.taken} bytes of it make over {given} bytes of content")
        yield block


def _content(source: Source, maybe_snappy: bool) -> Iterator[bytes]:
    head = source.peek(len(SNAPPY_FRAMED))
    if head.startswith((GZIP, ZSTD)) or is_skippable(head):
        yield from _sections(source)
        return
    if _is_binary(source) and source.peek(HEAD).startswith((columnar.PARQUET, columnar.ARROW)):
        yield from _columns(source)
        return
    _refuse_foreign(source)
    if maybe_snappy and snappy_block.is_plausible(source.peek(HEAD), whole=len(source.peek(HEAD + 1)) <= HEAD):
        yield from _snappy(source)
        return
    while block := source.take():
        yield block


def _is_binary(source: Source) -> bool:
    return any(b in _NOT_IN_TEXT for b in source.peek(1024))


def _refuse_foreign(source: Source) -> None:
    head = source.peek(len(SNAPPY_FRAMED))
    if head.startswith(SNAPPY_FRAMED):
        raise BodyFormatError("framed snappy: Fluent Bit does not write that to S3, and it is not read here")
    if head.startswith(FEATHER_1) and _is_binary(source):
        raise BodyFormatError("Feather of version 1: Fluent Bit does not write that, and it is not read here")


def _columns(source: Source) -> Iterator[bytes]:
    given = 0
    try:
        for block in columnar.lines(iter(source.take, b"")):
            given += len(block)
            yield block
    except columnar.ColumnsDamagedError as e:
        raise BodyDamaged(str(e), given) from e


def _sections(source: Source) -> Iterator[bytes]:
    """Gzip members and zstd frames one after the other, each checked by its own checksum where it has one."""
    given = 0
    while head := source.peek(4):
        if head.startswith(GZIP):
            blocks = _gzip_member(source, given)
        elif head == ZSTD or is_skippable(head):
            blocks = _zstd_frame(source, given)
        elif not head.strip(b"\0") and _only_zeros(source):
            return  # padding, as gzip(1) takes it
        else:
            raise BodyDamaged(f"what follows after {source.taken} bytes is no compressed data", given)
        for block in blocks:
            given += len(block)
            yield block


def _gzip_member(source: Source, good: int) -> Iterator[bytes]:
    inflate = fast_zlib.decompressobj(31)
    given = good
    while not inflate.eof:
        data = inflate.unconsumed_tail or source.take(GZIP_SLICE)
        try:
            block = inflate.decompress(data, BLOCK)
        except fast_zlib.error as e:
            wrong_sum = "incorrect" in str(e).lower()  # data check, length check, checksum
            raise BodyDamaged(f"gzip: {e}", good if wrong_sum else given) from e
        if block:
            given += len(block)
            yield block
        elif not data and not inflate.eof:
            raise BodyDamaged("gzip: it ends in the middle of a member", given)
    source.give_back(inflate.unused_data)


def _zstd_frame(source: Source, good: int) -> Iterator[bytes]:
    inflate = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
    given = good
    for data in zstd_pieces(source):
        try:
            block = inflate.decompress(data)
        except zstandard.ZstdError as e:
            wrong_sum = "checksum" in str(e)
            raise BodyDamaged(f"zstd: {e}", good if wrong_sum else given) from e
        if block:
            given += len(block)
            yield block
    if not inflate.eof:
        raise BodyDamaged("zstd: it ends in the middle of a frame", given)


def _snappy(source: Source) -> Iterator[bytes]:
    """Snappy blocks one after the other; they have no checksum."""
    given = 0
    while source.peek(1):
        decoder = snappy_block.Decoder()
        while not decoder.finished:
            data = source.take()
            try:
                for block in decoder.feed(data) if data else decoder.end():
                    given += len(block)
                    yield block
            except ValueError as e:
                raise BodyDamaged(f"snappy: {e}", given) from e
        source.give_back(decoder.rest)


def _only_zeros(source: Source) -> bool:
    while block := source.take():
        if block.strip(b"\0"):
            return False
    return True
