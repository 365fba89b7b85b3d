"""Expected values follow plugins/filter_rewrite_tag/rewrite_tag.c and plugins/in_emitter/emitter.c."""

from __future__ import annotations

import pytest
from filters_support import chain, fields, record

KUBE = "Name kubernetes\nMatch kube.*"
KUBE_TAG = "kube.var.log.containers.web-0_shop_nginx-" + "a" * 64 + ".log"


def tags(made, own, tag="app.one"):
    return [(o.tag, o.fate) for o in made.apply(record(own, tag))]


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        ("$log ^err new.$TAG false", [("new.app.one", "kept")]),
        ("$log ^err new.$TAG true", [("app.one", "kept"), ("new.app.one", "kept")]),
        ("$log ^xxx new.$TAG false", [("app.one", "kept")]),
        ("$none ^err new false", [("app.one", "kept")]),
        ("$log ^(e)(r+) $1.$2.$0.x false", [("e.rr.err.x", "kept")]),
        ("$log ^err x.$0.y false", [("x..y", "kept")]),  # without a group there is no group 0 either
        ("$log ^err $TAG[1].$level false", [("one.7", "kept")]),
        ("$level 7 new false", [("app.one", "kept")]),  # numbers never match
        ('$log "err or" new false', [("new", "kept")]),
        ("$log ^err new yes", [("app.one", "kept"), ("new", "kept")]),
        ("$log ^err new 1", [("new", "kept")]),  # neither true nor false: not kept
        ("$log (?<a>e)(r) $1.x false", [("e.x", "kept")]),
        ("$log (?<a>e)(r) $2.x false", [(".x", "kept")]),  # a plain group beside named ones is none
    ],
)
def test_one_rule(rule, result):
    made = chain(f"Name rewrite_tag\nMatch app.*\nRule {rule}")
    assert tags(made, fields(log=b"err or", level=7)) == result


def test_the_first_rule_that_matches_counts():
    made = chain("Name rewrite_tag\nMatch app.*\nRule $log x a false\nRule $log y b false\nRule $log . c false")
    assert tags(made, fields(log=b"y")) == [("b", "kept")]


def test_the_record_goes_through_the_filters_of_its_new_tag():
    made = chain(
        "Name modify\nAdd all 1",
        "Name rewrite_tag\nMatch app.*\nRule $log . new.$TAG true",
        "Name modify\nMatch app.*\nAdd old 1",
        "Name record_modifier\nMatch new.*\nRecord new 1",
    )
    first, second = made.apply(record(fields(log=b"x"), "app.one"))
    assert first.fields == fields(log=b"x", all=b"1", old=b"1")
    assert second.fields == fields(log=b"x", all=b"1", new=b"1")


def test_filters_before_it_are_run_again():
    made = chain("Name record_modifier\nRecord n 1", "Name rewrite_tag\nMatch app.*\nRule $log . new false")
    (outcome,) = made.apply(record(fields(log=b"x"), "app"))
    assert outcome.fields == fields(log=b"x", n=b"1")  # Match app.* does not take "app"
    (outcome,) = made.apply(record(fields(log=b"x"), "app.one"))
    assert outcome.fields == (*fields(log=b"x"), (b"n", b"1"), (b"n", b"1"))


def test_its_own_emitter_takes_a_record_once():
    made = chain("Name rewrite_tag\nMatch *\nRule $log . again.$TAG true")
    assert tags(made, fields(log=b"x"), "a") == [("a", "kept"), ("again.a", "kept")]


def test_two_filters_that_send_a_record_to_and_fro():
    made = chain(
        "Name rewrite_tag\nMatch a\nRule $log . b false",
        "Name rewrite_tag\nMatch b\nRule $log . a false",
    )
    ((_, fate),) = tags(made, fields(log=b"x"), "a")
    assert fate == "maybe dropped"


def test_filters_that_multiply_a_record():
    made = chain(*(f"Name rewrite_tag\nMatch *\nRule $log . t{n}.$TAG true" for n in range(12)))
    assert len(made.apply(record(fields(log=b"x"), "a"))) == 64


def test_dropped_under_its_new_tag():
    made = chain("Name rewrite_tag\nMatch app.*\nRule $log . new false", "Name grep\nMatch new\nExclude log x")
    assert tags(made, fields(log=b"x")) == [("new", "dropped")]


def test_a_tag_by_namespace():
    made = chain(KUBE, "Name rewrite_tag\nMatch kube.*\nRule $kubernetes['namespace_name'] ^(.+)$ ns.$1.x false")
    assert tags(made, fields(log=b"x"), KUBE_TAG) == [("ns.shop.x", "kept")]
    assert any("API server" in note.what for note in made.notes)


def test_a_rule_that_nobody_can_follow():
    made = chain(KUBE, "Name rewrite_tag\nMatch kube.*\nRule $kubernetes['labels']['app'] ^(.+)$ app.$1 false")
    assert tags(made, fields(log=b"x"), KUBE_TAG) == [(KUBE_TAG, "maybe dropped")]
    made = chain(KUBE, "Name rewrite_tag\nMatch kube.*\nRule $kubernetes['labels']['app'] . app.$TAG[4] false")
    assert tags(made, fields(log=b"x"), KUBE_TAG) == [
        (KUBE_TAG, "maybe dropped"),
        ("app.web-0_shop_nginx-" + "a" * 64, "maybe dropped"),
    ]


def test_a_tag_that_nobody_knows():
    made = chain(KUBE, "Name rewrite_tag\nMatch kube.*\nRule $log . app.$kubernetes['labels']['app'] false")
    assert tags(made, fields(log=b"x"), KUBE_TAG) == [(KUBE_TAG, "maybe dropped")]
    made = chain(KUBE, "Name rewrite_tag\nMatch kube.*\nRule $log . app.$kubernetes['labels']['app'] true")
    assert tags(made, fields(log=b"x"), KUBE_TAG) == [(KUBE_TAG, "kept")]


def test_bytes_that_are_no_text_survive_in_a_tag():
    made = chain("Name rewrite_tag\nMatch app.*\nRule $log (.) t.$1 false")
    ((tag, _),) = tags(made, fields(log=b"\xff"))
    assert tag.encode("utf-8", "surrogateescape") == b"t.\xff"


@pytest.mark.parametrize("rule", ["$log x new", "$log ( new false", "$ x new false", "$log x $a$b false"])
def test_what_fluent_bit_refuses(rule):
    made = chain(f"Name rewrite_tag\nRule {rule}")
    assert tags(made, fields(log=b"x")) == [("app.one", "maybe dropped")]
    assert made.notes
