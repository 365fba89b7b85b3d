"""A bundle gives the answers that its node gives, on every captured incident, and recovers it as the node does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cases import footprint, remove
from command import Ended, flbrecover
from judge import Case
from servers import Server
from test_incidents import CASES, GONE, NOTHING_WRONG

from flbrecover.demo import incident

MOST = "FLBRECOVER_ALL_BUNDLES" in os.environ  # the whole table takes ten minutes
RECOVERED = ("kubernetes-cri", "storage-filesystem", "damaged-buffers", "configmap-manifest", "emptydir-default")
NAMES = [p for p in CASES if MOST or p.name != "sigkill-multipart"]


def answers(ended: Ended) -> tuple[int, list[dict[str, Any]]]:
    """What a command said, but for what it says of processes (a bundle has none) and for numbers made of the time."""
    lines = [line for line in ended.lines if line.get("path") != "/proc"]
    for line in lines:
        if line["type"] == "plan":
            line["id"] = "-"
        elif line["type"] == "action":
            line["plan"] = "-"
    return ended.code, lines


@pytest.mark.parametrize("folder", NAMES, ids=lambda p: p.name)
def test_the_same_answers(folder: Path, tmp_path: Path) -> None:
    node, bundle = incident.unpack(folder, tmp_path), tmp_path / "node.tar.zst"
    config, environment = f"/{incident.facts(folder)['config']}", incident.facts(folder).get("environment")
    before = footprint(node)
    collected = flbrecover(
        "collect", "--root", node, "--config", config, "-o", bundle, "--json", environment=environment
    )
    assert footprint(node) == before
    codes = set()
    for command in ("tail", "buffers"):
        direct = flbrecover(command, "--root", node, "--config", config, "--json", environment=environment)
        packed = flbrecover(command, "--root", bundle, "--config", config, "--json", environment=environment)
        assert answers(packed) == answers(direct), command
        codes.add(direct.code)
    assert collected.code == max(codes)
    assert collected.one("collected")["left_out"] == 0


@pytest.mark.parametrize("folder", [p for p in CASES if MOST or p.name in RECOVERED], ids=lambda p: p.name)
def test_recovered_from_its_bundle(folder: Path, tmp_path: Path, moto: Server) -> None:
    """And a plan of the node is carried out from the bundle, a plan of the bundle proved on the node."""
    case, s3 = Case(folder), moto.client
    for bucket in case.facts["buckets"]:
        remove(s3, bucket)
    node, bundle = incident.unpack(folder, tmp_path), tmp_path / "node.tar.zst"
    incident.load(folder, node, s3)
    config, environment = f"/{case.facts['config']}", case.facts.get("environment")
    url = ("--endpoint-url", moto.endpoint_url)
    before = footprint(node)
    collected = flbrecover("collect", "--root", node, "--config", config, "-o", bundle, environment=environment)
    assert collected.code in (0, 4)

    of_node, of_bundle = tmp_path / "node.json", tmp_path / "bundle.json"
    gone = ("--agent", "gone", "--json", *url, "--config", config)
    direct = flbrecover("diff", "--root", node, *gone, "--plan", of_node, environment=environment)
    packed = flbrecover("diff", "--root", bundle, *gone, "--plan", of_bundle, environment=environment)
    assert answers(packed) == answers(direct)

    applied = flbrecover("apply", of_node, "--root", bundle, *url, "--yes", "--json", environment=environment)
    expected = GONE.get((folder.name, "all"), case.facts.get("exit_codes", [0])[0])
    assert applied.code == expected, applied.err
    assert case.judge(s3, "all") == NOTHING_WRONG
    proved = flbrecover("verify", of_bundle, "--root", node, *url, "--json", environment=environment)
    assert proved.code == expected, proved.err
    again = flbrecover("recover", "--root", bundle, *gone, "--yes", environment=environment)
    assert (again.code, again.of_type("done")) == (expected, [])
    assert footprint(node) == before
