"""Uploads whose records are stored already, in part or all of them: nothing is stored twice by completing them."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest
from judge import bodies
from made_node import LOG, MadeNode
from recover.test_stuck_uploads import bare_node, begin

SPARED = "is left alone: what the logs show of its time is stored or buffered already"
MANY = 20_000  # records of 300 bytes and more: S3 takes a part of so many before the last one
MORE = 100


@pytest.fixture
def node(tmp_path: Path, weed_bucket) -> MadeNode:
    return bare_node(tmp_path, weed_bucket)


def text(number: int) -> str:
    return f"line {number:06d} {'-' * 260}"


def content(node: MadeNode, first: int, end: int) -> bytes:
    return b"".join(node.record(n, text(n)) + b"\n" for n in range(first, end))


def write(node: MadeNode) -> None:
    """A log that Fluent Bit has read to its end."""
    node.write_log(node.line(n, text(n)) for n in range(MANY + MORE))
    node.write_db((LOG, (node.root / LOG[1:]).stat().st_size))


def recover(node: MadeNode, *more: str, case: str = "case") -> tuple[int, str]:
    """The exit code, and all that was said."""
    ended = node.run("recover", "--agent", "gone", "--yes", "--case", node.root.parent / case, *more)
    return ended.code, ended.text + ended.err


def copies(node: MadeNode, s3) -> list[tuple[int, int]]:
    """How many lines there are so many times in the bucket."""
    stored = b"".join(body for _, body in bodies(s3, [node.bucket]))
    times = Counter(int(n) for n in re.findall(rb"line ([0-9]{6}) ", stored))
    return sorted(Counter(times[n] for n in range(MANY + MORE)).items())


ONCE = [(1, MANY + MORE)]


def test_what_is_stored_elsewhere_needs_no_completion(node: MadeNode, weed) -> None:
    """The logs go back to long before the upload was begun, so its parts hold nothing else."""
    write(node)
    begin(node, weed.client, [content(node, 0, MANY)])
    weed.client.put_object(Bucket=node.bucket, Key=node.key("OBJECT"), Body=content(node, 0, MANY + MORE))
    code, said = recover(node)
    assert (code, copies(node, weed.client)) == (0, ONCE)
    assert SPARED in said and "abort it, or complete it all the same with --upload-id" in said
    assert "may hold older records" not in said


def test_parts_may_hold_older_records_than_the_logs(node: MadeNode, weed) -> None:
    node.start_ns = (int(time.time()) - 60) * 10**9
    write(node)
    upload_id = begin(node, weed.client, [content(node, 0, MANY)])
    weed.client.put_object(Bucket=node.bucket, Key=node.key("OBJECT"), Body=content(node, 0, MANY + MORE))
    code, said = recover(node)
    assert (code, copies(node, weed.client)) == (4, ONCE)
    assert f"{SPARED}; its parts may hold older records than the logs" in said
    code, said = recover(node, "--upload-id", upload_id, case="asked")
    assert (code, copies(node, weed.client)) == (0, [(1, MORE), (2, MANY)]), "that is what was asked for"
    assert "completed, it stores once more what the logs show of its time, which is there already" in said


def test_an_upload_under_a_key_of_another_format(node: MadeNode, weed) -> None:
    """The format was changed since: what is in the upload is looked for in its object all the same."""
    write(node)
    begin(node, weed.client, [content(node, 0, MANY)])
    node.config.write_text(node.config.read_text().replace("s3_key_format /logs/", "s3_key_format /now/"))
    assert (recover(node)[0], copies(node, weed.client)) == (0, ONCE)
    assert (recover(node, case="again")[0], copies(node, weed.client)) == (0, ONCE)


@pytest.mark.parametrize("sent_again", [True, False])
def test_a_part_that_the_node_did_not_note(sent_again: bool, node: MadeNode, weed) -> None:
    """The answer to part 2 was lost with Fluent Bit; at its start it may have sent the same bytes as an object."""
    write(node)
    where = {"Bucket": node.bucket, "Key": node.key("upload")}
    first, second = content(node, 0, MANY), content(node, MANY, MANY + 50)
    upload_id = begin(node, weed.client, [first])
    weed.client.upload_part(**where, UploadId=upload_id, PartNumber=2, Body=second)
    if sent_again:
        weed.client.put_object(Bucket=node.bucket, Key=node.key("AGAIN"), Body=second)
    assert (recover(node)[0], copies(node, weed.client)) == (0, ONCE)
    plan = (node.root.parent / "case" / "plan.json").read_text()
    assert ("without what an object holds already, from part 2 on" in plan) == sent_again
    assert weed.client.get_object(**where)["Body"].read() == first + (b"" if sent_again else second)


def test_a_noted_upload_of_a_bucket_that_no_output_has(node: MadeNode, weed) -> None:
    begin(node, weed.client, [content(node, 0, 10)])
    weed.client.create_bucket(Bucket=f"{node.bucket}-now")
    node.config.write_text(node.config.read_text().replace(f"bucket {node.bucket}\n", f"bucket {node.bucket}-now\n"))
    ended = node.run("diff")
    assert ended.code == 4
    assert f"it notes an upload of s3://{node.bucket}/logs/" in ended.text
    assert "no s3 output of the configuration has this bucket; it was left alone" in ended.text
