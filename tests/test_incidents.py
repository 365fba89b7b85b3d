"""Every captured incident, recovered through the command line over HTTP and judged by records.

``fixtures/cases`` and ``fixtures/incidents`` are what a real Fluent Bit left behind, with the truth of what the
applications wrote. After `recover`, every line that can be in S3 is there once; a second `recover` adds nothing; the
node is as it was.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import footprint, keys, remove
from command import flbrecover
from judge import Case, Scope, Verdict
from servers import Server

from flbrecover.demo import incident

FIXTURES = Path(__file__).parent.parent / "fixtures"
CASES = sorted(p.parent for p in FIXTURES.glob("*/*/case.json"))
SOURCES = {"buffers": ["--sources", "buffers,uploads"], "all": []}
NOTHING_WRONG = Verdict([], [], [], [], {})

# Provably gone records are missing records: docs/exit-codes.md.
GONE = {("inode-reused", "all"): 3}


@pytest.mark.parametrize("scope", ["buffers", "all"])
@pytest.mark.parametrize("folder", CASES, ids=lambda p: p.name)
def test_recover(folder: Path, scope: Scope, moto: Server, tmp_path: Path) -> None:
    case = Case(folder)
    s3 = moto.connect().client
    for bucket in case.facts["buckets"]:
        remove(s3, bucket)
    node = incident.unpack(folder, tmp_path)
    incident.load(folder, node, s3)
    before = footprint(node)
    arguments = [
        "recover", "--root", node, "--config", f"/{case.facts['config']}", "--endpoint-url", moto.endpoint_url,
        "--agent", "gone", "--yes", "--json", *SOURCES[scope],
    ]  # fmt: skip

    ended = flbrecover(*arguments, environment=case.facts.get("environment"))

    assert case.judge(s3, scope) == NOTHING_WRONG
    expected = GONE.get((folder.name, scope), case.facts.get("exit_codes", [0])[0])
    assert (ended.code, ended.of_type("verdict")[0]["missing"]) == (expected, 0)
    stored = {bucket: keys(s3, bucket) for bucket in case.facts["buckets"]}
    if scope == "all":
        again = flbrecover(*arguments, environment=case.facts.get("environment"))
        assert again.code == expected
        assert again.of_type("action") == []
        assert {bucket: keys(s3, bucket) for bucket in case.facts["buckets"]} == stored
    assert footprint(node) == before
