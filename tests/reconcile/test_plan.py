"""The plan file: it survives a round trip, and nothing but itself."""

from __future__ import annotations

import json

import pytest

from flbrecover.errors import PlanError
from flbrecover.model import ByteRange, UploadPart
from flbrecover.reconcile.plan import (
    Additions,
    CompleteUpload,
    Dates,
    Piece,
    Plan,
    PutRecords,
    Relied,
    checksum,
    from_json,
    to_json,
)

PIECE = Piece(
    "/f", "log", (ByteRange(0, 5), ByteRange(9, 12)), 2, 3, "/l", (Dates(2, 1, 8, 0, 2),), (ByteRange(9, 10),)
)
PLAN = Plan(
    tool="flbrecover 0",
    created_ns=1,
    agent="gone",
    sources=("buffers", "lost"),
    since_ns=None,
    until_ns=9,
    sections=({"kind": "service", "properties": []},),
    evidence=(Relied("/var/log/\udcff", 10, "ab"),),
    actions=(
        CompleteUpload(1, 0, "b", "k", "id", (UploadPart(1, "e", None), UploadPart(2, "f", 7)), "why"),
        PutRecords(
            2, 0, "b", "t", "k2",
            (PIECE,),
            2, 8, "cd", 1, 8, "why", True, Additions((("a", "1"),), (("b", '{"x":"é"}'),), ("c",), 4), ("id",),
        ),
    ),
    options={"assume_kept": False},
)  # fmt: skip


def test_round_trip() -> None:
    assert from_json(to_json(PLAN), "p") == PLAN


def test_an_edited_plan_is_refused() -> None:
    edited = to_json(PLAN).replace('"k2"', '"k3"')
    with pytest.raises(PlanError, match=r"^p: its checksum does not match"):
        from_json(edited, "p")


def test_a_plan_of_another_version_is_refused() -> None:
    body = json.loads(to_json(PLAN)) | {"version": 99}
    with pytest.raises(PlanError, match=r"version 99"):
        from_json(json.dumps(body), "p")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"type":"plan"}', "[" * 100_000, '"plan"'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"^p: "):
        from_json(text, "p")


def test_estimated_dates_lie_between_the_known_times() -> None:
    dates = Dates(3, 100, 200, 0, 4)
    assert [dates.of(i) for i in range(3)] == [120, 140, 160]
    assert Dates(1, 100, 200, 3, 4).of(0) == 180


def test_numbers_that_are_none() -> None:
    """What an edited plan with a checksum of its own may say (found by tests.soak.fuzz)."""
    body = json.loads(to_json(PLAN).replace('"created_ns": 1', '"created_ns": 1e999'))
    body.pop("sha256")
    with pytest.raises(PlanError, match=r"^p: a plan with a field missing or of the wrong kind"):
        from_json(json.dumps(body | {"sha256": checksum(body)}), "p")
