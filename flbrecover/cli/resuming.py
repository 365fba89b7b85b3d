"""What a command does with a case that holds a plan already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flbrecover.cli.analysing import options_of_call
from flbrecover.cli.job import Job
from flbrecover.cli.values import sources_of
from flbrecover.errors import UsageError
from flbrecover.fluentbit.interpret import sections_to_json

if TYPE_CHECKING:
    from flbrecover.cli.case import Case
    from flbrecover.model import Agent
    from flbrecover.reconcile.plan import Plan


def plan_to_go_on_with(case: Case | None, job: Job, agent: Agent) -> Plan | None:
    """The plan that the case holds, None where it holds none yet, or one that was made while S3 kept something back: it
    is made anew. Raises UsageError for one that was made for another question: the same command goes on, another one
    needs a case of its own."""
    plan = None if case is None else case.settled_plan
    if case is None or plan is None:
        return None
    differs = {
        "--agent": plan.agent != agent,
        "--sources": plan.sources != sources_of(job.given.get("sources")),
        "configuration": list(plan.sections) != list(sections_to_json(job.pipeline.sections)),
        "options": dict(plan.options) != options_of_call(job).to_plan(),
    }
    if any(differs.values()):
        what = ", ".join(name for name, is_so in differs.items() if is_so)
        raise UsageError(
            f"--case {case.path}: its plan was made for another call ({what}); go on with it by "
            f"`{case.apply_line}`, or name a new folder"
        )
    return plan
