"""While a process holds the DB or the buffers, whatever writes says no: --agent gone, and --retire in any case.

The node is this machine itself (``--root /``): its procfs shows a real process that has the files open.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from cases import keys, load, unpack
from command import Ended, flbrecover, one_line
from faults.proxy import FaultProxy, first

BUCKET = "my-bucket"
STORE = "var/log/s3/temp"


class Here:
    """kubernetes-cri, unpacked somewhere on this machine; its configuration is given by hand."""

    def __init__(self, tmp_path: Path, moto) -> None:
        self.root = unpack("kubernetes-cri", tmp_path)
        load("kubernetes-cri", moto.client, self.root)
        self.url = ("--endpoint-url", moto.endpoint_url)
        self.where = (
            "--root", "/", "--store-dir", self.root / STORE, "--db", self.root / "var/log/flb_kube.db", "--path",
            self.root / "var/log/nothing/*.log", "--bucket", BUCKET, "--key-format", "/logs/$TAG/%Y/$UUID.gz",
            "--compression", "gzip", *self.url,
        )  # fmt: skip
        self.case = tmp_path / "case"

    def buffers(self) -> list[Path]:
        return sorted(p for p in (self.root / STORE).rglob("*-*") if p.is_file())

    @contextmanager
    def agent(self) -> Iterator[None]:
        """A process that has a buffer file open for writing."""
        file = self.root / "var/log/flb_kube.db"
        program = f"import sys; f = open({str(file)!r}, 'r+b'); print('open', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            yield
            process.stdin.close()


@pytest.fixture
def here(tmp_path: Path, moto) -> Here:
    return Here(tmp_path, moto)


def refused(ended: Ended) -> str:
    assert ended.code == 1
    said = one_line(ended)
    assert said.startswith("flbrecover: Fluent Bit is running (pid ") and "flb_kube.db open" in said
    return said


def test_nothing_is_written_while_it_runs(here: Here, moto) -> None:
    before, there = here.buffers(), keys(moto.client, BUCKET)
    assert flbrecover("diff", *here.where, "--agent", "gone", "--case", here.case).code in (3, 4)
    with here.agent():
        assert "say --agent returning" in refused(flbrecover("recover", *here.where, "--agent", "gone", "--yes"))
        assert "say --agent returning" in refused(flbrecover("apply", here.case, *here.url, "--yes"))
        for agent in ("gone", "returning"):
            ended = flbrecover("recover", *here.where, "--agent", agent, "--retire", "--yes")
            assert "--retire moves its files" in refused(ended)
    assert (here.buffers(), keys(moto.client, BUCKET)) == (before, there)


@pytest.mark.parametrize("more", [("diff", "--agent", "gone"), ("recover", "--agent", "returning", "--dry-run")])
def test_what_is_only_looked_at_tells_of_it(here: Here, more: tuple[str, ...]) -> None:
    with here.agent():
        ended = flbrecover(more[0], *here.where, *more[1:], "--json")
    said = [line["what"] for line in ended.of_type("problem") if line["what"].startswith("Fluent Bit is running (pid ")]
    assert len(said) == 1 and said[0].endswith("what it is about to send looks missing")
    assert "Fluent Bit is running" not in flbrecover("diff", *here.where).text


def test_an_undo_waits_for_it_too(here: Here) -> None:
    before = here.buffers()
    kept = ("--case", here.case)
    moved = flbrecover("recover", *here.where, "--agent", "returning", "--retire", "--yes", "--json", *kept)
    assert {line["outcome"] for line in moved.of_type("moved")} == {"retired"} and here.buffers() == []
    with here.agent():
        assert "it would send the files" in refused(flbrecover("retire", "--undo", here.case))
    assert here.buffers() == []
    assert flbrecover("retire", "--undo", here.case).code == 0
    assert here.buffers() == before


def test_one_that_starts_while_all_is_compared_is_seen_before_anything_is_written(
    here: Here, moto, proxy: FaultProxy
) -> None:
    there = keys(moto.client, BUCKET)
    with ExitStack() as started:
        proxy.watch(first("ListObjectsV2", lambda: started.enter_context(here.agent())))
        ended = flbrecover("recover", *here.where, "--endpoint-url", proxy.endpoint_url, "--agent", "gone", "--yes")
    assert ended.code == 1 and "this run has uploaded nothing; stop it, or say --agent returning" in ended.err
    assert keys(moto.client, BUCKET) == there


def test_one_that_starts_while_records_are_uploaded_is_told_of(here: Here, proxy: FaultProxy) -> None:
    with ExitStack() as started:
        proxy.watch(first("PutObject", lambda: started.enter_context(here.agent())))
        ended = flbrecover(
            "recover", *here.where, "--endpoint-url", proxy.endpoint_url, "--agent", "gone", "--yes", "--json"
        )
    assert "note: " in ended.err and "was started meanwhile" in ended.err
    (problem,) = [line for line in ended.of_type("problem") if "was started meanwhile" in line["what"]]
    assert problem["path"].endswith("flb_kube.db") and ended.one("verdict")["missing"] == 0
