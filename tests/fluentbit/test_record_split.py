from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit.record_split import DocumentSplitter, LineSplitter, Piece, Splitter, Unread
from flbrecover.model import ByteRange

LINES = st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=20)


def run(split: Splitter, data: bytes, size: int) -> list[Piece | Unread]:
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    fed: Iterable[Piece | Unread] = itertools.chain.from_iterable(list(split.feed(block)) for block in blocks)
    return [*fed, *split.rest()]


@settings(max_examples=100)
@given(lines=LINES, rest=st.binary(max_size=10).filter(lambda r: b"\n" not in r), size=st.integers(1, 50))
def test_lines_come_back_whatever_the_blocks(lines: list[bytes], rest: bytes, size: int) -> None:
    data = b"".join(line + b"\n" for line in lines) + rest
    pieces = run(LineSplitter(7), data, size)
    assert [p.data for p in pieces if isinstance(p, Piece)] == [*lines, *([rest] if rest else [])]
    for piece in pieces:
        assert isinstance(piece, Piece)
        assert data[piece.span.start - 7 : piece.span.end - 7] == piece.data


@settings(max_examples=200)
@given(data=st.text("ab\n", max_size=60), cuts=st.lists(st.integers(1, 30), max_size=30), many=st.data())
def test_many_lines_at_once_are_the_same_lines(data: str, cuts: list[int], many: st.DataObject) -> None:
    """In any mixture with one by one, and where lines are too long."""
    one, other = LineSplitter(7, limit=12), LineSplitter(7, limit=12)
    left = data.encode()
    for cut in [*cuts, len(left)]:
        block, left = left[:cut], left[cut:]
        found = other.lines(block) if many.draw(st.booleans()) else None
        assert [*one.feed(block)] == [*(other.feed(block) if found is None else found.pieces())]
    assert [*one.rest()] == [*other.rest()]


def test_an_empty_line_is_a_record() -> None:
    assert run(LineSplitter(), b"\n\na\n", 64) == [Piece(b"", 0), Piece(b"", 1), Piece(b"a", 2)]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_line_too_long_is_passed_over(size: int) -> None:
    data = b"a\n" + b"x" * 11 + b"\nb\n" + b"y" * 12
    pieces = run(LineSplitter(100, limit=10), data, size)
    too_long = "a record longer than 10 bytes"
    assert [p for p in pieces if isinstance(p, Piece) or p.what == too_long] == pieces
    assert [(p.span.start, p.span.end) for p in pieces] == [(100, 101), (102, 113), (114, 115), (116, 128)]
    assert [p.data for p in pieces if isinstance(p, Piece)] == [b"a", b"b"]


def test_a_line_too_long_is_not_held() -> None:
    split = LineSplitter(limit=1000)
    for _ in range(50):
        assert list(split.feed(b"x" * 1000)) == []
    assert sum(len(part) for part in split._held) <= 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('{}[]"\\ \n\0aé', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{}[]"\\k', max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(contents=st.lists(JSON, max_size=6), size=st.integers(1, 40), gap=st.sampled_from([b"", b"\n", b"  "]))
def test_documents_come_back_whatever_the_blocks(contents: list[object], size: int, gap: bytes) -> None:
    documents = [json.dumps({"resourceLogs": c}, separators=(",", ":")).encode() for c in contents]
    data = gap.join(documents)
    pieces = run(DocumentSplitter(3), data, size)
    assert [p.data for p in pieces if isinstance(p, Piece)] == documents
    assert all(isinstance(p, Piece) and data[p.span.start - 3 : p.span.end - 3] == p.data for p in pieces)


def document(number: int) -> bytes:
    inner = {"resource": {}, "scopeLogs": [{"logRecords": [{"timeUnixNano": str(number), "body": {"a": "}{"}}]}]}
    return json.dumps({"resourceLogs": [inner]}, separators=(",", ":")).encode()


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_zeroed_page_costs_the_documents_that_it_lies_in(size: int) -> None:
    documents = [document(n) for n in range(9)]
    data = bytearray(b"".join(documents))
    third = len(b"".join(documents[:3]))
    data[third + 40 : third + 40 + len(documents[3])] = bytes(len(documents[3]))
    pieces = run(DocumentSplitter(), bytes(data), size)
    assert [p.data for p in pieces if isinstance(p, Piece)] == documents[:3] + documents[5:]
    lost = [p for p in pieces if isinstance(p, Unread)]
    assert [p.span for p in lost] == [ByteRange(third, third + len(documents[3]) + len(documents[4]))]
    assert "NUL" in lost[0].what


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_documents_behind_other_bytes(size: int) -> None:
    pieces = run(DocumentSplitter(), b'x":1},{"y":2}]}' + document(1) + b"trailing", size)
    assert [p.data for p in pieces if isinstance(p, Piece)] == [document(1)]
    assert [p.span.start for p in pieces if isinstance(p, Unread)] == [0, 15 + len(document(1))]


@pytest.mark.parametrize("size", [1, 9, 4096])
def test_documents_behind_one_that_does_not_end(size: int) -> None:
    torn = document(1)[:-4]
    pieces = run(DocumentSplitter(), torn + document(2) + document(3), size)
    assert [p.data for p in pieces if isinstance(p, Piece)] == [document(2), document(3)]
    assert [p.span for p in pieces if isinstance(p, Unread)] == [ByteRange(0, len(torn))]


def test_a_torn_last_document_is_unread() -> None:
    pieces = run(DocumentSplitter(), document(1) + document(2)[:-1], 16)
    assert [type(p) for p in pieces] == [Piece, Unread]
    assert pieces[1].span == ByteRange(len(document(1)), 2 * len(document(1)) - 1)


def test_a_document_too_long_is_passed_over_and_not_held() -> None:
    split = DocumentSplitter(limit=1000)
    found = list(split.feed(b'{"resourceLogs":["'))
    for _ in range(50):
        found += split.feed(b"x" * 999)
        assert len(split._buffer) <= 2000
    found += [*split.feed(b'"]}' + document(5)), *split.rest()]
    assert [p.data for p in found if isinstance(p, Piece)] == [document(5)]
    assert any(isinstance(p, Unread) and "longer than 1000" in p.what for p in found)


def test_many_documents_that_never_end_cost_little() -> None:
    data = b'{"resourceLogs":[' * 20_000
    pieces = run(DocumentSplitter(), data, 4096)
    assert all(isinstance(p, Unread) for p in pieces)
    assert (pieces[0].span.start, pieces[-1].span.end) == (0, len(data))
