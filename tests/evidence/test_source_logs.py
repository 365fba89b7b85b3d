from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import tracemalloc
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cases import unpack

from flbrecover.errors import ConfigError, EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.evidence.source_logs import NEAR, SourceRecords, records_in
from flbrecover.fluentbit.pipeline import Origin, Parser, Pipeline, Section, Service, TailInput
from flbrecover.fluentbit.values import SourceRecord
from flbrecover.model import ByteRange, SourceFile, SourceLog

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
ORIGIN = Origin("/etc/fluent-bit/fluent-bit.conf", 5)


def tail(**more: Any) -> TailInput:
    return TailInput(0, None, "t.*", ("/var/log/*.log",), section=Section("input", (), ORIGIN), **more)


def pipeline(*parsers: Parser) -> Pipeline:
    return Pipeline(Service(), (), (), (), {p.name: p for p in parsers})


def log_of(node: Node, *paths: str) -> SourceLog:
    files = tuple(SourceFile(node.facts(p), p.endswith(".gz"), None, None, "") for p in paths)
    return SourceLog(0, paths[-1], "t.log", files)


def records(node: Node, log: SourceLog, input_: TailInput, *parsers: Parser) -> list[SourceRecord]:
    return [r for _, r in SourceRecords(node, log, input_, pipeline(*parsers))]


def test_files_come_in_order_and_each_record_knows_its_file_and_tag(tmp_path):
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(b"one\n"))
    (tmp_path / "a.log.1").write_bytes(b"two\n")
    (tmp_path / "a.log").write_bytes(b"three\nfour")
    node = Node(tmp_path)
    log = log_of(node, "/a.log.2.gz", "/a.log.1", "/a.log")
    found = list(SourceRecords(node, log, tail(), pipeline()))
    assert [(f.path, r.file, r.span, r.fields, r.terminated) for f, r in found] == [
        ("/a.log.2.gz", "/a.log.2.gz", ByteRange(0, 4), ((b"log", b"one"),), True),
        ("/a.log.1", "/a.log.1", ByteRange(0, 4), ((b"log", b"two"),), True),
        ("/a.log", "/a.log", ByteRange(0, 6), ((b"log", b"three"),), True),
        ("/a.log", "/a.log", ByteRange(6, 10), ((b"log", b"four"),), False),
    ]
    assert {r.tag for _, r in found} == {"t.log"}
    assert {r.time_ns for _, r in found} == {None}


def test_parts_are_not_joined_across_files(tmp_path):
    (tmp_path / "0.log.1").write_bytes(b"2026-11-23T10:00:00.1Z stdout P a\n")
    (tmp_path / "0.log").write_bytes(b"2026-11-23T10:00:00.2Z stdout F b\n")
    node = Node(tmp_path)
    found = records(node, log_of(node, "/0.log.1", "/0.log"), tail(multiline_parsers=("cri",)))
    assert [(r.file, dict(r.fields)[b"log"], dict(r.fields)[b"_p"]) for r in found] == [
        ("/0.log.1", b"a", b"P"),
        ("/0.log", b"b", b"F"),
    ]


def test_path_key_is_the_path_that_was_matched_also_after_a_rotation(tmp_path):
    (tmp_path / "a.log.1").write_bytes(b"old\n")
    (tmp_path / "a.log").write_bytes(b"new\n")
    node = Node(tmp_path)
    found = records(node, log_of(node, "/a.log.1", "/a.log"), tail(path_key="file", offset_key="at", key="m"))
    assert [r.fields for r in found] == [
        ((b"file", b"/a.log"), (b"at", 0), (b"m", b"old")),
        ((b"file", b"/a.log"), (b"at", 0), (b"m", b"new")),
    ]


def test_a_problem_in_one_file_does_not_stop_the_others(tmp_path):
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(b"one\ntwo\n")[:-9])
    (tmp_path / "a.log.1").write_bytes(b"gone\n")
    (tmp_path / "a.log").write_bytes(b"x" * 40_000 + b"\nlast\n")
    node = Node(tmp_path)
    log = log_of(node, "/a.log.2.gz", "/a.log.1", "/a.log")
    (tmp_path / "a.log.1").unlink()
    source = SourceRecords(node, log, tail(), pipeline())
    for _ in range(2):  # an iteration starts anew
        assert [dict(r.fields)[b"log"] for _, r in source][-1] == b"last"
        assert [p.path for p in source.problems] == ["/a.log.2.gz", "/a.log.1", "/a.log"]
        assert source.stops_at == {"/a.log": 0}


