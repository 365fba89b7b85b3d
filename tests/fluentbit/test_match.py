from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.errors import ConfigError
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import Route


@pytest.mark.parametrize(
    ("pattern", "tag", "expected"),
    [
        ("*", "", True), ("*", "a.b", True), ("kube.*", "kube.var.log", True), ("kube.*", "kube.", True),
        ("kube.*", "kube", False), ("kube.*", "xkube.a", False), ("*.log", "a.log", True), ("*.log", ".log", True),
        ("*.log", "a.log.1", False), ("a*b*c", "a1b2c", True), ("a*b*c", "acb", False), ("a**b", "axb", True),
        ("a?", "ab", False), ("a[b]", "ab", False), ("Kube.*", "kube.a", False), ("", "", True), ("", "a", False),
        ("a*a", "a", False), ("a*a", "aa", True), ("*é*", "caf\xe9!", True),
    ],
)  # fmt: skip
def test_only_the_asterisk_is_special(pattern: str, tag: str, expected: bool) -> None:
    assert matches(Route(pattern), tag) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_agrees_with_the_shells_asterisk(pattern: str, tag: str) -> None:
    assert matches(Route(pattern), tag) is fnmatch.fnmatchcase(tag, pattern)


def test_a_hostile_pattern_does_not_backtrack() -> None:
    assert not matches(Route("*a" * 2000 + "b"), "a" * 4000)


@pytest.mark.parametrize(
    ("expression", "tag", "expected"),
    [
        ("kube", "kube.a", True),  # the beginning is enough
        ("a", "kube.a", False),  # but it must be the beginning
        ("x*", "kube", False),  # and something must be matched
        (r"/^KUBE\.(a|b)$/i", "kube.b", True),
        (r"^kube\.[^.]+$", "kube.a.b", False),
    ],
)
def test_an_expression_matches_at_the_beginning(expression: str, tag: str, expected: bool) -> None:
    assert matches(Route(None, expression), tag) is expected


def test_either_of_the_two_is_enough() -> None:
    route = Route("app.*", "^kube")
    assert matches(route, "app.x")
    assert matches(route, "kube.x")
    assert not matches(route, "sys.x")


def test_nothing_matches_without_a_route() -> None:
    assert not matches(Route(), "")
    assert not matches(Route(), "a")


def test_a_tag_that_is_no_utf8() -> None:
    assert matches(Route("a.*"), "a.\udcff")
    assert matches(Route(None, "^a..$"), "a.\udcff")


def test_an_expression_that_never_ends_is_an_error() -> None:
    with pytest.raises(ConfigError, match="takes too long"):
        matches(Route(None, r"(.+)(.+)(.+)(.+)\k<x>|(?<x>q)"), "a" * 300)
