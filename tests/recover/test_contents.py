"""The content of an action: its records one by one, or the bytes that they lie in."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from chunk_builder import chunk, put, store_name
from hypothesis import given
from hypothesis import strategies as st
from made_node import LOG, MadeNode
from servers import Server

from flbrecover.cli.planned import read_plan
from flbrecover.errors import PlanError
from flbrecover.evidence.node import Node
from flbrecover.fluentbit.pipeline import Pipeline, S3Output, Service
from flbrecover.model import ByteRange
from flbrecover.reconcile.plan import Piece, PutRecords
from flbrecover.reconcile.states import join_ranges
from flbrecover.recover.contents import Contents, NotCopiedError, Ranges, Tally, sum_up
from flbrecover.recover.drafts import NOTHING
from flbrecover.recover.put_object import body_of
from flbrecover.recover.survey import Survey, survey


def lines(number: int) -> list[bytes]:
    """Records of many lengths; some of them are none, and some are longer than a block."""
    some = random.Random(number)
    found = []
    for n in range(3000):
        text = "x" * (some.choice((1, 50, 300)) if n != 1000 else 300_000)
        whole = b'{"date":"2026-11-23T11:%02d:%02d.000001Z","log":"%d %s"}' % (n // 60 % 60, n % 60, n, text.encode())
        found.append(whole if n % 500 else whole[: len(whole) // 2])
    return found


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    root = tmp_path_factory.mktemp("contents")
    content = b"".join(line + b"\n" for line in lines(1))
    data = chunk(b"app.log", content, length=len(content))
    put(root, f"/s3/bucket/2026-11-23T11:38:28/{store_name(b'app.log', 1795433046, 7)}", data)
    return survey(Node(root), Pipeline(Service(), (), (), (S3Output(number=0, bucket="bucket", store_dir="/s3"),)))


@given(
    edges=st.lists(st.integers(0, 60), unique=True, max_size=12).map(sorted),
    starts=st.lists(st.integers(0, 60), unique=True, max_size=30).map(sorted),
)
def test_a_record_is_wanted_where_it_begins_in_a_range(edges: list[int], starts: list[int]) -> None:
    ranges = [ByteRange(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    wanted = Ranges(ranges)
    taken = [start for start in starts if wanted.take(start)]
    assert taken == [start for start in starts if any(r.start <= start < r.end for r in ranges)]


def test_the_records_of_ranges(evidence: Survey) -> None:
    (buffer,) = evidence.buffers
    contents = Contents(evidence, evidence.pipeline.outputs[0], plain_lines=False)
    start, some = buffer.content.start, random.Random(2)
    edges = sorted(start + some.randrange(buffer.content.length) for _ in range(40))
    ranges = tuple(ByteRange(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True))
    starts = accumulate((len(line) + 1 for line in lines(1)), initial=start)
    whole = [(at, line) for at, line in zip(starts, lines(1), strict=False) if line.endswith(b"}")]
    expected = [line for at, line in whole if any(r.start <= at < r.end for r in ranges)]
    tally = Tally()
    found = b"".join(contents.blocks([Piece(buffer.path, "buffer", ranges, 0)], "app.log", NOTHING, tally))
    assert found == b"".join(line + b"\n" for line in expected) and len(expected) > 500
    times = sorted(time_of(line) for line in expected)
    assert (tally.records, tally.first_ns, tally.last_ns) == (len(expected), times[0], times[-1])


def time_of(line: bytes) -> int:
    moment = datetime.fromisoformat(line[9:28].decode("ascii")).replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 10**9 + 1000


def planned(evidence: Survey) -> Piece:
    """All records of the buffer file, as a plan names them."""
    (buffer,) = evidence.buffers
    contents = Contents(evidence, evidence.pipeline.outputs[0], plain_lines=False)
    everything = Piece(buffer.path, "buffer", (ByteRange(0, buffer.facts.size),), 0)
    records = contents.records([everything], "app.log", NOTHING)
    spans = [(record.span.start, record.span.end) for record in records]
    return Piece(buffer.path, "buffer", tuple(join_ranges(spans, between=1)), len(spans))


def one_by_one(evidence: Survey, piece: Piece) -> bytes:
    contents = Contents(evidence, evidence.pipeline.outputs[0], plain_lines=False)
    return b"".join(record.data + b"\n" for record in contents.records([piece], "app.log", NOTHING))


def copied(evidence: Survey, piece: Piece) -> bytes | None:
    contents = Contents(evidence, evidence.pipeline.outputs[0], plain_lines=False)
    try:
        return b"".join(contents.copied([piece]))
    except NotCopiedError:
        return None


def incident(root: Path, content: bytes, **output: Any) -> Survey:
    data = chunk(b"app.log", content, length=len(content))
    put(root, f"/s3/bucket/2026-11-23T11:38:28/{store_name(b'app.log', 1795433046, 7)}", data)
    outputs = (S3Output(number=0, bucket="bucket", store_dir="/s3", **output),)
    return survey(Node(root), Pipeline(Service(), (), (), outputs))


def test_a_copy_of_the_ranges_is_the_content(evidence: Survey) -> None:
    piece = planned(evidence)
    assert len(piece.ranges) > 5  # damaged records lie between them
    expected = one_by_one(evidence, piece)
    assert copied(evidence, piece) == expected
    contents = Contents(evidence, evidence.pipeline.outputs[0], plain_lines=False)
    tally = Tally()
    slow = b"".join(contents.blocks([piece], "app.log", NOTHING, tally))
    summed = sum_up(contents, [piece], "app.log", NOTHING)
    assert (slow, summed.sha256) == (expected, hashlib.sha256(expected).hexdigest())
    limits = tally.first_ns, tally.last_ns
    assert (summed.records, summed.first_ns, summed.last_ns) == (tally.records, *limits)
    assert sum_up(contents, [piece], "app.log", NOTHING, limits) == summed  # they are not looked for again
    assert sum_up(contents, [piece], "app.log", NOTHING, (1, 2)) == replace(summed, first_ns=1, last_ns=2)


def test_a_zero_where_a_newline_should_be_is_not_copied(tmp_path: Path) -> None:
    evidence = incident(tmp_path, b'{"n":1}\n{"n":2}\0{"n":3}\n{"n":4}\n')
    piece = planned(evidence)
    assert piece.records == 4 and copied(evidence, piece) is None
    contents = Contents(evidence, evidence.pipeline.outputs[0], plain_lines=False)
    expected = hashlib.sha256(b'{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n').hexdigest()
    assert sum_up(contents, [piece], "app.log", NOTHING).sha256 == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes()),  # whatever was written: its time is another
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.unlink(),
    ],
    ids=["written again", "shorter", "gone"],
)
def test_a_file_that_was_changed_is_not_copied(tmp_path: Path, change: Callable[[Path], object]) -> None:
    evidence = incident(tmp_path, b'{"n":1}\n{"n":2}\n')
    piece = planned(evidence)
    assert copied(evidence, piece) == b'{"n":1}\n{"n":2}\n'
    change(tmp_path / piece.path.lstrip("/"))
    assert copied(evidence, piece) is None


def test_what_is_no_line_of_a_buffer_file_is_not_copied(tmp_path: Path) -> None:
    evidence = incident(tmp_path, b'{"n":1}\n{"n":2}\n')
    piece = planned(evidence)
    assert copied(evidence, replace(piece, kind="log")) is None
    assert copied(evidence, replace(piece, path="/s3/none")) is None
    assert copied(evidence, replace(piece, records=1)) is None
    (buffer,) = evidence.buffers
    assert copied(replace(evidence, buffers=(replace(buffer, kind="engine"),)), piece) is None
    otlp = incident(tmp_path, b'{"n":1}\n{"n":2}\n', format="otlp_json")
    assert copied(otlp, piece) is None


@pytest.mark.parametrize("content", [b'{"n":1}\n{"n":2}\n', b'{"n":1}\0{"n":2}\n'], ids=["copied", "one by one"])
def test_the_body_is_what_the_plan_has_the_hash_of(tmp_path: Path, content: bytes) -> None:
    evidence = incident(tmp_path, content)
    (output,), piece = evidence.pipeline.outputs, planned(evidence)
    contents = Contents(evidence, output, plain_lines=False)
    wanted = b'{"n":1}\n{"n":2}\n'
    action = PutRecords(
        1, 0, "bucket", "app.log", "key", (piece,), 2, len(wanted), hashlib.sha256(wanted).hexdigest(), 0, 0, ""
    )
    body = BytesIO()
    assert body_of(contents, output, action, body) == "" and body.read() == wanted
    with pytest.raises(PlanError, match="the evidence has changed"):
        body_of(contents, output, replace(action, sha256="0" * 64), BytesIO())


def test_a_compressed_log_is_relied_on_whole_whatever_its_name(tmp_path: Path, moto: Server) -> None:
    """Its records are at places of its content, of which no byte of the file can be told."""
    node = MadeNode(tmp_path / "node", "relied-on", moto.endpoint_url)
    moto.client.create_bucket(Bucket=node.bucket)
    texts = [random.Random(n).randbytes(500).hex() for n in range(40)]
    node.put("stored", [node.record(n, text) for n, text in enumerate(texts) if n >= 5], moto.client)
    node.write_log(node.line(n, text) for n, text in enumerate(texts))
    log = node.root / LOG[1:]
    rotated = log.with_name("app.log.1")
    rotated.write_bytes(gzip.compress(log.read_bytes()))
    log.write_text("")
    plan = tmp_path / "plan.json"
    assert node.run("diff", "--agent", "gone", "--plan", plan).code == 3
    (relied,) = read_plan(plan).evidence
    assert (relied.path, relied.size) == ("/var/log/app.log.1", rotated.stat().st_size)
    assert relied.sha256 == hashlib.sha256(rotated.read_bytes()).hexdigest()
