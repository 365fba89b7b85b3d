"""A small fleet, whole: ``python -m tests.soak.fleet`` does the same with many nodes."""

from __future__ import annotations

import json
from pathlib import Path

from cases import remove
from fleet.simulated import BUCKET, RESULTS, SimulatedFleet


def test_four_nodes_end_with_every_record_once_and_one_report(tmp_path: Path, weed) -> None:
    for bucket in (BUCKET, RESULTS):
        remove(weed.client, bucket)
    fleet = SimulatedFleet(4, tmp_path, weed.client, weed.endpoint_url)
    missing, twice, _ = fleet.judge()
    assert missing > 1000 and twice == 0
    assert [(one.code, one.said) for one in fleet.recover(2) if one.code] == []
    assert fleet.judge() == (0, 0, 0)
    ended = fleet.report(f"--nodes={fleet.names}", "--format=json")
    said = json.loads(ended.said.splitlines()[-1])
    assert (ended.code, said["nodes"], said["known"], said["missing"]) == (0, 4, 4, 0)
    assert said["records"] == sum(len(node.lines) for node in fleet.nodes)
    assert (said["were_missing"], said["back"]) == (missing, missing)
    assert fleet.report(f"--nodes={fleet.names},one-more").code == 4
