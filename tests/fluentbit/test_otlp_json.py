from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from otlp_builder import document, record

from flbrecover.fluentbit import json_fields, otlp_json
from flbrecover.fluentbit.otlp_split import LogRecordSplitter, explode
from flbrecover.fluentbit.record_json import MAX_DEPTH
from flbrecover.fluentbit.record_split import Piece, Unread
from flbrecover.fluentbit.values import Ext, Fields, JsonKey, Value
from flbrecover.model import Record

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
CAPTURED = sorted((FIXTURES / "otlp-json").glob("*.line"), key=lambda p: p.name)
TIME_NS = 1795428000123456789


def records_of(documents: bytes) -> list[Record]:
    split = LogRecordSplitter()
    found: list[Record] = []
    for piece in (*split.feed(documents), *split.rest()):
        assert isinstance(piece, Piece)
        found.append(Record(piece.data, piece.span, None, piece.envelope))
    return found


# -- as Fluent Bit writes them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", CAPTURED, ids=lambda p: p.stem)
def test_rendered_as_fluent_bit_did(line: Path) -> None:
    """Each file was read by a real Fluent Bit 5.1.1 with a JSON parser; beside it lies the document that it stored."""
    fields = json_fields.read(line.read_bytes().rstrip(b"\n"))
    stored = line.with_suffix(".stored").read_bytes()
    assert fields is not None
    (piece,) = explode(stored)
    assert isinstance(piece, Piece)
    time_ns = otlp_json.time_of(piece.data)
    assert time_ns is not None and TIME_NS - time_ns in (0, 789)
    assert otlp_json.render(tuple(f for f in fields if f[0] != b"time"), time_ns) == piece.data
    assert b"".join(otlp_json.joined([Record(piece.data, piece.span)])) == stored
    found = otlp_json.members(piece.data)
    assert found is not None and otlp_json.join_members(found) == piece.data


def test_all_that_an_incident_left() -> None:
    """Objects and buffer files give the same bytes again; each line of the logs is rendered as it was stored."""
    incident = FIXTURES / "incidents" / "otlp-json"
    contents = [gzip.decompress(b) for n, b in files(incident / "s3.tar.zst") if b[:2] == b"\x1f\x8b"]
    lines: set[bytes] = set()
    for name, data in files(incident / "node.tar.zst"):
        if "/my-bucket/" in name:
            start = 24 + int.from_bytes(data[22:24], "big")
            contents.append(data[start : start + int.from_bytes(data[10:14], "big")])
        elif "/containers/" in name:
            lines.update(data.splitlines())
    seen: set[bytes] = set()
    for content in contents:
        records = records_of(content)
        assert b"".join(otlp_json.joined(records)) == content
        for found in records:
            text = json.loads(found.data)["body"]["stringValue"].encode()
            assert otlp_json.render(((b"log", text),), otlp_json.time_of(found.data) or 0) == found.data
            seen.add(text)
    assert len(contents) == 3 and len(seen) == 210 and seen < lines


def files(archive: Path) -> list[tuple[str, bytes]]:
    with archive.open("rb") as file:
        data = zstandard.ZstdDecompressor().stream_reader(file).read()
    found: list[tuple[str, bytes]] = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar.getmembers():
            file_in = tar.extractfile(member) if member.isfile() else None
            if file_in is not None:
                found.append((member.name, file_in.read()))
    return found


def test_without_a_time() -> None:
    assert otlp_json.render(((b"log", b"x"),), 0) == b'{"body":{"stringValue":"x"}}'
    assert otlp_json.time_of(b'{"body":{"stringValue":"x"}}') is None
    assert otlp_json.time_of(b'{"timeUnixNano":"0","body":{"stringValue":"x"}}') is None
    assert otlp_json.time_of(b'{"timeUnixNano":"18446744073709551615","body":{"stringValue":"x"}}') is None


@pytest.mark.parametrize("value", [Ext(b"x"), ((b"a", Ext(b"x")),), [Ext(b"x")], ((JsonKey(b"1"), b"x"),)])
def test_what_has_no_form_leaves_the_body_out(value: Value) -> None:
    assert otlp_json.render(((b"log", value),), 7) == b'{"timeUnixNano":"7"}'


def test_a_number_that_is_none() -> None:
    for value, text in ((float("nan"), b"nan"), (float("-inf"), b"-inf"), (float("inf"), b"inf")):
        fields: Fields = ((b"a", value), (b"b", 0.1))
        pairs = b'{"key":"a","value":{"doubleValue":%s}},{"key":"b","value":{"doubleValue":0.10000000000000001}}' % text
        assert otlp_json.render(fields, 7) == b'{"timeUnixNano":"7","body":{"kvlistValue":{"values":[%s]}}}' % pairs


def test_too_deep() -> None:
    value: Value = 1
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert otlp_json.render(((b"a", value),), 7) is not None
    assert otlp_json.render(((b"a", [value]),), 7) is None
    for _ in range(100_000):
        value = [value]
    assert otlp_json.render(((b"a", value),), 7) is None


def test_events_of_opentelemetry_are_not_rendered() -> None:
    assert otlp_json.render(((b"log", b"x"),), 7, metadata=((b"otlp", ()),)) is None
    assert otlp_json.render(((b"log", b"x"),), 7, group=((b"resource", ()),)) is None
    assert otlp_json.render(((b"log", b"x"),), 7, metadata=((b"m", 1),), group=((b"g", 1),)) is not None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back(value: float) -> None:
    written = otlp_json.render(((b"log", value),), 0)
    assert written is not None
    back = json.loads(written)["body"]["doubleValue"]
    assert isinstance(back, float) and (back, str(back)) == (value, str(value))


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_text_comes_back(text: str) -> None:
    written = otlp_json.render(((b"log", text.encode()),), 0)
    assert written is not None and json.loads(written) == {"body": {"stringValue": text}}


