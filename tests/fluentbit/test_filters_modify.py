"""Expected values follow plugins/filter_modify/modify.c."""

from __future__ import annotations

import pytest
from filters_support import adds_unknown, chain, fields, one, through
from hypothesis import given
from hypothesis import strategies as st

OWN = fields(a=b"1", b=b"2", ab=b"3", n=7)
LUA = "Name lua\nscript x.lua\ncall f"
KUBE = "Name kubernetes\nMatch kube.*"
KUBE_TAG = "kube.var.log.containers.web-0_shop_nginx-" + "a" * 64 + ".log"


@pytest.mark.parametrize(
    ("rules", "result"),
    [
        ("Add c x", fields(a=b"1", b=b"2", ab=b"3", n=7, c=b"x")),
        ("Add a x", OWN),
        ("Add_if_not_present c x", fields(a=b"1", b=b"2", ab=b"3", n=7, c=b"x")),  # refused today
        ("Set a x", fields(b=b"2", ab=b"3", n=7, a=b"x")),  # what is set goes to the end
        ("Set c 5", fields(a=b"1", b=b"2", ab=b"3", n=7, c=b"5")),  # always text
        ('Set c "two words"', fields(a=b"1", b=b"2", ab=b"3", n=7, c=b"two words")),
        ("Set c 'it\\'s'", fields(a=b"1", b=b"2", ab=b"3", n=7, c=b"it's")),
        ("Remove a", fields(b=b"2", ab=b"3", n=7)),
        ("Remove none", OWN),
        ("Remove A", OWN),
        ("Remove_wildcard a", fields(b=b"2", n=7)),  # a prefix
        ("Remove_wildcard a*", OWN),  # the star would have to be in the name
        ("Remove_regex ^.b?$", fields()),
        ("Remove_regex b$", fields(a=b"1", n=7)),
        ("Rename a z", fields(z=b"1", b=b"2", ab=b"3", n=7)),
        ("Rename a b", OWN),  # there is a b already
        ("Rename none z", OWN),
        ("Hard_rename a b", fields(b=b"1", ab=b"3", n=7)),
        ("Hard_rename b a", fields(a=b"2", ab=b"3", n=7)),
        ("Hard_rename a z", fields(z=b"1", b=b"2", ab=b"3", n=7)),
        ("Hard_rename none a", OWN),
        ("Copy n z", fields(a=b"1", b=b"2", ab=b"3", n=7, z=7)),
        ("Copy a z", fields(a=b"1", z=b"1", b=b"2", ab=b"3", n=7)),
        ("Copy a b", OWN),
        ("Hard_copy a b", fields(a=b"1", b=b"1", ab=b"3", n=7)),
        ("Hard_copy n a", fields(b=b"2", ab=b"3", n=7, a=7)),
        ("Hard_copy a z", fields(a=b"1", z=b"1", b=b"2", ab=b"3", n=7)),
        ("Move_to_start n", fields(n=7, a=b"1", b=b"2", ab=b"3")),
        ("Move_to_end a", fields(b=b"2", n=7, a=b"1", ab=b"3")),
        ("Set c two words", OWN),  # three words: taken as RENAME c TO words, and there is no c
        ("Set a two words", fields(words=b"1", b=b"2", ab=b"3", n=7)),
        ("Rename a z\nAdd a y\nRemove z", fields(b=b"2", ab=b"3", n=7, a=b"y")),  # in their order
    ],
)
def test_rules(rules, result):
    assert through(f"Name modify\n{rules}", OWN) == result


def test_duplicate_names():
    twice = ((b"a", 1), (b"a", 2), (b"b", 3))
    assert through("Name modify\nRemove a", twice) == ((b"b", 3),)
    assert through("Name modify\nRename a z", twice) == ((b"z", 1), (b"z", 2), (b"b", 3))
    assert through("Name modify\nCopy a z", twice) == twice
    assert through("Name modify\nHard_copy b a", twice) == twice
    assert through("Name modify\nSet a x", twice) == ((b"b", 3), (b"a", b"x"))


