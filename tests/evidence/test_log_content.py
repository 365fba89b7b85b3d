"""Looking into plain and compressed logs, streamed."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tail_support import lines, write

from flbrecover.errors import EvidenceError
from flbrecover.evidence.log_content import (
    Content,
    is_gzip,
    is_start_of,
    line_start,
    marker_of,
    read_raw,
    scan,
    uncompressed_size,
)
from flbrecover.evidence.node import Node


def content(root: Path, name: str) -> Content:
    return Content(Node(root).facts(name), gzipped=name.endswith(".gz"))


def test_a_captured_marker(tmp_path: Path) -> None:
    """Row 1 of the case: offset 25685, size 32, and this marker."""
    log = cases.unpack("credentials-expired", tmp_path) / "var/log/containers/test-api.log"
    assert marker_of(log.read_bytes()[25685 - 32 : 25685]) == -3464540007446102884
    assert marker_of(b"") == 3244421341483603138  # XXH3-64 of nothing with seed 0


def test_windows_before_offsets(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(300_000)
    write(tmp_path, "/a.gz", data)
    offsets = {1, 5, 32, 33, 65_535, 65_536, 65_540, 262_144, 300_000, 300_001}
    found = scan(Node(tmp_path), content(tmp_path, "/a.gz"), offsets)
    assert found.size == 300_000
    assert found.windows == {o: data[max(0, o - 32) : o] for o in offsets if o <= 300_000}
    assert found.damage == ""


def test_several_members_and_padding(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n") + b"\0" * 500)
    found = scan(Node(tmp_path), content(tmp_path, "/a.gz"), {8})
    assert (found.size, found.windows, found.damage) == (8, {8: b"one\ntwo\n"}, "")


@pytest.mark.parametrize("more", [b"", gzip.compress(b"two\n")])
def test_padding_after_the_first_member(tmp_path: Path, more: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + b"\0" * 500 + more)
    found = scan(Node(tmp_path), content(tmp_path, "/a.gz"), {4})
    assert (found.size, found.windows, found.damage) == (8 if more else 4, {4: b"one\n"}, "")


def test_a_torn_gzip_file_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    data = lines(0, 5000)
    packed = gzip.compress(data)
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) // 2])
    found = scan(Node(tmp_path), content(tmp_path, "/a.gz"), {100})
    assert 100 < found.size < len(data)
    assert found.windows == {100: data[68:100]}
    assert found.damage


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b" + b"\xff" * 100)
    with pytest.raises(EvidenceError):
        scan(Node(tmp_path), content(tmp_path, "/a.gz"), set())


def test_is_gzip(tmp_path: Path) -> None:
    write(tmp_path, "/a.gz", b"x")
    write(tmp_path, "/b", b"\x1f")
    write(tmp_path, "/c", b"")
    assert [is_gzip(Node(tmp_path), f"/{n}") for n in ("a.gz", "b", "c")] == [True, False, False]
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(EvidenceError):
        is_gzip(Node(tmp_path), "/fifo")


def test_read_raw_of_an_absurd_offset(tmp_path: Path) -> None:
    write(tmp_path, "/a", b"abc")
    assert read_raw(Node(tmp_path), "/a", 1, 10) == b"bc"
    assert read_raw(Node(tmp_path), "/a", 1 << 40, 10) == b""
    with pytest.raises(EvidenceError):
        read_raw(Node(tmp_path), "/a", 1 << 64, 10)


@pytest.mark.parametrize("short", ["/short", "/short.gz"])
@pytest.mark.parametrize("long", ["/long", "/long.gz"])
def test_beginnings(tmp_path: Path, short: str, long: str) -> None:
    data = lines(0, 6000)
    node = Node(tmp_path)
    write(tmp_path, long, data)

    def starts(part: bytes) -> bool:
        write(tmp_path, short, part)
        return is_start_of(node, content(tmp_path, short), content(tmp_path, long))

    assert starts(data)
    assert starts(data[:200_001])
    assert starts(data[:1])
    assert not starts(data[:-1] + b"!")
    assert not starts(data + b"!")
    assert not starts(data[1:])
    assert not starts(b"")


def test_the_beginning_of_a_copy_still_being_compressed(tmp_path: Path) -> None:
    data = lines(0, 5000)
    write(tmp_path, "/a", data)
    packed = gzip.compress(data)
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) // 2])
    assert is_start_of(Node(tmp_path), content(tmp_path, "/a.gz"), content(tmp_path, "/a"))


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"") + b"\n"), max_size=8), st.data())
def test_line_starts(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("lines")
    whole = b"".join(parts)
    offset = data.draw(st.integers(0, len(whole)))
    expected = whole.rfind(b"\n", 0, offset) + 1
    for name in ("/a", "/a.gz"):
        write(root, name, whole)
        assert line_start(Node(root), content(root, name), offset, 1 << 20) == expected


@pytest.mark.parametrize("name", ["/a", "/a.gz"])
def test_empty_lines(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, b"\n\nx")
    starts = [line_start(Node(tmp_path), content(tmp_path, name), offset, 100) for offset in range(4)]
    assert starts == [0, 1, 2, 2]


@pytest.mark.parametrize("name", ["/a", "/a.gz"])
def test_a_line_that_is_longer_than_the_reach(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, b"first\n" + b"x" * 500_000)
    node, log = Node(tmp_path), content(tmp_path, name)
    assert line_start(node, log, 400_000, 1000) == 400_000
    assert line_start(node, log, 400_000, 1 << 20) == 6
    assert line_start(node, log, 3, 1000) == 0


def test_compressed_offsets(tmp_path: Path) -> None:
    data = lines(0, 20_000)
    write(tmp_path, "/a.gz", data)
    node, facts = Node(tmp_path), Node(tmp_path).facts("/a.gz")
    assert uncompressed_size(node, facts, facts.size) == len(data)
    assert 0 < uncompressed_size(node, facts, facts.size // 2) < len(data)
    assert uncompressed_size(node, facts, 0) == 0
    assert uncompressed_size(node, facts, 1 << 40) == len(data)
