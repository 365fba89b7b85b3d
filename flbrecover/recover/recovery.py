"""A whole recovery: the plan's actions, what they left over, and the proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flbrecover.errors import BucketError
from flbrecover.fluentbit.key_format import recovered_key
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.plan import Plan, PutRecords
from flbrecover.recover.analysis import Analysis, Connect, Options, analyse, make_plan
from flbrecover.recover.apply import MOST_KEYS, Apply, Done, check_evidence
from flbrecover.recover.object_records import content_sha256
from flbrecover.recover.planning import Choice
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.recover.window import Window


def choice_of(plan: Plan) -> Choice:
    return Choice(plan.agent, plan.sources, bool(plan.options.get("assume_kept")))


def options_of(plan: Plan) -> Options:
    return Options(
        Window(plan.since_ns, plan.until_ns),
        bool(plan.options.get("assume_kept")),
        bool(plan.options.get("plain_lines")),
        tuple(c.upload_id for c in plan.completions),
    )


def carry_out(plan: Plan, survey: Survey, connect: Connect, watch: Watch = unwatched) -> Iterator[Done]:
    """Applies a plan. Where it completes uploads, everything is compared again afterwards, for only a completed upload
    tells what it holds; what the plan meant to upload and is still missing then is uploaded.

    Raises PlanError where the evidence is not what the plan was made with.
    """
    check_evidence(plan, survey.node)
    run = Apply(survey, connect, plain_lines=bool(plan.options.get("plain_lines")), plan_id=plan.id, tool=plan.tool)
    puts = plan.puts
    if plan.completions:
        yield from run.run(plan.completions, watch)
        now = analyse(survey, connect, options_of(plan), watch)
        again, _ = make_plan(now, choice_of(plan), plan.created_ns)
        meant = {piece.path for put in plan.puts for piece in put.pieces}
        puts = tuple(put for put in again.puts if all(piece.path in meant for piece in put.pieces))
    yield from run.run(puts, watch)


@dataclass(frozen=True, slots=True)
class Proof:
    """What S3 holds of one planned object: under which key, and whether its content is what was planned."""

    action: PutRecords
    key: str
    ok: bool
    detail: str


def prove_puts(puts: tuple[PutRecords, ...], outputs: tuple[S3Output, ...], connect: Connect) -> Iterator[Proof]:
    """Reads every object that a plan writes and compares the SHA-256 of its content."""
    by_number = {o.number: o for o in outputs}
    for put in puts:
        output = by_number[put.output]
        yield _prove(put, output, connect)


def _prove(put: PutRecords, output: S3Output, connect: Connect) -> Proof:
    for attempt in range(MOST_KEYS):
        key = recovered_key(output, put.tag, put.first_ns, put.sha256, attempt=attempt)
        try:
            if content_sha256(connect(output), output, key) == put.sha256:
                return Proof(put, key, True, f"SHA-256 {put.sha256[:16]}… of {put.records} records read back")
        except BucketError as e:
            return Proof(put, key, False, str(e))
    return Proof(put, put.key, False, "other content stands under its keys")


def still_missing(analysis: Analysis, choice: Choice, now_ns: int) -> tuple[Plan, dict[str, int]]:
    """What a plan made now would still do: nothing, after a recovery that worked."""
    return make_plan(analysis, choice, now_ns)
