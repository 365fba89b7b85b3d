"""A whole recovery: the plan's actions, what they left over, and the proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flbrecover.reconcile.plan import Plan, PutRecords
from flbrecover.recover.analysis import Analysis, Connect, Options, analyse, make_plan
from flbrecover.recover.apply import Apply, Done, check_evidence
from flbrecover.recover.object_records import content_sha256
from flbrecover.recover.planning import Choice
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.recover.window import Window
from flbrecover.errors import BucketError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What S3 holds of one action's records: ``proof`` says by what it is known, ``ok`` whether all are there."""

    action: PutRecords
    key: str
    ok: bool
    proof: str


def choice_of(plan: Plan) -> Choice:
    return Choice(plan.agent, plan.sources, bool(plan.options.get("assume_kept")))


def options_of(plan: Plan, upload_ids: tuple[str, ...] = ()) -> Options:
    return Options(
        Window(plan.since_ns, plan.until_ns),
        bool(plan.options.get("assume_kept")),
        bool(plan.options.get("plain_lines")),
        upload_ids,
    )


def carry_out(plan: Plan, survey: Survey, connect: Connect, watch: Watch = unwatched) -> Iterator[Done]:
    """Applies a plan. Where it completes uploads, everything is compared again afterwards, for only a completed upload
    tells what it holds; what the plan meant to upload and is still missing then is uploaded.

    Raises PlanError where the evidence is not what the plan was made with.
    """
    check_evidence(plan, survey.node)
    run = Apply(
        survey, connect, plain_lines=bool(plan.options.get("plain_lines")), plan_id=plan.id, tool=plan.tool
    )
    puts: tuple[PutRecords, ...] = plan.puts
    if plan.completions:
        yield from run.run(plan.completions, watch)
        again, _ = make_plan(analyse(survey, connect, options_of(plan), watch), choice_of(plan), plan.created_ns)
        meant = {piece.path for put in plan.puts for piece in put.pieces}
        puts = tuple(put for put in again.puts if all(piece.path in meant for piece in put.pieces))
    yield from run.run(puts, watch)
