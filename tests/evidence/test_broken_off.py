"""Logs whose joined records Fluent Bit broke off: what is read then, all of it and single records again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from evidence.test_source_logs import log_of, pipeline, tail
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flbrecover.evidence.node import Node
from flbrecover.evidence.source_logs import SourceRecords, SpanRecords, records_in
from flbrecover.fluentbit.values import SourceRecord
from flbrecover.model import ByteRange
from flbrecover.reconcile.states import join_ranges

TIME = b"2026-11-23T11:38:28.1234567%02dZ"


def cri(kinds: list[tuple[str, str]]) -> list[bytes]:
    """Lines of two streams."""
    return [
        (TIME % n) + f" {stream} {flag} part {n} ".encode() + b"\n" for n, (stream, flag) in enumerate(kinds)
    ]  # fmt: skip


def of_streams(kinds: str) -> list[bytes]:
    """o0 is a part of a line of stdout, e1 the last part of one of stderr."""
    return cri([("stdout" if kind[0] == "o" else "stderr", "PF"[int(kind[1])]) for kind in kinds.split()])


def java(kinds: list[bool]) -> list[bytes]:
    """Traces, whose first lines are told by True."""
    return [b"x.y.Exception: %d\n" % n if first else b"    at one.of(%d)\n" % n for n, first in enumerate(kinds)]


def text_of(record: SourceRecord) -> bytes:
    text = dict(record.fields)[b"log"]
    assert isinstance(text, bytes)
    return text


def read(folder: Path, data: bytes, name: str, broken: list[ByteRange]) -> list[SourceRecord]:
    (folder / "a.log").write_bytes(data)
    node = Node(folder)
    source = SourceRecords(
        node, log_of(node, "/a.log"), tail(multiline_parsers=(name,)), pipeline(), broken={"/a.log": broken}
    )
    return [record for _, record in source]


CRI_LINES = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.sampled_from("PPF")), max_size=25).map(cri)
JAVA_LINES = st.lists(st.sampled_from([True, False, False]), max_size=25).map(java)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    log=st.one_of(st.tuples(st.just("cri"), CRI_LINES), st.tuples(st.just("java"), JAVA_LINES)),
    chosen=st.sets(st.integers(0, 24)),
    wanted=st.sets(st.integers(0, 24)),
)
@example(("cri", of_streams("o0 o0 o0 o1 e0 o0 o0")), {6}, {1, 2})  # the last line that is read ends at a break
@example(("cri", of_streams("o0 o0 o0 o0 e0 o0 o0")), {6}, {1, 2})  # reading begins inside a record that is broken off
@example(("cri", of_streams("o1 e0 o0 e0 o0")), {4}, {0, 2})  # one inside another one is broken off
@example(("cri", of_streams("o1 e0 o0 o0 e0")), {3}, {1, 2})  # two at one place
@example(("cri", of_streams("o0 o0 e0 o0 o0 o0 o0 e0 o0 e1")), {0, 1, 2, 3, 8, 9}, {0, 1, 5})  # and another one ends
def test_a_log_with_breaks_holds_the_same_text_and_each_record_is_read_again(
    tmp_path: Path, log: tuple[str, list[bytes]], chosen: set[int], wanted: set[int]
) -> None:
    name, lines = log
    data = b"".join(lines)
    starts = [len(b"".join(lines[:n])) for n in range(len(lines))]
    whole = read(tmp_path, data, name, [])
    broken = []
    for record in whole:
        inner = [
            starts[n] for n in sorted(chosen) if n < len(lines) and record.span.start < starts[n] < record.span.end
        ]
        broken += [ByteRange(a, b) for a, b in pairwise([record.span.start, *inner])]
    made = read(tmp_path, data, name, broken)
    assert sorted(b"".join(map(text_of, made))) == sorted(b"".join(map(text_of, whole)))
    for record in whole:
        pieces = [m for m in made if record.span.start <= m.span.start and m.span.end <= record.span.end]
        assert text_of(record).startswith(text_of(next(m for m in pieces if m.span.start == record.span.start)))
    some = [record for n, record in enumerate(made) if n in wanted]
    node = Node(tmp_path)
    file = log_of(node, "/a.log")
    spans = join_ranges([(r.span.start, r.span.end) for r in some], between=0)
    input_ = tail(multiline_parsers=(name,))
    assert list(records_in(node, file, file.files[0], input_, pipeline(), spans, broken=broken)) == some


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_comes_behind_a_break_is_joined_on(tmp_path: Path, at: int) -> None:
    """The flush timer of Fluent Bit empties what waits and keeps the state of the rules."""
    lines = [b"x.y.Exception: boom\n", b"    at one\n", b"    at two\n", b"    at three\n", b"done\n"]
    starts = [len(b"".join(lines[:n])) for n in range(len(lines))]
    made = read(tmp_path, b"".join(lines), "java", [ByteRange(0, starts[at])])
    assert [text_of(record) for record in made] == [b"".join(lines[:at]), b"".join(lines[at:4]), lines[4]]


def test_the_lines_of_a_record_alone(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(
        b"".join(cri([("stdout", "F"), ("stdout", "P"), ("stderr", "F"), ("stdout", "F")]))
    )
    node = Node(tmp_path)
    log = log_of(node, "/a.log")
    records = read(tmp_path, (tmp_path / "a.log").read_bytes(), "cri", [])
    joined = records[-1]
    assert text_of(joined) == b"part 1 part 3 "
    span = SpanRecords(node, log, log.files[0], tail(multiline_parsers=("cri",)), pipeline(), joined.span)
    assert span.broken_off([])[joined.span.start] == joined
    apart = span.broken_off([ByteRange(span.starts[0], span.starts[2])])
    assert [text_of(apart[start]) for start in span.starts] == [b"part 1 ", b"part 2 ", b"part 3 "]
