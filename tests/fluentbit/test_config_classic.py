from __future__ import annotations

from typing import Any

import pytest
from config_support import RECORDED, files, nothing, plain, recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import config_classic
from flbrecover.fluentbit.config_text import Include, ParsedConfig, Variables
from flbrecover.fluentbit.pipeline import Origin

MAIN = "/etc/fluent-bit/fluent-bit.conf"


def parse(text: str, include: Include = nothing, env: dict[str, str] | None = None) -> ParsedConfig:
    return config_classic.parse(text, MAIN, env=env or {"V": "${V}", "a": "${a}"}, include=include)


@pytest.mark.parametrize("row", RECORDED["classic"], ids=lambda r: ascii(r["text"])[:60])
def test_reads_and_refuses_what_fluent_bits_own_reader_does(row: dict[str, Any]) -> None:
    if row["sections"] is None:
        with pytest.raises(ConfigError):
            parse(row["text"])
    else:
        parsed = parse(row["text"], env={"a": "${a}"})
        wanted = [(kind, [(k, "b" if v == "${a}" else v) for k, v in pairs]) for kind, pairs in recorded(row)]
        assert plain(parsed) == wanted


@pytest.mark.parametrize(("value", "expanded"), RECORDED["variables"])
def test_puts_variables_in_as_fluent_bit_does(value: str, expanded: str) -> None:
    variables = Variables({"P": "pv", "Q": ""})
    for name, text in (("A", "1"), ("E", ""), ("LONG", "xyz")):
        variables.set(name, text)
    assert variables.expand(value, Origin("x", 1), {}) == expanded


