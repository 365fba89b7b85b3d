"""Rebuilt records: what siblings agree on is added, what they do not is left out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.fluentbit import json_members
from flbrecover.reconcile.match_key import MatchRule, rule_for
from flbrecover.reconcile.plan import Additions
from flbrecover.reconcile.rebuild import Siblings, add

KUBE = '"kubernetes":{"pod":"a\\u00e9","n":1.50}'


def test_constant_fields_of_siblings_are_taken_as_they_are_spelled() -> None:
    siblings = Siblings("date")
    for n in range(3):
        siblings.feed(f'{{"date":"{n}","log":"x{n}",{KUBE},"offset":{n}}}'.encode(), {"log"})
    additions = siblings.additions()
    assert additions.back == (("kubernetes", '{"pod":"a\\u00e9","n":1.50}'),)
    assert additions.missing == ("offset",)
    assert add(b'{"date":"9","log":"y"}', additions, "date") == f'{{"date":"9","log":"y",{KUBE}}}'.encode()


def test_a_field_that_only_some_siblings_have_is_left_out() -> None:
    siblings = Siblings("date")
    siblings.feed(b'{"date":"1","log":"x"}', {"log"})
    siblings.feed(b'{"date":"2","log":"x","node":"n1"}', {"log"})
    siblings.feed(b'{"date":"3","log":"x","node":"n1"}', {"log"})
    assert siblings.additions() == Additions(missing=("node",), siblings=3)


def test_what_comes_before_the_record_stays_before_it() -> None:
    siblings = Siblings("date")
    siblings.feed(b'{"date":"1","stream":"stdout","log":"x"}', {"log"})
    assert add(b'{"date":"2","log":"y"}', siblings.additions(), "date") == b'{"date":"2","stream":"stdout","log":"y"}'


def test_a_field_that_the_record_has_itself_is_not_replaced() -> None:
    additions = Additions(back=(("level", '"info"'),))
    assert add(b'{"date":"2","level":"warn"}', additions, "date") == b'{"date":"2","level":"warn"}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_members_taken_apart_and_joined_are_the_same_record(record: dict[str, object]) -> None:
    text = json.dumps(record, separators=(",", ":"))
    found = json_members.members(text.encode())
    assert found is not None
    assert json_members.join(found) == text.encode()
    assert {name: json.loads(raw) for name, raw in found} == record


@given(st.binary(max_size=60))
def test_members_of_garbage_are_none_or_right(record: bytes) -> None:
    found = json_members.members(record)
    if found is not None:
        assert isinstance(json.loads(record.decode("utf-8", "surrogateescape")), dict)


def test_members_nested_without_end_are_refused() -> None:
    assert json_members.members(b'{"a":' + b"[" * 200_000) is None


def test_match_keys_see_through_spelling_and_additions() -> None:
    rule = MatchRule(False, frozenset({"log", "stream"}))
    made = b'{"date":"1","stream":"stdout","log":"caf\\u00e9 \\/"}'
    copy = '{"date":"7","log":"café /","stream":"stdout","kubernetes":{"pod":"p"}}'.encode()
    assert rule.of_rendered(made, json_members.members(made)) in rule.of_copy(copy)
    other = '{"date":"7","log":"café","stream":"stdout"}'.encode()
    assert rule.of_rendered(made, json_members.members(made)) not in rule.of_copy(other)


def test_a_field_that_no_sibling_has_is_not_compared() -> None:
    rule = rule_for(
        plain=False,
        date_key="date",
        rendered=[b'{"date":"1","log":"text","_p":"F"}'],
        unsure=frozenset(),
        siblings=[b'{"date":"1","log":"other"}'],
    )
    assert rule.names == {"log"}


def test_constants_are_not_compared() -> None:
    made = b'{"date":"1","log":"a text","version":"2"}'
    rule = rule_for(
        plain=False,
        date_key="date",
        rendered=[made],
        unsure=frozenset(),
        siblings=[made],
        unsteady=frozenset({"version"}),
    )
    assert rule.names == {"log"}
    for copy in (b'{"date":"1","log":"a text","version":"1"}', b'{"date":"1","log":"a text"}'):
        assert rule.of_rendered(made, json_members.members(made)) in rule.of_copy(copy)


@pytest.mark.parametrize("unsure", [frozenset(), frozenset({"log"})])
def test_a_constant_is_no_text_to_compare_by(unsure: frozenset[str]) -> None:
    about = b"a text of the configuration, longer than any other"
    made = b'{"date":"1","log":"a long enough text","about":"%b"}' % about
    rule = rule_for(
        plain=False,
        date_key="date",
        rendered=[made],
        unsure=unsure,
        siblings=[b'{"date":"1","message":"another text","about":"x"}'],
        unsteady=frozenset({"about"}),
    )
    assert rule.by_text
    key = rule.of_rendered(made, json_members.members(made))
    assert key in rule.of_copy(b'{"date":"1","message":"a long enough text","about":"something else"}')
    assert key not in rule.of_copy(b'{"date":"1","message":"%b"}' % about)


def test_the_path_of_the_file_is_no_text_to_compare_by() -> None:
    """``Path_Key`` behind a filter that may do anything: longer than many a line, and the same in all of them."""
    rule = rule_for(
        plain=False, date_key="date", rendered=[], unsure=frozenset({"log", "file"}), siblings=[],
        constant=lambda: frozenset({"file"}),
    )  # fmt: skip
    path = b"/var/log/containers/app.log"
    made, copy = b'{"date":"1","log":"a line","file":"%b"}' % path, b'{"date":"2","text":"a line","file":"%b"}' % path
    other = b'{"date":"2","text":"other line","file":"%b"}' % path
    key = rule.of_rendered(made, json_members.members(made))
    assert key in rule.of_copy(copy)  # too short a line is no text, and there is no other
    longer = made.replace(b"a line", b"a longer line")
    key = rule.of_rendered(longer, json_members.members(longer))
    assert key in rule.of_copy(copy.replace(b"a line", b"a longer line"))
    assert key not in rule.of_copy(other)


def test_records_of_constants_alone_are_compared_by_them() -> None:
    made = b'{"date":"1","about":"a text of the configuration"}'
    constants = frozenset({"about"})
    rule = rule_for(plain=False, date_key="date", rendered=[made], unsure=frozenset(), siblings=[], unsteady=constants)
    assert rule.names == {"about"}


def test_where_no_name_survives_the_longest_text_does() -> None:
    rule = rule_for(
        plain=False,
        date_key="date",
        rendered=[b'{"date":"1","log":"a long enough text"}'],
        unsure=frozenset(),
        siblings=[b'{"date":"1","nested":{"message":"another text"}}'],
    )
    made = b'{"date":"1","log":"a long enough text"}'
    assert rule.by_text
    assert rule.of_rendered(made, json_members.members(made)) in rule.of_copy(
        b'{"date":"2","nested":{"message":"a long enough text","level":"info and more"}}'
    )


def test_a_date_is_no_text_to_compare_by() -> None:
    """That of a line without a time is made up, and longer than many a line."""
    made = b'{"date":"1970-01-01T00:00:00.000000Z","log":"a short line"}'
    rule = rule_for(plain=False, date_key="date", rendered=[made], unsure=frozenset({"log"}), siblings=[])
    assert rule.by_text
    copy = b'{"date":"2026-11-28T09:23:29.910230Z","by_lua":1,"log":"a short line"}'
    assert rule.of_rendered(made, json_members.members(made)) in rule.of_copy(copy)
