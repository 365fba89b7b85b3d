from __future__ import annotations

from typing import Any

import pytest
from config_support import RECORDED, files, nothing, plain, recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import config_yaml
from flbrecover.fluentbit.config_text import Include, ParsedConfig
from flbrecover.fluentbit.pipeline import Origin

MAIN = "/etc/fluent-bit/fluent-bit.yaml"


def parse(text: str, include: Include = nothing, env: dict[str, str] | None = None) -> ParsedConfig:
    return config_yaml.parse(text, MAIN, env=env or {"V": "${V}"}, include=include)


@pytest.mark.parametrize("row", RECORDED["yaml"], ids=lambda r: ascii(r["text"])[:60])
def test_reads_and_refuses_what_fluent_bits_own_reader_does(row: dict[str, Any]) -> None:
    if row["sections"] is None:
        with pytest.raises(ConfigError):
            parse(row["text"], files())
    else:
        wanted = [(kind, sorted(pairs)) for kind, pairs in recorded(row)]
        assert [(kind, sorted(pairs)) for kind, pairs in plain(parse(row["text"], files()))] == wanted


WHOLE = """\
env:
  BUCKET: logs
service:
  flush: 2
  storage.path: /buf
includes:
  - more.yaml
pipeline:
  inputs:
    - name: tail
      path: /var/log/*.log
      multiline.parser: [docker, cri]
      processors:
        logs:
          - name: content_modifier
            action: insert
          - name: sql
  outputs:
    - name: s3
      match: '*'
      bucket: ${BUCKET}-${STAGE}
      usePutObject: on
parsers:
  - name: mine
    format: regex
    regex: '^(?<a>x)$'
multiline_parsers:
  - name: multi
    type: regex
    rules:
      - next_state: cont
        state: start_state
        regex: '/^${x}/'
"""


def test_reads_a_whole_configuration() -> None:
    include = files(more_yaml="pipeline:\n  filters:\n    - name: grep\n      match: x\n")
    parsed = parse(WHOLE, include, env={"STAGE": "test"})
    kinds = ["service", "filter", "input", "output", "parser", "multiline_parser"]
    assert [s.kind for s in parsed.sections] == kinds
    _, grep, tail, s3, parser, multi = parsed.sections
    assert grep.origin.path == "more_yaml"
    assert tail.all("multiline.parser") == ["docker", "cri"]
    assert tail.get("processors") == "logs content_modifier, logs sql"
    assert s3.get("bucket") == "logs-test"
    assert s3.get("use_put_object") == "on"
    assert s3.origin == Origin(MAIN, 19)
    assert s3.properties[2].origin == Origin(MAIN, 21)
    assert parser.get("regex") == "^(?<a>x)$"
    rule = [(p.key, p.value) for p in multi.properties[2:]]
    assert rule == [("state", "start_state"), ("regex", "/^${x}/"), ("next_state", "cont")]


def test_the_older_form_of_a_list() -> None:
    parsed = parse("pipeline:\n  inputs:\n    - tail:\n        path: /a\n        tag: t\n")
    assert plain(parsed) == [("input", [("name", "tail"), ("path", "/a"), ("tag", "t")])]


@pytest.mark.parametrize(
    "env", ["env:\n  A: b\n", "env:\n  - name: A\n    value: b\n", "env:\n  - A: b\n", "env: [{Name: A, Value: b}]\n"]
)
def test_every_form_of_a_variable(env: str) -> None:
    assert parse(f"{env}service:\n  x: ${{A}}\n").sections[0].get("x") == "b"


def test_a_variable_from_a_file() -> None:
    parsed = parse("env:\n  - name: A\n    uri: file:///run/secret\nservice:\n  x: ${A}\n", files(secret="b\n"))
    assert parsed.sections[0].get("x") == "b"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("pipeline:\n  inputs:\n    - name: tail\n   path: x\n", None, "not YAML"),
        ("service:\n  a: 1\nservice:\n  b: 2\n", 3, "already defined"),
        ("pipelines:\n  inputs:\n    - name: tail\n", 1, "'pipelines' is unknown"),
        ("pipeline:\n  input:\n    - name: tail\n", 2, "pipeline has no 'input'"),
        ("pipeline:\n  inputs:\n    - name: tail\n      path: {a: b}\n", 4, "not a mapping"),
        ("a: &x 1\nservice:\n  b: *x\n", 3, "alias"),
        ("service:\n  ? [a]\n  : b\n", 2, "not plain text"),
        ("pipeline:\n  outputs:\n    - name: s3\n      processors:\n        log: []\n", 5, "processors has no 'log'"),
        ("multiline_parsers:\n  - name: m\n    rules:\n      - state: a\n", 4, "needs regex, next_state"),
        ("- a\n", 1, "keys with values"),
    ],
)
def test_an_error_names_the_file_the_line_and_the_reason(text: str, line: int | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as e:
        parse(text)
    assert e.value.path == MAIN
    assert line is None or e.value.line == line
    assert "\n" not in str(e.value)


def test_an_unknown_section_of_plain_values_is_ignored_with_a_note() -> None:
    parsed = parse("extra:\n  a: b\nservice:\n  flush: 1\n")
    assert [s.kind for s in parsed.sections] == ["service"]
    assert "'extra' is unknown, and ignored" in parsed.notes[0].what


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
        "[" * 5000,
        "a: " + "{b: " * 100,
        "service:\n" + "".join(f"  k{i}: v\n" for i in range(110_000)),
        "a: \udcff\n",
        "a: \x00\n",
        "a: \x07\n",
    ],
    ids=["bomb", "deep", "deep mappings", "many", "no utf-8", "nul", "control"],
)
def test_hostile_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


def test_a_loop_of_includes_ends() -> None:
    with pytest.raises(ConfigError, match="included twice, or includes itself"):
        parse("includes: [a.yaml]\n", files(a_yaml="includes: [b.yaml]\n", b_yaml="includes: [a.yaml]\n"))


def test_a_missing_include_names_its_line() -> None:
    with pytest.raises(ConfigError, match=rf"^{MAIN}:3: includes nope.yaml: no such file$"):
        parse("includes:\n\n  - nope.yaml\n", files())


def test_sections_after_an_include_belong_to_the_including_file() -> None:
    parsed = parse("includes: [a.yaml]\nservice:\n  x: y\n", files(a_yaml="parsers: []\n"))
    assert parsed.sections[0].origin == Origin(MAIN, 2)


WORDS = st.text("abcxyz_", min_size=1, max_size=6)


@settings(max_examples=60)
@given(st.dictionaries(WORDS, st.text(max_size=20).map(lambda t: t.replace("$", "")), max_size=5))
def test_quoted_values_come_back(values: dict[str, str]) -> None:
    lines = [f'  {k}: "{"".join(_escaped(c) for c in v)}"\n' for k, v in values.items()]
    read = parse("service:\n" + "".join(lines) if lines else "service: {}\n").sections[0]
    white = " \t\n\v\f\r"
    wanted = [(k, v.strip(white)) for k, v in values.items() if not v or v.strip(white)]
    assert [(p.key, p.value) for p in read.properties] == wanted


def _escaped(c: str) -> str:
    return c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}"