def test_remembers_where_everything_stands() -> None:
    parsed = parse("# c\n\n[INPUT]\n    Name tail\n    Path /a b\n")
    (section,) = parsed.sections
    assert section.origin == Origin(MAIN, 3)
    assert [(p.key, p.value, p.origin.line) for p in section.properties] == [("Name", "tail", 4), ("Path", "/a b", 5)]
    assert section.get("PATH") == "/a b"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[INPUT]\n    Name tail\n   Path /a\n", 3, "less indentation"),
        ("[INPUT]\n    Name tail\n      Path /a\n", 3, "more indentation"),
        ("[INPUT]\n    Name tail\n\tPath /a\n", 3, "tabs and spaces"),
        ("[INPUT]\n    Name\n", 2, "needs a value"),
        ("[INPUT]\n    Name \n", 2, "has no value"),
        ("[INPUT\n", 1, "without its ]"),
        ("    Name tail\n", 1, "before any section"),
        ("[INPUT]\n    Name a\0b\n", 2, "NUL"),
        ("@SET\n", 1, "needs a value"),
        ("[INPUT]\n    [group \n", 2, "group header"),
        ("\ufeff[INPUT]\n    Name tail\n", 1, "after a space; the file begins with a byte order mark"),
        ("\ufeff# first\n[INPUT]\n    Name tail\n", 3, "indentation; the file begins with a byte order mark"),
    ],
)
def test_an_error_names_the_file_the_line_and_the_reason(text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as e:
        parse(text)
    assert (e.value.path, e.value.line) == (MAIN, line)
    assert str(e.value).startswith(f"{MAIN}:{line}: ")
    assert "\n" not in str(e.value)


def test_set_holds_for_lines_above_it_and_wins_over_the_environment() -> None:
    text = "[OUTPUT]\n    Name s3\n    bucket ${B}-${C}\n@SET B=first\n@SET B=second = x\n"
    parsed = parse(text, env={"B": "env", "C": "c"})
    assert parsed.sections[0].get("bucket") == "second = x-c"
    assert parsed.variables == {"B": "second = x"}
    assert parsed.undefined == ()


def test_an_undefined_variable_is_empty_and_named_once() -> None:
    parsed = parse("[OUTPUT]\n    Name s3\n    bucket a${X}b${X}${Y:-z}\n", env={"Y": ""})
    assert parsed.sections[0].get("bucket") == "abz"
    assert parsed.undefined == ("X",)


def test_set_from_a_file_loses_its_last_line_end() -> None:
    include = files(secret="value\n")
    parsed = parse("@SET B=file:///run/secret\n[INPUT]\n    Name ${B}\n", include)
    assert parsed.sections[0].get("name") == "value"


def test_set_from_a_missing_file_is_a_note() -> None:
    parsed = parse("@SET B=file:///run/nope\n[INPUT]\n    Name tail\n    Tag x${B}\n", files())
    assert parsed.sections[0].get("tag") == "x"
    assert parsed.undefined == ("B",)
    assert "B is not known" in parsed.notes[0].what
    assert not parsed.notes[0].unreadable


def test_rules_and_decoders_keep_their_dollars() -> None:
    text = '[MULTILINE_PARSER]\n    name m\n    rule "start_state" "/${x}/" "a"\n[PARSER]\n    name ${x}\n'
    parsed = parse(text, env={"x": "y"})
    assert parsed.sections[0].get("rule") == '"start_state" "/${x}/" "a"'
    assert parsed.sections[1].get("name") == "y"


def test_includes_in_place_with_their_own_indentation() -> None:
    include = files(in_conf="[INPUT]\n\tName tail\n", out_conf="[OUTPUT]\n Name s3\n")
    parsed = parse("[SERVICE]\n    Flush 1\n@INCLUDE in.conf\n@include /x/out.conf\n[FILTER]\n    Name grep\n", include)
    assert [s.kind for s in parsed.sections] == ["service", "input", "output", "filter"]
    assert parsed.sections[1].origin == Origin("in_conf", 1)


def test_a_section_goes_on_after_an_include() -> None:
    parsed = parse("[INPUT]\n    Name tail\n@INCLUDE f.conf\n    Path /a\n", files(f_conf="[FILTER]\n    Name grep\n"))
    assert parsed.sections[0].get("path") == "/a"


def test_globs_are_left_to_the_caller() -> None:
    seen = []

    def include(pattern: str, including: str) -> list[tuple[str, str]]:
        seen.append((pattern, including))
        return [("a", "[INPUT]\n    Name a\n"), ("b", "[INPUT]\n    Name b\n")]

    parsed = parse("@INCLUDE conf.d/*.conf\n", include)
    assert [s.get("name") for s in parsed.sections] == ["a", "b"]
    assert seen == [("conf.d/*.conf", MAIN)]


def test_a_missing_include_names_its_line() -> None:
    with pytest.raises(ConfigError, match=rf"^{MAIN}:2: @INCLUDE nope.conf: no such file$"):
        parse("\n@INCLUDE nope.conf\n", files())


def test_a_loop_of_includes_ends() -> None:
    with pytest.raises(ConfigError, match="included twice, or includes itself"):
        parse("@INCLUDE a.conf\n", files(a_conf="@INCLUDE b.conf\n", b_conf="@INCLUDE a.conf\n"))


def test_endless_includes_end() -> None:
    count = iter(range(100_000))

    def include(pattern: str, including: str) -> list[tuple[str, str]]:
        return [(f"f{next(count)}", "@INCLUDE next\n")]

    with pytest.raises(ConfigError, match="includes 50 deep"):
        parse("@INCLUDE next\n", include)


def test_a_value_cannot_grow_without_bound() -> None:
    with pytest.raises(ConfigError, match="grows too large"):
        parse("[INPUT]\n    Name " + "${B}" * 1000 + "\n", env={"B": "x" * 100_000})


@settings(max_examples=100)
@given(st.text(alphabet="[]@#abINPUT \t\n\r${}=:-", max_size=60))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        parse(text, files())
    except ConfigError as e:
        assert e.path is not None


NAMES = st.text("abcdefgh_.", min_size=1, max_size=8)
NO_BLANKS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="$")
VALUES = st.text(NO_BLANKS, min_size=1, max_size=20)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(["INPUT", "filter", "Output"]), st.lists(st.tuples(NAMES, VALUES), max_size=5))),
    st.sampled_from([" ", "  ", "    ", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read(config: list[tuple[str, list[tuple[str, str]]]], indent: str, end: str) -> None:
    lines = [line for head, pairs in config for line in (f"[{head}]", *(f"{indent}{k}   {v} " for k, v in pairs))]
    read = parse(end.join(lines), env={})
    written = [(head.lower(), [(k, v) for k, v in pairs]) for head, pairs in config]
    assert [(s.kind, [(p.key, p.value) for p in s.properties]) for s in read.sections] == written
