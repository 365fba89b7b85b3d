"""Expected values follow plugins/filter_record_modifier/filter_modifier.c."""

from __future__ import annotations

import pytest
from filters_support import adds_unknown, chain, fields, one, through
from hypothesis import given
from hypothesis import strategies as st

OWN = fields(Log=b"1", stream=b"2", logtag=b"3")
KUBE = "Name kubernetes\nMatch kube.*"
KUBE_TAG = "kube.var.log.containers.web-0_shop_nginx-" + "a" * 64 + ".log"


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ("Record host n1", (*OWN, (b"host", b"n1"))),
        ('Record msg "two words"', (*OWN, (b"msg", b"two words"))),
        ('Record q "a \\"b\\""', (*OWN, (b"q", b'a "b"'))),
        ("Record stream x", (*OWN, (b"stream", b"x"))),  # appended all the same: the last one is what is rendered
        ("Record n 5\nRecord ok true", (*OWN, (b"n", b"5"), (b"ok", b"true"))),  # always text
        ("Remove_key log", fields(stream=b"2", logtag=b"3")),  # case does not count
        ("Remove_key LOG*", fields(stream=b"2")),
        ("Remove_key lo", OWN),
        ("Remove_key log\nRemove_key stream", fields(logtag=b"3")),
        ("Allowlist_key LOG", fields(Log=b"1")),
        ("Whitelist_key log*", fields(Log=b"1", logtag=b"3")),
        ("Allowlist_key stream\nRecord host n1", fields(stream=b"2", host=b"n1")),
        ("Remove_key *\nRecord host n1", fields(host=b"n1")),
    ],
)
def test_fields(options, result):
    assert through(f"Name record_modifier\n{options}", OWN) == result


def test_a_uuid_differs_by_record():
    outcome = one(chain("Name record_modifier\nUuid_key id"), OWN)
    assert outcome.fields == OWN
    assert outcome.unsure == {b"id"}
    assert adds_unknown(outcome)


def test_a_record_with_nothing_left():
    """Alone in its chunk it passes as it was; beside others it is dropped."""
    outcome = one(chain("Name record_modifier\nRemove_key *"), OWN)
    assert (outcome.fate, outcome.by, outcome.fields) == ("maybe dropped", "record_modifier", OWN)


def test_a_value_of_several_words_is_left_out():
    made = chain("Name record_modifier\nRecord msg two words\nRecord a b")
    assert one(made, OWN).fields == (*OWN, (b"a", b"b"))
    assert "two words" in made.notes[0].what


def test_a_variable_that_was_not_resolved():
    outcome = one(chain("Name record_modifier\nRecord host ${HOSTNAME}"), OWN)
    assert outcome.fields == OWN
    assert b"host" in outcome.additions
    assert not outcome.unsure  # the same for all records of the node: siblings tell it


def test_a_name_that_was_not_resolved_is_not_written():
    made = chain("Name record_modifier\nRecord ${NAME} x")
    assert one(made, OWN).fate == "maybe dropped"
    assert "the name ${NAME} is not known" in made.notes[0].what


def test_what_may_be_added_before_is_cut_too():
    made = chain(KUBE, "Name record_modifier\nAllowlist_key log")
    outcome = one(made, OWN, KUBE_TAG)
    assert not adds_unknown(outcome)
    assert outcome.fields == fields(Log=b"1")
    outcome = one(chain(KUBE, "Name record_modifier\nAllowlist_key kube*"), OWN, KUBE_TAG)
    assert b"kubernetes" in outcome.additions
    assert outcome.fields == ()
    assert outcome.fate == "kept"


def test_cutting_what_lua_left():
    outcome = one(chain("Name lua", "Name record_modifier\nAllowlist_key log\nAllowlist_key app_*"), OWN)
    assert b"log" in outcome.additions
    assert b"app_x" in outcome.additions
    assert b"other" not in outcome.additions
    outcome = one(chain("Name lua", "Name record_modifier\nRemove_key log\nRemove_key app_*"), OWN)
    assert b"log" not in outcome.additions
    assert b"app_x" not in outcome.additions
    assert b"other" in outcome.additions


@pytest.mark.parametrize("options", ["Record host", "Remove_key a\nAllowlist_key b"])
def test_what_fluent_bit_refuses(options):
    made = chain(f"Name record_modifier\n{options}")
    assert one(made, OWN).fate == "maybe dropped"
    assert made.notes


keys = st.text("abAB", min_size=1, max_size=3)


@given(st.lists(st.tuples(keys.map(str.encode), st.integers()), max_size=8).map(tuple), st.lists(keys, min_size=1))
def test_removed_and_allowed_are_complements(own, chosen):
    def left(kind):
        cut = "\n".join(f"{kind} {k}" for k in chosen)
        return one(chain(f"Name record_modifier\nRecord z z\n{cut}"), own).fields[:-1]

    assert sorted([*left("Allowlist_key"), *left("Remove_key")]) == sorted(own)
