"""Bodies that we write: the same content gives the same bytes, and others can read them."""

from __future__ import annotations

import gzip
import io
import struct

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.bucket.compressing import PIECE, compress
from flbrecover.bucket.decoding import decoded
from flbrecover.fluentbit.pipeline import Compression

KINDS: list[Compression] = ["none", "gzip", "zstd", "snappy"]
LINES = b"".join(b'{"date":"2026-11-23T11:38:24.%06dZ","log":"line %d"}\n' % (n, n * n) for n in range(60_000))


def packed(chunks: list[bytes], kind: Compression) -> bytes:
    file = io.BytesIO()
    size = compress(iter(chunks), kind, file)
    assert file.tell() == 0 and size == len(file.getvalue())
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_content_gives_the_same_bytes_however_it_comes(kind: Compression) -> None:
    body = packed([LINES], kind)
    assert packed([LINES[:1], LINES[1:PIECE], b"", LINES[PIECE:]], kind) == body
    assert b"".join(decoded([body], maybe_snappy=kind == "snappy")) == LINES
    assert len(LINES) > 2 * PIECE
    assert kind == "none" or len(body) < len(LINES) / 2


def test_gzip_is_one_member_without_a_time() -> None:
    body = packed([LINES], "gzip")
    assert gzip.decompress(body) == LINES
    assert body[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert struct.unpack("<I", body[-4:])[0] == len(LINES)


def test_zstd_is_one_frame_with_a_checksum() -> None:
    body = packed([LINES], "zstd")
    assert zstandard.get_frame_parameters(body).has_checksum
    assert zstandard.ZstdDecompressor().decompress(body, max_output_size=len(LINES)) == LINES


@pytest.mark.parametrize(
    ("content", "block"),
    [
        (b"", b"\x00"),
        (b"abc", b"\x03\x08abc"),
        (b"abcdabcd", b"\x08\x0cabcd\x0e\x04\x00"),  # a copy of 4 from 4 back
        (b"a" * 70, b"\x46\x00a\xfe\x01\x00\x12\x01\x00"),  # copies of 64 and 5 from 1 back
        (bytes(range(70)), b"\x46\xf0\x45" + bytes(range(70))),  # a literal with a byte of length
    ],
)
def test_snappy_as_its_description_has_it(content: bytes, block: bytes) -> None:
    assert packed([content], "snappy") == block


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 300), st.sampled_from(KINDS))
def test_round_trip(chunks: list[bytes], times: int, kind: Compression) -> None:
    body = packed(chunks * times, kind)
    content = b"".join(chunks) * times
    if kind == "none" or (kind == "snappy" and content.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))):
        assert kind != "none" or body == content
    else:
        assert b"".join(decoded([body], maybe_snappy=kind == "snappy")) == content
