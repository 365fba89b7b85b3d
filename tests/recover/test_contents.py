"""The content of an action, read many records at a time: the same bytes as one by one."""

from __future__ import annotations

import random

import pytest
from chunk_builder import chunk, put, store_name
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.evidence.node import Node
from flbrecover.fluentbit.pipeline import Pipeline, S3Output, Service
from flbrecover.model import ByteRange
from flbrecover.reconcile.plan import Piece
from flbrecover.recover.contents import Contents, Ranges, Tally, sum_up
from flbrecover.recover.planning import NOTHING
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


def test_where_they_begin() -> None:
    wanted = Ranges((ByteRange(10, 20), ByteRange(25, 26), ByteRange(40, 90)))
    assert [*wanted.among([0, 5, 12, 19]), *wanted.among([]), *wanted.among([22, 25, 26, 41])] == [
        slice(2, 4), slice(0, 0), slice(1, 2), slice(3, 4)
    ]  # fmt: skip


@given(
    edges=st.lists(st.integers(0, 60), unique=True, max_size=12).map(sorted),
    starts=st.lists(st.integers(0, 60), unique=True, max_size=30).map(sorted),
    size=st.integers(1, 8),
)
def test_many_at_a_time_are_those_that_are_taken_one_by_one(edges: list[int], starts: list[int], size: int) -> None:
    ranges = [ByteRange(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    one, many = Ranges(ranges), Ranges(ranges)
    batches = [starts[at : at + size] for at in range(0, len(starts), size)]
    taken = [start for batch in batches for some in many.among(batch) for start in batch[some]]
    assert taken == [start for start in starts if one.take(start)]


def test_the_same_bytes(evidence: Survey) -> None:
    (buffer,) = evidence.buffers
    contents = Contents(evidence, evidence.pipeline.outputs[0], plain_lines=False)
    start, some = buffer.content.start, random.Random(2)
    edges = sorted(start + some.randrange(buffer.content.length) for _ in range(40))
    ranges = tuple(ByteRange(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True))
    piece = Piece(buffer.path, "buffer", ranges, 0)
    records = list(contents.records([piece], "app.log", NOTHING))
    tally = Tally()
    found = b"".join(contents.blocks([piece], "app.log", NOTHING, tally))
    assert found == b"".join(record.data + b"\n" for record in records) and len(records) > 500
    times = [record.time_ns for record in records if record.time_ns is not None]
    assert (tally.records, tally.first_ns, tally.last_ns) == (len(records), min(times), max(times))
    summed = sum_up(contents, [piece], "app.log", NOTHING)
    assert (summed.records, summed.size) == (len(records), len(found))
