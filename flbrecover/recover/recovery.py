"""A whole recovery: the plan's actions, what they left over, and the proof."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from flbrecover.bucket.reading import MissingError
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.plan import Plan, PutRecords
from flbrecover.recover.analysis import Analysis, Connect, analyse, make_plan
from flbrecover.recover.apply import JOBS, NO_JOURNAL, Apply, Journal
from flbrecover.recover.done import Done
from flbrecover.recover.fresh import appeared
from flbrecover.recover.object_key import keys_of
from flbrecover.recover.object_records import holds
from flbrecover.recover.options import Options
from flbrecover.recover.planning import Choice
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.wording import count


def choice_of(plan: Plan) -> Choice:
    return Choice(plan.agent, plan.sources, bool(plan.options.get("retire")))


def options_of(plan: Plan, now_ns: int) -> Options:
    return Options.from_plan(now_ns, plan.since_ns, plan.until_ns, plan.options)


def carry_out(
    plan: Plan,
    survey: Survey,
    connect: Connect,
    now_ns: int,
    watch: Watch = unwatched,
    *,
    before: Analysis | None = None,
    journal: Journal = NO_JOURNAL,
    jobs: int = JOBS,
) -> Generator[Done, None, None]:
    """Applies a plan. What the journal calls finished is not done again.

    The plan is checked before the first upload: only what is still missing then is uploaded. ``before`` is the
    comparison that the plan was just made from: where S3 lists what it listed then, it still holds. Where the plan
    completes uploads everything is compared again in any case, for only a completed upload tells what it holds. Nobody
    waits for one that S3 refuses for good.
    """
    options = options_of(plan, now_ns)
    run = Apply(
        survey, connect, plain_lines=options.plain_lines, plan_id=plan.id, tool=plan.tool, journal=journal, jobs=jobs
    )
    finished = journal.finished(plan)
    for _, done in sorted(finished.items()):
        yield replace(done, detail="in an earlier run")
    completions = [action for action in plan.completions if action.number not in finished]
    puts = [action for action in plan.puts if action.number not in finished]
    refused = []
    for done in run.run(completions, watch):
        refused += [done.refused] if done.refused else []
        yield done
    if puts and (completions or before is None or appeared(before, {put.tag for put in puts}, connect)):
        now = analyse(survey, connect, replace(options, refused_uploads=tuple(refused)), watch)
        again, _ = make_plan(now, choice_of(plan), plan.created_ns)
        open_still = list(as_planned(puts, again))
        settled = {put.number: put for put in puts}
        for put in open_still:
            settled.pop(put.number, None)
        missing = [put for put in open_still if not put.after_uploads]
        for put in open_still:
            if put.after_uploads:  # its upload could not be completed now, and may be another time: with these records
                why = f"not written: its records may be in the pending upload {put.after_uploads[0]}"
                yield Done(put, "failed", put.key, why)
        puts = sorted([*missing, *settled.values()], key=lambda put: put.number)
        yield from run.run(puts, watch, settled=settled)
    else:
        yield from run.run(puts, watch)


def as_planned(planned: Iterable[PutRecords], again: Plan) -> Iterator[PutRecords]:
    """What a second plan still uploads of what a first one meant to, under the first one's numbers."""
    same = {put.key: put.number for put in planned}
    of_file: dict[tuple[str, bool, str], int] = {}
    for put in planned:
        for piece in put.pieces:
            of_file.setdefault((put.tag, put.rebuilt, piece.path), put.number)
    for put in again.puts:
        numbers = [of_file.get((put.tag, put.rebuilt, piece.path)) for piece in put.pieces]
        if numbers[0] is not None and None not in numbers:
            yield replace(put, number=same.get(put.key, numbers[0]))


def gone_again(plan: Plan, finished: Mapping[int, Done], again: Plan, after: Analysis) -> list[Done]:
    """What the journal calls finished, a plan made now would do once more, and ``after`` has read no object of:
    somebody has deleted it. As results that are to be noted, so that the next run does it."""
    puts = [put for put in plan.puts if put.number in finished]
    numbers = sorted({put.number for put in as_planned(puts, again)})
    keys = {finished[number].key for number in numbers}
    unread = {problem.path for problem in after.problems}
    listed = (c.object for output in after.outputs for c in output.comparison.candidates if c.object.key in keys)
    there = {stored.key for stored in listed if f"s3://{stored.bucket}/{stored.key}" not in unread}
    numbers = [number for number in numbers if finished[number].key not in there]
    return [replace(finished[number], outcome="failed", detail="S3 does not hold it any more") for number in numbers]


@dataclass(frozen=True, slots=True)
class Proof:
    """What S3 holds of one planned object: under which key, and whether its content is what was planned. ``known``: S3
    has answered."""

    action: PutRecords
    key: str
    ok: bool
    detail: str
    known: bool = True


def prove_puts(puts: tuple[PutRecords, ...], outputs: tuple[S3Output, ...], connect: Connect) -> Iterator[Proof]:
    """Reads every object that a plan writes and compares the SHA-256 of its content."""
    by_number = {o.number: o for o in outputs}
    for put in puts:
        output = by_number[put.output]
        yield _prove(put, output, connect)


def _prove(put: PutRecords, output: S3Output, connect: Connect) -> Proof:
    for key in keys_of(output, put):
        try:
            if holds(connect(output), output, key, put.sha256):
                return Proof(put, key, True, f"SHA-256 {put.sha256[:16]}… of {count(put.records, 'record')} read back")
        except BucketError as e:
            detail = str(e).removeprefix(f"s3://{output.bucket}/{key}: ")
            return Proof(put, key, False, detail, known=isinstance(e, MissingError))
    return Proof(put, put.key, False, "other content stands under its keys")
