"""Filters that a real Fluent Bit 5.1.1 ran: fixtures/filters/captured.jsonl has, for each record, the sections of the
filters and the records that came out, with their tags. Duplicate names stand as they came out, except in the lines with
a ``kubernetes`` map, which went through Fluent Bit's own JSON writer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filters_support import adds_unknown, chain, record

from flbrecover.fluentbit import json_fields
from flbrecover.fluentbit.pipeline import Parser
from flbrecover.fluentbit.values import Fields

CAPTURED = Path(__file__).parents[2] / "fixtures" / "filters" / "captured.jsonl"
PARSERS = (
    Parser("pair", "regex", regex=r"^(?<a>[a-z]+)=(?<n>\d+)", types={"n": "integer"}),
    Parser("js", "json"),
    Parser("two", "regex", regex=r"^(?<log>[^ ]*) (?<rest>.*)$"),
)
LINES = CAPTURED.read_bytes().splitlines()


def last_of_each(fields: Fields, names: set[bytes]) -> list:
    return sorted(((k, repr(v)) for k, v in dict(fields).items() if k in names), key=lambda pair: pair[0])


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_what_came_out(line):
    case = dict(json_fields.read(line))
    texts = json.loads(line)["filters"]
    outcomes = chain(*texts, parsers=PARSERS).apply(record(case[b"record"], case[b"tag"].decode()))
    came_out = [(tag.decode(), fields) for tag, fields in case[b"delivered"]]
    for outcome in outcomes:
        here = [fields for tag, fields in came_out if tag == outcome.tag]
        if outcome.fate == "dropped":
            assert not here
        elif outcome.fate == "kept":
            assert len(here) == 1
            if not adds_unknown(outcome) and not outcome.unsure:
                assert repr(here[0]) == repr(outcome.fields)
            surely = {name for name, _ in (*here[0], *outcome.fields) if name not in outcome.additions}
            assert last_of_each(here[0], surely) == last_of_each(outcome.fields, surely)
    assert {tag for tag, _ in came_out} <= {outcome.tag for outcome in outcomes}


def test_the_capture_has_what_matters():
    whole = CAPTURED.read_text()
    for name in ("grep", "modify", "record_modifier", "nest", "parser", "rewrite_tag", "kubernetes"):
        assert whole.count(f'"Name {name}') > 10
