"""``flbrecover recover``: diff, plan, ask, apply, verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flbrecover.cli import options as o
from flbrecover.cli.job import Job

if TYPE_CHECKING:
    from flbrecover.cli.case import Case
    from flbrecover.model import Agent


@click.command(name="recover")
@o.options(o.NODE, o.INPUT, o.STORAGE, o.OUTPUT, o.ENDPOINT, o.WINDOW, o.COMPARE, o.AGENT, o.APPLY, o.JSON)
@click.option("--dry-run", is_flag=True, help="Stop after the plan.")
def command(case_dir: str | None, dry_run: bool, yes: bool, jobs: int, as_json: bool, **given: Any) -> int:
    """Find what is missing in S3, show the plan, ask, upload it once, and prove it by reading S3 again.

    Plan, journal and both comparisons are kept in a case folder. Running it again changes nothing; with the --case of
    a run that was cut off it goes on where that one stopped. Exit codes: 0 all recovered and verified, 3 records still
    missing, 4 some evidence could not be read, 1 failure.
    """
    from flbrecover.cli.analysing import refuse_running
    from flbrecover.cli.applying import agent_of
    from flbrecover.cli.case import opened
    from flbrecover.cli.retiring import check_retire

    job = Job(given)
    job.need_all()
    agent = agent_of(given["agent"])
    refuse_running(job.survey.agents, agent, retire=given["retire"])
    check_retire(job, retire=given["retire"], planned=False)
    if dry_run and case_dir is None:
        return _recover(job, agent, None, dry_run=True, yes=yes, jobs=jobs, as_json=as_json)
    with opened(job, Path(case_dir) if case_dir else None) as case:
        return case.ended(_recover(job, agent, case, dry_run=dry_run, yes=yes, jobs=jobs, as_json=as_json))


def _recover(job: Job, agent: Agent, case: Case | None, *, dry_run: bool, yes: bool, jobs: int, as_json: bool) -> int:
    from flbrecover.cli import show
    from flbrecover.cli.analysing import analyse_job, exit_code, plan_for
    from flbrecover.cli.applying import apply_and_prove, confirm
    from flbrecover.cli.resuming import plan_to_go_on_with
    from flbrecover.recover.case_folder import BEFORE
    from flbrecover.report.progress import progress

    retire = bool(job.given["retire"])
    held = plan_to_go_on_with(case, job, agent)
    if case is not None and held is not None and not dry_run:
        show.say(f"note: going on with plan {held.id} of this case")
        case.manifest.take(job.survey, progress)
        if held.actions:
            confirm(held, yes, case.apply_line, seen=False)
        return apply_and_prove(job, held, None, case, jobs=jobs, retire=retire, as_json=as_json)
    if case is not None:
        case.manifest.take(job.survey, progress)
    analysis = analyse_job(job, () if case is None else case.journal.completed_uploads())
    plan, left = plan_for(job, analysis, agent)
    if as_json:
        show.diff_json(sys.stdout, analysis, [(plan, left)])
    else:
        show.diff_text(sys.stdout, analysis, [(plan, left)], log_file=None, files=False)
    if case is not None and held is None:
        case.save_lines(BEFORE, lambda file: show.diff_json(file, analysis, [(plan, left)]))
        case.save_plan(plan, provisional=analysis.unanswered)
    if dry_run or case is None:
        show.say("dry run: nothing was uploaded")
        return exit_code(analysis, left=len(plan.actions) + analysis.gone_ranges)
    if plan.actions:
        confirm(plan, yes, case.apply_line, seen=True)
    return apply_and_prove(job, plan, analysis, case, jobs=jobs, retire=retire, as_json=as_json)
