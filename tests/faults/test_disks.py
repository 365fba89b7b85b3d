"""Disks that are full or broken: one line, the contract's exit code, nothing twice; with room it goes on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from cases import footprint
from command import flbrecover
from faults import disks
from faults.incidents import WHOLE, SmallIncident
from faults.proxy import FaultProxy
from faults.trials import recover, told


@pytest.mark.parametrize("size", ["4k", "16k"])
def test_a_full_scratch_folder(
    small: SmallIncident, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    small.load()
    proxy.watch()
    before = footprint(small.root)
    with disks.small(tmp_path / "scratch", size) as scratch:
        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        ended = recover(small, proxy.endpoint_url, "--case", tmp_path / "case")
        assert list(scratch.iterdir()) == []
    assert ended.code == 1 and not told(ended), ended
    assert str(scratch) in ended.err and "set TMPDIR" in ended.err
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert recover(small, proxy.endpoint_url, "--case", tmp_path / "case").code == 0
    assert small.judge() == WHOLE and footprint(small.root) == before


@pytest.mark.parametrize("size", ["4k", "24k", "48k", "64k"])
def test_a_full_disk_under_the_case(small: SmallIncident, proxy: FaultProxy, tmp_path: Path, size: str) -> None:
    """Wherever the room ends, what was done is safe, and the next run with room does the rest."""
    small.load()
    proxy.watch()
    with disks.small(tmp_path / "disk", size) as disk:
        ended = recover(small, proxy.endpoint_url, "--case", disk / "case")
        assert ended.code in (1, 2) and "Traceback" not in ended.err, ended
        last = [line for line in ended.err.splitlines() if not line.startswith("note: ")]
        assert len(last) == 1 and str(disk) in last[0], ended.err
        judged = small.judge()
        assert (judged.twice, judged.removed) == ((), ())
        assert flbrecover("verify", disk / "case", "--root", small.root).code != 0
    assert recover(small, proxy.endpoint_url, "--case", tmp_path / "case").code == 0
    assert small.judge() == WHOLE


@pytest.mark.parametrize("size", ["4k", "1m", "3m"])
def test_a_full_disk_under_a_bundle(small: SmallIncident, tmp_path: Path, size: str) -> None:
    """Wherever the room ends, the destination is named and nothing is left on it; no file is said to be unreadable."""
    noise = small.root / "var/log/containers/test-noise.log"
    noise.write_bytes(os.urandom(5 << 20))
    try:
        with disks.small(tmp_path / "disk", size) as disk:
            paths = ("--db", "/var/log/flb.db", "--path", "/var/log/containers/test*.log", "--input-tag", "test.*")
            ended = flbrecover("collect", "--root", small.root, *paths, "-o", disk / "bundle")
            assert list(disk.iterdir()) == []
    finally:
        noise.unlink()
    assert ended.code == 1 and "Traceback" not in ended.err, ended
    why = f"--out {disk / 'bundle'}: No space left on device; choose a place with more space, or --max-size"
    assert ended.err.splitlines()[-1] == f"flbrecover: {why}"
    assert "could not be read" not in ended.err


def test_evidence_on_a_broken_disk(small: SmallIncident, proxy: FaultProxy, tmp_path: Path) -> None:
    """Reading gives EIO: each file is named, the exit code is 4, nothing is uploaded."""
    small.load()
    proxy.watch()
    with disks.broken(tmp_path, small.root) as root:
        tail = ("--db", "/var/log/flb.db", "--path", "/var/log/containers/test*.log", "--input-tag", "test.*")
        buffers = ("--store-dir", "/var/log/s3/temp", "--bucket", "my-bucket")
        for command, options in (("tail", tail), ("buffers", buffers)):
            ended = flbrecover(command, "--root", root, *options)
            assert ended.code == 4 and "Input/output error" in ended.text + ended.err, ended
            assert not told(ended)
        before = small.judge()
        keys = ("--key-format", "/logs/$TAG[5]/$UUID-%Y%m%dT%H%M%S.gz", "--tag-delimiters", ".-")
        s3 = ("--endpoint-url", proxy.endpoint_url, "--agent", "gone", "--yes", "--case", tmp_path / "case")
        ended = flbrecover("recover", "--root", root, *tail, *buffers, *keys, *s3)
        assert ended.code == 4 and "Input/output error" in ended.text + ended.err, ended
        assert not told(ended)
        assert small.judge() == before
