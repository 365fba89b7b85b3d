"""What ``recover`` and ``apply`` have in common: the question, the uploads, the proof."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from flbrecover.cli import show
from flbrecover.cli.analysing import exit_code, refuse_running, unknown_uploads, with_problems
from flbrecover.cli.job import Job
from flbrecover.cli.retiring import retire_stored
from flbrecover.errors import DeclinedError, UsageError
from flbrecover.model import Problem
from flbrecover.reconcile.plan import Plan
from flbrecover.recover.analysis import Analysis, analyse, make_plan
from flbrecover.recover.case_folder import AFTER
from flbrecover.recover.planning import NEEDS
from flbrecover.recover.recovery import carry_out, choice_of, gone_again, options_of
from flbrecover.recover.survey import running_agents
from flbrecover.report import jsonl, problems
from flbrecover.report import states as states_report
from flbrecover.report.progress import progress

if TYPE_CHECKING:
    from flbrecover.cli.case import Case
    from flbrecover.evidence.processes import RunningAgent
    from flbrecover.model import Agent

FILTERED = (
    "They are not stored, and not counted as missing: a filter may have dropped them on purpose. "
    "Where it did not, --assume-kept recovers them."
)


def agent_of(said: Agent | None) -> Agent:
    """``--agent``, asked for on a terminal and refused without one."""
    if said is not None:
        return said
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("--agent gone or --agent returning is needed: will Fluent Bit come back on this node?")
    back = click.confirm("Will Fluent Bit come back on this node and use its DB and buffers again?", err=True)
    return "returning" if back else "gone"


def confirm(plan: Plan, yes: bool, apply_line: str, *, seen: bool) -> None:
    """Asks before anything is written to S3; a plan that was not ``seen`` in this call is shown first. ``apply_line``
    carries it out later. Raises UsageError where there is nobody to ask, DeclinedError where the answer is no."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was uploaded: there is no terminal to ask on; say --yes to upload")
    if not seen:
        show.plan_text(sys.stderr, plan)
    if not click.confirm(f"Carry out {show.count(len(plan.actions), 'action')}?", err=True):
        raise DeclinedError(f"nothing was uploaded; the plan is kept: `{apply_line}` carries it out")


def apply_and_prove(
    job: Job, plan: Plan, before: Analysis | None, case: Case, *, jobs: int, retire: bool, as_json: bool
) -> int:
    """Uploads, compares the evidence with S3 once more and, if asked, moves aside what S3 has. Gives the exit code."""
    failed = 0
    refused: list[str] = []
    if plan.actions:  # comparing and asking take a while: a DaemonSet may have started it again
        refuse_running(_running(job), plan.agent, retire=retire, said="this run has uploaded nothing; ")
    if before is not None:
        before.put_aside()
    results = carry_out(
        plan, job.survey, job.connect, time.time_ns(), progress, before=before, journal=case.journal, jobs=jobs
    )
    with closing(results):
        for done in results:
            failed += done.outcome == "failed"
            refused += [done.refused] if done.refused else []
            if as_json:
                show.done_json(sys.stdout, done)
            else:
                show.done_text(sys.stdout, done)
    after = before
    if after is None or plan.actions:
        options = replace(options_of(plan, time.time_ns()), refused_uploads=tuple(refused))
        after = analyse(job.survey, job.connect, options, progress)
    unknown = unknown_uploads(after, case.journal.completed_uploads())
    changed = [*case.manifest.check(job.survey, progress), *_started(job, plan), *unknown]
    for problem in changed if as_json else ():
        jsonl.write(sys.stdout, "problem", problems.as_json(problem))
    after = with_problems(after, changed)
    code = proved(after, plan, as_json=as_json, case=case)
    if retire:
        failed += retire_stored(job, after, case, as_json=as_json)
    return 1 if failed and code == 0 else code


def _running(job: Job) -> list[RunningAgent]:
    return running_agents(job.node, job.pipeline)[0]


def _started(job: Job, plan: Plan) -> list[Problem]:
    """Says that a Fluent Bit that was to be gone was started while the plan was carried out."""
    running = _running(job) if plan.agent == "gone" and plan.actions else []
    if not running:
        return []
    agent = running[0]
    what = f"Fluent Bit was started meanwhile (pid {agent.pid}, {agent.comm}): it may send again what was uploaded"
    found = Problem(agent.holds[0], what, way_out="stop it, and look with `flbrecover diff`", unreadable=False)
    show.say(f"note: {problems.line(found)}")
    return [found]


def proved(after: Analysis, plan: Plan, *, as_json: bool, case: Case | None = None) -> int:
    """Says what is still missing of what the plan was to recover, keeps it in the case, and gives the exit code."""
    choice = choice_of(plan)
    again, left = make_plan(after, choice, time.time_ns())  # it would do nothing, after a recovery that worked
    missing = sum(put.records for put in again.puts)
    if "uploads" in choice.sources and "lost" not in choice.sources and choice.agent == "gone":
        missing += after.totals()["pending"]  # in parts, and not to be rebuilt: else these are among the puts
    uploads = len(again.completions)
    wanted = {state for state, source in NEEDS.items() if source in choice.sources}
    totals = after.totals()
    gone = after.gone_ranges if "lost" in choice.sources else 0
    filtered = totals["maybe filtered"]
    verdict = {
        "missing": missing + uploads, "stored": totals["stored"], "records": totals.records, "left": left,
        "gone": gone, "maybe_filtered": filtered,
    }  # fmt: skip
    if case is not None:
        if gone_objects := gone_again(plan, case.journal.finished(plan), again, after):
            case.journal.note(gone_objects, ())
            deleted = show.count(len(gone_objects), "object")
            way_out = f"`{case.apply_line}` writes what is gone again"
            show.say(f"note: S3 does not hold {deleted} any more that this case wrote; {way_out}")
        with case.folder.writing(AFTER) as file:
            show.diff_json(file, after, [(again, left)])
            jsonl.write(file, "verdict", verdict)
    if as_json:
        jsonl.write(sys.stdout, "verdict", verdict)
    else:
        states = ", ".join(f"{totals[s]:,} {s}" for s in sorted(wanted) if totals[s])
        rest = f" Not stored: {states}." if states else ""
        if outside := totals["not looked for"]:
            rest += f" Outside of the window, and not looked for: {outside:,}."
        if filtered:
            rest += f"\nMAYBE FILTERED: {show.count(filtered, 'record')}. {FILTERED}"
        done = "Nothing that was to be recovered is missing."
        if states_report.is_partial(after):
            done = "Of what could be read, nothing that was to be recovered is missing."
        if not totals.records:
            done = "No records were found in the evidence."
        open_still = [show.count(number, what) for number, what in ((missing, "record"), (uploads, "upload")) if number]
        said = f"STILL MISSING: {', '.join(open_still)}." if open_still else done
        sys.stdout.write(f"\n{said} S3 holds {totals['stored']:,} of {show.count(totals.records, 'record')}.{rest}\n")
        for problem in show.all_problems(after):
            if problem.unreadable:
                show.say(f"problem: {problems.line(problem)}")
    return exit_code(after, left=missing + uploads + gone)
