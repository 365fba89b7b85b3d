"""Bodies as Fluent Bit, other writers and accidents leave them."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.bucket import decoding
from flbrecover.bucket.decoding import BodyDamaged, BodyFormatError, decoded
from flbrecover.bucket.source import BLOCK

TEXT = b"".join(b'{"date":"2026-11-23T11:38:%02d.000000Z","log":"seq=%07d line"}\n' % (n, n) for n in range(20))
# TEXT as Google's snappy packs it (raw format)
SNAPPY = bytes.fromhex(
    "800a747b2264617465223a22323032362d31312d32335431313a33383a30302e300501345a222c226c6f67223a227365713d05132430"
    "30206c696e65227d0a6a400000316a400000318a400000326a400000328a400000336a400000338a400000346a400000348a40000035"
    "6a400000358a400000366a400000368a400000376a400000378a400000386a400000388a400000396a4000003986400000316a800200"
    "318a800200316a800200318a800200316a800200318a800200316a800200318a800200316a800200318a800200316a800200318a8002"
    "00316a800200318a800200316a800200318a800200316a800200318a800200316a8002243139206c696e65227d0a"
)


NOISE = random.Random(1).randbytes(300_000)  # kept as it is, in raw blocks


def whole(body: bytes, size: int = 1 << 16, **more: object) -> bytes:
    return b"".join(decoded(in_chunks(body, size), **more))  # type: ignore[arg-type]


def in_chunks(body: bytes, size: int) -> Iterator[bytes]:
    stream = io.BytesIO(body)
    return iter(lambda: stream.read(size), b"")


def zstd(content: bytes, **how: object) -> bytes:
    return zstandard.ZstdCompressor(**how).compress(content)  # type: ignore[arg-type]


def damage(body: bytes, **more: object) -> tuple[bytes, BodyDamaged]:
    """What is given out before the damage, and the damage."""
    given_out = b""
    with pytest.raises(BodyDamaged) as caught:
        for block in decoded(in_chunks(body, 100), **more):  # type: ignore[arg-type]
            given_out += block
    return given_out, caught.value


@pytest.fixture(params=["isal", "zlib"], autouse=True, scope="module")
def fast_zlib(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both libraries that inflate."""
    before = decoding.fast_zlib
    decoding.fast_zlib = importlib.import_module("isal.isal_zlib") if request.param == "isal" else zlib
    yield
    decoding.fast_zlib = before


BODIES = {
    "plain": (TEXT, TEXT),
    "empty": (b"", b""),
    "one byte": (b"\x1f", b"\x1f"),
    "gzip": (gzip.compress(TEXT), TEXT),
    "gzip with a name": (gzip.compress(TEXT)[:3] + b"\x08" + gzip.compress(TEXT)[4:10] + b"x\0"
                         + gzip.compress(TEXT)[10:], TEXT),
    "gzip members": (gzip.compress(TEXT) + gzip.compress(b"") + gzip.compress(b"more\n"), TEXT + b"more\n"),
    "gzip and zeros": (gzip.compress(TEXT) + bytes(1000), TEXT),
    "zstd": (zstd(TEXT), TEXT),
    "zstd of a repeated byte": (zstd(bytes(1 << 20)), bytes(1 << 20)),
    "zstd of noise": (zstd(NOISE), NOISE),
    "zstd of unknown size": (zstd(TEXT, write_content_size=False, write_checksum=True), TEXT),
    "zstd of nothing": (zstd(b""), b""),
    "zstd frames": (zstd(TEXT) + zstd(b"more\n", write_checksum=True, write_content_size=False), TEXT + b"more\n"),
    "zstd with skippable frames": (b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(TEXT) + b"\x5f\x2a\x4d\x18\0\0\0\0", TEXT),
    "gzip, then zstd": (gzip.compress(TEXT) + zstd(b"more\n"), TEXT + b"more\n"),
    "a line like Parquet": (b"PAR1 of two\n", b"PAR1 of two\n"),
    "binary": (bytes(range(256)), bytes(range(256))),
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
@pytest.mark.parametrize("name", BODIES)
def test_body(name: str, size: int) -> None:
    body, content = BODIES[name]
    assert whole(body, size) == content
    assert whole(body, size, maybe_snappy=True) == content


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_snappy_blocks(size: int) -> None:
    assert whole(SNAPPY, size, maybe_snappy=True) == TEXT
    assert whole(SNAPPY * 3, size, maybe_snappy=True) == TEXT * 3
    assert whole(SNAPPY, size) == SNAPPY  # nothing tells that it is


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        (b"\x08\x00a" + b"\x0d\x01", b"aaaaaaaa"),  # a copy of 7 at offset 1
        (b"\x0a\x04ab" + b"\x1e\x02\x00", b"ababababab"),  # with two bytes of offset
        (b"\x06\x08abc" + b"\x0b\x03\x00\x00\x00", b"abcabc"),  # with four
        (b"\x3d\xf0\x3c" + b"x" * 61, b"x" * 61),  # a literal with one byte of length
        (b"\xac\x02\xf4\x2b\x01" + b"y" * 300, b"y" * 300),  # with two
        (b"\x03\xf8\x02\x00\x00abc", b"abc"),  # with three
        (b"\x03\xfc\x02\x00\x00\x00abc", b"abc"),  # with four
    ],
)
def test_elements_of_snappy_as_its_description_has_them(block: bytes, content: bytes) -> None:
    assert whole(block, 1, maybe_snappy=True) == content


