"""What ``diff``, ``recover``, ``apply`` and ``verify`` have in common."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flbrecover.cli.options import Job, sources_of, times_of
from flbrecover.errors import AgentRunningError, EvidenceError
from flbrecover.recover.analysis import Analysis, analyse, make_plan
from flbrecover.recover.options import Options
from flbrecover.recover.planning import Choice
from flbrecover.recover.watch import Watch
from flbrecover.report.progress import progress

if TYPE_CHECKING:
    from flbrecover.model import Agent
    from flbrecover.reconcile.plan import Plan

WATCH: Watch = progress


def options_of_call(job: Job) -> Options:
    return Options(
        *times_of(job.given),
        assume_kept=bool(job.given.get("assume_kept")),
        plain_lines=bool(job.given.get("plain_lines")),
        take_ambiguous=job.given.get("ambiguous") != "upload",
        upload_ids=tuple(job.given.get("upload_ids") or ()),
    )


def analyse_job(job: Job) -> Analysis:
    """Reads the evidence and compares it with S3, as the options of a call ask for."""
    job.need_outputs()
    options = options_of_call(job)
    survey = job.survey
    if not survey.buffers and not survey.uploads and not survey.logs and not survey.dbs:
        looked = sorted({h.path for h in survey.homes} | {p for i in job.pipeline.inputs for p in i.paths})
        raise EvidenceError(f"{job.node.root}: no evidence found; looked for {', '.join(looked)}; check --root")
    return analyse(survey, job.connect, options, WATCH)


def plan_for(job: Job, analysis: Analysis, agent: Agent) -> tuple[Plan, dict[str, int]]:
    """The plan for one answer to ``--agent``, and what it leaves alone."""
    choice = Choice(agent, sources_of(job.given.get("sources")))
    return make_plan(analysis, choice, time.time_ns())


def refuse_running(job: Job, agent: Agent) -> None:
    """Raises AgentRunningError for ``--agent gone`` while a Fluent Bit holds this evidence open."""
    agents = job.survey.agents
    if agent == "gone" and agents:
        running = agents[0]
        raise AgentRunningError(
            f"Fluent Bit is running (pid {running.pid}, {running.comm}) and has {running.holds[0]} open; "
            "stop it, or say --agent returning"
        )


def exit_code(analysis: Analysis, *, left: int) -> int:
    """4 where evidence could not be read, else 3 where records are missing, else 0."""
    if analysis.failed or any(p.unreadable for p in analysis.problems):
        return 4
    return 3 if left else 0
