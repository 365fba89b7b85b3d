"""No command changes a byte, a name, a time or an inode of the node, nor leaves a file in the scratch folder.

That ``recover`` does not is tested on all captured incidents in test_recovery.py, that ``fleet run`` does not in
tests/fleet/test_fleet_run.py.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from cases import config, footprint, load, unpack
from command import flbrecover

from flbrecover.cli import COMMANDS

NO_NODE = {"completion", "demo", "report", "fleet"}  # make their own, or read what others have left
ARGUMENTS = {
    "tail": (),
    "buffers": (),
    "objects": ("--endpoint-url", "URL"),
    "uploads": ("--endpoint-url", "URL"),
    "diff": ("--endpoint-url", "URL"),
    "recover": ("--endpoint-url", "URL", "--agent", "gone", "--yes"),
    "collect": ("--out", "BUNDLE"),
    "apply": ("PLAN", "--endpoint-url", "URL", "--yes"),
    "verify": ("PLAN", "--endpoint-url", "URL"),
    "retire": ("--undo", "CASE"),
    "audit": (),
}


def test_every_command_is_watched() -> None:
    assert COMMANDS.keys() == ARGUMENTS.keys() | NO_NODE


@pytest.mark.parametrize("name", ["credentials-expired", "fluent-bit-1.9", "kubernetes-cri", "storage-filesystem"])
def test_a_node_is_only_read(name: str, tmp_path: Path, moto, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    root = unpack(name, tmp_path)
    load(name, moto.client, root)
    assert list(scratch.iterdir()) == []
    before = footprint(root)
    plan, case = tmp_path / "plan.json", tmp_path / "case"
    node = ("--root", root, "--config", config(name))
    url = ("--endpoint-url", moto.endpoint_url)
    assert flbrecover("diff", *node, *url, "--agent", "gone", "--plan", plan, "--case", case).code in (0, 3)
    for command, arguments in ARGUMENTS.items():
        known = {"URL": moto.endpoint_url, "PLAN": plan, "CASE": case, "BUNDLE": tmp_path / "b.tar.zst"}
        where = node[:2] if {"PLAN", "CASE"} & set(arguments) else node
        ended = flbrecover(command, *where, *(known.get(a, a) for a in arguments))
        assert ended.code in (0, 3), (command, ended)
        assert footprint(root) == before, command
        assert list(scratch.iterdir()) == [], command
    for file in (f for f in root.rglob("s3/temp/*/*/*") if f.is_file() and "multipart" not in str(f)):
        inside = f"/{file.relative_to(root)}"
        assert flbrecover("buffers", "cat", *node, inside).code == 0
    assert footprint(root) == before
