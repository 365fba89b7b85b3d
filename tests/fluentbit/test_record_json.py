from __future__ import annotations

import json
import struct
from datetime import datetime, timezone
from pathlib import Path

import pytest
from chunk_builder import NS
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit import json_members
from flbrecover.fluentbit.engine_chunk import Event, EventDecoder
from flbrecover.fluentbit.json_whole import is_object
from flbrecover.fluentbit.pipeline import JsonDateFormat, S3Output, Service
from flbrecover.fluentbit.record_json import RecordStyle, render, render_apart, value_text
from flbrecover.fluentbit.record_time import moment, time_of
from flbrecover.fluentbit.values import Ext, Fields, JsonKey, Value

VECTORS = Path(__file__).parents[2] / "fixtures" / "rendering" / "values.jsonl"
TIME_NS = 1795434084 * NS + 222170455
LOG: Fields = ((b"log", b"x"),)


def decoded(value: bytes) -> Event:
    data = b"\x92\x92\xd7\x00" + struct.pack(">II", *divmod(TIME_NS, NS)) + b"\x80\x81\xa1v" + value
    decoder = EventDecoder()
    (event,) = [*decoder.feed(data), *decoder.rest()]
    assert isinstance(event, Event)
    return event


def test_values_as_fluent_bit_itself_renders_them() -> None:
    """From msgpack to JSON, against what the C code of 5.1.1 made of the same bytes."""
    lines = VECTORS.read_text().splitlines()
    assert len(lines) > 300
    for line in lines:
        vector = json.loads(line)
        event = decoded(bytes.fromhex(vector["msgpack"]))
        for escape, expected in ((True, vector["escaped"]), (False, vector["raw"])):
            style = RecordStyle(json_date_key=None, escape_unicode=escape)
            assert render(event.fields, event.time_ns, style) == b'{"v":' + bytes.fromhex(expected) + b"}", vector


TEXTS = st.text(max_size=60) | st.text('a\x7f"é😀\n', max_size=60)


@settings(max_examples=100)
@given(text=TEXTS, escape=st.booleans())
def test_text_reads_back(text: str, escape: bool) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return
    rendered = value_text(raw, escape)
    assert json.loads(rendered) == text
    assert b"\n" not in rendered and b"\0" not in rendered
    assert not escape or rendered.isascii()


@settings(max_examples=100)
@given(raw=st.binary(max_size=80), escape=st.booleans())
def test_any_bytes_give_a_whole_record(raw: bytes, escape: bool) -> None:
    record = render(((b"log", raw), (raw, b"x")), TIME_NS, RecordStyle(escape_unicode=escape))
    assert record is not None and is_object(record) and b"\n" not in record
    record.decode("utf-8")


@pytest.mark.parametrize(
    ("date_format", "time_ns", "date"),
    [
        ("iso8601", TIME_NS, b'"2026-11-23T11:41:24.222170Z"'),
        ("iso8601", 0, b'"1970-01-01T00:00:00.000000Z"'),
        ("iso8601", TIME_NS - 222170455 + 999, b'"2026-11-23T11:41:24.000000Z"'),
        ("java_sql_timestamp", TIME_NS, b'"2026-11-23 11:41:24.222170"'),
        ("epoch", TIME_NS, b"1795434084"),
        ("epoch_ms", TIME_NS, b"1795434084222"),
        ("double", TIME_NS, b"1795434084.22217"),
        ("double", TIME_NS - 455, b"1795434084.22217"),
        ("double", 1795434084 * NS, b"1795434084.0"),
        ("double", 1795434084 * NS + 123456789, b"1795434084.123457"),
    ],
)
def test_dates(date_format: JsonDateFormat, time_ns: int, date: bytes) -> None:
    style = RecordStyle(json_date_format=date_format)
    assert render(LOG, time_ns, style) == b'{"date":' + date + b',"log":"x"}'


FORMATS: list[tuple[JsonDateFormat, int]] = [
    ("iso8601", 1000),
    ("java_sql_timestamp", 1000),
    ("epoch", NS),
    ("epoch_ms", 1_000_000),
    ("double", 1000),
]


