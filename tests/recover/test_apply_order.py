"""In which order actions are carried out: those of one tag as the plan has them, first the tag with most of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from faults.incidents import BUCKET, SmallIncident
from servers import Server

from flbrecover.cli.job import Job
from flbrecover.reconcile.plan import Action, CompleteUpload, Plan
from flbrecover.recover import apply
from flbrecover.recover.apply import Apply
from flbrecover.recover.done import Done


class Noted:
    """A journal that keeps what began together."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []

    def note(self, _ended: Sequence[Done], started: Sequence[Action]) -> None:
        self.begun += [[action.key for action in started]] if started else []

    def withdraw(self, never_begun: Sequence[Action]) -> None:
        assert not never_begun

    def finished(self, _plan: Plan) -> dict[int, Done]:
        return {}


def test_what_is_left_most_of_goes_first(small: SmallIncident, moto: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the longest would be alone at the end, one request at a time."""
    small.load()
    job = Job({"root": small.root, "config": "/etc/fluent-bit.conf", "endpoint_url": moto.endpoint_url})
    output = job.pipeline.outputs[0].number
    keys = ["short", "long", "middle", "long", "middle", "long", "long"]
    actions = [CompleteUpload(n, output, BUCKET, key, f"upload-{n}", (), "") for n, key in enumerate(keys, 1)]
    carried_out: list[int] = []

    def completed(_s3: object, action: CompleteUpload) -> Done:
        carried_out.append(action.number)
        return Done(action, "completed", action.key)

    monkeypatch.setattr(apply, "complete", completed)
    journal = Noted()
    run = Apply(job.survey, job.connect, plain_lines=False, plan_id="", tool="", journal=journal, jobs=1)
    assert [done.action.number for done in run.run(actions)] == [1, 2, 3, 4, 5, 6, 7]
    assert [" ".join(some) for some in journal.begun] == ["long", "long", "long", "middle", "middle", "long", "short"]
    assert [n for n in carried_out if keys[n - 1] == "long"] == [2, 4, 6, 7]