# -- members -----------------------------------------------------------------------------------------------------------


def test_members() -> None:
    rendered = otlp_json.render(((b"a", 1), (b"k", ((b"b", None),))), 7)
    assert rendered is not None
    found = otlp_json.members(rendered)
    assert found == [
        ("timeUnixNano", '"7"'),
        ("body.a", '{"intValue":"1"}'),
        ("body.k", '{"kvlistValue":{"values":[{"key":"b","value":{}}]}}'),
    ]
    more = [*found, ("body.\ud800", "{}")]  # hostile, and no crash
    values = json.loads(otlp_json.join_members(more))["body"]["kvlistValue"]["values"]
    assert values[2] == {"key": "\ud800", "value": {}}
    assert otlp_json.members(record(1)) == [
        ("timeUnixNano", '"1795434084000001000"'),
        ("body", '{"stringValue":"line 00001"}'),
    ]
    assert otlp_json.members(b"{") is None


@pytest.mark.parametrize("kvlist", ["1", '{"values":1}', '{"values":[1]}', '{"values":[{"key":1,"value":{}}]}', "{}"])
def test_an_odd_body_is_one_member(kvlist: str) -> None:
    odd = f'{{"body":{{"kvlistValue":{kvlist}}}}}'.encode()
    assert otlp_json.members(odd) == [("body", f'{{"kvlistValue":{kvlist}}}')]


def test_names_of_fields() -> None:
    names = [otlp_json.name_of(n) for n in ("log", "Message", "msg", "body")]
    assert names == ["body", "body", "body.msg", "body.body"]
    fields = [otlp_json.field_of(n) for n in ("body.msg", "body.body", "timeUnixNano")]
    assert fields == ["msg", "body", "timeUnixNano"]


# -- documents ---------------------------------------------------------------------------------------------------------


def test_some_records_of_two_documents() -> None:
    units = [record(n) for n in range(10)]
    records = records_of(document(units[:5]) + document(units[5:]))
    chosen = [records[n] for n in (0, 1, 4, 7)]
    assert b"".join(otlp_json.joined(chosen)) == document([units[0], units[1], units[4]]) + document([units[7]])


def test_rebuilt_records_share_documents_of_bounded_size() -> None:
    units = [record(n) for n in range(100)]
    records = [Record(u, p.span) for u in units for p in (Piece(u, 0),)]
    assert b"".join(otlp_json.joined(records)) == document(units)
    cut = b"".join(otlp_json.joined(records, size=1000))
    assert [r.data for r in records_of(cut)] == units
    assert 5 < cut.count(b"resourceLogs") < 10
    assert b"".join(otlp_json.joined([])) == b""


def test_whole_documents_are_not_cut() -> None:
    whole = b'{"resourceLogs":[{"resource":{"a":1},"scopeLogs":[{"scope":{},"logRecords":[%s]}],"schemaUrl":"u"}]}' % (
        b",".join(record(n) for n in range(50))
    )
    assert b"".join(otlp_json.joined(records_of(whole), size=100)) == whole


BODIES = st.text(max_size=12).map(lambda t: b'{"body":{"stringValue":%s}}' % json.dumps(t).encode())
ATTRIBUTES = st.sampled_from([b"{}", b'{"attributes":[{"key":"]}]}","value":{"stringValue":"["}}]}'])
URLS = st.sampled_from([b"", b',"schemaUrl":"https://x/[1]"'])


@st.composite
def trees(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A document with some resources and scopes, and its records. Every list has an item."""
    records: list[bytes] = []
    resources = []
    for _ in range(draw(st.integers(1, 3))):
        scopes = []
        for _ in range(draw(st.integers(1, 3))):
            inside = draw(st.lists(BODIES, min_size=1, max_size=4))
            records += inside
            scopes.append(b'{"scope":%s,"logRecords":[%s]%s}' % (draw(ATTRIBUTES), b",".join(inside), draw(URLS)))
        resources.append(b'{"resource":%s,"scopeLogs":[%s]%s}' % (draw(ATTRIBUTES), b",".join(scopes), draw(URLS)))
    return b'{"resourceLogs":[' + b",".join(resources) + b"]}", records


@given(made=st.lists(trees(), max_size=3), size=st.integers(1, 300), start=st.integers(0, 9))
def test_taken_apart_and_put_together_again(made: list[tuple[bytes, list[bytes]]], size: int, start: int) -> None:
    stream = b"".join(m[0] for m in made)
    split = LogRecordSplitter(start)
    pieces: list[Piece | Unread] = []
    for at in range(0, len(stream), size):
        pieces += split.feed(stream[at : at + size])
    pieces += split.rest()
    found = [p for p in pieces if isinstance(p, Piece)]
    assert len(found) == len(pieces) and [p.data for p in found] == [r for m in made for r in m[1]]
    end = start
    for piece in found:
        assert piece.start >= end
        end = piece.span.end
        assert stream[piece.start - start : end - start] == piece.data
    assert b"".join(otlp_json.joined(Record(p.data, p.span, None, p.envelope) for p in found)) == stream
