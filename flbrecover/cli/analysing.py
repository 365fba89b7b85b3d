"""What ``diff``, ``recover``, ``apply`` and ``verify`` have in common."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flbrecover.cli.job import Job
from flbrecover.cli.values import key_formats_of, memory_of, sources_of, times_of
from flbrecover.errors import AgentRunningError, EvidenceError
from flbrecover.model import Problem
from flbrecover.recover.analysis import Analysis, analyse, make_plan
from flbrecover.recover.live import changed
from flbrecover.recover.options import Options
from flbrecover.recover.planning import Choice
from flbrecover.report.progress import progress

if TYPE_CHECKING:
    from flbrecover.evidence.processes import RunningAgent
    from flbrecover.model import Agent
    from flbrecover.reconcile.plan import Plan
    from flbrecover.recover.uploads import UploadCase


def options_of_call(job: Job) -> Options:
    return Options(
        *times_of(job.given),
        assume_kept=bool(job.given.get("assume_kept")),
        plain_lines=bool(job.given.get("plain_lines")),
        take_ambiguous=job.given.get("ambiguous") != "upload",
        upload_ids=tuple(job.given.get("upload_ids") or ()),
        retire=bool(job.given.get("retire")),
        full_proof=job.given.get("proof") == "full",
        max_memory=memory_of(job.given),
        former_key_formats=key_formats_of(job.given),
    )


def analyse_job(job: Job, completed: Collection[str] = ()) -> Analysis:
    """Reads the evidence and compares it with S3, as the options of a call ask for. ``completed`` are uploads that the
    case has completed already."""
    job.need_outputs()
    need_evidence(job)
    options = options_of_call(job)
    survey = job.survey
    analysis = analyse(survey, job.connect, options, progress)
    known = {problem.path for problem in analysis.problems if problem.unreadable}
    found = [problem for problem in changed(survey) if problem.path not in known]
    return with_problems(analysis, [*map(_running_note, survey.agents), *found, *unknown_uploads(analysis, completed)])


def _running_note(agent: RunningAgent) -> Problem:
    what = (
        f"Fluent Bit is running (pid {agent.pid}, {agent.comm}) and has it open: what it is about to send looks missing"
    )
    return Problem(agent.holds[0], what, way_out="stop it for --agent gone, or say --agent returning", unreadable=False)


def unknown_uploads(analysis: Analysis, completed: Collection[str]) -> list[Problem]:
    """The upload ids of the call that no upload has, where S3 has told all that it has."""
    if analysis.failed or any(output.unanswered for output in analysis.outputs):
        return []
    uploads = [upload for output in analysis.outputs for upload in output.uploads]
    way_out = "mistyped, or completed or aborted since; `flbrecover uploads` lists those that are pending"
    return not_pending(analysis.options.upload_ids, uploads, completed, way_out)


def not_pending(
    named: Collection[str], uploads: Iterable[UploadCase], completed: Collection[str] = (), way_out: str = ""
) -> list[Problem]:
    unknown = set(named) - {upload.upload_id for upload in uploads} - set(completed)
    return [Problem(upload_id, "no pending upload has this id", way_out=way_out) for upload_id in sorted(unknown)]


def need_evidence(job: Job) -> None:
    """Raises EvidenceError where nothing of what the configuration names is there."""
    survey = job.survey
    if not survey.buffers and not survey.uploads and not survey.logs and not survey.dbs:
        looked = sorted({h.path for h in survey.homes} | {p for i in job.pipeline.inputs for p in i.paths})
        way_out = f"check --root{job.without_config}"
        raise EvidenceError(f"{job.node.root}: no evidence found; looked for {', '.join(looked)}; {way_out}")


def with_problems(analysis: Analysis, problems: Iterable[Problem]) -> Analysis:
    """The analysis with problems that were found later."""
    survey = analysis.survey
    return replace(analysis, survey=replace(survey, problems=(*survey.problems, *problems)))


def plan_for(job: Job, analysis: Analysis, agent: Agent) -> tuple[Plan, dict[str, int]]:
    """The plan for one answer to ``--agent``, and what it leaves alone."""
    choice = Choice(agent, sources_of(job.given.get("sources")), analysis.options.retire)
    return make_plan(analysis, choice, time.time_ns())


def refuse_running(running: Sequence[RunningAgent], agent: Agent, *, retire: bool = False, said: str = "") -> None:
    """Raises AgentRunningError while a Fluent Bit holds this evidence open, for ``--agent gone`` and for ``--retire``,
    which would take files away under its hands. ``said`` comes before the way out."""
    if running and (agent == "gone" or retire):
        way_out = "stop it first: --retire moves its files" if retire else "stop it, or say --agent returning"
        raise running_error(running[0], said + way_out)


def running_error(agent: RunningAgent, way_out: str) -> AgentRunningError:
    return AgentRunningError(
        f"Fluent Bit is running (pid {agent.pid}, {agent.comm}) and has {agent.holds[0]} open; {way_out}"
    )


def exit_code(analysis: Analysis, *, left: int) -> int:
    """4 where evidence could not be read, else 3 where records are missing, else 0."""
    if analysis.failed or any(p.unreadable for p in analysis.problems):
        return 4
    return 3 if left else 0
