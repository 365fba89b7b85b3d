"""Every JSON line of every command is as docs/json-output.schema.json says, and the schema says nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from case_builder import CaseBuilder, Tag
from cases import config, load, unpack
from command import Ended, flbrecover
from fleet.results import recovered, run

DOCS = Path(__file__).parent.parent.parent / "docs"
OF_A_CASE = {"case", "run", "journal", "manifest", "retired", "before", "after"}
OF_A_FLEET = {"fleet_node", "fleet_summary"}
HOSTPATH = DOCS.parent / "fixtures" / "audit" / "hostpath.yaml"
SCHEMA = json.loads((DOCS / "json-output.schema.json").read_text())
TYPES = {ref["$ref"].rpartition("/")[2] for ref in SCHEMA["oneOf"]}
VALIDATORS = {
    kind: jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}) for kind in TYPES
}


def check(ended: Ended) -> set[str]:
    """Every line against the definition of its type; gives the types that were there."""
    assert "Traceback" not in ended.err
    for line in ended.out.splitlines():
        assert line.isascii()
    lines = ended.lines
    for line in lines:
        VALIDATORS[line["type"]].validate(line)
    return {line["type"] for line in lines}


def test_the_schema_is_one_and_tells_lines_apart() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    proof = {"type": "proof", "number": 1, "ok": True, "bucket": "b", "key": "k", "records": 1, "detail": ""}
    assert validator.is_valid(proof)
    assert not validator.is_valid({"type": "proof", "number": 1})
    assert not validator.is_valid({"type": "other"})


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, weed) -> set[str]:
    """The types of all lines that all commands write on incidents that have everything."""
    types: set[str] = set()
    for name in ("kubernetes-cri", "storage-filesystem", "sigkill-multipart"):
        tmp = tmp_path_factory.mktemp(name)
        root = unpack(name, tmp)
        load(name, weed.client, root)
        node = ("--root", root, "--config", config(name))
        s3 = (*node, "--endpoint-url", weed.endpoint_url)
        plan = tmp / "plan.json"
        run: list[tuple[Any, ...]] = [
            ("tail", *node),
            ("collect", *node, "--out", tmp / "b.tar.zst", "--max-size", "60K"),
            ("buffers", *node),
            ("objects", *s3),
            ("uploads", *s3),
            ("diff", *s3, "--agent", "gone", "--plan", plan),
        ]
        if name == "kubernetes-cri":
            run += [
                ("diff", *s3),
                ("apply", plan, "--root", root, "--endpoint-url", weed.endpoint_url, "--yes"),
                ("verify", plan, "--root", root, "--endpoint-url", weed.endpoint_url),
                ("recover", *s3, "--agent", "gone", "--yes", "--retire"),
            ]
        for arguments in run:
            types |= check(flbrecover(*arguments, "--json"))
    types |= check(flbrecover("audit", HOSTPATH, "--json"))
    return types


def test_lines_of_damaged_evidence(tmp_path: Path, weed) -> None:
    root = unpack("rolling-update", tmp_path)
    load("rolling-update", weed.client, root)
    (root / "var/log/flb_test.db").write_bytes(b"garbage" * 1000)
    (root / "var/log/containers/test-web.log").unlink()
    (file,) = root.rglob("quarantine/*")
    file.write_bytes(file.read_bytes()[:9000])
    (root / "var/log/s3/temp/my-bucket/odd\udce9name").write_bytes(b"")
    node = ("--root", root, "--config", config("rolling-update"))
    for arguments in (("tail",), ("buffers",), ("diff", "--endpoint-url", weed.endpoint_url)):
        ended = flbrecover(*arguments, *node, "--json")
        assert ended.code == 4
        assert "problem" in check(ended)


def test_gone_bytes_and_gaps(tmp_path: Path, moto_bucket) -> None:
    root = unpack("rolling-update", tmp_path)
    (root / "var/log/containers/test-web.log").unlink()
    assert "gone" in check(flbrecover("tail", "--root", root, "--config", config("rolling-update"), "--json"))
    for day in (20, 23):
        moto_bucket.put(f"fluent-bit-logs/t/2026/11/{day}/00/00/00-objectAAAAAAAA")
    arguments = ("--bucket", moto_bucket.name, "--endpoint-url", moto_bucket.server.endpoint_url)
    assert "gap" in check(flbrecover("objects", *arguments, "--since", "2026-11-01", "--json"))


def test_the_data_of_a_case(tmp_path: Path) -> None:
    folder = CaseBuilder([Tag("app", missing=range(9), recovered=range(9))], retired=True).write(tmp_path / "case")
    assert check(flbrecover("report", folder, "--format", "json")) == OF_A_CASE


def test_the_data_of_a_fleet(tmp_path: Path) -> None:
    run(tmp_path, "a", recovered())
    run(tmp_path, "b", None, ended=False)
    assert check(flbrecover("fleet", "report", tmp_path, "--format", "json")) == OF_A_FLEET | {"problem"}


def test_every_type_of_the_schema_is_written_by_some_command(seen: set[str]) -> None:
    # gone and gap are in the test above; an agent is a running Fluent Bit, see tests/evidence/test_processes.py
    assert seen | OF_A_CASE | OF_A_FLEET | {"gone", "gap", "agent"} == TYPES


def test_the_page_names_every_type() -> None:
    page = (DOCS / "json-output.md").read_text()
    assert {kind for kind in TYPES if f"`{kind}`" not in page} == set()
