"""``flbrecover recover``: diff, plan, ask, apply, verify."""

from __future__ import annotations

import sys
from typing import Any

import click

from flbrecover.cli import options as o


@click.command(name="recover")
@o.options(o.NODE, o.INPUT, o.STORAGE, o.OUTPUT, o.ENDPOINT, o.WINDOW, o.COMPARE, o.AGENT, o.JSON)
@click.option("--dry-run", is_flag=True, help="Stop after the plan.")
@click.option("--yes", is_flag=True, help="Do not ask before uploading.")
def command(dry_run: bool, yes: bool, as_json: bool, **given: Any) -> int:
    """Find what is missing in S3, show the plan, ask, upload it once, and prove it by reading S3 again.

    Running it again changes nothing. Exit codes: 0 all recovered and verified, 3 records still missing, 4 some
    evidence could not be read, 1 failure.
    """
    from flbrecover.cli import show
    from flbrecover.cli.analysing import analyse_job, exit_code, plan_for, refuse_running
    from flbrecover.cli.applying import agent_of, apply_and_prove, confirm

    job = o.Job(given)
    job.need_outputs()
    agent = agent_of(given["agent"])
    refuse_running(job, agent)
    analysis = analyse_job(job)
    plan, left = plan_for(job, analysis, agent)
    if as_json:
        show.diff_json(sys.stdout, analysis, [(plan, left)])
    else:
        show.diff_text(sys.stdout, analysis, [(plan, left)], log_file=None, files=False)
    if dry_run:
        show.say("dry run: nothing was uploaded")
        return exit_code(analysis, left=len(plan.actions) + analysis.gone_ranges)
    if plan.actions:
        confirm(plan, yes)
    return apply_and_prove(job, plan, analysis, as_json=as_json)
