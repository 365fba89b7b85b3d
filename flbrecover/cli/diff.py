"""``flbrecover diff``: the states of all records, and what a recovery would do."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flbrecover.cli import options as o
from flbrecover.cli.job import Job

if TYPE_CHECKING:
    from flbrecover.model import Agent
    from flbrecover.reconcile.plan import Plan


@click.command(name="diff")
@o.options(o.NODE, o.INPUT, o.STORAGE, o.OUTPUT, o.ENDPOINT, o.WINDOW, o.COMPARE, o.AGENT, o.CASE, o.JSON)
@click.option("--plan", "plan_file", type=click.Path(dir_okay=False), help="Save the plan (needs --agent).")
@click.option(
    "--file", "log_file", metavar="PATH",
    help="Show the byte ranges of this log or buffer file only; --json has those of all.",
)  # fmt: skip
@click.option("--files", is_flag=True, help="Show every file, not only tags.")
def command(
    plan_file: str | None, log_file: str | None, files: bool, case_dir: str | None, as_json: bool, **given: Any
) -> int:
    """Compare the node's evidence with S3 and show where every record is. Changes nothing, anywhere; with --case the
    answer is kept there, with --agent also the plan.

    Exit codes: 0 nothing missing, 3 records missing, 4 some evidence could not be read.
    """
    from flbrecover.cli import show
    from flbrecover.cli.analysing import analyse_job, exit_code, plan_for, with_problems
    from flbrecover.cli.case import opened
    from flbrecover.cli.next_step import apply_line
    from flbrecover.errors import UsageError
    from flbrecover.recover.case_folder import BEFORE
    from flbrecover.report.progress import progress

    if plan_file and not given["agent"]:
        raise UsageError("--plan needs --agent gone or --agent returning: a plan is for one of the two")
    if plan_file == "-":
        raise UsageError("--plan -: a plan is kept in a file; name one (standard output has the answer already)")
    if log_file is not None and as_json:
        raise UsageError("--file and --json: choose one; --json has the ranges of every file, in lines of type stretch")
    job = Job(given)
    job.need_all()
    with opened(job, Path(case_dir)) if case_dir else nullcontext() as case:
        if case is not None:
            case.manifest.take(job.survey, progress)
        analysis = analyse_job(job, () if case is None else case.journal.completed_uploads())
        if case is not None:
            analysis = with_problems(analysis, case.manifest.check(job.survey, progress))
        agents: tuple[Agent, ...] = (given["agent"],) if given["agent"] else ("gone", "returning")
        plans = [plan_for(job, analysis, agent) for agent in agents]
        if case is not None:
            if given["agent"]:
                case.save_plan(plans[0][0], provisional=analysis.unanswered)
            case.save_lines(BEFORE, lambda file: show.diff_json(file, analysis, plans))
        if plan_file:
            save(Path(plan_file), plans[0][0])
        if as_json:
            show.diff_json(sys.stdout, analysis, plans)
        else:
            show.diff_text(sys.stdout, analysis, plans, log_file=log_file, files=files)
            if plan_file:
                click.echo(err=True)
                show.say(f"plan saved; carry it out with: {apply_line(plan_file, given)}")
        code = exit_code(analysis, left=analysis.totals().missing + analysis.gone_ranges)
        return code if case is None else case.ended(code)


def save(path: Path, plan: Plan) -> None:
    """Writes a plan file; a half-written one never stands under its name."""
    from flbrecover.errors import UsageError
    from flbrecover.reconcile.plan import to_json
    from flbrecover.recover.whole_file import whole_file

    try:
        with whole_file(path, "ascii") as file:
            file.write(to_json(plan))
    except OSError as e:
        raise UsageError(f"--plan {path}: {e.strerror}; name another file") from e
