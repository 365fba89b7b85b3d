"""Scans of lines: what they call strangers are none of ours. Probes: what they say of many lines is what they say of
each."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.reconcile.columns import in_memory
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.own_parts import OwnIndex
from flbrecover.reconcile.runs import Run
from flbrecover.reconcile.scan import Cut, Probe, Scanner
from flbrecover.reconcile.segments import Follow, Lines
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


LINES = st.lists(st.sampled_from([b"{}", b'{"a":1}', b"", b"one", b"two", b"three", b"four"]), max_size=30)


@settings(max_examples=300)
@given(
    ours=st.lists(LINES, max_size=3),
    theirs=LINES,
    cuts=st.sets(st.integers(0, 30)),
    siblings=st.integers(0, 3),
    joins=st.booleans(),
)
def test_a_scan_covers_all_lines_and_calls_none_of_ours_a_stranger(
    ours: list[list[bytes]], theirs: list[bytes], cuts: set[int], siblings: int, joins: bool
) -> None:
    cut = Cut(whole=True)
    ledger = Ledger()
    known = [line for of_run in ours for line in of_run]
    for number, of_run in enumerate(ours):
        run = ledger.runs.begin(Run(f"run {number}"))
        for line in of_run:
            ledger.add(run, "tag", None, own=cut.own(line))
    places = sorted({0, len(theirs), *(place for place in cuts if place < len(theirs))})
    texts = [b"".join(line + b"\n" for line in theirs[a:b]) for a, b in pairwise(places)]
    index = 0
    known_owns = OwnIndex(ledger, in_memory).of(("tag",))
    for segment in Scanner(ledger, cut, known_owns, (), siblings, joins=joins).scan(texts):
        assert segment.index == index
        if isinstance(segment, Lines):
            assert theirs[index : index + len(segment.lines)] == segment.lines
            index += len(segment.lines)
        elif isinstance(segment, Follow):
            same = [known[entry] for entry in segment.entries]
            assert theirs[index : index + len(same)] == same
            assert (segment.first, segment.last) == (same[0], same[-1])
            assert list(segment.some) == same[: len(segment.some)]
            index += len(same)
        else:
            assert not {*theirs[index : index + segment.count]} & {*known}
            index += segment.count
    assert index == len(theirs)


@given(lines=st.lists(st.sampled_from([b'{"date":"x","log":"y"}', b'{"date":"x","a":1,"more":2}', b"{}"]), min_size=1))
def test_the_own_parts_in_a_text_are_those_of_its_lines(lines: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    for cut in (Cut(whole=True), Cut(head=1), Cut(head=11, marker=b',"more":')):
        assert list(cut.owns_in(text)) == list(cut.owns(lines)) == [cut.own(line) for line in lines]
