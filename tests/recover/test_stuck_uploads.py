"""Uploads of this node that cannot be completed: what waits for nothing is stored, and what nobody can read is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cases import keys
from chunk_builder import chunk, store_name
from faults.proxy import Exchange, FaultProxy
from judge import bodies
from made_node import MadeNode

PART = 5 << 20
NOT_READ = 4  # exit code
MISSING = 3


@pytest.fixture
def node(tmp_path: Path, weed_bucket) -> MadeNode:
    """On a server that knows when an upload was begun."""
    return bare_node(tmp_path, weed_bucket)


@pytest.fixture
def node_of_moto(tmp_path: Path, moto_bucket) -> MadeNode:
    return bare_node(tmp_path, moto_bucket)


def bare_node(path: Path, bucket) -> MadeNode:  # type: ignore[no-untyped-def]
    return MadeNode(path / "node", bucket.name, bucket.server.endpoint_url, compression="none")


def records(node: MadeNode, first: int, count: int) -> list[bytes]:
    return [node.record(n, f"line {n}") for n in range(first, first + count)]


def part(some: Sequence[bytes]) -> bytes:
    """A part that S3 takes before the last one: its first record is long."""
    content = b"".join(record + b"\n" for record in some)
    return content[:-3] + b" " * max(0, PART - len(content)) + content[-3:]


def begin(node: MadeNode, s3, parts: Sequence[bytes], *, numbers: Sequence[int] = (), key: str = "upload") -> str:
    """An upload with these parts, as the node has noted it. Gives its id."""
    where = {"Bucket": node.bucket, "Key": node.key(key)}
    upload_id: str = s3.create_multipart_upload(**where)["UploadId"]
    noted = b""
    for number, content in zip(numbers or range(1, len(parts) + 1), parts, strict=True):
        etag = s3.upload_part(**where, UploadId=upload_id, PartNumber=number, Body=content)["ETag"]
        noted += b"part_number=%d\tetag=%s\n" % (number, etag.encode())
    said = f"{where['Key']}\n{upload_id}".encode()
    folder = node.root / f"var/log/s3/{node.bucket}/multipart_upload_metadata"
    folder.mkdir(exist_ok=True, parents=True)
    name = store_name(said, node.start_ns // 10**9, 500_000_001 + len(list(folder.iterdir())))
    (folder / name).write_bytes(chunk(said, noted))
    return upload_id


def too_small(node: MadeNode, s3) -> None:
    begin(node, s3, [b"small\n", b"last\n"])


def with_a_gap(node: MadeNode, s3) -> None:
    begin(node, s3, [part(records(node, 0, 10)), b"last\n"], numbers=[1, 3])


def key_taken(node: MadeNode, s3) -> None:
    begin(node, s3, [b"first\n"])
    s3.put_object(Bucket=node.bucket, Key=node.key("upload"), Body=b"another\n")


def two_of_one_key(node: MadeNode, s3) -> None:
    begin(node, s3, [b"one\n"])
    begin(node, s3, [b"another one\n"])


def vanished(node: MadeNode, s3) -> None:
    upload_id = begin(node, s3, [b"first\n"])
    s3.abort_multipart_upload(Bucket=node.bucket, Key=node.key("upload"), UploadId=upload_id)


STUCK = [too_small, with_a_gap, key_taken, two_of_one_key, vanished]


@pytest.mark.parametrize("stick", STUCK)
def test_what_nobody_can_read_is_said(node: MadeNode, weed, stick: Callable[[MadeNode, object], None]) -> None:
    """Records that are in a buffer file are stored all the same, and once."""
    stick(node, weed.client)
    node.write_buffer(records(node, 100, 10))
    assert node.run("diff", "--agent", "gone").code == NOT_READ
    ended = node.run("recover", "--agent", "gone", "--yes")
    assert ended.code == NOT_READ and "STILL MISSING" not in ended.text and "FAILED" not in ended.text
    assert f"problem: /var/log/s3/{node.bucket}/multipart_upload_metadata/" in ended.err
    assert "the only copy of records, and nobody can read them" in ended.err
    stored = b"".join(content for _, content in bodies(weed.client, [node.bucket]))
    assert all(stored.count(record) == 1 for record in records(node, 100, 10))
    there = keys(weed.client, node.bucket)
    assert node.run("recover", "--agent", "gone", "--yes").code == NOT_READ
    assert keys(weed.client, node.bucket) == there


@pytest.mark.parametrize("stick", STUCK)
def test_what_the_log_shows_is_stored_from_it(node: MadeNode, weed, stick: Callable[[MadeNode, object], None]) -> None:
    """Then nothing is in the parts that is not known."""
    stick(node, weed.client)
    node.write_log(node.line(n, f"line {n}") for n in range(20))
    assert node.run("diff", "--agent", "gone").code == MISSING
    ended = node.run("recover", "--agent", "gone", "--yes")
    assert ended.code == 0, ended.err
    stored = b"".join(content for _, content in bodies(weed.client, [node.bucket]))
    assert all(stored.count(record) == 1 for record in records(node, 0, 20))
    assert node.run("diff", "--agent", "gone").code == 0


def test_a_log_that_begins_later_does_not_show_it(node: MadeNode, weed) -> None:
    key_taken(node, weed.client)
    node.start_ns += 86400 * 10**9
    node.write_log(node.line(n, f"line {n}") for n in range(20))
    assert node.run("recover", "--agent", "gone", "--yes").code == NOT_READ


def test_an_object_of_its_very_parts_is_all_that_there_is(node: MadeNode, weed) -> None:
    """Two uploads of one content under one key: one of them was completed."""
    one, two = begin(node, weed.client, [b"one\n"]), begin(node, weed.client, [b"one\n"])
    assert one != two
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    assert node.run("diff", "--agent", "gone").code == 0


@pytest.mark.parametrize("code", ["EntityTooSmall", "InvalidPart"])
def test_nobody_waits_for_an_upload_that_s3_refuses(node_of_moto: MadeNode, moto, proxy: FaultProxy, code: str) -> None:
    begin(node_of_moto, moto.client, [b"first\n"])
    node_of_moto.write_buffer(records(node_of_moto, 100, 10))
    ended = _recover(node_of_moto, proxy, lambda exchange: exchange.error(400, code))
    assert ended.code == NOT_READ and code in ended.text
    assert "STILL MISSING" not in ended.text and "S3 holds 10 of 10 records." in ended.text


def test_what_waits_for_an_upload_is_counted_once(node_of_moto: MadeNode, moto, proxy: FaultProxy) -> None:
    """It may be completed another time, and then hold these records."""
    begin(node_of_moto, moto.client, [part(records(node_of_moto, 0, 10)), b"last\n"])
    node_of_moto.write_log(node_of_moto.line(n, f"line {n}") for n in range(20))
    ended = _recover(node_of_moto, proxy, lambda exchange: exchange.error(403, "AccessDenied"))
    assert ended.code == MISSING
    assert "STILL MISSING: 20 records, 1 upload. S3 holds 0 of 20 records." in ended.text


def _recover(node: MadeNode, proxy: FaultProxy, do: Callable[[Exchange], None]):  # type: ignore[no-untyped-def]
    """A recovery in which S3 says something else to whoever completes an upload."""
    proxy.watch(lambda call: do if call.operation == "CompleteMultipartUpload" else None)
    node.endpoint_url = proxy.endpoint_url
    return node.run("recover", "--agent", "gone", "--yes")