@settings(max_examples=100)
@given(
    time_ns=st.integers(0, 4_000_000_000 * NS),
    kind=st.sampled_from(FORMATS),
    key=st.sampled_from(["date", "@timestamp", 'a"b', "zeit é"]),
    escape=st.booleans(),
)
def test_times_read_back(time_ns: int, kind: tuple[JsonDateFormat, int], key: str, escape: bool) -> None:
    date_format, step = kind
    style = RecordStyle(json_date_key=key, json_date_format=date_format, escape_unicode=escape)
    record = render(LOG, time_ns, style)
    assert record is not None
    found = time_of(record, style)
    assert found is not None
    assert abs(found - time_ns) < step
    assert date_format == "double" or found == time_ns // step * step
    assert moment(found, date_format) == moment(time_ns, date_format)


@given(
    first=st.integers(0, 4_000_000_000 * NS),
    apart=st.one_of(st.integers(0, 2000), st.integers(0, 2 * NS)),
    kind=st.sampled_from(FORMATS),
)
def test_a_moment_is_what_is_written_alike(first: int, apart: int, kind: tuple[JsonDateFormat, int]) -> None:
    style = RecordStyle(json_date_format=kind[0])
    alike = render(LOG, first, style) == render(LOG, first + apart, style)
    assert (moment(first, kind[0]) == moment(first + apart, kind[0])) == alike


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b'{"log":"x"}',
        b'{"date":"yesterday"}',
        b'{"date":"2026-13-23T11:41:24.222170Z"}',
        b'{"date":"2026-11-00T11:41:24.222170Z"}',
        b'{"date":"2026-11-23T11:41:24.222170"}',
        b'{"date":null,"log":"x"}',
        b'{"date":1795434084}',
        b'{"log":"\\"date\\":1"}',
        b'{"log":[' + b"[" * 100_000,
        b'{"log":1,"date":"x"',
    ],
)
def test_no_time(record: bytes) -> None:
    assert time_of(record, RecordStyle()) is None


@pytest.mark.parametrize(
    ("style", "record"),
    [
        (RecordStyle(json_date_format="epoch"), b'{"date":1.5}'),
        (RecordStyle(json_date_format="epoch"), b'{"date":99999999999999999999999}'),
        (RecordStyle(json_date_format="double"), b'{"date":15}'),
        (RecordStyle(json_date_format="double"), b'{"date":nan}'),
        (RecordStyle(json_date_key=None), b'{"date":"2026-11-23T11:41:24.222170Z"}'),
        (RecordStyle(log_key="log"), b'{"date":"2026-11-23T11:41:24.222170Z"}'),
    ],
)
def test_no_time_in_other_styles(style: RecordStyle, record: bytes) -> None:
    assert time_of(record, style) is None


def test_a_date_of_the_record_itself() -> None:
    fields: Fields = ((b"log", b"x"), (b"date", b"2020-01-02T03:04:05.000006Z"))
    record = render(fields, TIME_NS, RecordStyle())
    assert record == b'{"log":"x","date":"2020-01-02T03:04:05.000006Z"}'
    expected = int(datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc).timestamp()) * NS + 6000
    assert time_of(record, RecordStyle()) == expected
    double = RecordStyle(json_date_format="double")
    assert time_of(b'{"log":"x","date":1577934245.5}', double) == 1577934245 * NS + NS // 2


def test_no_date_key() -> None:
    assert render(LOG, TIME_NS, RecordStyle(json_date_key=None)) == b'{"log":"x"}'
    assert render((), TIME_NS, RecordStyle(json_date_key=None)) == b"{}"


def test_the_last_of_two_keys_is_written_at_its_own_place() -> None:
    fields: Fields = ((b"a", 1), (b"b", ((b"x", 1), (b"y", 2), (b"x", 3))), (b"a", 2))
    assert render(fields, TIME_NS, RecordStyle(json_date_key=None)) == b'{"b":{"y":2,"x":3},"a":2}'


