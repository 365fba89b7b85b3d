"""Files that a plan relies on."""

from __future__ import annotations

import pytest

from flbrecover.errors import PlanError
from flbrecover.evidence.node import Node
from flbrecover.fluentbit.pipeline import Pipeline, Service
from flbrecover.model import ByteRange
from flbrecover.reconcile.plan import Piece, Plan, PutRecords, Relied
from flbrecover.recover.analysis import check_evidence, relied_on
from flbrecover.recover.survey import Survey

BROKEN = "/proc/self/mem"  # reading its first byte gives EIO, as a bad sector does


def test_a_file_that_cannot_be_read_any_more_is_not_relied_on() -> None:
    piece = Piece(BROKEN, "log", (ByteRange(0, 10),), 1)
    action = PutRecords(1, 0, "logs", "app", "k", (piece,), 1, 10, "0" * 64, 0, 0, "lost: only in the log")
    pipeline = Pipeline(Service(), (), (), ())
    survey = Survey(Node("/"), pipeline, (), (), (), (), (), (), (), (), ())
    assert relied_on(survey, [action]) == ([], {BROKEN})


def test_a_file_that_cannot_be_read_any_more_refuses_the_plan() -> None:
    plan = Plan("flbrecover", 0, "gone", (), None, None, (), (Relied(BROKEN, 10, "0" * 64),), ())
    with pytest.raises(PlanError, match="/proc/self/mem: reading it failed: Input/output error: the plan relies on"):
        check_evidence(plan, Node("/"))
