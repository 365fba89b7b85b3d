"""Objects that flbrecover wrote are found on the very entries that they were written for: lines that repeat, without a
time, are stored once, however often it runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge import bodies
from made_node import LOG, TAG, MadeNode, body

from flbrecover.evidence.node import MACHINE_ID
from flbrecover.model import ByteRange
from flbrecover.recover.origin import MOST, NODE, ORIGIN, _read

LINES = 60


def made(tmp_path: Path, moto, name: str, *, repeats: int, plain: bool = False) -> MadeNode:
    """A log without times whose lines repeat; a buffer file has some of them, an object others, the rest is lost."""
    node = MadeNode(tmp_path / name, name, moto.endpoint_url, cri=False)
    if plain:
        node.config.write_text(node.config.read_text() + "    log_key log\n")
    moto.client.create_bucket(Bucket=name)
    texts = [f"line {n % repeats}" for n in range(LINES)]
    records = [text.encode() if plain else node.record(n, text) for n, text in enumerate(texts)]
    node.write_log(texts)
    node.write_buffer(records[20:35])
    return node


def texts_in(moto, node: MadeNode) -> Counter[bytes]:
    """How often each text is stored."""
    lines = [line for _, content in bodies(moto.client, [node.bucket]) for line in content.splitlines()]
    return Counter(line.partition(b'"log":"')[2].rstrip(b'"}') or line for line in lines)


def expected(repeats: int) -> Counter[bytes]:
    return Counter(b"line %d" % (n % repeats) for n in range(LINES))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("repeats", [1, 2, 7])
def test_lines_that_repeat_are_stored_once_and_proved(tmp_path: Path, moto, repeats: int, plain: bool) -> None:
    node = made(tmp_path, moto, f"repeats-{repeats}-{plain}".lower(), repeats=repeats, plain=plain)
    for _ in range(2):
        ended = node.run("recover", "--agent", "gone", "--yes")
        assert ended.code == 0, ended.text
        assert texts_in(moto, node) == expected(repeats)


def test_a_date_that_was_estimated_may_be_that_of_another_record(tmp_path: Path, moto) -> None:
    """Objects of one heartbeat each, of which every third is lost: the estimate is at times the date of a copy."""
    node = MadeNode(tmp_path / "node", "one-by-one", moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket=node.bucket)
    texts = [f"line {n if n % 4 == 0 else 'ping'}" for n in range(80)]
    node.write_log(texts)
    for number, text in enumerate(texts):
        if number % 3:
            moto.client.put_object(
                Bucket=node.bucket, Key=node.key(str(number)), Body=body([node.record(number * 512, text)])
            )
    for _ in range(2):
        assert node.run("recover", "--agent", "gone", "--yes").code == 0
        assert texts_in(moto, node) == Counter(text.encode() for text in texts)


def test_they_are_found_after_the_log_was_rotated(tmp_path: Path, moto) -> None:
    node = made(tmp_path, moto, "rotated-since", repeats=7)
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    log = node.root / LOG[1:]
    log.rename(log.with_name("app.log.1"))
    log.write_text("line 100\n")
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    assert texts_in(moto, node) == expected(7) + Counter([b"line 100"])


def test_another_node_with_the_same_log_is_not_this_one(tmp_path: Path, moto) -> None:
    """Inode and bytes may be the same on nodes of one image; the machine-id is not."""
    node = made(tmp_path, moto, "two-nodes", repeats=1)
    machine_id = node.root / MACHINE_ID[1:]
    machine_id.write_text("0123456789abcdef0123456789abcdef\n")
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    said = [
        moto.client.head_object(Bucket=node.bucket, Key=key["Key"])["Metadata"]
        for key in moto.client.list_objects_v2(Bucket=node.bucket)["Contents"]
    ]
    rebuilt, copied = sorted(said, key=lambda metadata: "flbrecover-rebuilt" not in metadata)
    (buffer,) = (path for path in (node.root / "var/log/s3").rglob("*-*") if path.is_file())
    assert copied[ORIGIN].startswith(f"b{buffer.stat().st_ino}:")
    assert len(rebuilt[NODE]) == 16 and rebuilt[NODE] not in machine_id.read_text()
    inode = (node.root / LOG[1:]).stat().st_ino
    assert rebuilt[ORIGIN].startswith(f"{inode}:0-")
    machine_id.write_text("fedcba9876543210fedcba9876543210\n")
    (other,) = {line["states"]["lost"] for line in node.run("diff", "--agent", "gone", "--json").of_type("summary")}
    assert other == LINES - 15


def test_what_an_object_says_counts_only_where_its_bytes_agree(tmp_path: Path, moto) -> None:
    node = made(tmp_path, moto, "says-wrong", repeats=LINES)
    inode = (node.root / LOG[1:]).stat().st_ino
    said = {ORIGIN: f"{inode}:0-100", "flbrecover-source": LOG, "flbrecover-tag": TAG}
    wrong = [node.record(n, f"another {n}") for n in range(10)]
    moto.client.put_object(Bucket=node.bucket, Key=node.key("wrong"), Body=body(wrong), Metadata=said)
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    assert texts_in(moto, node) == expected(LINES) + Counter(b"another %d" % n for n in range(10))


@given(st.text(st.sampled_from("0123456789:;,-ab²\n")) | st.text())
def test_whatever_stands_there_is_read_or_left(text: str) -> None:
    for kind, inode, span in _read(text):
        assert kind in ("log", "buffer") and inode >= 0 and span == ByteRange(span.start, span.end)


def test_what_is_too_long_is_cut_behind_a_range(tmp_path: Path, moto) -> None:
    """Every second line is lost: more ranges than metadata can hold."""
    node = MadeNode(tmp_path / "node", "many-ranges", moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket=node.bucket)
    texts = [f"line {n}" for n in range(300)]
    node.write_log(texts)
    node.write_buffer([node.record(n, text) for n, text in enumerate(texts) if n % 2])
    for _ in range(2):
        assert node.run("recover", "--agent", "gone", "--yes").code == 0
    assert texts_in(moto, node) == Counter(text.encode() for text in texts)
    metadata = [
        moto.client.head_object(Bucket=node.bucket, Key=key["Key"])["Metadata"]
        for key in moto.client.list_objects_v2(Bucket=node.bucket)["Contents"]
    ]
    said = [told[ORIGIN] for told in metadata]
    assert all(NODE not in told for told in metadata)  # servers keep no header without a value
    assert any(MOST - 20 < len(text) <= MOST and len([*_read(text)]) > 20 for text in said)
