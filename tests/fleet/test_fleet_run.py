"""One node of a fleet: recovered, and its results in S3, over real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import config, footprint, keys, load, stored, unpack, written
from command import Ended, flbrecover, one_line

from flbrecover.fleet.facts import from_json, is_attempt, new_attempt

NAME = "sigkill-put-gzip"
TO = "s3://results/fleet/case-1"


@pytest.fixture
def node(tmp_path: Path, moto) -> Path:
    root = unpack(NAME, tmp_path)
    load(NAME, moto.client, root)
    if "results" in {b["Name"] for b in moto.client.list_buckets()["Buckets"]}:
        for key in keys(moto.client, "results"):
            moto.client.delete_object(Bucket="results", Key=key)
    else:
        moto.client.create_bucket(Bucket="results")
    return root


def run(moto, root: Path, *, to: str = f"{TO}/node-1/", name: str = "node-1", more: tuple[object, ...] = ()) -> Ended:
    url = ("--endpoint-url", moto.endpoint_url)
    recover = ("--root", root, "--config", config(NAME), *url, "--agent", "gone", *more)
    return flbrecover("fleet", "run", "--case-to", to, *url, "--", *recover, environment={"NODE_NAME": name})


def test_a_node_is_recovered_and_its_results_are_kept(node: Path, moto, tmp_path: Path) -> None:
    before = footprint(node)
    ended = run(moto, node)
    assert ended.code == 0, ended
    assert ended.one("verdict")["missing"] == 0
    assert footprint(node) == before
    assert stored(moto.client, "my-bucket") == dict.fromkeys(written(NAME), 1)
    found = keys(moto.client, "results")
    (folder,) = {key.rpartition("/")[0] for key in found}
    names = ("after.jsonl", "before.jsonl", "facts.json", "plan.json", "started.json")
    assert found == [f"{folder}/{name}" for name in names] and folder.startswith("fleet/case-1/node-1/")
    facts = from_json(moto.client.get_object(Bucket="results", Key=f"{folder}/facts.json")["Body"].read())
    assert (facts.node, facts.exit_code, facts.missing, facts.buckets) == ("node-1", 0, 0, ("my-bucket",))
    assert facts.records == len(written(NAME))


def test_a_pod_that_is_started_again_has_one_result(node: Path, moto) -> None:
    """Killed once after its recovery, before its results were whole; then again after they were."""
    assert run(moto, node).code == 0
    facts = next(key for key in keys(moto.client, "results") if key.endswith("facts.json"))
    moto.client.delete_object(Bucket="results", Key=facts)
    assert [run(moto, node).code for _ in range(2)] == [0, 0]
    assert stored(moto.client, "my-bucket") == dict.fromkeys(written(NAME), 1)
    ended = flbrecover("fleet", "report", TO, "--format", "json", "--endpoint-url", moto.endpoint_url)
    said = ended.one("fleet_node")
    assert (ended.code, said["runs"], said["records"], said["status"]) == (0, 3, len(written(NAME)), "complete")


def test_runs_of_one_second_keep_their_order() -> None:
    names = [new_attempt() for _ in range(200)]
    assert names == sorted(names) and all(map(is_attempt, names))


def test_a_recovery_that_fails_leaves_its_exit_code(node: Path, moto) -> None:
    ended = run(moto, node, more=("--bucket", "not-there"))
    assert ended.code in (1, 4)
    report = flbrecover("fleet", "report", TO, "--format", "json", "--endpoint-url", moto.endpoint_url)
    assert (report.code, report.one("fleet_node")["exit_code"]) == (ended.code, ended.code)


def test_where_the_job_may_not_mount_the_host(node: Path, moto, tmp_path: Path) -> None:
    ended = run(moto, tmp_path / "host")
    assert ended.code == 2
    (said,) = (one for one in ended.err.splitlines() if not one.startswith("note: "))
    assert said == f"flbrecover: --root {tmp_path / 'host'}: no such directory"
    report = flbrecover("fleet", "report", TO, "--format", "json", "--endpoint-url", moto.endpoint_url)
    assert (report.code, report.one("fleet_node")["exit_code"]) == (1, 2)


def test_nothing_is_recovered_where_the_results_could_not_be_kept(node: Path, moto) -> None:
    before = keys(moto.client, "my-bucket")
    ended = run(moto, node, to="s3://not-there/case-1/node-1/")
    assert ended.code == 1 and "s3://not-there" in one_line(ended)
    assert keys(moto.client, "my-bucket") == before


@pytest.mark.parametrize(
    ("to", "name", "said"),
    [(f"{TO}/node-2/", "node-1", "its last part is not this node (node-1)"), (f"{TO}/x/", "../x", "no name of a node"),
     ("results/x/node-1", "node-1", "s3://BUCKET/PREFIX/")],
)  # fmt: skip
def test_what_cannot_be_used(node: Path, moto, to: str, name: str, said: str) -> None:
    ended = run(moto, node, to=to, name=name)
    assert ended.code == 2 and said in one_line(ended)
    assert keys(moto.client, "results") == []
