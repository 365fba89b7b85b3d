"""Builds Chunk I/O files as Fluent Bit would, from the layout in docs/formats, with none of the readers' code."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack

PAGE = 4096
NS = 1_000_000_000


def djb2(text: bytes, *, signed: bool = True) -> int:
    value = 5381
    for byte in text:
        value = (value * 33 + (byte - 256 if signed and byte >= 128 else byte)) % 2**64
    return value


def store_name(tag: bytes, seconds: int, nanos: int) -> str:
    return f"{djb2(tag)}-{5381 * seconds * nanos % 2**64}"


def chunk(
    meta: bytes,
    content: bytes,
    *,
    length: int | None = None,
    crc: str = "none",
    slack: bytes | None = None,
    magic: bytes = b"\xc1\x00",
    meta_length: int | None = None,
) -> bytes:
    """``crc``: none, finished, running. ``slack`` None: zeros up to the next page."""
    body = struct.pack(">H", len(meta)) + meta + content
    value = zlib.crc32(body)
    field = {"none": bytes(4), "finished": struct.pack(">I", value), "running": struct.pack("<I", value ^ 0xFFFFFFFF)}
    shown = len(content) if length is None else length
    data = magic + field[crc] + bytes(4) + struct.pack(">I", shown) + bytes(8) + body
    if meta_length is not None:
        data = data[:22] + struct.pack(">H", meta_length) + data[24:]
    return data + (bytes(-len(data) % PAGE) if slack is None else slack)


def zeroed(data: bytes, start: int, end: int) -> bytes:
    return data[:start] + bytes(end - start) + data[end:]


def ext_time(seconds: int, nanos: int) -> msgpack.ExtType:
    return msgpack.ExtType(0, struct.pack(">II", seconds, nanos))


def event(seconds: int, nanos: int, fields: Any, metadata: Any = None) -> bytes:
    """An event of Fluent Bit 2.1 and later."""
    return msgpack.packb([[ext_time(seconds, nanos), metadata or {}], fields])


def old_event(when: Any, fields: Any) -> bytes:
    return msgpack.packb([when, fields])


def json_lines(count: int, start: int = 0) -> list[bytes]:
    return [
        b'{"date":"2026-11-23T11:39:%02d.%06dZ","log":"seq=%07d a line"}' % (n // 1000000 % 60, n % 1000000, n)
        for n in range(start, start + count)
    ]


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def put(root: Path, path: str, data: bytes) -> str:
    """Write a file below a root; gives back the path inside the root."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return path
