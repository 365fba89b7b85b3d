"""Frames of the seekable format: any byte is read back, any damage is said, nothing grows without bound."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.errors import EvidenceError
from flbrecover.evidence import frames
from flbrecover.evidence.frames import FRAME, FrameReader, FrameWriter

OPEN: list[BinaryIO] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def packed(content: bytes, cuts: tuple[int, ...] = ()) -> bytes:
    out = io.BytesIO()
    writer = FrameWriter(out.write)
    for start, end in zip((0, *cuts), (*cuts, len(content)), strict=True):
        writer.write(content[start:end])
        writer.end_frame()
    assert writer.position == len(content)
    writer.finish()
    return out.getvalue()


def reader(raw: bytes, folder: Path) -> FrameReader:
    path = folder / "packed"
    path.write_bytes(raw)
    file = path.open("rb")
    OPEN.append(file)
    return FrameReader(file, "x")


def all_of(found: FrameReader, at: int = 0) -> bytes:
    out = b""
    while block := found.read(at + len(out), 1 << 30):
        out += block
    return out


@pytest.fixture(scope="module")
def noise() -> bytes:
    return random.Random(7).randbytes(2 * FRAME + 12345)


def test_any_zstd_reads_it(noise: bytes) -> None:
    with zstandard.ZstdDecompressor().stream_reader(packed(noise, (5, 4000)), read_across_frames=True) as plain:
        assert plain.read() == noise


def test_every_byte_comes_back(noise: bytes, tmp_path: Path) -> None:
    found = reader(packed(noise, (5, 4000)), tmp_path)
    assert found.size == len(noise)
    for at in (0, 4, 5, 3999, 4000, FRAME - 1, FRAME, 2 * FRAME, len(noise) - 1, len(noise)):
        assert all_of(found, at) == noise[at:]
    assert found.read(-1, 5) == found.read(len(noise), 5) == found.read(3, 0) == b""


@given(st.binary(max_size=300), st.data())
def test_a_change_or_a_cut_is_an_error_or_nothing(tmp_path_factory, content: bytes, data: st.DataObject) -> None:
    """Never other bytes, never another exception."""
    raw = bytearray(packed(content, (len(content) // 2,)))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    folder = tmp_path_factory.getbasetemp()
    try:
        found = all_of(reader(bytes(raw), folder))
    except EvidenceError:
        return
    assert found == content


def test_a_frame_that_says_little_and_holds_much(tmp_path: Path) -> None:
    """A gigabyte of zeros is never made: what a frame says of itself is compared with the table first."""
    bomb = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(64 << 20))
    no_size = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64 << 20))
    for frame in (bomb, no_size):
        table = struct.pack("<II", len(frame), 100) + struct.pack("<IBI", 1, 0, 0x8F92EAB1)
        raw = frame + struct.pack("<II", 0x184D2A5E, len(table)) + table
        with pytest.raises(EvidenceError, match=r"bytes .* are damaged; collect or fetch it again"):
            reader(raw, tmp_path).read(0, 100)


def test_a_table_that_says_much(tmp_path: Path) -> None:
    table = struct.pack("<II", 10, frames.MAX_FRAME + 1) + struct.pack("<IBI", 1, 0, 0x8F92EAB1)
    raw = bytes(10) + struct.pack("<II", 0x184D2A5E, len(table)) + table
    with pytest.raises(EvidenceError, match="no frame of ours"):
        reader(raw, tmp_path)
    with pytest.raises(EvidenceError, match="does not fit"):
        reader(struct.pack("<IBI", 1 << 31, 0, 0x8F92EAB1), tmp_path)
