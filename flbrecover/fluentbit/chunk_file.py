"""The Chunk I/O file: the layout of every buffer file under ``store_dir`` and ``storage.path``.

The table of docs/formats/chunk-file.md in code. Source: lib/chunkio/include/chunkio/cio_file_st.h and
lib/chunkio/src/cio_file.c of Fluent Bit 5.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from flbrecover.model import ByteRange

MAGIC = b"\xc1\x00"
CRC_AT = 2  # 4 bytes
LENGTH_AT = 10  # 4 bytes, big-endian; 0 before Fluent Bit 2.1.10
CHECKED_AT = 22  # the CRC covers all bytes from here to the end of the content
META_LENGTH_AT = 22  # 2 bytes, big-endian
META_AT = 24
MOST_CONTENT = (1 << 31) - 1  # nobody has a buffer of this size: Fluent Bit holds it in memory, to send it
HEAD_SIZE = META_AT + 0xFFFF + 1  # the longest metadata, and the first byte of the content behind it

_NEW_FILE_CRC = b"\xff\x12\xd9\x41"  # what a new file starts with: the CRC of an empty one

CrcVerdict = Literal["matches", "mismatch", "unchecked"]


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a file say, held against the file's size.

    ``crc`` are the four bytes as they stand. ``content_length`` is the field's value, None where the file is too
    short for it. ``meta`` is None where it does not fit into the file. ``content`` and ``slack`` cover what follows
    the metadata and always lie inside the file; where ``length_known`` is False, ``content`` reaches to the end of
    the file and may end in zeros that are none of its own (see :func:`trimmed`). ``problems`` are short texts; what
    they say is not raised.
    """

    magic_ok: bool
    crc: bytes
    content_length: int | None
    meta: bytes | None
    content: ByteRange
    slack: ByteRange
    length_known: bool
    problems: tuple[str, ...] = ()


def parse_header(first_bytes: bytes, file_size: int) -> Header:
    """The header of a file of ``file_size`` bytes that begins with ``first_bytes`` (at least :data:`HEAD_SIZE` of
    them, or the whole file). Never raises: what is wrong is said in ``problems``."""
    end = ByteRange(file_size, file_size)
    if file_size < META_AT:
        what = "the file is empty" if file_size == 0 else f"the file ends inside its header ({file_size} bytes)"
        return Header(first_bytes[:2] == MAGIC, b"", None, None, end, end, True, (what,))
    problems = []
    magic_ok = first_bytes[:2] == MAGIC
    if not magic_ok:
        problems.append(f"the file does not begin with {MAGIC.hex(' ')}")
    claimed = int.from_bytes(first_bytes[LENGTH_AT : LENGTH_AT + 4], "big")
    start = META_AT + int.from_bytes(first_bytes[META_LENGTH_AT:META_AT], "big")
    crc = first_bytes[CRC_AT : CRC_AT + 4]
    if start > file_size:
        problems.append(f"the metadata would end at byte {start}, the file has {file_size}")
        return Header(magic_ok, crc, claimed, None, end, end, False, tuple(problems))
    known = True
    stop = start + claimed
    if claimed == 0 and first_bytes[start : start + 1] not in (b"", b"\0"):
        known, stop = False, file_size
    elif stop > file_size:
        missing = f"{stop - file_size} of {claimed} bytes of the content are missing at the end of the file"
        impossible = f"its header says {claimed:,} bytes of content, which cannot be"
        problems.append(missing if claimed <= MOST_CONTENT else impossible)
        stop = file_size
    return Header(
        magic_ok,
        crc,
        claimed,
        first_bytes[META_AT:start],
        ByteRange(start, stop),
        ByteRange(stop, file_size),
        known,
        tuple(problems),
    )


def trimmed(header: Header, data_end: int) -> Header:
    """The header of a file whose content length is not known, with its content ending at ``data_end``: just behind
    the last byte of the file that is not zero."""
    stop = min(max(data_end, header.content.start), header.slack.end)
    return replace(
        header,
        content=ByteRange(header.content.start, stop),
        slack=ByteRange(stop, header.slack.end),
    )


def crc_verdict(crc: bytes, crc32: int) -> CrcVerdict:
    """Compare the header's four CRC bytes with ``crc32``, the zlib CRC-32 of the bytes from :data:`CHECKED_AT` to the
    end of the content.

    A sync writes the finished value big-endian. Between syncs each write leaves the running value as it stands in
    memory: without the final complement and in native byte order. Zero means that checksums are off.
    """
    if crc in (b"", b"\0\0\0\0"):
        return "unchecked"
    running = crc32 ^ 0xFFFFFFFF
    known = (crc32.to_bytes(4, "big"), running.to_bytes(4, "little"), running.to_bytes(4, "big"))
    return "matches" if crc in known else "mismatch"


def is_new(header: Header) -> bool:
    """Whether the file was made and never written to: its CRC is still the one that new files start with."""
    return header.crc == _NEW_FILE_CRC and header.content_length == 0
