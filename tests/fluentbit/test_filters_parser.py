"""Expected values follow plugins/filter_parser/filter_parser.c."""

from __future__ import annotations

import pytest
from filters_support import adds_unknown, chain, fields, one, pipeline, record

from flbrecover.fluentbit.filters import FilterChain
from flbrecover.fluentbit.pipeline import Parser

PAIR = Parser("pair", "regex", regex=r"^(?<left>[a-z]+)=(?<right>\d+)$", types={"right": "integer"})
TIMED = Parser("timed", "json", time_key="t", time_format="%Y-%m-%dT%H:%M:%SZ")
JSON = Parser("json", "json")
YEARLESS = Parser(
    "yearless", "regex", regex=r"^(?<time>\w+ \d+ [\d:]+) (?<msg>.*)$", time_key="time", time_format="%b %d %T"
)
PARSERS = (PAIR, TIMED, JSON, YEARLESS)
OWN = fields(stream=b"out", log=b"n=5", tail=b"t")


def parsed(options: str, own=OWN):
    return one(chain(f"Name parser\nKey_Name log\n{options}", parsers=PARSERS), own).fields


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ("Parser pair", fields(left=b"n", right=5)),
        ("Parser pair\nReserve_Data On", fields(left=b"n", right=5, stream=b"out", tail=b"t")),
        ("Parser pair\nPreserve_Key On", fields(left=b"n", right=5, log=b"n=5")),
        (
            "Parser pair\nReserve_Data On\nPreserve_Key On",
            fields(left=b"n", right=5, stream=b"out", log=b"n=5", tail=b"t"),
        ),
        ("Parser json", OWN),  # what cannot be parsed stays as it is
        ("Parser json\nParser pair", fields(left=b"n", right=5)),
        ("Parser none\nParser pair", fields(left=b"n", right=5)),
    ],
)
def test_fields(options, result):
    assert parsed(options) == result


def test_a_field_that_is_not_there_or_no_text():
    assert parsed("Parser pair", fields(other=b"n=5")) == fields(other=b"n=5")
    assert parsed("Parser pair", fields(log=5)) == fields(log=5)


def test_a_record_accessor_keeps_the_field_it_parsed():
    own = fields(map=fields(log=b"n=5"), x=b"1")
    made = chain("Name parser\nKey_Name $map['log']\nParser pair\nReserve_Data On", parsers=PARSERS)
    assert one(made, own).fields == (*fields(left=b"n", right=5), *own)
    made = chain("Name parser\nKey_Name $map['log']\nParser pair\nPreserve_Key On", parsers=PARSERS)
    assert one(made, own).fields == fields(left=b"n", right=5)


def test_the_time_of_the_line():
    made = chain("Name parser\nKey_Name log\nParser timed", parsers=PARSERS)
    outcome = one(made, fields(log=b'{"t":"2026-11-23T11:38:28Z","m":"x"}'))
    assert outcome.fields == fields(m=b"x")
    assert outcome.time_ns == 1795433908 * 10**9
    assert one(made, fields(log=b'{"m":"x"}')).time_ns == 1_000  # no time in the line: the record keeps its own


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"])
@pytest.mark.parametrize("name", ["log", "$log"])
def test_a_time_that_no_event_can_have(when: str, name: str):
    """The encoder refuses it: the record is left out, and passes as it was where it is alone in its chunk."""
    own = fields(log=f'{{"t":"{when}","m":"x"}}'.encode())
    outcome = one(chain(f"Name parser\nKey_Name {name}\nParser timed", parsers=PARSERS), own)
    assert (outcome.fields, outcome.time_ns) == (own, 1_000)
    assert (outcome.fate, outcome.by) == ("maybe dropped", "parser")


def test_a_time_without_a_year_is_no_time():
    own = record(fields(log=b"Nov 23 11:38:28 hello"))
    made = pipeline("Name parser\nKey_Name log\nParser yearless", parsers=PARSERS)
    (outcome,) = FilterChain(made).apply(own)
    assert (outcome.fields, outcome.time_ns) == (fields(msg=b"hello"), 1_000)


@pytest.mark.parametrize(
    ("time_format", "text"),
    [("%F %T", "2026-11-23 10:00:00"), ("%D %T", "11/23/26 10:00:00"), ("%x %X", "11/23/26 10:00:00")],
)
def test_a_year_by_another_directive_is_a_year(time_format: str, text: str):
    timed = Parser("short", "regex", regex="^(?<t>[^ ]+ [^ ]+) (?<m>.*)$", time_key="t", time_format=time_format)
    made = chain("Name parser\nKey_Name log\nParser short", parsers=(timed,))
    outcome = one(made, fields(log=f"{text} hello".encode()))
    assert (outcome.fields, outcome.time_ns) == (fields(m=b"hello"), 1795428000 * 10**9)


def test_parsing_what_nobody_knows():
    made = chain("Name lua", "Name parser\nKey_Name log\nParser pair", parsers=PARSERS)
    outcome = one(made, OWN)
    assert outcome.fields == OWN
    assert outcome.unsure == {b"stream", b"log", b"tail"}


def test_after_a_parser_only_its_fields_are_there():
    made = chain("Name geoip2\nRecord geo ip %{country}", "Name parser\nKey_Name log\nParser pair", parsers=PARSERS)
    assert not adds_unknown(one(made, OWN))


@pytest.mark.parametrize(
    "options", ["Key_Name log", "Parser pair", "Key_Name log\nParser none", "Key_Name log\nParser bad"]
)
def test_what_cannot_be_used(options):
    bad = Parser("bad", "regex", regex="(")
    made = chain(f"Name parser\n{options}", parsers=(*PARSERS, bad))
    assert one(made, OWN).fate == "maybe dropped"
    assert made.notes
