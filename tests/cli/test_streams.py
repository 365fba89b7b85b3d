"""Standard input, output and error that are full, closed, left by their reader, or can say only ASCII: one line at
most, the contract's exit code, and what is under way ends as after Ctrl-C."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cases import config, keys, unpack
from command import flbrecover
from faults.incidents import BUCKET, WHOLE, SmallIncident
from faults.proxy import FaultProxy, first
from servers import Server

CONF = "/etc/fluent-bit/fluent-bit.conf"
PAGE = ("report", "{case}", "-o", "-")
NODE = ("--root", "{root}", "--config", CONF)
RECORDS = "/var/log/s3/temp/my-bucket/quarantine/13746238060222570069-1474013038527978504"
COMMANDS = (
    ("--help",),
    ("completion", "bash"),
    ("tail", *NODE),
    ("buffers", *NODE, "--json"),
    ("buffers", "cat", *NODE, RECORDS),
    ("collect", *NODE, "-o", "-"),
    PAGE,
)
BUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("rolling-update", tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def case(small: SmallIncident, moto: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case folder that a diff has left."""
    small.load()
    folder = tmp_path_factory.mktemp("cases") / "case"
    ended = flbrecover(
        "diff", *small.arguments, "--endpoint-url", moto.endpoint_url, "--agent", "gone", "--case", folder
    )
    assert ended.code == 3
    return folder


def shell(
    arguments: tuple[str, ...], redirection: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """``flbrecover ARGUMENTS REDIRECTION`` in a real shell."""
    words = shlex.join([sys.executable, "-m", "flbrecover", *arguments])
    return subprocess.run(
        ["/bin/sh", "-c", f"{words} {redirection}"],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@BUFFERED
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_disk_behind_standard_output(
    arguments: tuple[str, ...], unbuffered: str, root: Path, case: Path
) -> None:
    said = tuple(word.format(root=root, case=case) for word in arguments)
    ended = shell(said, "> /dev/full", {"PYTHONUNBUFFERED": unbuffered})
    assert ended.stderr.splitlines()[-1] == "flbrecover: standard output: No space left on device"
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr


@BUFFERED
def test_a_full_disk_behind_both(unbuffered: str) -> None:
    ended = shell(("--help",), "> /dev/full 2> /dev/full", {"PYTHONUNBUFFERED": unbuffered})
    assert ended.returncode == 1


@BUFFERED
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone(arguments: tuple[str, ...], unbuffered: str, root: Path, case: Path) -> None:
    """As `| true`: the other end of the pipe is closed before the first byte."""
    said = [word.format(root=root, case=case) for word in arguments]
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-m", "flbrecover", *said], env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=pipe, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert [line for line in ended.stderr.splitlines() if not line.startswith(("note: ", "problem: "))] == []


@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(stream: str, root: Path) -> None:
    said = ("tail", "--root", str(root), "--config", CONF)
    ended = shell(said, stream, {})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert bool(ended.stdout) is (">&-" not in stream.replace("2>&-", ""))


def test_closed_standard_input_is_nobody_to_ask(small: SmallIncident, moto: Server) -> None:
    small.load()
    said = ("recover", *map(str, small.arguments), "--endpoint-url", moto.endpoint_url)
    for more, way_out in ((("--agent", "gone"), "say --yes to upload"), ((), "--agent gone or --agent returning is")):
        ended = shell((*said, *more), "<&-", {})
        assert ended.returncode == 2
        assert way_out in ended.stderr.splitlines()[-1]
    assert shell(("audit", "-"), "<&-", {}).returncode == 4


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["encoding", "locale"],
)
def test_a_terminal_that_knows_ascii_alone(environment: dict[str, str], case: Path, tmp_path: Path) -> None:
    node = ("--root", str(unpack("kubernetes-cri", tmp_path)), "--config", config("kubernetes-cri"))
    for said in (("buffers", *node), ("recover", "--help"), ("report", str(case), "--format", "markdown")):
        ended = shell(said, "", environment)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert said[0] != "buffers" or "\\u2026" in ended.stdout  # where it cuts a container's id


def test_a_recovery_whose_reader_goes_in_between(small: SmallIncident, proxy: FaultProxy, tmp_path: Path) -> None:
    """It stops as by Ctrl-C: what was begun is noted with its result, and the same command goes on."""
    small.load()
    there = len(keys(small.s3, BUCKET))
    words = [*map(str, small.arguments), "--endpoint-url", proxy.endpoint_url, "--agent", "gone", "--yes"]
    words += ["--jobs", "2", "--case", str(tmp_path / "case")]
    with subprocess.Popen(
        [sys.executable, "-m", "flbrecover", "recover", *words],
        env=os.environ | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        assert run.stdout is not None and run.stderr is not None
        proxy.watch(first("PutObject", run.stdout.close))
        said = run.stderr.read().decode()
    assert run.returncode == 1
    assert said.splitlines() == [f"note: case folder {tmp_path / 'case'}"]
    with closing(sqlite3.connect(tmp_path / "case/case.db")) as db:
        rows = db.execute("SELECT action, event, outcome FROM journal").fetchall()
    begun = {action for action, event, _ in rows if event == "started"}
    ended = {action: outcome for action, event, outcome in rows if event == "result"}
    assert begun == ended.keys() and set(ended.values()) <= {"written", "completed"}
    assert len(keys(small.s3, BUCKET)) == there + len(ended)
    proxy.watch()
    assert flbrecover("recover", *words).code == 0
    assert small.judge() == WHOLE
