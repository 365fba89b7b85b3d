"""``flbrecover apply PLAN``: carry a saved plan out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flbrecover.cli import options as o


@click.command(name="apply")
@click.argument("plan_file", metavar="PLAN", type=click.Path())
@o.options(o.NODE[:1], o.STORAGE[-1:], o.ENDPOINT, o.APPLY, o.JSON)
def command(
    plan_file: str, case_dir: str | None, yes: bool, retire: bool, jobs: int, as_json: bool, **given: Any
) -> int:
    """Carry out a plan that `flbrecover diff --plan` saved, or go on with a case that was cut off (PLAN is its folder),
    then prove it by reading S3 again.

    The plan is refused when its evidence has changed before anything was done. What S3 has got since the plan was made
    is not uploaded again.
    """
    from flbrecover.cli.analysing import refuse_running
    from flbrecover.cli.applying import apply_and_prove, confirm
    from flbrecover.cli.case import opened
    from flbrecover.cli.next_step import apply_line
    from flbrecover.cli.planned import PlannedJob
    from flbrecover.cli.retiring import check_retire
    from flbrecover.errors import UsageError
    from flbrecover.recover.analysis import check_evidence
    from flbrecover.recover.case_folder import is_case
    from flbrecover.recover.retire import Retirer
    from flbrecover.report.progress import progress

    job = PlannedJob.load(plan_file, {**given, "retire": retire})
    if job.case is not None and case_dir is not None:
        raise UsageError(f"--case {case_dir}: {plan_file} is a case already, and the run is kept there")
    path = Path(case_dir) if case_dir else job.case
    is_new = path is None or not is_case(path)
    if is_new:
        check_evidence(job.plan, job.node)
    refuse_running(job.survey.agents, job.plan.agent, retire=retire)
    check_retire(job, retire=retire, planned=bool(job.plan.options.get("retire")))
    if job.plan.actions:
        confirm(job.plan, yes, apply_line(plan_file, job.given), seen=False)
    with opened(job, path) as case:
        case.save_plan(job.plan)
        if not is_new and not case.journal.finished(job.plan):
            check_evidence(job.plan, job.node, aside=Retirer(job.node, case.folder).paths())
        case.manifest.take(job.survey, progress)
        return case.ended(apply_and_prove(job, job.plan, None, case, jobs=jobs, retire=retire, as_json=as_json))
