from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.evidence.log_bytes import BLOCK
from flbrecover.evidence.log_lines import MAX_PROBLEMS, LineRules, LogLines
from flbrecover.evidence.node import Node
from flbrecover.fluentbit.pipeline import Origin, Property, Section, TailInput
from flbrecover.model import ByteRange, SourceFile

PLAIN = LineRules()


def source(path: Path, *, compressed: bool = False) -> tuple[Node, SourceFile]:
    node = Node(path.parent)
    return node, SourceFile(node.facts(f"/{path.name}"), compressed, None, None, "")


def write(tmp_path: Path, data: bytes, *, compressed: bool = False) -> tuple[Node, SourceFile]:
    path = tmp_path / ("a.log.1.gz" if compressed else "a.log")
    path.write_bytes(data)
    return source(path, compressed=compressed)


def spans(lines: LogLines) -> list[tuple[bytes, int, int]]:
    return [(line.content, line.start, line.end) for line in lines]


def test_lines_have_the_span_of_their_bytes(tmp_path):
    lines = LogLines(*write(tmp_path, b"one\n\ntwo\r\n\r\nlast"), PLAIN)
    assert [(x.content, x.text, x.start, x.end, x.terminated) for x in lines] == [
        (b"one", b"one", 0, 4, True),
        (b"", b"", 4, 5, True),
        (b"two\r", b"two", 5, 10, True),
        (b"\r", b"\r", 10, 12, True),
        (b"last", b"last", 12, 16, False),
    ]
    assert lines.problems == []
    assert lines.complete


@settings(max_examples=60)
@given(
    st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"").lstrip(b"\0")), max_size=30),
    st.booleans(),
    st.booleans(),
    st.integers(1, 12),
)
def test_every_line_that_fits_is_given(tmp_path_factory, texts, skip_empty, compressed, limit):
    data = b"".join(t + b"\n" for t in texts)
    raw = gzip.compress(data) if compressed else data
    node, file = write(tmp_path_factory.mktemp("x"), raw, compressed=compressed)
    lines = list(LogLines(node, file, LineRules(limit, skip_long=True, skip_empty=skip_empty)))
    expected = [t for t in texts if len(t) < limit and not (skip_empty and t in (b"", b"\r"))]
    assert [x.content for x in lines] == expected
    assert all(data[x.start : x.end] == x.content + b"\n" for x in lines)


def test_blocks_do_not_matter(tmp_path):
    texts = [b"%d" % n * (n % 700) for n in range(3000)]
    data = b"".join(t + b"\n" for t in texts)
    assert len(data) > 3 * BLOCK
    node, file = write(tmp_path, data)
    assert [x.content for x in LogLines(node, file, PLAIN)] == texts
    start, end = data.index(b"\n", BLOCK) + 1, data.index(b"\n", 2 * BLOCK) + 1
    part = list(LogLines(node, file, PLAIN, start, end))
    assert b"".join(x.content + b"\n" for x in part) == data[start:end]
    assert (part[0].start, part[-1].end) == (start, end)


def test_an_end_inside_a_line_leaves_it_unterminated(tmp_path):
    lines = list(LogLines(*write(tmp_path, b"one\ntwo and more\n"), PLAIN, 4, 7))
    assert [(x.content, x.start, x.end, x.terminated) for x in lines] == [(b"two", 4, 7, False)]


@pytest.mark.parametrize("compressed", [False, True])
def test_nul_bytes_in_front_of_a_line_are_dropped_but_belong_to_it(tmp_path, compressed):
    data = b"\0" * (BLOCK + 5) + b"one\n\0\0two\0x\n\0\n" + b"\0" * 10
    raw = gzip.compress(data) if compressed else data
    lines = list(LogLines(*write(tmp_path, raw, compressed=compressed), PLAIN))
    first = BLOCK + 9
    assert [(x.content, x.nuls, x.start, x.end) for x in lines] == [
        (b"one", BLOCK + 5, 0, first),
        (b"two\0x", 2, first, first + 8),
        (b"", 1, first + 8, first + 10),
    ]


LONG = b"a\n" + b"x" * 10_000_000 + b"\nb\n"


@pytest.mark.parametrize(
    ("rules", "contents", "words", "unreadable"),
    [
        (LineRules(skip_long=True), [b"a", b"b"], "Fluent Bit skips it", False),
        (LineRules(), [b"a", b"b"], "stops reading the file there", True),
        (LineRules(truncate_long=True), [b"a", b"x" * 32767, b"b"], None, None),
    ],
)
def test_a_line_of_ten_megabytes_does_not_end_up_in_memory(tmp_path, rules, contents, words, unreadable):
    lines = LogLines(*write(tmp_path, LONG), rules)
    tracemalloc.start()
    try:
        found = list(lines)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [x.content for x in found] == contents
    assert peak < 4 * BLOCK
    assert [x.cut for x in found] == [len(x.content) > 1 for x in found]
    if words is None:
        assert lines.problems == []
    else:
        assert [(p.where, p.unreadable) for p in lines.problems] == [(ByteRange(2, 10_000_003), unreadable)]
        assert words in lines.problems[0].what
        assert "10000000 bytes" in lines.problems[0].what
    assert lines.stops_at == (2 if unreadable else None)


