"""--agent returning: what Fluent Bit will read or send by itself is left to it, and only that."""

from __future__ import annotations

import gzip
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from cases import config, load, unpack
from command import Ended, flbrecover
from evidence.tail_support import make_db
from made_node import LOG, MadeNode
from servers import Server

DATED = "buffered: Fluent Bit sends the files of its dated folders when it starts"
UNREAD = "unread: Fluent Bit goes on reading there when it comes back"
NO_ROW = "lost: Fluent Bit finds no row that fits the log file and reads all of it when it comes back"
CHUNKS = "buffered: Fluent Bit delivers the chunks of its storage.path when it starts"
UPLOAD = "pending: Fluent Bit completes its recorded uploads when it starts"
IN_MEMORY = "lost: Fluent Bit is running and may hold them in memory; look again once it has stopped"


def diff(case: str, tmp_path: Path, moto: Server, *more: str) -> Ended:
    node = unpack(case, tmp_path)
    load(case, moto.connect().client, node)
    return flbrecover(
        "diff", "--root", node, "--config", config(case), "--endpoint-url", moto.endpoint_url, "--agent", "returning",
        "--json", *more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("case", "recovered", "left"),
    [
        ("sigkill-put-gzip", 0, {DATED: 900, UNREAD: 50}),
        ("fluent-bit-1.9", 0, {DATED: 350, UNREAD: 20}),
        ("storage-filesystem", 0, {DATED: 250, CHUNKS: 240}),
        ("sigkill-multipart", 0, {DATED: 1500, UPLOAD: 32001}),
        # quarantined chunks are never sent again, and what died in memory is not read again
        ("credentials-expired", 300, {DATED: 100}),
        ("response-lost-superset", 105, {}),
        # .1 and .2.gz do not match the input's Path; the new live file does
        ("rotated-unread", 100 + 120, {DATED: 400, UNREAD: 80}),
        ("kubernetes-cri", 70, {DATED: 320, UNREAD: 25}),
    ],
)
def test_what_is_left(case: str, recovered: int, left: dict[str, int], tmp_path: Path, moto: Server) -> None:
    ended = diff(case, tmp_path, moto)
    assert ended.one("plan")["left"] == left
    assert sum(a["records"] for a in ended.of_type("action")) == recovered


def test_without_read_from_head_a_new_file_is_read_from_its_end(tmp_path: Path, moto: Server) -> None:
    """So its unread lines are nobody's but ours."""
    node = unpack("rotated-unread", tmp_path)
    load("rotated-unread", moto.connect().client, node)
    conf = node / "etc/fluent-bit/fluent-bit.conf"
    conf.write_text(conf.read_text().replace("Read_from_Head    On", "Read_from_Head    Off"))
    ended = flbrecover(
        "diff", "--root", node, "--config", config("rotated-unread"), "--endpoint-url", moto.endpoint_url, "--agent",
        "returning", "--json",
    )  # fmt: skip
    assert ended.one("plan")["left"] == {DATED: 400}