def test_what_waits_where_a_file_is_torn_is_not_given(tmp_path):
    whole = b"2026-11-23T10:00:00.1Z stdout F a\n2026-11-23T10:00:00.2Z stdout P b\n"
    more = b"".join(b"2026-11-23T10:00:00.%dZ stdout F %d\n" % (n, n) for n in range(3, 9999))
    data = gzip.compress(whole) + gzip.compress(more)[:12]
    (tmp_path / "0.log.gz").write_bytes(data)
    node = Node(tmp_path)
    found = records(node, log_of(node, "/0.log.gz"), tail(multiline_parsers=("cri",)))
    assert [dict(r.fields)[b"log"] for r in found] == [b"a"]


@pytest.mark.parametrize(
    ("input_", "words"),
    [
        (tail(parser="nothere"), "parser nothere is not defined"),
        (tail(multiline=True, parser_firstline="nothere"), "parser nothere is not defined"),
        (tail(multiline=True), "Parser_Firstline"),
        (tail(multiline_parsers=("nothere",)), "multiline.parser nothere is not defined"),
    ],
)
def test_a_parser_that_nothing_defines_is_an_error(tmp_path, input_, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        SourceRecords(Node(tmp_path), SourceLog(0, "/a.log", "t", ()), input_, pipeline())


BAD = Parser("bad", "regex", "(?<a>x", origin=Origin("/p.conf", 3))


def test_an_expression_that_python_cannot_take_needs_the_users_word(tmp_path):
    (tmp_path / "a.log").write_bytes(b"one\r\n")
    node = Node(tmp_path)
    log = log_of(node, "/a.log")
    with pytest.raises(ConfigError, match=r"/p\.conf:3: parser bad"):
        SourceRecords(node, log, tail(parser="bad"), pipeline(BAD))
    source = SourceRecords(node, log, tail(parser="bad"), pipeline(BAD), plain_when_regex_fails=True)
    assert [r.fields for _, r in source] == [((b"log", b"one"),)]
    assert [(p.path, p.unreadable) for p in source.problems] == [("/a.log", False)]
    assert "parser bad" in source.problems[0].what


def test_the_time_of_a_line_is_read_and_unparsed_lines_are_marked(tmp_path):
    (tmp_path / "a.log").write_bytes(b'{"t":"2026-11-23T10:00:00Z","m":"x"}\nplain\r\n')
    node = Node(tmp_path)
    parser = Parser("j", "json", time_key="t", time_format="%Y-%m-%dT%H:%M:%S%z")
    found = records(node, log_of(node, "/a.log"), tail(parser="j"), parser)
    assert [(r.fields, r.time_ns, r.parsed) for r in found] == [
        (((b"m", b"x"),), 1_795_428_000_000_000_000, True),
        (((b"log", b"plain\r"),), None, False),
    ]


def test_a_big_log_is_streamed(tmp_path):
    line = b"2026-11-23T10:00:00.1Z stdout F " + b"x" * 1000 + b"\n"
    with (tmp_path / "0.log").open("wb") as f:
        for _ in range(30):
            f.write(line * 1000)
    node = Node(tmp_path)
    source = SourceRecords(node, log_of(node, "/0.log"), tail(multiline_parsers=("cri",)), pipeline())
    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == 30_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


JAVA = [b"%06d INFO something happened%s\n" % (n, b"." * 200) for n in range(11_000)]
for n in range(500, len(JAVA), 600):
    JAVA[n : n + 4] = [b"x.y.Exception: %06d\n" % n, b"    at one\n", b"000000 INFO between\n", b"    at two\n"]


@pytest.mark.parametrize("names", [(), ("java",), ("go", "java")])
@pytest.mark.parametrize("compressed", [False, True])
def test_ranges_far_apart_are_read_again(tmp_path, names, compressed):
    data = b"".join(JAVA)
    assert len(data) > 2 * NEAR
    path = tmp_path / ("a.log.gz" if compressed else "a.log")
    path.write_bytes(gzip.compress(data, 1) if compressed else data)
    node = Node(tmp_path)
    log = log_of(node, f"/{path.name}")
    input_ = tail(multiline_parsers=names)
    made = records(node, log, input_)
    traces = [r for r in made if b"at two" in dict(r.fields)[b"log"]]
    assert len(traces) == 18
    some = [made[0], *traces, made[-1]]
    ranges = [r.span for r in some]
    assert list(records_in(node, log, log.files[0], input_, pipeline(), ranges)) == some
    assert list(records_in(node, log, log.files[0], input_, pipeline(), ranges[5:6])) == some[5:6]


def test_ranges_that_do_not_hold_their_records_are_an_error(tmp_path):
    (tmp_path / "a.log").write_bytes(b"one\ntwo\n")
    node = Node(tmp_path)
    log = log_of(node, "/a.log")
    arguments = (node, log, log.files[0], tail(), pipeline())
    assert list(records_in(*arguments, [])) == []
    for ranges in ([ByteRange(1, 8)], [ByteRange(4, 9)], [ByteRange(0, 4), ByteRange(100, 104)]):
        with pytest.raises(EvidenceError, match="do not hold"):
            list(records_in(*arguments, ranges))
    (tmp_path / "a.log").unlink()
    with pytest.raises(EvidenceError, match="cannot be read"):
        list(records_in(*arguments, [ByteRange(0, 4)]))


def test_an_unterminated_line_is_read_again_as_it_was(tmp_path):
    (tmp_path / "a.log").write_bytes(b"one\ntwo")
    node = Node(tmp_path)
    made = records(node, log_of(node, "/a.log"), tail())
    with (tmp_path / "a.log").open("ab") as f:
        f.write(b" and more\nthree\n")
    log = log_of(node, "/a.log")
    assert list(records_in(node, log, log.files[0], tail(), pipeline(), [r.span for r in made[1:]])) == made[1:]


def stored_lines(case: str) -> list[bytes]:
    """The lines of all objects and data files of a captured incident."""
    found: list[bytes] = []
    packed = zstandard.ZstdDecompressor().stream_reader((CASES / case / "s3.tar.zst").read_bytes()).read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if member.isfile() and "blobs/" in member.name:
                file = archive.extractfile(member)
                assert file is not None
                data = file.read()
                data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
                found += data.split(b"\n")
    return [line for line in found if line.startswith(b"{")]


def buffered_lines(node: Path) -> list[bytes]:
    found: list[bytes] = []
    for path in (node / "var/log/s3/temp").rglob("*"):
        if path.is_file() and "multipart" not in str(path):
            found += re.findall(rb'\{"date":[^\n]*\}\n', path.read_bytes())
    return found


def as_record(line: bytes) -> dict[bytes, Any]:
    return {k.encode(): v.encode() if isinstance(v, str) else v for k, v in json.loads(line).items()}


@pytest.mark.parametrize(
    "case",
    ["credentials-expired", "response-lost", "response-lost-superset", "rotated-unread", "sigkill-put-gzip",
     "fluent-bit-1.9", "rolling-update", "storage-filesystem", "sigkill-multipart"],
)  # fmt: skip
def test_plain_incidents_hold_what_the_logs_hold(case, tmp_path):
    root = unpack(case, tmp_path)
    node = Node(root)
    kept = stored_lines(case) + buffered_lines(root)
    assert kept
    texts: set[bytes] = set()
    for path in sorted(p for p in node.glob("/var/log/containers/*") if not p.endswith(".db")):
        for record in records(node, log_of(node, path), tail()):
            assert [k for k, _ in record.fields] == [b"log"]
            texts.add(record.fields[0][1])  # type: ignore[arg-type]
    assert {as_record(line)[b"log"] for line in kept} <= texts


def test_the_kubernetes_incident_field_by_field(tmp_path):
    """time, stream, _p, log in this order, joined parts included, and the date made of the first part's time."""
    root = unpack("kubernetes-cri", tmp_path)
    node = Node(root)
    made: dict[bytes, SourceRecord] = {}
    for path in node.glob("/var/log/pods/*/*/0.log*"):
        for record in records(node, log_of(node, path), tail(multiline_parsers=("cri",))):
            made[dict(record.fields)[b"log"]] = record  # type: ignore[index]
    kept = {as_record(line)[b"log"]: as_record(line) for line in stored_lines("kubernetes-cri") + buffered_lines(root)}
    assert len(kept) > 900
    joined = 0
    for text, stored in kept.items():
        record = made[text]
        assert [k for k in stored if k in (b"time", b"stream", b"_p", b"log")] == [k for k, _ in record.fields]
        assert all(stored[k] == v for k, v in record.fields)
        assert record.time_ns is not None
        seconds, ns = divmod(record.time_ns, 10**9)
        date = f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{ns // 1000:06}Z"
        assert stored[b"date"] == date.encode()
        joined += stored[b"_p"] == b"P"
    assert joined > 10