def test_many_long_lines_are_counted(tmp_path):
    lines = LogLines(*write(tmp_path, b"xxxxxxxxxx\n" * 500), LineRules(limit=5, skip_long=True))
    assert list(lines) == []
    assert len(lines.problems) == MAX_PROBLEMS + 1
    assert "480 more lines" in lines.problems[-1].what


def test_limits_come_from_the_input():
    def tail(size: int, **keys: str) -> TailInput:
        origin = Origin("f", 1)
        section = Section("input", tuple(Property(k, v, origin) for k, v in keys.items()), origin)
        return TailInput(0, None, "t", ("/x",), buffer_max_size=size, section=section)

    assert LineRules.of(tail(32768)) == LineRules(32767)
    assert LineRules.of(tail(1000, Truncate_Long_Lines="on")).truncate_long
    assert not LineRules.of(tail(1000, truncate_long_lines="maybe")).truncate_long
    assert LineRules.of(tail(2**40)).limit == 64 * 1024 * 1024


def test_gzip_members_follow_each_other_and_zeros_are_padding(tmp_path):
    data = gzip.compress(b"one\ntw") + gzip.compress(b"") + gzip.compress(b"o\nthree\n") + b"\0" * 100_000
    lines = LogLines(*write(tmp_path, data, compressed=True), PLAIN)
    assert spans(lines) == [(b"one", 0, 4), (b"two", 4, 8), (b"three", 8, 14)]
    assert lines.problems == []


TEXT = b"".join(b"line %d of a log, %d\n" % (n, n * n) for n in range(20_000))


@pytest.mark.parametrize("cut", [11, 100, 5000, -1, -8])
def test_a_gzip_file_that_ends_too_early_gives_its_whole_lines(tmp_path, cut):
    lines = LogLines(*write(tmp_path, gzip.compress(TEXT)[:cut], compressed=True), PLAIN)
    contents = [x.content for x in lines]
    assert TEXT.startswith(b"".join(c + b"\n" for c in contents))
    assert all(c in TEXT.split(b"\n") for c in contents[-1:])
    assert len(lines.problems) == 1
    assert "too early" in lines.problems[0].what
    assert lines.problems[0].unreadable
    assert not lines.complete


def test_a_damaged_gzip_member_ends_the_file_there(tmp_path):
    first, second = gzip.compress(b"good\n" * 5000), bytearray(gzip.compress(TEXT))
    second[len(second) // 2 :] = Random(1).randbytes(len(second))
    node, file = write(tmp_path, first + bytes(second), compressed=True)
    lines = LogLines(node, file, PLAIN)
    contents = [x.content for x in lines]
    assert contents[:5000] == [b"good"] * 5000
    assert len(contents) > 10_000  # what is before the damage is there
    assert [p.where for p in lines.problems] == [ByteRange(len(first), file.facts.size)]
    assert "damaged" in lines.problems[0].what


def test_a_wrong_checksum_is_damage(tmp_path):
    data = bytearray(gzip.compress(b"one\ntwo\n"))
    data[-5] ^= 1
    lines = LogLines(*write(tmp_path, bytes(data), compressed=True), PLAIN)
    assert [x.content for x in lines] == [b"one", b"two"]
    assert len(lines.problems) == 1


@pytest.mark.parametrize("data", [b"", b"plain text\n", b"\x1f\x8b", b"\x1f\x8b\x08"])
def test_what_is_no_gzip_data(tmp_path, data):
    lines = LogLines(*write(tmp_path, data, compressed=True), PLAIN)
    assert list(lines) == []
    assert len(lines.problems) == (1 if data else 0)


def test_a_gzip_bomb_does_not_end_up_in_memory(tmp_path):
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeeze.compress(b"x" * (1 << 20)) for _ in range(64)) + squeeze.flush()
    lines = LogLines(*write(tmp_path, bomb, compressed=True), LineRules(skip_long=True))
    tracemalloc.start()
    try:
        assert list(lines) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * BLOCK


def test_a_file_that_grows_is_read_as_it_was(tmp_path):
    node, file = write(tmp_path, b"one\ntwo\n")
    with (tmp_path / "a.log").open("ab") as f:
        f.write(b"three\n")
    lines = LogLines(node, file, PLAIN)
    assert spans(lines) == [(b"one", 0, 4), (b"two", 4, 8)]
    assert lines.problems == []


def test_a_file_that_shrank_gives_no_torn_line(tmp_path):
    node, file = write(tmp_path, b"one\ntwo\nthree\n")
    os.truncate(tmp_path / "a.log", 6)
    lines = LogLines(node, file, PLAIN)
    assert spans(lines) == [(b"one", 0, 4)]
    assert [(p.what, p.where) for p in lines.problems] == [("it shrank while it was read", ByteRange(6, 14))]


def test_a_file_that_was_replaced_is_not_read(tmp_path):
    node, file = write(tmp_path, b"one\n")
    (tmp_path / "b.log").write_bytes(b"two\n")
    (tmp_path / "b.log").rename(tmp_path / "a.log")
    lines = LogLines(node, file, PLAIN)
    assert list(lines) == []
    assert "replaced" in lines.problems[0].what


def test_a_file_that_vanished_is_a_problem(tmp_path):
    node, file = write(tmp_path, b"one\n")
    (tmp_path / "a.log").unlink()
    lines = LogLines(node, file, PLAIN)
    assert list(lines) == []
    assert lines.problems[0].path == "/a.log"
    assert lines.problems[0].unreadable
    assert not lines.complete
