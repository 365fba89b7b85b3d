"""Probes: what they say of many lines is what they say of each."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.reconcile.columns import Filter
from flbrecover.reconcile.scan import Probe

TEXT = st.text('abAB"\\/u0é{}:,\x7f', max_size=4) | st.sampled_from(["abc", "other", 'a\\"b'])
LINE = st.lists(st.sampled_from(['"log":"', '"', '"x":', "{", "}", "\\", '"log":"abc"', '{"log":"other"}']) | TEXT).map(
    "".join
)


@settings(max_examples=300)
@given(texts=st.lists(LINE, max_size=12), added=st.lists(TEXT, max_size=3))
def test_many_lines_are_told_as_one_by_one(texts: list[str], added: list[str]) -> None:
    known = Filter(64)
    probe = Probe("log", b'"log"', known)
    known.add_all(probe.hash_of([("log", f'"{value}"')]) for value in added)
    lines = [text.encode() for text in texts]
    assert probe.suspects(lines) == [n for n, line in enumerate(lines) if not probe.is_strange(line)]


def test_what_was_added_is_suspect_and_most_else_is_not() -> None:
    known = Filter()
    probe = Probe("log", b'"log"', known)
    known.add(probe.hash_of([("log", '"seq=7"'), ("stream", '"stdout"')]))
    lines = [b'{"date":"x","log":"seq=%d","stream":"stdout"}' % n for n in range(1000)]
    assert probe.suspects(lines) == [7]
    assert probe.suspects([*lines, b'{"date":"x"}']) == [7, 1000]
    assert probe.hash_of([("log", "7")]) == 0
    probe.blind()
    assert probe.suspects(lines) == list(range(1000))
