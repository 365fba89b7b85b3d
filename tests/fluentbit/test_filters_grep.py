"""Expected values follow plugins/filter_grep/grep.c."""

from __future__ import annotations

import pytest
from filters_support import chain, fields, one

KUBE = "Name kubernetes\nMatch kube.*"
KUBE_TAG = "kube.var.log.containers.web-0_shop_nginx-" + "a" * 64 + ".log"


@pytest.mark.parametrize(
    ("rules", "own", "fate"),
    [
        ("Regex log ^ok", fields(log=b"ok then"), "kept"),
        ("Regex log ^ok", fields(log=b"not ok"), "dropped"),
        ("Regex log ^ok", fields(other=b"ok"), "dropped"),  # no field, no match
        ("Regex log 5", fields(log=5), "dropped"),  # numbers never match
        ("Exclude log debug", fields(log=b"debug x"), "dropped"),
        ("Exclude log debug", fields(log=b"info x"), "kept"),
        ("Exclude log debug", fields(other=b"debug"), "kept"),
        ("Exclude $a['b'] x", fields(a=fields(b=b"x")), "dropped"),
        ("Exclude $a['b'] x", fields(a=fields(c=b"x")), "kept"),
        ("Exclude a.b x", fields(a=b"x"), "dropped"),  # $a.b is $a
        ("exclude LOG x", fields(log=b"x"), "kept"),  # names of fields keep their case
        ("Regex log two words", fields(log=b"two words"), "kept"),  # all that follows is the expression
        ("Exclude log /DEBUG/i", fields(log=b"debug"), "dropped"),
        # legacy: the first Regex decides, what stands below it is not looked at
        ("Regex log a\nRegex log b", fields(log=b"a"), "kept"),
        ("Regex log a\nRegex log b", fields(log=b"b"), "dropped"),
        ("Regex log a\nExclude log b", fields(log=b"ab"), "kept"),
        ("Exclude log b\nRegex log a", fields(log=b"ab"), "dropped"),
        ("Exclude log b\nExclude log c", fields(log=b"c"), "dropped"),
        ("Logical_Op and\nRegex log a\nRegex log b", fields(log=b"ab"), "kept"),
        ("Logical_Op and\nRegex log a\nRegex log b", fields(log=b"a"), "dropped"),
        ("Logical_Op AND\nExclude log a\nExclude log b", fields(log=b"a"), "kept"),
        ("Logical_Op AND\nExclude log a\nExclude log b", fields(log=b"ba"), "dropped"),
        ("Logical_Op or\nRegex log a\nRegex log b", fields(log=b"b"), "kept"),
        ("Logical_Op or\nRegex log a\nRegex log b", fields(log=b"c"), "dropped"),
        ("Logical_Op OR\nExclude log a\nExclude log b", fields(log=b"b"), "dropped"),
        ("", fields(log=b"b"), "kept"),
    ],
)
def test_fate(rules, own, fate):
    outcome = one(chain(f"Name grep\n{rules}"), own)
    assert (outcome.fate, outcome.fields) == (fate, own)
    assert outcome.by == ("grep" if fate == "dropped" else "")


def test_a_dropped_record_meets_no_further_filter():
    made = chain("Name grep\nExclude log x", "Name modify\nAdd a b")
    assert one(made, fields(log=b"x")).fields == fields(log=b"x")
    assert one(made, fields(log=b"y")).fields == fields(log=b"y", a=b"b")


@pytest.mark.parametrize(
    ("rule", "fate"),
    [
        ("Exclude $kubernetes['labels']['app'] x", "maybe dropped"),  # labels come from the API server
        ("Regex $kubernetes['labels']['app'] x", "maybe dropped"),
        ("Exclude $kubernetes['namespace_name'] ^shop$", "dropped"),  # the tag tells it
        ("Exclude $kubernetes['namespace_name'] ^kube-system$", "kept"),
        ("Regex $kubernetes['container_name'] ^nginx$", "kept"),
        ("Regex $kubernetes['docker_id'] ^aaa", "maybe dropped"),  # may be that of an earlier container
        ("Exclude other x", "kept"),  # the kubernetes filter adds nothing of this name
        ("Exclude $kubernetes['labels']['app'] x\nExclude log text", "dropped"),
        ("Exclude $kubernetes['labels']['app'] x\nRegex log text", "maybe dropped"),
        ("Exclude $kubernetes['labels']['app'] x\nRegex log other", "dropped"),
        ("Regex $kubernetes['labels']['app'] x\nExclude log text", "maybe dropped"),
        ("Logical_Op OR\nRegex $kubernetes['labels']['app'] x\nRegex log text", "kept"),
        ("Logical_Op AND\nRegex $kubernetes['labels']['app'] x\nRegex log other", "dropped"),
        ("Logical_Op AND\nRegex $kubernetes['labels']['app'] x\nRegex log text", "maybe dropped"),
    ],
)
def test_a_field_that_nobody_knows(rule, fate):
    outcome = one(chain(KUBE, f"Name grep\n{rule}"), fields(log=b"text"), KUBE_TAG)
    assert outcome.fate == fate


@pytest.mark.parametrize(
    "rules",
    ["Regex log", "Regex log (", "Logical_Op AND\nRegex log a\nExclude log b", "Regex $a[ x"],
)
def test_what_cannot_be_understood_may_drop(rules):
    made = chain(f"Name grep\n{rules}")
    outcome = one(made, fields(log=b"x"))
    assert (outcome.fate, outcome.by) == ("maybe dropped", "grep")
    assert outcome.unsure == {b"log"}
    (note,) = made.notes
    assert note.path.endswith("fluent-bit.conf:10")
    assert not note.unreadable


def test_an_expression_that_never_ends_is_not_waited_for(monkeypatch):
    from flbrecover.fluentbit.filters import event

    monkeypatch.setattr(event, "SEARCH_TIMEOUT_S", 0.05)
    outcome = one(chain("Name grep\nExclude log ^(a|a)*(a|a)*(a|a)*$"), fields(log=b"a" * 60 + b"!"))
    assert outcome.fate == "maybe dropped"