@contextmanager
def holding_open(path: Path) -> Iterator[None]:
    """A process that has a file open for writing, as a running Fluent Bit has its DB."""
    code = "import sys; f = open(sys.argv[1], 'r+b'); print('open', flush=True); sys.stdin.read()"
    with Popen([sys.executable, "-c", code, str(path)], stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()


def test_gone_is_refused_while_a_process_has_the_db_open(
    tmp_path: Path, moto: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is a folder of this machine, so its /proc is not below the root: it is lent to it here."""
    from flbrecover.evidence.node import Node

    monkeypatch.setattr(Node, "procfs", lambda self: Path("/proc"))
    node = unpack("credentials-expired", tmp_path)
    load("credentials-expired", moto.connect().client, node)
    where = (
        "--root", node, "--config", config("credentials-expired"), "--endpoint-url", moto.endpoint_url,
    )  # fmt: skip
    with holding_open(node / "var/log/flb_test.db"):
        refused = flbrecover("recover", *where, "--agent", "gone", "--yes")
        assert refused.code == 1
        assert "is running (pid " in refused.err
        assert "/var/log/flb_test.db open; stop it, or say --agent returning" in refused.err
    again = flbrecover("recover", *where, "--agent", "gone", "--yes")
    assert again.code == 0


def test_what_a_running_agent_may_hold_in_memory_is_not_uploaded(
    tmp_path: Path, moto: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flbrecover.evidence.node import Node

    monkeypatch.setattr(Node, "procfs", lambda self: Path("/proc"))
    node = unpack("response-lost-superset", tmp_path)
    load("response-lost-superset", moto.connect().client, node)
    with holding_open(node / "var/log/flb_test.db"):
        ended = flbrecover(
            "diff", "--root", node, "--config", config("response-lost-superset"), "--endpoint-url", moto.endpoint_url,
            "--agent", "returning", "--json",
        )  # fmt: skip
    assert ended.one("plan")["left"] == {IN_MEMORY: 105}
    assert ended.of_type("action") == []


def made(tmp_path: Path, moto: Server, name: str) -> MadeNode:
    """A node with 50 lines in its log, and an empty bucket."""
    moto.client.create_bucket(Bucket=name)
    node = MadeNode(tmp_path / "node", name, moto.endpoint_url)
    node.write_log(node.line(n, f"line {n}") for n in range(50))
    return node


def left_by(node: MadeNode) -> tuple[dict[str, int], int]:
    """What a plan leaves to Fluent Bit, and how many records it recovers."""
    ended = node.run("diff", "--agent", "returning", "--json")
    assert ended.code == 3, ended.err
    return ended.one("plan")["left"], sum(a["records"] for a in ended.of_type("action"))


@pytest.mark.parametrize(
    ("written_s", "left", "recovered"), [(7200, {}, 30), (600, {UNREAD: 30}, 0)], ids=["too old", "young"]
)
def test_ignore_older(written_s: int, left: dict[str, int], recovered: int, tmp_path: Path, moto: Server) -> None:
    """Fluent Bit passes over a file that is older, whatever its DB says: nobody reads on where it stopped."""
    node = made(tmp_path, moto, f"ignore-older-{written_s}")
    node.tail("Ignore_Older 1h")
    log = node.root / LOG[1:]
    read = sum(map(len, log.read_bytes().splitlines(keepends=True)[:20]))
    node.write_db((LOG, read))
    node.put("stored", [node.record(n, f"line {n}") for n in range(20)], moto.client)
    then = time.time() - written_s
    os.utime(log, (then, then))
    assert left_by(node) == (left, recovered)


def test_a_file_without_a_row_is_read_from_its_beginning(tmp_path: Path, moto: Server) -> None:
    """Its DB is new; what S3 lacks of the file comes with all the rest."""
    node = made(tmp_path, moto, "without-a-row")
    node.write_db()
    assert left_by(node) == ({NO_ROW: 50}, 0)
    node.config.write_text(node.config.read_text().replace("Read_from_Head On", "Read_from_Head Off"))
    assert left_by(node) == ({}, 50)


def test_what_exclude_path_takes_out_is_not_read(tmp_path: Path, moto: Server) -> None:
    """A rotated file that Path matches and Exclude_Path takes out again."""
    node = made(tmp_path, moto, "excluded")
    log = node.root / LOG[1:]
    log.rename(log.with_name("app.log.1"))
    log.write_text("")
    node.write_db((LOG, 0))
    node.config.write_text(node.config.read_text().replace(f"Path {LOG}", f"Path {LOG}*"))
    assert left_by(node) == ({NO_ROW: 50}, 0)
    node.tail("Exclude_Path *.1")
    assert left_by(node) == ({}, 50)


@pytest.mark.parametrize(
    ("path", "left", "recovered"),
    [
        ("/var/log/*.log.gz", {NO_ROW: 50}, 0),  # followed, and unpacked
        ("/var/log/*.log", {}, 50),  # a rotated file that Path does not match
    ],
)
def test_a_compressed_file(path: str, left: dict[str, int], recovered: int, tmp_path: Path, moto: Server) -> None:
    node = made(tmp_path, moto, f"compressed-{recovered}")
    log = node.root / LOG[1:]
    log.with_name("app.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.write_text("")
    node.config.write_text(node.config.read_text().replace(f"Path {LOG}", f"Path {path}"))
    node.write_db(*([(LOG, 0)] if recovered else []))
    assert left_by(node) == (left, recovered)


def linked(tmp_path: Path, moto: Server, name: str, *tail: str) -> MadeNode:
    """The log is followed by a symlink, as the kubelet makes them; half of it was read and is stored."""
    node = made(tmp_path, moto, name)
    log = node.root / LOG[1:]
    real = log.parent / "pods/app/0.log"
    real.parent.mkdir(parents=True)
    log.rename(real)
    log.symlink_to("/var/log/pods/app/0.log")
    half = sum(map(len, real.read_bytes().splitlines(keepends=True)[:25]))
    make_db(
        node.root / "var/lib/tail.db", [(1, LOG, half, real.stat().st_ino, node.start_ns // 10**9, 0)], markers=False
    )
    node.tail("DB /var/lib/tail.db", *tail)
    node.put("AAAA", [node.record(n, f"line {n}") for n in range(20)], moto.client)
    return node


def test_rows_are_dropped_where_their_names_are_compared_with_those_behind_links(tmp_path: Path, moto: Server) -> None:
    """Seen: the rows of all files were deleted at the start, and all of them read again."""
    node = linked(tmp_path, moto, "names-compared", "DB.compare_filename On")
    assert left_by(node) == ({NO_ROW: 5, UNREAD: 25}, 0)
    (said,) = node.run("diff", "--agent", "returning", "--json").of_type("note")
    assert said["text"].startswith(
        "/var/log/app.log: Fluent Bit finds no row that fits this file and reads all of it again"
    )
    assert "20 records that S3 has by then are stored twice" in said["text"]
    assert node.run("diff", "--agent", "gone", "--json").of_type("note") == []
    node.config.write_text(node.config.read_text().replace("Read_from_Head On", "Read_from_Head Off"))
    assert left_by(node) == ({}, 30)


def test_quarantined_records_of_a_file_that_is_read_again_are_left(tmp_path: Path, moto: Server) -> None:
    """Fluent Bit never sends them from there, but it reads their lines again."""
    node = linked(tmp_path, moto, "quarantined", "DB.compare_filename On")
    path = node.root / node.write_buffer([node.record(n, f"line {n}") for n in range(20, 23)])[1:]
    quarantine = path.parents[1] / "quarantine"
    quarantine.mkdir()
    path.rename(quarantine / path.name)
    assert left_by(node) == ({NO_ROW.replace("lost", "buffered"): 3, NO_ROW: 2, UNREAD: 25}, 0)
    (said,) = node.run("diff", "--agent", "returning", "--json").of_type("note")
    assert "20 records that S3 has by then are stored twice" in said["text"]


def test_rows_count_where_only_inodes_are_compared(tmp_path: Path, moto: Server) -> None:
    node = linked(tmp_path, moto, "inodes-compared")
    assert left_by(node) == ({UNREAD: 25}, 5)
    assert node.run("diff", "--agent", "returning", "--json").of_type("note") == []


def test_an_offset_of_0_is_the_end_without_read_from_head(tmp_path: Path, moto: Server) -> None:
    node = made(tmp_path, moto, "offset-0")
    node.write_db((LOG, 0))
    assert left_by(node) == ({UNREAD: 50}, 0)
    node.config.write_text(node.config.read_text().replace("Read_from_Head On", "Read_from_Head Off"))
    assert left_by(node) == ({}, 50)


def test_an_offset_behind_the_end_is_none(tmp_path: Path, moto: Server) -> None:
    """The file was truncated while Fluent Bit was down: it is read from its beginning."""
    node = made(tmp_path, moto, "offset-behind")
    node.write_db((LOG, 10**6))
    left, recovered = left_by(node)
    assert (sum(left.values()), recovered) == (50, 0)
