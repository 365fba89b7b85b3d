from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit import json_fields


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b'{"a": 1, "b": "x", "a": null}', ((b"a", 1), (b"b", b"x"), (b"a", None))),
        (b' \t\r\n{"a":true,"b":false}  ', ((b"a", True), (b"b", False))),
        (b"{}", ()),
        (b'{"n": {"x": [1, "y", {"z": "w"}], "e": []}}', ((b"n", ((b"x", [1, b"y", ((b"z", b"w"),)]), (b"e", []))),)),
        (b'{"a": 18446744073709551615, "b": -9223372036854775808}', ((b"a", 2**64 - 1), (b"b", -(2**63)))),
        (b'{"a": 18446744073709551616, "b": -9223372036854775809}', ((b"a", float(2**64)), (b"b", float(-(2**63))))),
        (b'{"a": -0, "b": 1.0, "c": 1e3}', ((b"a", 0), (b"b", 1.0), (b"c", 1000.0))),
        (b'{"a": "\xff\xc3\xa9\\u00e9"}', ((b"a", b"\xff\xc3\xa9\xc3\xa9"),)),
        (b'{"a": "tab\there\x00"}', ((b"a", b"tab\there\x00"),)),
        (b'{"a": "\\ud83d\\ude00 \\n \\\\u \\/"}', ((b"a", b"\xf0\x9f\x98\x80 \n \\u /"),)),
        (b'{"a": "\\ud83d x \\ude00 \\ud83d\\u0041"}', ((b"a", "\ufffd x \ufffd \ufffd".encode()),)),
        (b'{"\\u006b": 1}', ((b"k", 1),)),
        (b'{"a": 1} trailing', ((b"a", 1),)),
        (b'{"a": 1} }', ((b"a", 1),)),
        (b'{"a": 1} 014', ((b"a", 1),)),
        (b'{"a": "\\u12zx \\u"}', ((b"a", b"\\u12x \\u"),)),
        (b'{"a": "\\ud83d\\u12"}', ((b"a", "\ufffd".encode()),)),
    ],
)
def test_objects(line, fields):
    found = json_fields.read(line)
    assert found == fields
    assert found is not None
    assert [type(v) for _, v in found] == [type(v) for _, v in fields]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"   ", b"plain text", b"[1]", b'"a"', b"1", b'{"a": 1', b'{"a" 1}', b'{"a": 1} {"b": 2}', b'{"a": 1} 2',
        b'{"a": 01}', b'{"a": 1.}', b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b"{'a': 1}", b'{"a": 1,}',
        b'{"a": "x}', b'\xef\xbb\xbf{"a": 1}', b"{" * 100_000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_what_the_json_parser_does_not_take(line):
    assert json_fields.read(line) is None


@pytest.mark.parametrize("depth", [200, 480, 600, 2000])
def test_deep_values_are_read_or_not_taken(depth):
    assert json_fields.read(b"[" * depth + b"]" * depth) is None
    found = json_fields.read_all(b"[" * depth + b"]" * depth)
    assert isinstance(found, list) if depth == 200 else found is None or isinstance(found, list)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)


def plain(value):
    if isinstance(value, tuple):
        return {k.decode(): plain(v) for k, v in value}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.decode() if isinstance(value, bytes) else value


@settings(max_examples=100)
@given(st.dictionaries(TEXTS, VALUES), st.booleans())
def test_round_trip(value, ascii_only):
    assert plain(json_fields.read(json.dumps(value, ensure_ascii=ascii_only).encode())) == value
