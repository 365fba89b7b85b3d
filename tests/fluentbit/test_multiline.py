"""Joining lines: what the captured logs do not reach (limits, mistakes in the configuration) and generated streams."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import multiline_rules, parsers
from flbrecover.fluentbit.log_line import LogLine, Made, Remark
from flbrecover.fluentbit.multiline import MAX_JOINED, MultilineJoiner
from flbrecover.fluentbit.pipeline import MultilineParser, MultilineRule, Origin, Parser

ORIGIN = Origin("/p.conf", 7)


def joiner(*names: str, limit: int = 2 * 1024 * 1024, remarks: list[Remark] | None = None, **known: MultilineParser):
    found = [multiline_rules.lookup(name, known, {}) for name in names]
    pairs = [(p, None if inner is None else parsers.make(inner, near_ns=0)) for p, inner in found]
    return MultilineJoiner(pairs, ([] if remarks is None else remarks).append, buffer_limit=limit)


def feed(to: MultilineJoiner, lines: list[bytes]) -> list[Made]:
    made, at = [], 0
    for line in lines:
        made += to.feed(LogLine(line, at, at + len(line) + 1))
        at += len(line) + 1
    return made + to.finish()


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_split_messages_of_two_streams_are_joined_again(seed, count):
    """Messages cut into parts as containerd does, the lines of two streams mixed."""
    choose = Random(seed)
    queues: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    expected: dict[str, list[tuple[bytes, int]]] = {"stdout": [], "stderr": []}
    for stream in queues:
        for number in range(count):
            lengths = [choose.randint(0, 5) for _ in range(choose.randint(1, 4))]
            parts = [bytes(choose.choice(b"ab ") for _ in range(length)) for length in lengths]
            for i, part in enumerate(parts):
                flag = "F" if i == len(parts) - 1 else "P"
                queues[stream].append(f"2026-11-18T11:06:40.{number * 1000 + i:09}Z {stream} {flag} ".encode() + part)
            expected[stream].append((b"".join(parts), 1_795_000_000_000_000_000 + number * 1000))
    lines = []
    while any(queues.values()):
        stream = choose.choice([s for s in queues if queues[s]])
        lines.append(queues[stream].pop(0))
    found = feed(joiner("cri"), lines)
    for stream in expected:
        mine = [m for m in found if dict(m.fields)[b"stream"] == stream.encode()]
        assert [(dict(m.fields)[b"log"], round(m.time_ns or 0, -1)) for m in mine] == expected[stream]
    assert len({m.start for m in found}) == len({m.end for m in found}) == len(found)


def test_a_record_covers_its_lines():
    lines = [f"2026-11-23T10:00:00.{rest}".encode() for rest in ("1Z stdout P a", "2Z stderr F b", "3Z stdout F c")]
    found = feed(joiner("cri"), lines)
    assert [(m.start, m.end, dict(m.fields)[b"log"]) for m in found] == [(34, 68, b"b"), (0, 102, b"ac")]
    assert found[1].fields[0] == (b"time", b"2026-11-23T10:00:00.1Z")
    assert found[1].time_ns == 1_795_428_000_100_000_000


def test_a_last_line_without_newline_makes_its_record_unterminated():
    to = joiner("cri")
    to.feed(LogLine(b"2026-11-23T10:00:00.1Z stdout P a", 0, 34))
    made = to.feed(LogLine(b"2026-11-23T10:00:00.1Z stdout F b", 34, 67, terminated=False))
    assert [(m.terminated, dict(m.fields)[b"log"]) for m in made] == [(False, b"ab")]


def test_rules_stop_at_the_buffer_limit():
    lines = [b"x.y.Exception: 1", *[b"    at line"] * 5]
    found = feed(joiner("java", limit=40), lines)
    assert [dict(m.fields)[b"log"] for m in found] == [
        b"x.y.Exception: 1\n    at line\n    at line\n",
        b"    at line\n",  # the line that did not fit is lost, and those behind it stand alone
        b"    at line\n",
    ]


def test_parts_that_never_end_are_bounded():
    remarks: list[Remark] = []
    to = joiner("cri", remarks=remarks)
    line = b"2026-11-23T10:00:00.1Z stdout P " + b"x" * (1 << 20)
    made = []
    for i in range(MAX_JOINED // (1 << 20) + 1):
        made += to.feed(LogLine(line, i * len(line), (i + 1) * len(line)))
    assert len(made) == 1
    assert len(remarks) == 1
    assert remarks[0].unreadable
    assert remarks[0].where is not None


def test_streams_without_end_are_bounded():
    parser = MultilineParser("many", "equal", parser="p", key_content="log", key_group="stream", match_string="never")
    inner = parsers.make(Parser("p", "logfmt"), near_ns=0)
    to = MultilineJoiner([(parser, inner)], [].append)
    lines = [f"stream=s{i} log=x".encode() for i in range(50)]
    assert len(feed(to, lines)) <= 7


def rules(*triples: tuple[str, str, str]) -> MultilineParser:
    found = tuple(MultilineRule(tuple(f.split()), r, t) for f, r, t in triples)
    return MultilineParser("mine", "regex", rules=found, origin=ORIGIN)


@pytest.mark.parametrize(
    ("parser", "words"),
    [
        (rules(), "start_state"),
        (rules(("cont", "/x/", "cont")), "start_state"),
        (rules(("start_state", "/x/", "cont")), "'cont'"),
        (rules(("start_state", "/x(/", "start_state")), "x("),
        (MultilineParser("mine", "equal", parser="gone", origin=ORIGIN), "parser gone is not defined"),
    ],
)
def test_mistakes_name_the_parser_and_its_place(parser, words):
    with pytest.raises(ConfigError) as error:
        joiner("mine", mine=parser)
    assert words in str(error.value)
    assert "multiline parser mine" in str(error.value)
    assert str(error.value).startswith("/p.conf:7:")


def test_an_unknown_multiline_parser_is_named():
    with pytest.raises(ConfigError, match=r"multiline\.parser nothere is not defined"):
        joiner("nothere")


def test_built_in_parsers_win_and_names_have_no_case():
    mine = MultilineParser("cri", "equal", match_string="x", key_content="mine")
    found = feed(joiner("CRI", cri=mine), [b"2026-11-23T10:00:00.1Z stdout F a"])
    assert [k for k, _ in found[0].fields] == [b"time", b"stream", b"_p", b"log"]
