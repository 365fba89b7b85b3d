"""Tags that the tail input makes from paths. The expected values follow from tag_compose in tail_file.c."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit.tail_tag import NoTagError, expand

KUBE = "/var/log/containers/cart-6d4cf56db6-x2k4p_shop_cart-abab.log"
KUBE_REGEX = (
    r"(?<pod_name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)"
    r"_(?<namespace_name>[^_]+)_(?<container_name>.+)-(?<container_id>[a-z0-9]+)\.log$"
)


@pytest.mark.parametrize(
    ("tag", "path", "made"),
    [
        ("test.*", "/var/log/containers/test-api.log", "test.var.log.containers.test-api.log"),
        ("kube.*", KUBE, "kube.var.log.containers.cart-6d4cf56db6-x2k4p_shop_cart-abab.log"),
        ("*", "/var/log/a.log", "var.log.a.log"),
        ("app", "/var/log/a.log", "app"),
        ("app/x", "/var/log/a.log", "app/x"),  # without a star nothing is cleaned
        ("a.*.b", "/x/y", "a.x.y.b"),
        ("a*b*c", "/x", "a.xbc"),  # only the first star is the path
        ("pre*", "/x", "pre.x"),
        ("*.", "/x", "x"),
        ("*", "/a//b/./c..log", "a.b.c.log"),
        ("*", "/a/b*c.log", "a.bc.log"),
        ("*", "/a:b\\c.log", "a.b.c.log"),
        ("*", "C:\\log\\a.log", "C.log.a.log"),
        ("*", "/a/b.", "a.b"),
        ("*", "/.hidden/x", ".hidden.x"),
        ("x.*", "/a b/é.log", "x.a b.é.log"),
    ],
)
def test_the_path_in_the_tag(tag: str, path: str, made: str) -> None:
    assert expand(tag, path, None) == made


def test_bytes_that_are_no_utf8_survive() -> None:
    path = b"/log/\xff\xfe.log".decode("utf-8", "surrogateescape")
    assert expand("*", path, None).encode("utf-8", "surrogateescape") == b"log.\xff\xfe.log"


@pytest.mark.parametrize(
    ("tag", "made"),
    [
        ("kube.<namespace_name>.<pod_name>.<container_name>", "kube.shop.cart-6d4cf56db6-x2k4p.cart"),
        ("<namespace_name>", "shop"),
        ("k.<missing>.x", "k._.x"),
        ("k.<>.x", "k._.x"),
        ("k.*", "k.*"),  # with Tag_Regex a star is a star
        ("a>b.<container_id>", "a>b.abab"),
    ],
)
def test_groups_in_the_tag(tag: str, made: str) -> None:
    assert expand(tag, KUBE, KUBE_REGEX) == made


def test_a_group_that_matched_nothing_is_an_underscore() -> None:
    assert expand("<a>.<b>.<c>", "/x1", r"(?<a>x)(?<b>y)?(?<c>z*)1") == "x._._"


def test_group_values_are_not_cleaned() -> None:
    assert expand("t.<dir>", "/var/log/a.log", r"(?<dir>/var/log)") == "t./var/log"


@pytest.mark.parametrize(
    ("tag", "tag_regex"),
    [("t.<a>", r"(?<a>nothing like it)"), ("t.<a", r"(?<a>var)"), ("t.<a<b>", r"(?<a>var)"), ("t.<a>", r"var")],
)
def test_files_that_fluent_bit_does_not_follow(tag: str, tag_regex: str) -> None:
    with pytest.raises(NoTagError):
        expand(tag, "/var/log/a.log", tag_regex)


def test_an_expression_that_cannot_be_used() -> None:
    with pytest.raises(ValueError) as e:
        expand("t.<a>", "/var/log/a.log", r"(?<a>var")
    assert not isinstance(e.value, NoTagError)


def test_an_expression_that_does_not_end() -> None:
    with pytest.raises(ValueError, match="Tag_Regex takes longer"):
        expand("t.<a>", "/" + "a" * 4000, r"(?<a>(a|aa)+)+b(?<c>x)\k<c>")


@settings(max_examples=100)
@given(st.text(min_size=1, max_size=4), st.text("ab./*:\\é", max_size=12))
def test_a_cleaned_tag_has_no_separators(prefix: str, path: str) -> None:
    made = expand(prefix + "*", "/" + path, None)
    assert not set("/\\:*") & set(made)
    assert ".." not in made[1:]
