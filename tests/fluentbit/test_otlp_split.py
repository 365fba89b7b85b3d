from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from otlp_builder import CLOSING, OPENING, document, record

from flbrecover.fluentbit.otlp_json import PLAIN
from flbrecover.fluentbit.otlp_split import LogRecordSplitter, explode
from flbrecover.fluentbit.record_split import Piece, Unread
from flbrecover.model import ByteRange

UNITS = [record(n) for n in range(30)]
FIRST, SECOND = document(UNITS[:20]), document(UNITS[20:])
STREAM = FIRST + SECOND


def run(data: bytes, size: int = 4096, limit: int = 1 << 20) -> tuple[list[bytes], list[Unread]]:
    split = LogRecordSplitter(0, limit)
    pieces: list[Piece | Unread] = []
    for at in range(0, len(data), size):
        pieces += split.feed(data[at : at + size])
    pieces += split.rest()
    for piece in pieces:
        if isinstance(piece, Piece):
            assert data[piece.start : piece.span.end] == piece.data and piece.envelope is not None
    spans = [p.span for p in pieces]
    assert all(spans[n].end <= spans[n + 1].start for n in range(len(spans) - 1))
    return [p.data for p in pieces if isinstance(p, Piece)], [p for p in pieces if isinstance(p, Unread)]


def at(unit: int) -> int:
    return STREAM.index(UNITS[unit])


DAMAGES: dict[str, tuple[bytes, list[bytes], list[tuple[int, int]]]] = {
    "none": (STREAM, UNITS, []),
    "one byte zeroed": (
        STREAM[: at(5) + 9] + b"\0" + STREAM[at(5) + 10 :],
        UNITS[:5] + UNITS[6:],
        [(at(5) - 1, at(6))],
    ),
    "zeros over three records": (
        STREAM[: at(5) + 9] + bytes(at(7) - at(5)) + STREAM[at(7) + 9 :],
        UNITS[:5] + UNITS[8:],
        [(at(5) - 1, at(8))],
    ),
    "zeros over the border": (
        STREAM[: at(19) + 9] + bytes(at(20) - at(19)) + STREAM[at(20) + 9 :],
        UNITS[:19] + UNITS[21:],
        [(at(19) - 1, at(21))],
    ),
    "a bracket flipped": (
        STREAM[: at(3)] + b"[" + STREAM[at(3) + 1 :],
        UNITS[:3] + UNITS[4:],
        [(at(3) - 1, at(4))],
    ),
    "the beginning missing": (STREAM[at(2) + 5 :], UNITS[3:], [(0, at(3) - at(2) - 5)]),
    "torn inside a record": (STREAM[: at(25) + 20], UNITS[:25], [(at(25) - 1, at(25) + 20)]),
    "torn before the closing brackets": (STREAM[: -len(CLOSING)], UNITS, []),
    "torn inside the closing brackets": (STREAM[:-2], UNITS, [(len(STREAM) - len(CLOSING), len(STREAM) - 2)]),
    "torn after a comma": (STREAM[: at(25)], UNITS[:25], []),
    "no document": (b"garbage", [], [(0, 7)]),
    "garbage between documents": (FIRST + b"xyz" + SECOND, UNITS, [(len(FIRST), len(FIRST) + 3)]),
    "zeros behind": (STREAM + bytes(9), UNITS, [(len(STREAM), len(STREAM) + 9)]),
    "nothing": (b"", [], []),
}


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("size", [1, 100, 4096])
def test_damage(name: str, size: int) -> None:
    data, units, ranges = DAMAGES[name]
    found, unread = run(data, size)
    assert found == units
    assert [(u.span.start, u.span.end) for u in unread] == ranges


FILLS = st.sampled_from([b"\0", b"\xff", b'"', b"}", b"["])


@given(start=st.integers(0, len(STREAM) - 1), length=st.integers(1, 300), fill=FILLS)
def test_nothing_but_whole_records_comes_out_of_damage(start: int, length: int, fill: bytes) -> None:
    end = min(start + length, len(STREAM))
    found, _ = run(STREAM[:start] + fill * (end - start) + STREAM[end:])
    whole = [u for n, u in enumerate(UNITS) if at(n) + len(u) <= start or at(n) >= end]
    if fill == b"\0":
        assert found == whole
    else:  # text inside a string may be overwritten without a trace
        assert [f for f in found if f in UNITS] == [u for u in UNITS if u in found]
        assert set(whole) <= set(found) or fill == b'"'


@given(st.integers(0, len(STREAM)))
def test_a_torn_stream_gives_all_whole_records(end: int) -> None:
    assert run(STREAM[:end])[0] == [u for n, u in enumerate(UNITS) if at(n) + len(u) <= end]


def test_a_record_that_looks_like_a_document() -> None:
    units = [record(1, STREAM.decode()), record(2, '{"timeUnixNano":"5"}'), record(3, "]}]}]}")]
    assert run(document(units)) == (units, [])
    torn = document(units)[: -len(CLOSING) - 1]
    assert run(torn)[0] == units[:2]


def test_damage_in_a_document_with_another_resource() -> None:
    """Nothing shows what the records behind the damage belong to."""
    other = OPENING.replace(b'"resource":{}', b'"resource":{"attributes":[]}') + b",".join(UNITS) + CLOSING
    assert len(run(other)[0]) == 30
    damaged = other[:200] + b"\0" + other[201:]
    assert run(damaged)[0] == []


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"resourceLogs":1}',
        b'{"resourceLogs":[1]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[1]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}{}]}]}]}',
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}],"resourceLogs":[]}',
        b'{"resourceLogs": []}',
        b'{"resourceLogs":[]}x',
        b'{"resourceLogs":[],1:2}',
        b'{"resourceLogs":' + b"[" * 100_000,
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b'{"a":' * 100_000,
        b'{"resourceLogs":[',
        b"",
        b"nan",
    ],
)
def test_what_is_no_document(data: bytes) -> None:
    pieces = list(explode(data))
    assert all(isinstance(p, Unread) for p in pieces)
    assert sum(p.span.end - p.span.start for p in pieces) in (len(data), 0)


@pytest.mark.parametrize("more", [b"", b'1","a":[', b'1","a":[' + b"1," * 500])
def test_records_that_never_end_cost_little(more: bytes) -> None:
    data = b"\0" + (b'{"timeUnixNano":"' + more) * (2_000_000 // (20 + len(more)))
    assert run(data, 1 << 16, 1 << 22) == ([], [Unread(ByteRange(0, len(data)), "not a JSON document")])


def test_a_document_without_records() -> None:
    assert run(b'{"resourceLogs":[]}' + document([]) + document(UNITS[:1])) == (UNITS[:1], [])


def test_memory_is_bounded_by_the_limit() -> None:
    found, unread = run(document(UNITS) * 3 + b"x" * 5000, size=500, limit=1000)
    assert len(found) > 60 and set(found) == set(UNITS)  # at each cut at most one record of too long a document is lost
    assert unread[-1].span.end == len(document(UNITS)) * 3 + 5000


def test_the_envelope_of_a_salvaged_record() -> None:
    (piece, *_) = LogRecordSplitter().feed(OPENING + UNITS[0] + b",\0" + document(UNITS[1:2]))
    assert isinstance(piece, Piece) and piece.envelope is PLAIN
