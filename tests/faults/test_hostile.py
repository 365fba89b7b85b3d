"""Hostile input through the command line: what applications wrote is never obeyed, and never makes a command hang,
grow, or look outside its root."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cases import footprint, keys
from chunk_builder import chunk, put, store_name
from command import Ended, flbrecover, one_line
from faults.incidents import BUCKET, SECOND, SmallIncident
from faults.proxy import FaultProxy
from faults.trials import told

from flbrecover.bucket.decoding import decoded
from flbrecover.fluentbit.record_split import LineSplitter, Unread

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e\u2028\x9b"
STORE = "/var/log/s3/temp/my-bucket"
LOG = "/var/log/containers/test-app.log"


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """A command that hangs is ended by a signal, which fails the test."""

    def ring(*_: object) -> None:
        raise AssertionError(f"took longer than {seconds} s")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.fixture
def node(moto, tmp_path: Path) -> Iterator[SmallIncident]:
    """A node of its own, to put things on."""
    incident = SmallIncident(tmp_path, moto.client)
    incident.load()
    yield incident
    for key in keys(moto.client, BUCKET):  # a list of keys to delete would be XML, which cannot hold all of them
        moto.client.delete_object(Bucket=BUCKET, Key=key)


def everything(incident: SmallIncident, url: str, case: Path, *more: object) -> Iterator[tuple[str, Ended]]:
    """Every command of a recovery, in text."""
    where, s3 = (*incident.arguments, *more), ("--endpoint-url", url)
    yield "tail", flbrecover("tail", *where)
    yield "buffers", flbrecover("buffers", *where)
    for command in ("objects", "uploads", "diff"):
        yield command, flbrecover(command, *where, *s3)
    plan = case.with_suffix(".plan")
    yield "diff --plan", flbrecover("diff", *where, *s3, "--agent", "gone", "--plan", plan)
    yield "diff --json", flbrecover("diff", *where, *s3, "--json")
    yield "recover", flbrecover("recover", *where, *s3, "--agent", "gone", "--yes", "--case", case)
    root = incident.arguments[:2]
    yield "apply", flbrecover("apply", case, *root, *s3, "--yes")
    yield "verify", flbrecover("verify", plan, *root, *s3)
    yield "audit", flbrecover("audit", *where)
    yield "report", flbrecover("report", case)


# -- terminals ---------------------------------------------------------------------------------------------------------


def test_no_command_shows_what_would_be_obeyed(node: SmallIncident, moto, tmp_path: Path) -> None:
    """In names of logs (and so tags), buffer files, keys, upload ids, the DB, and records."""
    tag = f"test.var.log.containers.test-{HOSTILE}.log".encode()
    record = b'{"date":"2026-11-23T11:39:50.000001Z","log":"seq=0000900 ' + HOSTILE.encode() + b'"}\n'
    put(node.root, f"/var/log/containers/test-{HOSTILE}.log", b"seq=0000901 " + HOSTILE.encode() + b"\n" * 2)
    put(node.root, f"{STORE}/quarantine/{store_name(tag, SECOND + 40, 7)}", chunk(tag, record, length=len(record)))
    put(node.root, f"{STORE}/quarantine/{HOSTILE}", chunk(b"test.x", record, length=len(record)))
    put(node.root, f"{STORE}/{HOSTILE}/x", b"not a buffer")
    meta = f"logs/app/{HOSTILE}-20261123T113935.gz\n{HOSTILE}".encode()
    put(node.root, f"{STORE}/multipart_upload_metadata/{store_name(meta, SECOND + 35, 7)}", chunk(meta, b"x\x1b\n"))
    moto.client.put_object(Bucket=BUCKET, Key=f"logs/app/{HOSTILE[:-3]}-20261123T113930.gz", Body=b"\x1b[31m not gzip")
    seen = 0
    for command, ended in everything(node, moto.endpoint_url, tmp_path / "case"):
        said = ended.text + ended.err
        raw = sorted(set(said) & (set(HOSTILE) - set("0123456789]owned;[J")))
        assert not raw, (command, raw)
        assert "Traceback" not in said, (command, said)
        seen += "owned" in said
    assert seen >= 6  # it was shown, escaped


# -- what is no file ---------------------------------------------------------------------------------------------------


def replace_by(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        here = Path.cwd()
        os.chdir(path.parent)  # names of sockets are short
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path.name)
        os.chdir(here)


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder"])
def test_what_is_no_file_does_not_hang(node: SmallIncident, moto, tmp_path: Path, kind: str) -> None:
    (buffer,) = (node.root / STORE[1:] / "quarantine").iterdir()
    for path in (node.root / LOG[1:], node.root / "var/log/flb.db", node.root / "var/log/flb.db-wal", buffer):
        replace_by(kind, path)
    replace_by(kind, node.root / "var/log/containers/test-new.log")
    replace_by(kind, node.root / STORE[1:] / "multipart_upload_metadata/1-2")
    with at_most(300):
        for command, ended in everything(node, moto.endpoint_url, tmp_path / "case"):
            assert "Traceback" not in ended.text + ended.err, (command, ended)
            if command in ("tail", "diff"):
                assert ended.code == 4 and not told(ended), (command, ended)
        replace_by(kind, node.root / "etc/fluent-bit.conf")
        for command in ("tail", "buffers", "diff", "recover"):
            ended = flbrecover(command, *node.arguments)
            assert ended.code in (2, 4) and one_line(ended), (command, ended)


def test_links_that_lead_outside_stay_inside(node: SmallIncident, moto, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("secret.log", "0.log", "x"):
        (outside / name).write_bytes(b"TOP-SECRET seq=0000999\n")
    (node.root / "var/log/containers/test-a.log").symlink_to(outside / "secret.log")
    (node.root / "var/log/containers/test-b.log").symlink_to("../../../../outside/secret.log")
    (node.root / STORE[1:] / "2026-11-23T11:40:00").symlink_to(outside)
    (node.root / STORE[1:] / "quarantine/1-1").symlink_to(outside / "x")
    for command, ended in everything(node, moto.endpoint_url, tmp_path / "case"):
        assert "TOP-SECRET" not in ended.text + ended.err, command
    assert not [path for path in (tmp_path / "case").rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]
    for key in keys(moto.client, BUCKET):
        body = moto.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert b"SECRET" not in (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)


# -- bombs -------------------------------------------------------------------------------------------------------------


def bomb(mib: int) -> bytes:
    """One line without an end, a thousandth of its size when compressed."""
    return gzip.compress(b"a" * (mib << 20), 9)


def test_an_object_that_is_one_endless_line_takes_no_more_memory_than_the_longest_record() -> None:
    body = bomb(64)
    splitter = LineSplitter(limit=4 << 20)
    tracemalloc.start()
    unread = 0
    for block in decoded(iter((body,))):
        unread += sum(isinstance(piece, Unread) for piece in splitter.feed(block))
    unread += sum(isinstance(piece, Unread) for piece in splitter.rest())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert unread and most < 16 << 20


def test_bombs_on_the_node_and_in_the_bucket(node: SmallIncident, moto, tmp_path: Path) -> None:
    """A compressed log that is one endless line, JSON that is nested a million deep, an object of zeros."""
    put(node.root, f"{LOG}.1.gz", bomb(20))
    put(node.root, "/var/log/containers/test-deep.log", b'{"log":' + b"[" * 1_000_000 + b"\n")
    deep = b'{"date":"2026-11-23T11:39:50.000001Z","log":' + b'{"a":' * 200_000 + b"\n"
    tag = b"test.var.log.containers.test-deep.log"
    put(node.root, f"{STORE}/quarantine/{store_name(tag, SECOND + 40, 7)}", chunk(tag, deep, length=len(deep)))
    moto.client.put_object(Bucket=BUCKET, Key="logs/app/00000001-20261123T113930.gz", Body=bomb(20))
    where, s3 = node.arguments, ("--endpoint-url", moto.endpoint_url)
    with at_most(300):
        for command in (("tail", *where), ("buffers", *where), ("diff", *where, *s3)):
            ended = flbrecover(*command)
            assert ended.code in (0, 3, 4) and not told(ended), (command, ended)


def test_a_configuration_of_aliases_and_one_that_includes_itself(node: SmallIncident) -> None:
    billion = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(ord(b) + 1)}: &{chr(ord(b) + 1)} [{','.join([f'*{b}'] * 9)}]\n" for b in "abcdefgh"
    )
    put(node.root, "/etc/bomb.yaml", billion.encode())
    put(node.root, "/etc/loop.conf", b"@INCLUDE loop.conf\n@INCLUDE loop.conf\n")
    put(node.root, "/etc/var.conf", b"@SET a=${b}${b}${b}\n@SET b=${a}${a}${a}\n[OUTPUT]\n  Name ${a}\n")
    with at_most(300):
        for name in ("bomb.yaml", "loop.conf", "var.conf"):
            ended = flbrecover("diff", "--root", node.root, "--config", f"/etc/{name}")
            assert ended.code == 2 and len(one_line(ended)) < 300, (name, ended)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_credentials_are_nowhere(node: SmallIncident, proxy: FaultProxy, tmp_path: Path) -> None:
    """Not in any output, nor in what a case, a plan or a report keeps, nor beside the node, nor in S3; and not when
    S3 fails."""
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIASENTINELKEYID000",
        "AWS_SECRET_ACCESS_KEY": "SentinelSecretKey/000000000000000000000+",
        "AWS_SESSION_TOKEN": "SentinelSessionToken" * 3,
    }
    words = ["SENTINEL", "Sentinel"]
    url = proxy.endpoint_url.replace("http://", "http://SentinelUser:SentinelPassword@")
    before = footprint(node.root)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in secrets.items():
            environment.setenv(name, value)
        for number, rule in enumerate((None, lambda call: lambda e: e.error(403, "AccessDenied", SIGNED))):
            if rule is None:
                proxy.watch()
            else:
                proxy.watch(rule)
            for command, ended in everything(node, url, tmp_path / f"case-{number}"):
                said = ended.text + ended.err
                assert not [word for word in words if word in said], (command, said)
    assert any("SENTINEL" in call.headers["authorization"] for call in proxy.calls)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if path.name == "case.db"]
    assert not [path for path in written if any(word.encode() in path.read_bytes() for word in words)]
    assert footprint(node.root) == before


SIGNED = "see http://SentinelUser:pw@x/?X-Amz-Credential=AKIASENTINELKEYID000%2F2026&amp;X-Amz-Signature=Sentinel"
