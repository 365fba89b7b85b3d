"""Shell patterns against the C library's own fnmatch, which is what Fluent Bit calls."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.evidence import shell_pattern

LIBC = ctypes.CDLL(None)
FNM_PERIOD = 4

SETS = ["[ab]", "[!a]", "[^a]", "[a-c]", "[]a]", "[[:digit:]]", "[!-]"]
PIECES = ["a", "b", "1", ".", "-", "*", "?", *SETS, "\\*", "\\a"]
patterns = st.lists(st.sampled_from([*PIECES, "/"]), max_size=6).map("".join)
names = st.text("ab1.-/c*", max_size=6)


@settings(max_examples=100)
@given(patterns, names)
def test_anywhere_is_fnmatch_without_flags(pattern: str, name: str) -> None:
    assert shell_pattern.matches_anywhere(pattern, name) == (LIBC.fnmatch(pattern.encode(), name.encode(), 0) == 0)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), st.text("ab1-c*", min_size=1))
def test_name_is_fnmatch(pattern: str, name: str) -> None:
    assert shell_pattern.compile_name(pattern)(name) == (LIBC.fnmatch(pattern.encode(), name.encode(), 0) == 0)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", ".hidden", False),
        (".*", ".hidden", True),
        ("?x", ".x", False),
        ("[.]x", ".x", False),
        ("*.log", "a.log", True),
        ("caf?.log", "café.log", False),  # Fluent Bit works on bytes: é is two
        ("caf??.log", "café.log", True),
        ("[a", "[a", True),
        ("a\\", "a\\", False),
    ],
)
def test_names_as_glob_takes_them(pattern: str, name: str, fits: bool) -> None:
    assert shell_pattern.compile_name(pattern)(name) is fits


def test_bytes_that_are_no_utf8() -> None:
    name = b"a\xff.log".decode("utf-8", "surrogateescape")
    assert shell_pattern.compile_name("a?.log")(name)
    assert shell_pattern.literal(name) == name


@pytest.mark.parametrize(
    ("patterns", "spelled"),
    [
        (("/var/log//apps/*.log",), "/var/log//apps/a.log"),
        (("//var/./*/apps/a.log",), "//var/./log/apps/a.log"),
        (("/var/*/apps//[!b].log",), "/var/log/apps//a.log"),
        (("/var/log/apps/*.log", "/var/log//apps/*.log"), "/var/log/apps/a.log"),
        (("/var/log//apps/*.log", "/var/log/apps/*.log"), "/var/log//apps/a.log"),
        (("/var//log/*.log", "/var/log/apps/*.log"), "/var/log/apps/a.log"),
        (("var/log//apps/*.log",), "/var/log/apps/a.log"),
        ((), "/var/log/apps/a.log"),
    ],
)
def test_a_path_is_spelled_as_its_pattern_is(patterns: tuple[str, ...], spelled: str) -> None:
    assert shell_pattern.as_globbed(patterns, "/var/log/apps/a.log") == spelled


def test_paths_match_part_by_part() -> None:
    assert shell_pattern.matches_path("/var/log/*.log", "/var/log/a.log")
    assert not shell_pattern.matches_path("/var/log/*.log", "/var/log/sub/a.log")
    assert not shell_pattern.matches_path("/var/log/*.log", "/var/a.log")
    assert shell_pattern.matches_anywhere("*.gz", "/var/log/sub/.a.gz")


def test_literal_names() -> None:
    assert shell_pattern.literal("a.log") == "a.log"
    assert shell_pattern.literal("a\\*b") == "a*b"
    assert shell_pattern.literal("a[b") == "a[b"
    assert shell_pattern.literal("a?") is None


def test_many_stars_end() -> None:
    assert not shell_pattern.matches_anywhere("*a" * 100 + "b", "a" * 4000)
