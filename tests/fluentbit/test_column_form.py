"""The comparable form agrees with what Arrow's JSON reader takes for the same: pyarrow itself is asked."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from columns import table_of
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.fluentbit.column_form import comparable, timestamp_text


def seconds_of(text: str) -> int | None:
    """What Arrow takes a text for, alone in its column: None for a text."""
    column = table_of(json.dumps({"a": text}).encode() + b"\n").column("a")
    return column.cast(pa.int64())[0].as_py() if pa.types.is_timestamp(column.type) else None


def form_of(text: str) -> str:
    return json.loads(comparable(json.dumps({"a": text}).encode()))["a"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":"x"}', b'{"b":"x","a":1}'),
        (b'{"a":1,"b":null}', b'{"a":1.0}'),
        (b'{"a":{"b":null,"c":[]}}', b'{"a": {"c": []}}'),
        (b'{"a":"\\u00e9\\/"}', '{"a":"é/"}'.encode()),
        (b'{"a":18446744073709551615}', b'{"a":1.8446744073709552e19}'),
        (b'{"a":-0.0}', b'{"a":0}'),
        (b'{"a":["2026-11-23 11:38"]}', b'{"a":["2026-11-23T12:38:00+01:00"]}'),
        (b'{"a":"2026-11-23"}', b'{"a":"2026-11-23T00Z"}'),
    ],
)
def test_one_row(one: bytes, other: bytes) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":"1"}'),
        (b'{"a":true}', b'{"a":1}'),
        (b'{"a":{}}', b'{"a":null}'),
        (b'{"a":[null]}', b'{"a":[]}'),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":"2026-11-23T11:38:28.000001Z"}', b'{"a":"2026-11-23T11:38:28.000002Z"}'),
        (b'{"a":"\xff"}', b'{"a":"\xfe"}'),
    ],
)
def test_two_rows(one: bytes, other: bytes) -> None:
    assert comparable(one) != comparable(other)


@pytest.mark.parametrize(
    "record", [b"", b"plain text", b"[1]", b'{"a":nan}', b'{"a":1} ', b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]
)
def test_what_is_no_object_stays(record: bytes) -> None:
    assert comparable(record) in (record, b'{"a":1}')


TWO = st.integers(0, 61).map(lambda n: f"{n:02}")
DAYS = st.builds("{}-{}-{}".format, st.integers(0, 9999).map(lambda n: f"{n:04}"), TWO, TWO)
TIMES = st.lists(TWO, max_size=4).flatmap(lambda parts: st.sampled_from([":".join(parts), "".join(parts)]))
ZONES = st.one_of(
    st.sampled_from(["", "Z", "z", " Z"]),
    st.builds("{}{}{}{}".format, st.sampled_from("+-"), TWO, st.sampled_from(["", ":"]), st.one_of(st.just(""), TWO)),
)
SPELLINGS = st.builds("{}{}{}{}".format, DAYS, st.sampled_from(["", "T", " ", "t"]), TIMES, ZONES)


@given(SPELLINGS)
def test_a_text_is_a_timestamp_where_arrow_says_so(text: str) -> None:
    seconds = seconds_of(text)
    assert form_of(text) == (text if seconds is None else timestamp_text(seconds))


@given(st.integers(-62167219200, 253402300799))
def test_the_one_spelling_is_arrows_own(seconds: int) -> None:
    text = timestamp_text(seconds)
    assert seconds_of(text) == seconds
    assert form_of(text) == text
