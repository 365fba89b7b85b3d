"""A zstd frame cut at its blocks, each of which holds at most 128 KiB of content: so much comes out at once, whatever
the frame says of itself. Layout: RFC 8878, 3.1.1 and 3.1.2. What is not valid is found by who decompresses the pieces.

| offset | size | field |
| --- | --- | --- |
| 0 | 4 | magic ``28 B5 2F FD`` |
| 4 | 1 | descriptor: bits 6-7 size of the content size, 5 single segment, 2 checksum, 0-1 dictionary |
| 5 | 0-1 | window, unless single segment |
| | 0, 1, 2, 4 | number of the dictionary |
| | 0, 1, 2, 4, 8 | content size |
| | 3 + n | block: bit 0 the last one, 1-2 its type, 3-23 its size; n is that size, or 1 for a repeated byte (type 1) |
| | 0, 4 | checksum |
"""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.bucket.source import BLOCK, Source

_DICTIONARY = (0, 1, 2, 4)
_CONTENT_SIZE = (0, 2, 4, 8)
_REPEATED = 1
_SKIPPABLE_HEADER = 8


def zstd_pieces(source: Source) -> Iterator[bytes]:
    """The bytes of the frame that starts here, to its end and no further; fewer where the source ends before."""
    head = source.peek(_SKIPPABLE_HEADER)
    if is_skippable(head):
        yield from _exactly(source, _SKIPPABLE_HEADER + int.from_bytes(head[4:], "little"))
        return
    if len(head) < 5:
        yield from _exactly(source, len(head))
        return
    descriptor = head[4]
    single = descriptor >> 5 & 1
    content_size = _CONTENT_SIZE[descriptor >> 6] or single
    yield from _exactly(source, 5 + (1 - single) + _DICTIONARY[descriptor & 3] + content_size)
    last = 0
    while not last:
        header = source.peek(3)
        block = int.from_bytes(header, "little")
        last = block & 1 or len(header) < 3
        yield from _exactly(source, 3 + (1 if block >> 1 & 3 == _REPEATED else block >> 3))
    if descriptor >> 2 & 1:
        yield from _exactly(source, 4)


def is_skippable(head: bytes) -> bool:
    """A zstd frame that holds no content."""
    return len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50


def _exactly(source: Source, size: int) -> Iterator[bytes]:
    while size and (data := source.take(min(size, BLOCK))):
        size -= len(data)
        yield data
