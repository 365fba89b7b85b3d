"""The parts of parsers that the captured logs (tests/evidence/test_captured_logs.py) cannot show."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import decoders, field_types, logfmt, ltsv, onigmo, parsers, unescape
from flbrecover.fluentbit.parsers import GIVE_UP_AFTER, NO_EVENT_TIME, Expression, Parsed, UnusableRegexError
from flbrecover.fluentbit.pipeline import Origin, Parser

NEAR = 1_795_434_000_000_000_000
ORIGIN = Origin("/etc/fluent-bit/parsers.conf", 12)


def parse(line: bytes, format: str = "regex", regex: str | None = None, **more: object) -> Parsed | None:  # noqa: A002
    return parsers.make(Parser("p", format, regex, origin=ORIGIN, **more), near_ns=NEAR)(line)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parser", "words"),
    [
        (Parser("web", "regex", "(?<a>x", origin=ORIGIN), ["parser web", "(?<a>x", "/etc/fluent-bit/parsers.conf:12:"]),
        (Parser("web", "csv", origin=ORIGIN), ["parser web", "'csv'", ":12:"]),
        (Parser("web", "json", time_format="%Y", time_offset="later", origin=ORIGIN), ["web", "later", ":12:"]),
        (Parser("web", "json", time_format="%Y", time_zone="No/Where", origin=ORIGIN), ["web", "No/Where", ":12:"]),
        (Parser("web", "json", decoders=(("Decode_Field", "rot13 log"),), origin=ORIGIN), ["web", "rot13", ":12:"]),
        (Parser("web", "json", decoders=(("Decode_Field", "json"),), origin=ORIGIN), ["web", "json", ":12:"]),
    ],
)
def test_a_parser_that_cannot_be_used_is_named_with_its_place(parser, words):
    with pytest.raises(ConfigError) as error:
        parsers.make(parser, near_ns=NEAR)
    assert all(word in str(error.value) for word in words)
    assert isinstance(error.value, UnusableRegexError) == (parser.format == "regex")


def test_an_expression_that_does_not_end_is_given_up():
    slow = Expression("parser slow", onigmo.compile("^(?<x>(?:a|aa)+)$"), seconds=0.01)
    for _ in range(GIVE_UP_AFTER + 5):
        assert slow.search(b"a" * 60 + b"b") is None
    assert slow.unfinished == GIVE_UP_AFTER + 5
    assert slow.search(b"aaa") is None  # not tried any more


def test_fields_come_in_the_order_of_the_groups():
    found = parse(b"1 2 3", regex="^(?<z>.) (?<a>.) (?<m>.)$")
    assert found == ((((b"z", b"1"), (b"a", b"2"), (b"m", b"3"))), None)


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01", None),  # the epoch is no time
        ("1969-12-31", NO_EVENT_TIME),
        ("2106-02-07", 4_294_944_000_000_000_000),
        ("2106-02-08", NO_EVENT_TIME),
    ],
)
def test_times_that_an_event_can_have(text, time_ns):
    found = parse(f'{{"t":"{text}"}}'.encode(), "json", time_key="t", time_format="%Y-%m-%d")
    assert found == ((), time_ns)


TEXT = st.binary(max_size=20).filter(lambda b: not set(b) & set(b"\n\r"))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.from_regex(rb"[0-9A-Za-z_.-]{1,8}", fullmatch=True), TEXT), min_size=1, max_size=6))
def test_ltsv_round_trip(pairs):
    pairs = [(k, v.translate(None, b"\x00\t\x0e")) for k, v in pairs]
    assert ltsv.pairs(b"\t".join(k + b":" + v for k, v in pairs)) == pairs


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.binary(min_size=1, max_size=8).map(lambda b: bytes(c for c in b if c > 32 and c not in b'="') or b"k"),
            st.none() | TEXT,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_logfmt_round_trip(pairs):
    line, expected = [], []
    for key, text in pairs:
        quoted = None if text is None else text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\x00", b"")
        line.append(key if quoted is None else key + b'="' + quoted + b'"')
        expected.append((key, True if text is None else text.replace(b"\x00", b"")))
    found = logfmt.pairs(b" ".join(line))
    assert found is not None
    assert [(k, logfmt.value(k, t, q, {}, False)) for k, t, q in found] == expected


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_what_json_escapes_is_unescaped(text):
    assert unescape.escaped_utf8(json.dumps(text)[1:-1].encode()) == text.encode()


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_any_bytes_are_unescaped(text):
    for way in (unescape.escaped, unescape.escaped_utf8, unescape.mysql_quoted):
        assert len(way(text)) <= len(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("INTEGER", b"12abc", 12), ("integer", b"  -7", -7), ("integer", b"x", 0), ("integer", b"9" * 5000, 2**63 - 1),
        ("integer", b"-99999999999999999999", -(2**63)), ("integer", b"1\x002", 1),
        ("hex", b"ff", 255), ("hex", b"0xFFg", 255), ("hex", b"-1", 2**64 - 1), ("hex", b"f" * 17, 2**64 - 1),
        ("hex", b"0x", 0), ("float", b"1.5e3x", 1500.0), ("float", b"0x1F", 31.0), ("float", b"1e400", float("inf")),
        ("float", b"0x1p99999", float("inf")), ("float", b"", 0.0), ("bool", b"TRUE!", True),
        ("bool", b"falsehood", False), ("bool", b"yes", b"yes"),
    ],
)  # fmt: skip
def test_types(kind, text, value):
    found = field_types.casts({"f": kind})[b"f"](text)
    assert (type(found), found) == (type(value), value)


def test_types_that_are_none_leave_text():
    assert field_types.casts({"f": "string", "g": "date"}) == {}


def test_decoders_leave_other_fields_alone():
    decode = decoders.make((("Decode_Field_As", "escaped log"),))
    assert decode is not None
    assert decode(((b"n", 1), (b"log", b"a\\nb"), (b"log", 5))) == ((b"n", 1), (b"log", b"a\nb"), (b"log", 5))
    assert decoders.make(()) is None
