"""Against spans recorded from the Onigmo that Fluent Bit bundles (fixtures/onigmo/spans.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit import onigmo
from flbrecover.fluentbit.parsers_shipped import SHIPPED

RECORDED = json.loads((Path(__file__).parents[2] / "fixtures" / "onigmo" / "spans.json").read_text())


def spans(pattern: str, subject: bytes) -> list[list[int]] | None:
    found = onigmo.compile(pattern).search(subject, timeout=5)
    return found and [list(found.span(i)) for i in range(found.re.groups + 1)]


@pytest.mark.parametrize("row", RECORDED["spans"], ids=lambda r: f"{r['pattern']}-{r['subject']!a}")
def test_gives_onigmos_spans(row: dict[str, Any]) -> None:
    subject = row["subject"].encode("latin-1")
    assert spans(row["pattern"], subject) == row["spans"]
    at_start = onigmo.compile(row["pattern"]).match(subject, timeout=5)
    assert (at_start.end() if at_start else -1) == row["at_start"]


@pytest.mark.parametrize("row", RECORDED["shipped"], ids=lambda r: r["parser"])
def test_reads_lines_with_the_shipped_parsers(row: dict[str, Any]) -> None:
    found = onigmo.compile(SHIPPED[row["parser"]].regex or "").search(row["subject"].encode("latin-1"), timeout=5)
    fields = found and {k: None if v is None else v.decode("latin-1") for k, v in found.groupdict().items()}
    assert fields == row["fields"]


def test_compiles_every_shipped_parser() -> None:
    expressions = [p.regex for p in SHIPPED.values() if p.format == "regex"]
    assert len(expressions) == 15
    for expression in expressions:
        onigmo.compile(expression or "")


@pytest.mark.parametrize("pattern", RECORDED["refused"])
def test_refuses_what_onigmo_refuses(pattern: str) -> None:
    with pytest.raises(ValueError):
        onigmo.compile(pattern)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        (r"(?~abc)", "(?~abc)"),
        (r"\X", r"\X"),
        (r"(?u)\w", "(?u)"),
        (r"(?<a>x)\g<a>", r"\g"),
        (r"(a)\k<-1>", r"\k<-1>"),
        (r"\xff", r"\xff"),
        (r"a+?*", "quantifier"),
        (r"(?<n>a", "not closed"),
        ("(" * 100 + ")" * 100, "nested"),
        ("[" * 100, "nested"),
        ("a" * 70_000, "longer"),
        ("[[:alpha:]]" * 4000, "too large"),
        ("(?#x", "comment"),
    ],
)
def test_names_the_construct_that_it_cannot_take(pattern: str, named: str) -> None:
    with pytest.raises(ValueError, match=r".*") as e:
        onigmo.compile(pattern)
    assert named in str(e.value)


def test_a_hostile_expression_is_stopped_by_its_timeout() -> None:
    with pytest.raises(TimeoutError):
        onigmo.compile(r"(.+)(.+)(.+)(.+)\k<x>|(?<x>q)").search(b"a" * 300, timeout=0.05)


@settings(max_examples=100)
@given(st.text(max_size=30).map(lambda t: t.replace("\0", "")))
def test_an_escaped_text_matches_itself_only(text: str) -> None:
    quoted = "".join(f"\\{c}" if c in r".*+?[](){}|^$\/#" else c for c in text)
    data = text.encode("utf-8")
    assert spans(quoted, data) == [[0, len(data)]]
    assert spans(quoted, b"\xff" + data) == [[1, 1 + len(data)]] or not text


@settings(max_examples=100)
@given(st.text(alphabet="\\()[]{}?*+^$|.a-b<>:=!&n1ké", max_size=12))
def test_any_text_compiles_or_is_refused(pattern: str) -> None:
    try:
        compiled = onigmo.compile(pattern)
    except ValueError:
        return
    compiled.search(b"ab\xc3\xa9\n", timeout=5)


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_the_dots_of_any_bytes_are_its_characters(data: bytes) -> None:
    """Python's own decoder is the judge: every character, and every byte that is none, is one dot. Bytes cut off at
    the end count as one together, which Python agrees to."""
    dots = [m[0] for m in onigmo.compile(r"(?m:.)").finditer(data)]
    assert b"".join(dots) == data
    decoded = data.decode("utf-8", "surrogateescape")
    whole = [c for c in decoded if not "\udc80" <= c <= "\udcff"]
    assert [d.decode() for d in dots if _is_text(d)] == whole


def _is_text(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False
