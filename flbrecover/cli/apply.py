"""``flbrecover apply PLAN``: carry a saved plan out."""

from __future__ import annotations

from typing import Any

import click

from flbrecover.cli import options as o


@click.command(name="apply")
@click.argument("plan_file", metavar="PLAN", type=click.Path(dir_okay=False))
@o.options(o.NODE[:1], o.STORAGE[-1:], o.ENDPOINT, o.JSON)
@click.option("--yes", is_flag=True, help="Do not ask before uploading.")
def command(plan_file: str, yes: bool, as_json: bool, **given: Any) -> int:
    """Carry out a plan that `flbrecover diff --plan` saved, then prove it by reading S3 again.

    The plan is refused when its evidence has changed. An interrupted one goes on where it stopped.
    """
    from flbrecover.cli.analysing import refuse_running
    from flbrecover.cli.applying import apply_and_prove, confirm
    from flbrecover.cli.planned import PlannedJob
    from flbrecover.recover.apply import check_evidence

    job = PlannedJob.load(plan_file, given)
    check_evidence(job.plan, job.node)
    refuse_running(job, job.plan.agent)
    if job.plan.actions:
        confirm(job.plan, yes)
    return apply_and_prove(job, job.plan, None, as_json=as_json)