def test_metadata_and_groups() -> None:
    style = RecordStyle(json_date_key=None)
    metadata: Fields = ((b"m", 1),)
    group: Fields = ((b"g", 2),)
    internal = b'{"__internal__":{%s},"log":"x"}'
    assert render(LOG, 0, style, metadata=metadata) == internal % b'"log_metadata":{"m":1}'
    both = b'"group_attributes":{"g":2},"log_metadata":{"m":1}'
    assert render(LOG, 0, style, metadata=metadata, group=group) == internal % both
    assert render(LOG, 0, style, group=group) == internal % b'"group_attributes":{"g":2},"log_metadata":{}'
    empty = b'"group_attributes":{},"log_metadata":{"m":1}'
    assert render(LOG, 0, style, metadata=metadata, group=()) == internal % empty
    assert render(LOG, 0, style, group=()) == b'{"log":"x"}'


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'a "quoted" \xff line', b'a "quoted" \xff line'),
        (b"", b""),
        (b"two\nlines", b"two\nlines"),
        (5, b"5"),
        (None, b"null"),
        (((b"a", "é".encode()),), b'{"a":"\\u00e9"}'),
        ([b"x", 1.0], b'["x",1.0]'),
        (Ext(b"\x05\x80"), b'"\\x05\\xffffff80"'),
    ],
)
def test_log_key(value: Value, line: bytes) -> None:
    style = RecordStyle(log_key="log")
    fields: Fields = ((b"other", 1), (b"log", value), (b"log", b"the second is not looked at"))
    assert render(fields, TIME_NS, style) == line
    assert render(((b"other", 1),), TIME_NS, style) is None


def test_too_deep_is_not_written() -> None:
    def nested(depth: int) -> Value:
        value: Value = 1
        for _ in range(depth):
            value = [value]
        return value

    assert render(((b"v", nested(31)),), 0, RecordStyle()) is not None
    assert render(((b"v", nested(32)),), 0, RecordStyle()) is None
    assert render(((b"log", nested(500)),), 0, RecordStyle(log_key="log")) is None


def test_the_style_of_an_output() -> None:
    output = S3Output(0, "b", json_date_key=None, json_date_format="epoch", log_key="m", format="otlp_json")
    style = RecordStyle.of(output, Service(escape_unicode=False))
    assert style == RecordStyle(None, "epoch", "m", False, "otlp_json")
    assert RecordStyle.of(S3Output(0, "b"), Service()) == RecordStyle()
    assert RecordStyle().is_json and not style.is_json


KEYS = st.binary(max_size=5) | st.sampled_from(
    [b"log", b"stream", b"date", b'a"b', b"\xff", b"\x7f", JsonKey(b"1"), JsonKey(b"log")]
)
SIMPLE: list[Value] = [b"", b"plain text", b'quoted "', "é".encode(), None, True, 7, -(2**63)]
VALUES = (
    st.binary(max_size=20)
    | st.sampled_from([*SIMPLE, Ext(b"\x01"), 1.5, float("nan")])
    | st.lists(st.integers(), max_size=2)
    | st.just(((b"a", b"b"),))
)


@settings(max_examples=300)
@given(
    fields=st.lists(st.tuples(KEYS, VALUES), max_size=4).map(tuple),
    escape=st.booleans(),
    date=st.sampled_from([("date", "iso8601"), ("date", "epoch"), ("zeit é", "double"), (None, "double")]),
)
def test_members_that_are_at_hand_are_those_that_are_read(
    fields: Fields, escape: bool, date: tuple[str | None, JsonDateFormat]
) -> None:
    style = RecordStyle(date[0], date[1], escape_unicode=escape)
    apart = render_apart(fields, TIME_NS, style)
    if apart is not None:
        assert apart == (render(fields, TIME_NS, style), json_members.members(apart[0]))


def test_usual_records_have_their_members_at_hand() -> None:
    fields: Fields = ((b"log", b'GET "/"'), (b"stream", b"stdout"), (b"code", 200))
    assert render_apart(fields, TIME_NS, RecordStyle()) is not None
    assert render_apart(fields, TIME_NS, RecordStyle(log_key="log")) is None
