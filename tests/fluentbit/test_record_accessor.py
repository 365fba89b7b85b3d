"""Expected values follow src/flb_record_accessor.c and src/flb_ra_key.c of Fluent Bit 5.1.1."""

from __future__ import annotations

from contextlib import suppress

import pytest
from filters_support import fields
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.fluentbit.record_accessor import MISSING, KeyPath, parse, parse_path, tag_part

RECORD = fields(
    log=b"hello",
    level=3,
    ok=True,
    ratio=0.5,
    gone=None,
    kubernetes=fields(namespace_name=b"shop", labels=(((b"a.b/c", b"x")), (b"it's", b"y"))),
    list=[b"zero", fields(inner=b"deep")],
)


def find(text: str):
    return parse_path(text).find(RECORD)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("log", b"hello"),  # without $ the whole text is a name
        ("$log", b"hello"),
        ("$kubernetes['namespace_name']", b"shop"),
        ("$kubernetes['labels']['a.b/c']", b"x"),
        ("$kubernetes['labels']['it''s']", b"y"),
        ("$list[0]", b"zero"),
        ("$list[1]['inner']", b"deep"),
        ("$gone", None),
        ("$log['level']", b"hello"),  # sub keys of a text are not looked at
        ("$log.level", b"hello"),  # the first part counts
        ("$list[2]", MISSING),
        ("$list['inner']", MISSING),
        ("$kubernetes[0]", MISSING),
        ("$kubernetes['labels']['none']", MISSING),
        ("$none", MISSING),
        ("$@log", b"hello"),  # a character that means nothing is passed over
    ],
)
def test_find(text, value):
    assert find(text) == value


def test_the_last_of_duplicate_names_counts():
    assert parse_path("$a").find(((b"a", 1), (b"b", 2), (b"a", 3))) == 3


def test_a_pair_is_no_array_element():
    assert parse_path("$list[0]").find_pair(RECORD) is MISSING
    assert parse_path("$list[1]['inner']").find_pair(RECORD) == b"deep"
    assert parse_path("$log[0]").find_pair(RECORD) == b"hello"


@pytest.mark.parametrize("text", ["$", "$a$b", "$a[", "$a['x'", "$a[b]", "$a['x'][", "$[0]", "$a['two words']"])
def test_what_fluent_bit_refuses(text):
    with pytest.raises(ValueError, match=r"accessor|names no field"):
        parse_path(text)


def translate(text: str, tag: bytes = b"kube.shop.web", groups: tuple = (b"all", b"one", None)) -> bytes | None:
    return parse(text).translate(tag, lambda path: path.find(RECORD), groups)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("fixed", b"fixed"),
        ("$TAG", b"kube.shop.web"),
        ("new.$TAG", b"new.kube.shop.web"),
        ("$TAG.x", b"kube.shop.web.x"),
        ("$TAG[1].x", b"shop.x"),
        ("$TAG[0].$TAG[2]", b"kube.web"),
        ("$TAG[9].x", b".x"),
        ("$1.$0", b"one.all"),
        ("$2x", b"x"),  # a group that took no part
        ("$7x", b"x"),  # a group that there is not
        ("ns.$kubernetes['namespace_name'].$log", b"ns.shop.hello"),
        ("$level.$ok.$ratio.$gone.", b"3.true.0.500000.null"),  # one character after a key at the end is lost
        ("$level.$list.x", b"3..x"),  # a list is as good as nothing
        ("$none.x", b".x"),
        ("$TAG$log", b"kube.shop.web$log"),  # the character right after $TAG is not looked at
        ("a$", b"a$"),
        ("abc$", b"abc"),
    ],
)
def test_translate(template, result):
    assert translate(template) == result


def test_groups_of_an_expression_without_groups():
    assert translate("a.$0.b", groups=()) == b"a..b"


def test_a_map_cannot_be_written_into_a_tag():
    assert translate("x.$kubernetes") is None


def test_integers_are_signed_64_bits():
    assert parse("$n").translate(b"", lambda path: 2**64 - 1) == b"-1"


@given(st.lists(st.binary(max_size=5).filter(lambda part: b"." not in part), min_size=1, max_size=6))
def test_tag_parts(parts):
    tag = b".".join(parts)
    assert [tag_part(tag, n) for n in range(len(parts))] == parts
    assert tag_part(tag, len(parts)) == b""


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not name.startswith("TAG"))
steps = st.lists(st.one_of(st.integers(0, 99), st.text("abc.-/_ü']", max_size=6)), max_size=4)


@given(names, steps)
def test_what_is_written_is_read(root, path):
    text = f"${root}" + "".join(f"[{s}]" if isinstance(s, int) else "['" + s.replace("'", "''") + "']" for s in path)
    wanted = KeyPath(root.encode(), tuple(s if isinstance(s, int) else s.encode() for s in path))
    assert parse_path(text) == wanted


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    with suppress(ValueError):
        parse(text).translate(b"a.b", lambda path: path.find(RECORD), (b"x",))