NESTED = fields(log=b"text", ok=True, n=5, map=fields(k=b"v"), list=[b"v"])


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("Key_exists log", True),
        ("Key_exists none", False),
        ("Key_exists $map['k']", True),
        ("Key_exists $map['x']", False),
        ("Key_exists $list[0]", False),  # an array element has no key
        ("Key_does_not_exist none", True),
        ("Key_does_not_exist log", False),
        ("A_key_matches ^lo", True),
        ("A_key_matches ^x", False),
        ("No_key_matches ^x", True),
        ("No_key_matches o", False),
        ("Key_value_equals log text", True),
        ("Key_value_equals log tex", False),
        ("Key_value_equals n 5", False),  # only text is equal
        ("Key_value_equals $map['k'] v", True),
        ("Key_value_does_not_equal log other", True),
        ("Key_value_does_not_equal log text", False),
        ("Key_value_does_not_equal none x", False),  # the field has to be there
        ("Key_value_matches log ^te", True),
        ("Key_value_matches ok ^true$", True),  # booleans match as text
        ("Key_value_matches n 5", False),
        ("Key_value_does_not_match log ^te", False),
        ("Key_value_does_not_match n 5", True),
        ("Key_value_does_not_match none x", False),
        ("Matching_keys_have_matching_values ^log$ ^te", True),
        ("Matching_keys_have_matching_values ^log$ ^x", False),
        ("Matching_keys_have_matching_values ^none$ ^x", True),  # nothing matches, nothing fails
        ("Matching_keys_have_matching_values o e$", False),
        ("Matching_keys_do_not_have_matching_values ^log$ ^x", True),
        ("Matching_keys_do_not_have_matching_values ^none$ ^x", False),
        ("Key_exists log\nCondition Key_exists none", False),  # all have to hold
        ("key_value_equals log 'text'", True),
    ],
)
def test_conditions(condition, met):
    result = through(f"Name modify\nCondition {condition}\nSet done yes", NESTED)
    assert result == ((*NESTED, (b"done", b"yes")) if met else NESTED)


def test_conditions_are_asked_before_the_rules():
    assert through("Name modify\nRemove a\nCondition Key_exists a\nAdd c x", fields(a=b"1")) == fields(c=b"x")


def test_a_condition_that_nobody_knows():
    made = chain(KUBE, "Name modify\nCondition Key_exists $kubernetes['labels']['x']\nSet a new\nRemove b")
    outcome = one(made, fields(a=b"1", b=b"2", c=b"3"), KUBE_TAG)
    assert outcome.fields == fields(a=b"1", b=b"2", c=b"3")
    assert outcome.unsure == {b"a", b"b"}
    assert b"kubernetes" in outcome.additions
    assert b"c" not in outcome.additions


def test_a_condition_that_the_tag_tells():
    made = chain(KUBE, "Name modify\nCondition Key_value_equals $kubernetes['namespace_name'] shop\nSet team red")
    outcome = one(made, fields(log=b"x"), KUBE_TAG)
    assert outcome.fields == fields(log=b"x", team=b"red")
    assert not outcome.unsure


@pytest.mark.parametrize(
    ("rule", "result", "unsure"),
    [
        ("Set a new", fields(b=b"2", a=b"new"), {b"b"}),  # known again
        ("Set c new", fields(a=b"1", b=b"2", c=b"new"), {b"a", b"b"}),
        ("Add c new", fields(a=b"1", b=b"2"), {b"a", b"b"}),  # not made up: there may be a c of another value
        ("Remove a", fields(b=b"2"), {b"b"}),
        ("Rename a z", fields(z=b"1", b=b"2"), {b"z", b"b"}),
        ("Hard_rename a z", fields(z=b"1", b=b"2"), {b"z", b"b"}),
        ("Copy a z", fields(a=b"1", b=b"2"), {b"a", b"b"}),
    ],
)
def test_after_a_filter_that_may_do_anything(rule, result, unsure):
    outcome = one(chain(LUA, f"Name modify\n{rule}"), fields(a=b"1", b=b"2"))
    assert outcome.fields == result
    assert outcome.unsure == unsure
    assert outcome.fate == "maybe dropped"
    assert outcome.by == "lua"


def test_removed_names_are_no_additions():
    outcome = one(chain(LUA, "Name modify\nRemove a\nRemove_wildcard x_"), fields(a=b"1"))
    assert b"a" not in outcome.additions
    assert b"x_y" not in outcome.additions
    assert b"other" in outcome.additions


