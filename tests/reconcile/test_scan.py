"""Probes: what they say of many lines is what they say of each."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.reconcile.scan import Probe
from flbrecover.reconcile.sorted_index import KeySet

TEXT = st.text('abAB"\\/u0é{}:,\x7f', max_size=4) | st.sampled_from(["abc", "other", 'a\\"b'])
LINE = st.lists(st.sampled_from(['"log":"', '"', '"x":', "{", "}", "\\", '"log":"abc"', '{"log":"other"}']) | TEXT).map(
    "".join
)


@settings(max_examples=300)
@given(texts=st.lists(LINE, max_size=12), added=st.lists(TEXT, max_size=3))
def test_many_lines_are_told_as_one_by_one(texts: list[str], added: list[str]) -> None:
    known = KeySet()
    probe = Probe("log", b'"log"', known)
    known.add_all(probe.hash_of([("log", f'"{value}"')]) for value in added)
    known.settle()
    lines = [text.encode() for text in texts]
    assert probe.suspects(lines) == [n for n, line in enumerate(lines) if not probe.is_strange(line)]


@given(values=st.lists(st.text('ab"\\/\n', max_size=8), min_size=1, max_size=5), more=st.text('a"\\', max_size=4))
def test_a_value_that_was_added_is_suspect_whatever_stands_around_it(values: list[str], more: str) -> None:
    known = KeySet()
    probe = Probe("log", b'"log"', known)
    known.add_all(probe.hash_of([("log", json.dumps(value))]) for value in values)
    known.settle()
    lines = [json.dumps({"a": more, "log": value, "z": more}, separators=(",", ":")).encode() for value in values]
    assert probe.suspects(lines) == list(range(len(lines)))
    assert not any(map(probe.is_strange, lines))


def test_what_was_added_is_suspect_and_most_else_is_not() -> None:
    known = KeySet()
    probe = Probe("log", b'"log"', known)
    known.add_all([probe.hash_of([("log", '"seq=7"'), ("stream", '"stdout"')])])
    known.settle()
    lines = [b'{"date":"x","log":"seq=%d","stream":"stdout"}' % n for n in range(1000)]
    assert probe.suspects(lines) == [7]
    assert probe.suspects([*lines, b'{"date":"x"}']) == [7, 1000]
    assert probe.hash_of([("log", "7")]) == 0
    probe.blind()
    assert probe.suspects(lines) == list(range(1000))