@pytest.mark.parametrize(
    "block",
    [
        b"\xff\xff\xff\xff\xff\x01",  # a length beyond 32 bits
        b"\x08\x0d\x01",  # a copy of nothing
        b"\x08\x00a\x0d\x02",  # from before the start
        b"\x08\x00a\x0d\x00",  # from offset 0
        b"\x04\x00a\x0d\x01",  # beyond the end
        b"\x02\x08abc",  # a literal beyond the end
    ],
)
def test_what_cannot_be_snappy_is_taken_as_it_is(block: bytes) -> None:
    assert whole(block, maybe_snappy=True) == block


def test_a_snappy_block_with_damage_behind_its_head() -> None:
    content = bytes(range(256)) * 512
    block = b"\x80\x80\x08" + b"".join(b"\xf4\xff\x3f" + content[n : n + 16384] for n in range(0, 131072, 16384))
    assert whole(block, maybe_snappy=True) == content
    cut = block[:100_000]
    given_out, found = damage(cut, maybe_snappy=True)
    assert given_out == content[: len(given_out)] and found.good_bytes == len(given_out) > 99_000
    given_out, found = damage(cut + b"\x01\x00" * 20_000, maybe_snappy=True)
    assert found.good_bytes == len(given_out) >= 100_000


def test_isal_is_there() -> None:
    """Where it is not, decompression takes three times as long."""
    assert importlib.import_module("isal.isal_zlib") is not None


@pytest.mark.parametrize("pack", [gzip.compress, zstd, lambda c: zstd(c, write_checksum=True)])
def test_a_body_cut_anywhere_gives_what_is_there(pack: object) -> None:
    body = pack(TEXT) + pack(b"more\n" * 500)  # type: ignore[operator]
    content = TEXT + b"more\n" * 500
    first = len(pack(TEXT))  # type: ignore[operator]
    for end in range(4, len(body)):
        if end == first:
            continue
        given_out, found = damage(body[:end])
        assert content.startswith(given_out)
        assert found.good_bytes == len(given_out)
        assert end < first or len(given_out) >= len(TEXT)


def test_a_wrong_checksum_takes_back_the_trust_in_its_member_only() -> None:
    bad = bytearray(gzip.compress(b"more\n" * 500))
    bad[-8] ^= 1
    given_out, found = damage(gzip.compress(TEXT) + bytes(bad))
    assert given_out.startswith(TEXT)
    assert found.good_bytes == len(TEXT)
    bad = bytearray(zstd(b"more\n" * 500, write_checksum=True))
    bad[-1] ^= 1
    given_out, found = damage(zstd(TEXT) + bytes(bad))
    assert found.good_bytes == len(TEXT)


@pytest.mark.parametrize("rest", [b"garbage", b"\0\0\0\0x", b"\x1f\x8b\x08garbage is longer", TEXT])
def test_garbage_after_a_member(rest: bytes) -> None:
    given_out, found = damage(gzip.compress(TEXT) + rest)
    assert given_out[: len(TEXT)] == TEXT
    assert found.good_bytes >= len(TEXT)
    assert f"{len(TEXT)} bytes of its content are good" in str(found)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"FEA1\0\0\0\0rest", "Feather of version 1"),
        (b"\xff\x06\x00\x00sNaPpYrest", "framed snappy"),
    ],
)
def test_formats_that_are_recognised_and_not_read(body: bytes, what: str) -> None:
    with pytest.raises(BodyFormatError, match=what):
        whole(body)


def test_bombs_are_given_up_in_bounded_memory() -> None:
    pack = zstandard.ZstdCompressor().compressobj()
    body = b"".join(pack.compress(bytes(1 << 20)) for _ in range(1024)) + pack.flush()  # 1 GiB in 32 KiB
    tracemalloc.start()
    with pytest.raises(BodyFormatError, match="not read to its end"):
        for _ in decoded([body]):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_the_most_that_is_read() -> None:
    body = gzip.compress(bytes(1 << 20))
    assert len(whole(body, max_output=1 << 20)) == 1 << 20
    with pytest.raises(BodyFormatError):
        whole(body, max_output=(1 << 20) - 1)


def test_a_zstd_window_beyond_bounds_is_refused() -> None:
    params = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=False)
    pack = zstandard.ZstdCompressor(compression_params=params).compressobj()
    _, found = damage(pack.compress(TEXT) + pack.flush())
    assert found.good_bytes == 0


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["gzip", "zstd", "deflate level 0"]), st.binary(max_size=3000)), min_size=1),
       st.integers(1, 2000))  # fmt: skip
def test_rows_of_members(members: list[tuple[str, bytes]], size: int) -> None:
    pack = {"gzip": gzip.compress, "zstd": zstd, "deflate level 0": lambda c: gzip.compress(c, 0)}
    body = b"".join(pack[kind](content) for kind, content in members)  # type: ignore[operator]
    assert whole(body, size) == b"".join(content for _, content in members)


@settings(max_examples=100)
@given(st.binary(max_size=400), st.booleans(), st.sampled_from([b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"]))
def test_any_bytes_end_in_content_or_a_typed_error(body: bytes, maybe_snappy: bool, magic: bytes) -> None:
    with contextlib.suppress(BodyDamaged, BodyFormatError):
        whole(magic + body, maybe_snappy=maybe_snappy, max_output=1 << 22)


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_blocks_are_bounded(pack: Callable[[bytes], bytes]) -> None:
    body = pack(bytes(40 << 20))
    assert max(map(len, decoded([body]))) <= BLOCK
