from __future__ import annotations

import struct
import zlib

import pytest
from chunk_builder import chunk
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit import chunk_file
from flbrecover.fluentbit.chunk_file import crc_verdict, is_new, parse_header, trimmed
from flbrecover.model import ByteRange


def head_of(data: bytes) -> bytes:
    return data[: chunk_file.HEAD_SIZE]


@settings(max_examples=100)
@given(meta=st.binary(max_size=300), content=st.binary(min_size=1, max_size=2000), slack=st.binary(max_size=5000))
def test_what_was_built_is_found(meta: bytes, content: bytes, slack: bytes) -> None:
    data = chunk(meta, content, slack=slack)
    header = parse_header(head_of(data), len(data))
    assert header.magic_ok and header.length_known and header.problems == ()
    assert header.meta == meta
    assert data[header.content.start : header.content.end] == content
    assert data[header.slack.start : header.slack.end] == slack


@settings(max_examples=100)
@given(data=st.binary(max_size=200), size=st.integers(0, 10_000))
def test_any_bytes_give_ranges_inside_the_file(data: bytes, size: int) -> None:
    data = (data + bytes(size))[:size]
    header = parse_header(head_of(data), size)
    for where in (header.content, header.slack):
        assert 0 <= where.start <= where.end <= size
    assert header.slack.end == size
    again = trimmed(header, len(data.rstrip(b"\0")))
    assert 0 <= again.content.start <= again.content.end == again.slack.start <= again.slack.end == size


def test_the_longest_metadata_fits_into_the_head() -> None:
    data = chunk(b"t" * 0xFFFF, b"{}\n", length=0)
    header = parse_header(head_of(data), len(data))
    assert header.meta == b"t" * 0xFFFF
    assert not header.length_known  # the content's first byte is looked at, too


def test_length_zero_means_to_look_when_the_content_begins_with_something() -> None:
    data = chunk(b"tag", b"{}\n", length=0)
    header = parse_header(head_of(data), len(data))
    assert not header.length_known
    assert header.content == ByteRange(27, len(data))
    found = trimmed(header, 30)
    assert (found.content, found.slack) == (ByteRange(27, 30), ByteRange(30, len(data)))


def test_length_zero_and_zeros_mean_nothing() -> None:
    data = chunk(b"tag", b"")
    header = parse_header(head_of(data), len(data))
    assert header.length_known and header.content.length == 0 and header.problems == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\xc1\x00" + bytes(10), "inside its header"),
        (bytes(5000), "does not begin with c1 00"),
        (chunk(b"tag", b"abc", magic=b"\xc1\x01"), "does not begin with c1 00"),
        (chunk(b"tag", b"abc", meta_length=0xFFFF), "metadata would end at byte 65559"),
        (chunk(b"tag", b"abc", length=0xFFFFFFFF), "its header says 4,294,967,295 bytes of content, which cannot be"),
    ],
    ids=["zero bytes", "truncated header", "zeros", "wrong magic", "metadata beyond the file", "4 GiB in 4 KiB"],
)
def test_damage_is_said(data: bytes, said: str) -> None:
    header = parse_header(head_of(data), len(data))
    assert any(said in problem for problem in header.problems)


def test_truncated_content_says_how_much_is_missing() -> None:
    data = chunk(b"tag", b"x" * 1000, slack=b"")[:-100]
    header = parse_header(head_of(data), len(data))
    assert header.content.length == 900
    assert header.problems == ("100 of 1000 bytes of the content are missing at the end of the file",)


@pytest.mark.parametrize("crc", ["finished", "running"])
def test_both_forms_of_the_checksum_match(crc: str) -> None:
    data = chunk(b"tag", b"content", crc=crc)
    header = parse_header(head_of(data), len(data))
    assert crc_verdict(header.crc, zlib.crc32(data[22 : header.content.end])) == "matches"
    assert crc_verdict(header.crc, zlib.crc32(data[22 : header.content.end - 1])) == "mismatch"


def test_no_checksum_is_unchecked() -> None:
    assert crc_verdict(bytes(4), 12345) == "unchecked"
    assert crc_verdict(b"", 12345) == "unchecked"


def test_the_running_form_of_a_big_endian_machine_matches() -> None:
    assert crc_verdict(struct.pack(">I", 12345 ^ 0xFFFFFFFF), 12345) == "matches"


def test_a_new_file_is_known_by_its_checksum() -> None:
    data = bytearray(chunk(b"", b""))
    data[2:6] = struct.pack("<I", zlib.crc32(b"\0\0"))  # what Fluent Bit 5.1.1 starts a file with
    assert is_new(parse_header(bytes(data), len(data)))
    assert not is_new(parse_header(chunk(b"", b""), 4096))
