"""Expected values follow plugins/filter_nest/nest.c."""

from __future__ import annotations

import pytest
from filters_support import chain, fields, one, through
from hypothesis import given
from hypothesis import strategies as st

OWN = fields(a_x=b"1", b=b"2", a_y=3)
KUBE = "Name kubernetes\nMatch kube.*"
KUBE_TAG = "kube.var.log.containers.web-0_shop_nginx-" + "a" * 64 + ".log"


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ("Wildcard a_*\nNest_under map", fields(b=b"2", map=fields(a_x=b"1", a_y=3))),
        ("Wildcard a_x\nNest_under map", fields(b=b"2", a_y=3, map=fields(a_x=b"1"))),
        ("Wildcard a_*\nNest_under map\nRemove_prefix a_", fields(b=b"2", map=fields(x=b"1", y=3))),
        ("Wildcard *\nNest_under map\nAdd_prefix p_", fields(map=fields(p_a_x=b"1", p_b=b"2", p_a_y=3))),
        ("Wildcard b\nWildcard a_y\nNest_under map", fields(a_x=b"1", map=fields(b=b"2", a_y=3))),
        ("Wildcard c*\nNest_under map", OWN),
        ("Wildcard a\nNest_under map", OWN),
        ("Wildcard A_*\nNest_under map", OWN),
        ("Wildcard a_*\nNest_under b", ((b"b", b"2"), (b"b", fields(a_x=b"1", a_y=3)))),
    ],
)
def test_nest(options, result):
    assert through(f"Name nest\nOperation nest\n{options}", OWN) == result


MAP = fields(b=b"2", map=fields(x=b"1", y=fields(z=3)), c=4)


@pytest.mark.parametrize(
    ("options", "own", "result"),
    [
        ("Nested_under map", MAP, fields(b=b"2", c=4, x=b"1", y=fields(z=3))),
        ("Nested_under map\nAdd_prefix m_", MAP, fields(b=b"2", c=4, m_x=b"1", m_y=fields(z=3))),
        ("Nested_under map\nRemove_prefix x", MAP, ((b"b", b"2"), (b"c", 4), (b"", b"1"), (b"y", fields(z=3)))),
        ("Nested_under b", MAP, MAP),  # not a map
        ("Nested_under none", MAP, MAP),
        ("Nested_under map", fields(map=()), ()),
        ("Nested_under map", fields(b=1, map=fields(b=2)), ((b"b", 1), (b"b", 2))),
    ],
)
def test_lift(options, own, result):
    assert through(f"Name nest\nOperation lift\n{options}", own) == result


def test_lifting_the_kubernetes_map():
    made = chain(KUBE, "Name nest\nOperation lift\nNested_under kubernetes\nAdd_prefix k_")
    outcome = one(made, fields(log=b"x"), KUBE_TAG)
    assert outcome.fields == fields(log=b"x")
    assert not outcome.unsure
    assert b"k_labels" in outcome.additions
    assert b"labels" not in outcome.additions


def test_what_the_tag_tells_is_known_after_lifting():
    lift = "Name nest\nOperation lift\nNested_under kubernetes\nAdd_prefix k_"
    for name, fate in (("shop", "dropped"), ("other", "kept")):
        made = chain(KUBE, lift, f"Name grep\nExclude k_namespace_name ^{name}$")
        assert one(made, fields(log=b"x"), KUBE_TAG).fate == fate


def test_lifting_without_a_prefix_leaves_the_record_its_own_fields():
    outcome = one(chain(KUBE, "Name nest\nOperation lift\nNested_under kubernetes"), fields(log=b"x"), KUBE_TAG)
    assert not outcome.unsure
    assert b"labels" in outcome.additions
    assert b"log" not in outcome.additions


def test_nesting_what_nobody_knows():
    made = chain(KUBE, "Name nest\nOperation nest\nWildcard *\nNest_under all")
    outcome = one(made, fields(log=b"x"), KUBE_TAG)
    assert outcome.fields == fields(all=fields(log=b"x"))
    assert outcome.unsure == {b"all"}
    assert b"kubernetes" not in outcome.additions


@pytest.mark.parametrize(
    "options",
    [
        "",
        "Operation turn",
        "Operation nest\nWildcard *",
        "Operation lift\nNested_under a\nAdd_prefix a\nRemove_prefix b",
    ],
)
def test_what_fluent_bit_refuses(options):
    made = chain(f"Name nest\n{options}")
    assert one(made, OWN).fate == "maybe dropped"
    assert made.notes


names = st.text("ab_", min_size=1, max_size=4).map(str.encode)


@given(st.dictionaries(names, st.integers(), max_size=6), st.text("ab_", min_size=1, max_size=2))
def test_lifting_undoes_nesting(own, prefix):
    nest = f"Name nest\nOperation nest\nWildcard {prefix}*\nNest_under Map\nAdd_prefix p"
    lift = "Name nest\nOperation lift\nNested_under Map\nRemove_prefix p"
    result = one(chain(nest, lift), tuple(own.items())).fields
    assert dict(result) == own
    moved = [name for name in own if name.startswith(prefix.encode())]
    assert [name for name, _ in result] == [name for name in own if name not in moved] + moved
