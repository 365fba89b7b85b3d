"""--since and --until limit what is recovered, never what it is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import config, load, stored, unpack, written
from command import Ended, flbrecover
from servers import Server

CASE = "kubernetes-cri"
MIDDLE = "2026-11-23T11:39:47Z"  # some buffered records are older, some younger


@pytest.fixture
def node(tmp_path: Path, moto: Server) -> Path:
    root = unpack(CASE, tmp_path)
    load(CASE, moto.connect().client, root)
    return root


def recover(node: Path, moto: Server, *more: str) -> Ended:
    return flbrecover(
        "recover", "--root", node, "--config", config(CASE), "--endpoint-url", moto.endpoint_url, "--agent", "gone",
        "--yes", "--json", *more,
    )  # fmt: skip


def test_later_records_first_then_the_rest_is_each_record_once(node: Path, moto: Server) -> None:
    s3 = moto.connect().client
    first = recover(node, moto, "--since", MIDDLE)
    assert first.code == 0
    assert first.one("verdict")["left"] == {"outside of the window that was asked for": 80}
    assert len(stored(s3, "my-bucket")) == 1135 - 80
    rest = recover(node, moto, "--until", MIDDLE)
    assert rest.code == 0
    assert [d["outcome"] for d in rest.of_type("done")] == ["written", "written"]
    there = stored(s3, "my-bucket")
    assert set(there) == set(written(CASE))
    assert set(there.values()) == {1}
    assert recover(node, moto).of_type("done") == []


def test_records_that_are_stored_are_not_missing_because_the_window_is_narrow(node: Path, moto: Server) -> None:
    ended = recover(node, moto, "--since", "2026-11-23T11:39:49Z", "--dry-run")
    assert ended.one("summary")["states"]["stored"] == 720


def test_what_lies_outside_is_not_called_lost(node: Path, moto: Server, tmp_path: Path) -> None:
    """Its objects were not looked at."""
    ended = recover(node, moto, "--since", "2026-11-24T00:00:00Z", "--case", tmp_path / "case")
    assert ended.code == 0
    assert ended.one("summary")["states"] == {"not looked for": 1135}
    assert ended.one("summary")["missing"] == 0
    assert ended.one("verdict")["left"] == {"outside of the window that was asked for": 1135}
    said = flbrecover("report", tmp_path / "case", "--format", "markdown").text
    assert "0 of 1,135 records of the evidence were in S3 already; 1,135 lie outside of the window" in said
    assert said.startswith("**Nothing was missing, in the window that was asked for.**")
    assert "missing from S3" not in said
