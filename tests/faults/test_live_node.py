"""A node that goes on while it is read and recovered: what was planned is uploaded, or nothing; and it is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import keys
from command import flbrecover
from faults.incidents import BUCKET, WHOLE, SmallIncident
from faults.proxy import FaultProxy, first
from faults.trials import recover, told
from judge import decompressed
from servers import Server

STORE = "var/log/s3/temp/my-bucket"


@pytest.fixture
def incident(moto: Server, tmp_path: Path) -> SmallIncident:
    """One of its own: its node is changed here."""
    made = SmallIncident(tmp_path, moto.client)
    made.load()
    return made


def buffers(incident: SmallIncident) -> list[Path]:
    folder = incident.root / STORE
    return sorted(path for path in folder.rglob("*-*") if path.is_file() and "multipart" not in str(path))


def rewrite(incident: SmallIncident) -> None:
    for path in (*buffers(incident), *(incident.root / "var/log/containers").iterdir()):
        changed(path, path.read_bytes().replace(b"status=200", b"status=999"))


def cut(incident: SmallIncident) -> None:
    for path in buffers(incident):
        changed(path, path.read_bytes()[:-100])


def vanish(incident: SmallIncident) -> None:
    for path in buffers(incident):
        path.unlink()


def grow(incident: SmallIncident) -> None:
    for path in buffers(incident):
        changed(path, path.read_bytes() + b'{"date":"2026-11-23T11:59:00.000000Z","log":"status=999"}\n')


def appear(incident: SmallIncident) -> None:
    path = buffers(incident)[0]
    path.with_name("9012272651004210079-99999").write_bytes(path.read_bytes())


def changed(path: Path, data: bytes) -> None:
    """Without a new time or size where the bytes are as many: only the bytes show it."""
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def touch(incident: SmallIncident) -> None:
    for path in buffers(incident):
        os.utime(path)


@pytest.mark.parametrize(
    ("change", "case"),
    [(touch, False), (cut, False), (vanish, False), (grow, False), (appear, False), (vanish, True), (rewrite, True)],
)
def test_buffer_files_change_during_a_diff(
    incident: SmallIncident, proxy: FaultProxy, tmp_path: Path, change: Callable[[SmallIncident], None], case: bool
) -> None:
    """Other bytes under the same size and time are seen where there is a case, which has hashes."""
    kept = ("--case", tmp_path / "case") if case else ()
    proxy.watch(first("GetObject", lambda: change(incident)))
    ended = flbrecover("diff", *incident.arguments, "--endpoint-url", proxy.endpoint_url, "--agent", "gone", *kept)
    assert proxy.faults == 1
    assert ended.code == 4 and not told(ended), ended
    assert "80 records" in ended.text, "the rest is shown all the same"
    said = [line for line in ended.text.splitlines() if line.startswith("problem: ")]
    assert any(word in line for word in ("appeared", "vanished", "changed") for line in said), ended


@pytest.mark.parametrize("change", [rewrite, cut, vanish, grow])
def test_evidence_changes_between_plan_and_upload(
    incident: SmallIncident, proxy: FaultProxy, tmp_path: Path, change: Callable[[SmallIncident], None]
) -> None:
    """What is not what was planned is not uploaded."""
    proxy.watch(first("PutObject", lambda: change(incident)))
    ended = recover(incident, proxy.endpoint_url, "--case", tmp_path / "case")
    assert proxy.faults == 1
    assert ended.code in (3, 4) and not told(ended), ended
    judged = incident.judge()
    assert (judged.twice, judged.removed) == ((), ())
    for key in keys(incident.s3, BUCKET):
        assert b"status=999" not in decompressed(incident.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def test_a_log_that_grows_is_no_problem(incident: SmallIncident, proxy: FaultProxy, tmp_path: Path) -> None:
    log = incident.root / "var/log/containers/test-web.log"
    size = log.stat().st_size
    proxy.watch(first("PutObject", lambda: changed(log, log.read_bytes() + b"one more\n")))
    ended = recover(incident, proxy.endpoint_url, "--case", tmp_path / "case")
    assert proxy.faults == 1 and log.stat().st_size > size
    assert not told(ended)
    assert incident.judge() == WHOLE
