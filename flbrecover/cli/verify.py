"""``flbrecover verify PLAN``: read S3 again and prove every record of a plan."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from flbrecover.cli import options as o


@click.command(name="verify")
@click.argument("plan_file", metavar="PLAN", type=click.Path())
@o.options(o.NODE[:1], o.STORAGE[-1:], o.ENDPOINT, o.JSON)
def command(plan_file: str, as_json: bool, **given: Any) -> int:
    """Read every object of a plan (a plan file or a case folder) back and compare it with what was planned, then
    compare the whole evidence with S3 again. Changes nothing.

    Exit codes: 0 all there, 3 records missing, 4 some evidence could not be read.
    """
    from flbrecover.cli import show
    from flbrecover.cli.analysing import need_evidence
    from flbrecover.cli.applying import proved
    from flbrecover.cli.planned import PlannedJob
    from flbrecover.recover.analysis import analyse
    from flbrecover.recover.recovery import options_of, prove_puts
    from flbrecover.report.progress import progress

    job = PlannedJob.load(plan_file, given)
    need_evidence(job)
    bad = 0
    # What an upload held was only known once it was completed: objects planned to follow one may differ.
    certain = tuple(put for put in job.plan.puts if not put.after_uploads)
    for proof in prove_puts(certain, job.pipeline.outputs, job.connect):
        bad += not proof.ok
        if as_json:
            show.proof_json(sys.stdout, proof)
        else:
            show.proof_text(sys.stdout, proof)
    after = analyse(job.survey, job.connect, options_of(job.plan, time.time_ns()), progress)
    code = proved(after, job.plan, as_json=as_json)
    if bad and code == 0:
        show.say(
            f"note: {show.count(bad, 'object')} of the plan not proved, and not needed: other objects hold the records"
        )
    return code
