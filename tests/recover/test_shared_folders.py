"""Outputs that share a store_dir and inputs that share a DB: at a start Fluent Bit mixes up what is whose (seen)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chunk_builder import chunk, store_name
from evidence.tail_support import make_db
from judge import bodies
from made_node import LOG, MadeNode, body
from servers import Server

OTHER_LOG = "/var/log/other.log"


def shared(tmp_path: Path, moto: Server, name: str, *, match: str = "app.*", db: str = "/var/lib/tail.db") -> MadeNode:
    """Two inputs and two outputs with one DB, one store_dir and one bucket; both logs were read to their ends, and
    nothing is stored. The first output takes ``match``, the second ``other.*`` without compression."""
    moto.connect().client.create_bucket(Bucket=name)
    node = MadeNode(tmp_path / "node", name, moto.endpoint_url)
    node.write_log(node.line(n, f"app {n}") for n in range(20))
    other = node.root / OTHER_LOG[1:]
    other.write_text("".join(node.line(n, f"other {n}") + "\n" for n in range(30)))
    node.write_db((LOG, (node.root / LOG[1:]).stat().st_size), (OTHER_LOG, other.stat().st_size))
    said = node.config.read_text().replace("    Match *\n", f"    Match {match}\n")
    node.config.write_text(
        said + "[INPUT]\n    Name tail\n    Tag other.log\n    multiline.parser cri\n    Read_from_Head On\n"
        f"    Path {OTHER_LOG}\n    DB {db}\n"
        f"[OUTPUT]\n    Name s3\n    Match other.*\n    bucket {name}\n    region us-east-1\n"
        "    store_dir /var/log/s3/\n    s3_key_format /others/$TAG/%Y/%m/%d/%H/$UUID\n"
    )
    return node


def other_records(node: MadeNode) -> list[bytes]:
    return [node.record(n, f"other {n}") for n in range(30)]


@pytest.mark.parametrize("asked", [(), ("--output", "s3.1")])
def test_what_another_output_has_sent_is_stored(asked: tuple[str, ...], tmp_path: Path, moto: Server) -> None:
    """At a start the first output sends the files of both, under its own keys."""
    node = shared(tmp_path, moto, "another-sent" + ("-asked" if asked else ""))
    sent = body(other_records(node)[:20])
    moto.connect().client.put_object(Bucket=node.bucket, Key=node.key("SENT", tag="other.log"), Body=sent)
    ended = node.run("diff", "--agent", "gone", "--json", *asked)
    (states,) = [line["states"] for line in ended.of_type("tag") if line["tag"] == "other.log"]
    assert states == {"stored": 20, "lost": 10}
    keys = {a["key"].split("/")[0] for a in ended.of_type("action") if a["tag"] == "other.log"}
    assert keys == {"others"}, "its own keys are what is written to"


def test_buffers_in_one_folder_are_those_of_one_output_however_it_is_spelled(tmp_path: Path, moto: Server) -> None:
    """``store_dir`` ends with a slash in one of the outputs."""
    node = shared(tmp_path, moto, "two-spellings")
    node.write_buffer(other_records(node)[:10], tag="other.log")
    ended = node.run("diff", "--agent", "gone", "--json")
    assert ended.code == 3
    assert len(ended.of_type("buffer_state")) == 1
    assert not [p for p in ended.of_type("problem") if p["unreadable"]]


def test_what_another_output_takes_itself_is_its_own_copy(tmp_path: Path, moto: Server) -> None:
    node = shared(tmp_path, moto, "own-copies", match="*")
    stored = body(other_records(node))
    moto.connect().client.put_object(Bucket=node.bucket, Key=node.key("COPY", tag="other.log"), Body=stored)
    ended = node.run("diff", "--agent", "gone", "--json")
    states = {line["output"]: line["states"] for line in ended.of_type("tag") if line["tag"] == "other.log"}
    assert states == {"s3.0": {"stored": 30}, "s3.1": {"lost": 30}}


def test_an_upload_in_a_shared_folder_is_completed_once(tmp_path: Path, moto: Server) -> None:
    node, client = shared(tmp_path, moto, "one-upload"), moto.connect().client
    key = node.key("PARTS", tag="other.log")
    upload = client.create_multipart_upload(Bucket=node.bucket, Key=key)["UploadId"]
    data = b"".join(record + b"\n" for record in other_records(node))
    part = client.upload_part(Bucket=node.bucket, Key=key, UploadId=upload, PartNumber=1, Body=data)
    folder = node.root / "var/log/s3" / node.bucket / "multipart_upload_metadata"
    folder.mkdir(parents=True)
    noted = f"part_number=1\tetag={part['ETag']}\n"
    name = store_name(b"other.log", node.start_ns // 10**9, 5)
    (folder / name).write_bytes(chunk(f"/{key}\n{upload}".encode(), noted.encode()))
    ended = node.run("recover", "--agent", "gone", "--yes", "--json", "--case", tmp_path / "case")
    assert ended.code == 0, ended.out + ended.err
    assert [a["action"] for a in ended.of_type("action")].count("complete_upload") == 1
    listed = [found["Key"] for found in client.list_objects_v2(Bucket=node.bucket)["Contents"]]
    assert key in listed and len(listed) == 2


def test_rows_of_the_other_input_are_not_called_foreign(tmp_path: Path, moto: Server) -> None:
    node = shared(tmp_path, moto, "one-db")
    assert not [p for p in node.run("diff", "--json").of_type("problem") if "Path does not match" in p["what"]]
    gone = (9, "/var/log/elsewhere.log", 10, 77, 0, 0)
    make_db(node.root / "var/lib/tail.db", [gone], markers=False)
    (said,) = [p for p in node.run("diff", "--json").of_type("problem") if "Path does not match" in p["what"]]
    assert "row 9 names /var/log/elsewhere.log" in said["what"]


@pytest.mark.parametrize(("db", "lost"), [("/var/lib/tail.db", 30), ("/var/lib/own.db", 0)])
def test_the_second_input_of_a_db_reads_again(db: str, lost: int, tmp_path: Path, moto: Server) -> None:
    """The first one deletes its rows, for it does not follow those files."""
    node = shared(tmp_path, moto, f"reads-again-{lost}", db=db)
    if not lost:
        other = node.root / OTHER_LOG[1:]
        row = (1, OTHER_LOG, other.stat().st_size, other.stat().st_ino, node.start_ns // 10**9, 0)
        make_db(node.root / "var/lib/own.db", [row], markers=False)
    ended = node.run("diff", "--agent", "returning", "--json")
    assert sum(ended.one("plan")["left"].values()) == lost
    assert sum(a["records"] for a in ended.of_type("action")) == 50 - lost


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_two_fluent_bits_have_read_is_stored_once(order: tuple[int, int], tmp_path: Path, moto: Server) -> None:
    """In a rolling update with maxSurge both read the same lines, and one has others behind them that come before them
    in the log. The lines carry no time: their dates differ."""
    name = f"read-by-two-{order[0]}"
    moto.connect().client.create_bucket(Bucket=name)
    node = MadeNode(tmp_path / "node", name, moto.endpoint_url, cri=False)
    node.write_log(f"line {n}" for n in range(80))
    node.write_db((LOG, (node.root / LOG[1:]).stat().st_size))
    for number, numbers in zip(order, [range(60, 80), (*range(60, 76), 79, *range(30, 40))], strict=True):
        node.start_ns += 1_000_000
        node.write_buffer([node.record(n, f"line {n}") for n in numbers], number=number)
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    stored = b"".join(content for _, content in bodies(moto.connect().client, [name])).splitlines()
    assert sorted(json.loads(line)["log"] for line in stored) == sorted(f"line {n}" for n in range(80))