def test_the_kubernetes_map_under_another_name():
    made = chain(KUBE, "Name modify\nRename kubernetes k8s", "Name grep\nExclude $k8s['pod_name'] ^web")
    outcome = one(made, fields(log=b"x"), KUBE_TAG)
    assert outcome.fate == "dropped"
    assert b"k8s" in outcome.additions
    assert b"kubernetes" not in outcome.additions


def test_removing_the_kubernetes_map_leaves_nothing_unknown():
    outcome = one(chain(KUBE, "Name modify\nRemove kubernetes"), fields(log=b"x"), KUBE_TAG)
    assert not adds_unknown(outcome)
    assert not outcome.additions


def test_a_variable_that_was_not_resolved_is_not_written():
    outcome = one(chain("Name modify\nAdd host ${HOSTNAME}\nSet a ${X}"), fields(a=b"1"))
    assert outcome.fields == ()
    assert adds_unknown(outcome)
    assert b"host" in outcome.additions
    assert b"a" in outcome.additions


@pytest.mark.parametrize("rule", ["Add ${NAME} x", "Set ${NAME} x", "Set a two ${NAMES}"])
def test_a_name_that_was_not_resolved_is_not_written(rule):
    made = chain(f"Name modify\n{rule}")
    assert one(made, fields(a=b"1")).fields == fields(a=b"1")
    assert "is not known" in made.notes[0].what


@pytest.mark.parametrize(
    "rule",
    ["Add a", "Remove a b", "Condition Key_exists", "Condition What a", "Remove_regex (", "Hard_copy a a"],
)
def test_what_fluent_bit_refuses(rule):
    made = chain(f"Name modify\n{rule}")
    assert one(made, OWN).fate == "maybe dropped"
    assert len(made.notes) == 1


names = st.sampled_from([b"a", b"b", b"c", b"d"])
records = st.lists(st.tuples(names, st.integers(0, 5)), max_size=6).map(tuple)
words = st.sampled_from(["a", "b", "c", "d"])


@given(records, words, words)
def test_rename_keeps_every_value_in_place(own, old, new):
    result = one(chain(f"Name modify\nRename {old} {new}"), own).fields
    assert [value for _, value in result] == [value for _, value in own]
    changed = [(x, y) for (x, _), (y, _) in zip(own, result, strict=True) if x != y]
    assert all(pair == (old.encode(), new.encode()) for pair in changed)


@given(records, words)
def test_moving_is_a_permutation(own, prefix):
    for rule in ("Move_to_start", "Move_to_end"):
        assert sorted(one(chain(f"Name modify\n{rule} {prefix}"), own).fields) == sorted(own)


@given(records, words)
def test_set_makes_exactly_one(own, name):
    result = one(chain(f"Name modify\nSet {name} x"), own).fields
    assert [f for f in result if f[0] == name.encode()] == [(name.encode(), b"x")]
    assert [f for f in result if f[0] != name.encode()] == [f for f in own if f[0] != name.encode()]


rules = st.one_of(
    st.tuples(st.sampled_from(["Rename", "Hard_rename", "Copy", "Set", "Add"]), words, words),
    st.sampled_from([("Hard_copy", "a", "b"), ("Hard_copy", "b", "a"), ("Hard_copy", "c", "a")]),
    st.tuples(st.sampled_from(["Remove", "Remove_wildcard", "Remove_regex", "Move_to_end"]), words),
).map(" ".join)


@given(records, st.dictionaries(names, st.integers(0, 5)), st.lists(rules, max_size=5))
def test_what_is_said_to_be_sure_is_sure(own, other, some):
    """A filter that nobody knows may have made any record of it: what the chain is sure of holds for all of them."""
    text = "Name modify\n" + "\n".join(some)
    truth = one(chain(text), tuple(other.items())).fields
    outcome = one(chain("Name lua", text), own)
    for name in {n for n, _ in (*truth, *outcome.fields)}:
        if name not in outcome.additions:
            mine = [v for n, v in outcome.fields if n == name]
            assert mine == [v for n, v in truth if n == name]
