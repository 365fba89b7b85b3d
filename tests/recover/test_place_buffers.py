"""Buffer files that a second process reads are placed as those that are read here, and read here where it fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import keys
from judge import bodies
from made_node import MadeNode, body

from flbrecover.recover import place_buffers
from flbrecover.recover.place_buffers import BufferPlacer, ReadBuffer
from flbrecover.recover.worker import Worker

DAMAGED = 4  # exit code: some of it is


@pytest.fixture
def node(tmp_path: Path, moto) -> MadeNode:
    """Six buffer files without a log: one that an object holds whole, one that repeats records of another one and of
    its own, one with a torn record, one whose middle is zeroed, and two of which an object holds a part."""
    node = MadeNode(tmp_path / "node", "two-readers", moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket=node.bucket)
    records = [node.record(n, f"line {n}") for n in range(6000)]
    pieces = [records[at : at + 1000] for at in range(0, 6000, 1000)]
    pieces[1] = [*records[900:1500], *records[1400:1500], *records[1500:2000]]
    pieces[2][-1] = pieces[2][-1][:30]
    paths = [node.root / node.write_buffer(piece, number=n)[1:] for n, piece in enumerate(pieces)]
    damaged = bytearray(paths[3].read_bytes())
    damaged[40_000:40_200] = bytes(200)
    paths[3].write_bytes(damaged)
    moto.client.put_object(Bucket=node.bucket, Key=node.key("whole"), Body=body(records[:1000]))
    moto.client.put_object(Bucket=node.bucket, Key=node.key("part"), Body=body(records[4500:5200]))
    return node


def test_the_same_bytes_under_two_tags_are_two_records(tmp_path: Path, moto) -> None:
    """Two inputs on one file, or rewrite_tag that keeps: Fluent Bit delivers both."""
    node = MadeNode(tmp_path / "node", "two-tags", moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket=node.bucket)
    records = [node.record(n, f"line {n}") for n in range(20)]
    for number, tag in enumerate(("app.one", "app.two", "app.three")):
        node.write_buffer(records, number=number, tag=tag)
    moto.client.put_object(Bucket=node.bucket, Key=node.key("whole", tag="app.two"), Body=body(records))
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    assert sorted(key.split("/")[1] for key in keys(moto.client, node.bucket)) == ["app.one", "app.three", "app.two"]
    assert {content for _, content in bodies(moto.client, [node.bucket])} == {b"".join(r + b"\n" for r in records)}


def two_readers(monkeypatch: pytest.MonkeyPatch, *, held: int = 0) -> list[int]:
    """Has a worker read all files but the first; gives the numbers of records that came from it. ``held``: so many
    are read here instead of waiting for it."""
    came: list[int] = []
    answer = Worker.answer

    def noted(worker: Worker[object, ReadBuffer]) -> ReadBuffer | None:
        read = answer(worker)
        if read is not None:
            came.append(sum(map(len, read.batches)))
        return read

    monkeypatch.setattr(place_buffers, "usable_cores", lambda: 2)
    monkeypatch.setattr(place_buffers, "WORTH_A_WORKER", 0)
    monkeypatch.setattr(place_buffers, "MOST_HELD", held)
    monkeypatch.setattr(Worker, "answer", noted)
    return came


def test_the_same_answer(node: MadeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = node.differences(DAMAGED)
    states = next(line["states"] for line in alone if line["type"] == "summary")
    assert states["stored"] == 1700
    came = two_readers(monkeypatch)
    assert node.differences(DAMAGED) == alone
    assert len(came) == 5 and 1200 in came


def test_who_waits_reads_the_next_one(node: MadeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = node.differences(DAMAGED)
    came = two_readers(monkeypatch, held=2)
    monkeypatch.setattr(Worker, "ready", lambda _: False)
    assert node.differences(DAMAGED) == alone
    assert len(came) == 4  # of five: four were asked for, one was read here meanwhile


def test_a_worker_that_fails_or_is_gone(
    worker_ends: Callable[[], None], node: MadeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = node.differences(DAMAGED)
    came = two_readers(monkeypatch)
    here, read = os.getpid(), BufferPlacer.read

    def failing(placer: BufferPlacer, question: place_buffers._Question) -> ReadBuffer:
        if os.getpid() != here:
            worker_ends()
        return read(placer, question)

    monkeypatch.setattr(BufferPlacer, "read", failing)
    assert node.differences(DAMAGED) == alone
    assert came == []
