"""All outputs of a configuration compared with their buckets, and the plan that follows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from flbrecover import __version__
from flbrecover.bucket.client import S3
from flbrecover.errors import BucketError, EvidenceError, PlanError
from flbrecover.evidence.node import Node
from flbrecover.fluentbit.interpret import sections_to_json
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import Problem
from flbrecover.reconcile.plan import Action, Piece, Plan, PutRecords, Relied
from flbrecover.reconcile.states import Totals
from flbrecover.recover.compare import compare
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.contents import Contents
from flbrecover.recover.former_configuration import former_configuration
from flbrecover.recover.gone import Gone
from flbrecover.recover.options import Options
from flbrecover.recover.planning import Choice, Planner
from flbrecover.recover.scratch import Scratch
from flbrecover.recover.states import States
from flbrecover.recover.stuck_uploads import spared, stuck_uploads
from flbrecover.recover.survey import Survey
from flbrecover.recover.uploads import UploadCase, find_uploads
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.recover.worker import usable_cores
from flbrecover.threads import Pool

BLOCK = 1 << 20
VANISHED = "their file could not be read any more when the plan was made"
Connect = Callable[[S3Output], S3]


@dataclass(frozen=True, slots=True)
class OutputAnalysis:
    """One output: its records on a ledger, their states, and its multipart uploads. ``unanswered``: S3 kept back what
    it has of uploads."""

    comparison: Comparison
    states: States
    uploads: tuple[UploadCase, ...]
    unanswered: bool = False

    @property
    def output(self) -> S3Output:
        return self.comparison.output

    def by_tag(self) -> dict[str, Totals]:
        """States of all records, by tag."""
        ledger = self.comparison.ledger
        found: dict[str, Totals] = {}
        for run in range(len(ledger.runs)):
            for tag, entries in ledger.runs.by_tag(ledger.runs.entries(run)):
                found[tag] = found.get(tag, Totals(())) + self.states.totals(entries)
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Analysis:
    """All outputs. ``failed`` are outputs whose bucket could not be looked into at all."""

    survey: Survey
    options: Options
    outputs: tuple[OutputAnalysis, ...]
    failed: tuple[tuple[S3Output, BucketError], ...]

    def put_aside(self) -> None:
        """Moves what it knows of each record to disk, where it can still be read: another comparison is to be made."""
        for output in self.outputs:
            output.comparison.scratch.spill()
            output.comparison.scratch.release()

    @property
    def unanswered(self) -> bool:
        """Did S3 keep something back, so that asking it again may give another plan?"""
        return bool(self.failed) or any(output.unanswered or output.comparison.denied for output in self.outputs)

    @property
    def problems(self) -> list[Problem]:
        found = list(self.survey.problems)
        for output in self.outputs:
            found.extend(output.comparison.problems)
        return list(dict.fromkeys(found))

    @property
    def gone(self) -> list[Gone]:
        return [gone for output in self.outputs for gone in output.comparison.gone]

    @property
    def gone_ranges(self) -> int:
        """How many ranges of logs are provably nowhere, in part at least."""
        return sum(1 for gone in self.gone if gone.missing)

    def totals(self) -> Totals:
        total = Totals(())
        for output in self.outputs:
            for some in output.by_tag().values():
                total = total + some
        return total


def analyse(survey: Survey, connect: Connect, options: Options, watch: Watch = unwatched) -> Analysis:
    """Compares every output. A bucket that says no fails its own output only; raises the first BucketError where
    not a single output could be looked at."""
    analysed: list[OutputAnalysis] = []
    failed: list[tuple[S3Output, BucketError]] = []
    scratch = Scratch(options.max_memory)
    for output in survey.pipeline.outputs:
        try:
            s3 = connect(output)
            found = compare(survey, output, s3, options, scratch, watch)
            tags = set(found.ledger.runs.tags)
            uploads = find_uploads(
                survey,
                output,
                s3,
                tags,
                former=options.former_key_formats,
                named=options.upload_ids,
                not_completed=options.refused_uploads,
            )
        except BucketError as e:
            failed.append((output, e))
            continue
        covers = options.covers if options.has_window else None
        states = States(found, uploads.cases, assume_kept=options.assume_kept, covers=covers)
        cases, notes = spared(found, states, uploads.cases, options.upload_ids)
        found.problems.extend([*uploads.problems, *notes, *stuck_uploads(found, cases)])
        if not options.has_window:
            found.problems.extend(former_configuration(found, states))
        analysed.append(OutputAnalysis(found, states, cases, uploads.unanswered))
    if failed and not analysed:
        raise failed[0][1]
    return Analysis(survey, options, tuple(analysed), tuple(failed))


def make_plan(analysis: Analysis, choice: Choice, now_ns: int) -> tuple[Plan, dict[str, int]]:
    """The plan, and how many missing records it leaves alone, by reason. ``now_ns`` is the time of making it."""
    actions: list[Action] = []
    left: dict[str, int] = {}
    for output in analysis.outputs:
        contents = Contents(analysis.survey, output.output, plain_lines=analysis.options.plain_lines)
        planned = Planner(output.comparison, output.states, output.uploads, choice, contents, actions, now_ns).run()
        actions.extend(planned.actions)
        for reason, records in planned.left.items():
            left[reason] = left.get(reason, 0) + records
    relied, gone = relied_on(analysis.survey, actions)
    for action in [action for action in actions if gone.intersection(paths_of(action))]:
        actions.remove(action)
        left[VANISHED] = left.get(VANISHED, 0) + sum(piece.records for piece in pieces_of(action))
    plan = Plan(
        tool=f"flbrecover {__version__}",
        created_ns=now_ns,
        agent=choice.agent,
        sources=choice.sources,
        since_ns=analysis.options.since_ns,
        until_ns=analysis.options.until_ns,
        sections=tuple(sections_to_json(analysis.survey.pipeline.sections)),
        evidence=tuple(relied),
        actions=tuple(actions),
        options=analysis.options.to_plan(),
    )
    return plan, left


def relied_on(survey: Survey, actions: Collection[Action]) -> tuple[list[Relied], set[str]]:
    """The files whose records the actions upload: buffer files and compressed logs whole, other logs up to the last
    byte that is used. And those of them that are not there any more: a Fluent Bit that runs deletes what it has
    sent."""
    compressed = {file.path for log in survey.logs for file in log.files if file.compressed}
    ends: dict[str, int | None] = {}
    for action in actions:
        for piece in pieces_of(action):
            if piece.kind == "buffer" or piece.path in compressed:
                ends[piece.path] = None
            elif ends.get(piece.path, 0) is not None:
                ends[piece.path] = max(ends.get(piece.path, 0) or 0, piece.ranges[-1].end)
    with Pool(usable_cores(), "hashes") as pool:
        relied = [*filter(None, pool.map(lambda item: _relied(survey.node, *item), sorted(ends.items())))]
    return relied, ends.keys() - {one.path for one in relied}


def _relied(node: Node, path: str, end: int | None) -> Relied | None:
    """A file up to ``end`` (None: all of it); None where it is not there any more."""
    try:
        size = node.facts(path).size if end is None else end
        return Relied(path, size, hash_of(node, path, size))
    except EvidenceError:
        return None


def check_evidence(plan: Plan, node: Node, *, aside: Collection[str] = ()) -> None:
    """Raises PlanError where a file that the plan relies on is gone or has other bytes now. ``aside`` are files that
    were moved aside once S3 had them."""
    for relied in plan.evidence:
        if relied.path in aside:
            continue
        try:
            now = hash_of(node, relied.path, relied.size)
        except EvidenceError as e:
            way_out = f"say the --root that it was made with (this is {node.root}), or make the plan again"
            raise PlanError(f"{e}: the plan relies on this file; {way_out}") from e
        if now != relied.sha256:
            raise PlanError(f"{relied.path}: not the bytes that the plan was made with any more; make the plan again")


def pieces_of(action: Action) -> tuple[Piece, ...]:
    return action.pieces if isinstance(action, PutRecords) else ()


def paths_of(action: Action) -> Iterator[str]:
    return (piece.path for piece in pieces_of(action))


def hash_of(node: Node, path: str, size: int) -> str:
    """SHA-256 of the first ``size`` bytes of a file (of fewer where it is shorter). Raises EvidenceError."""
    hasher = hashlib.sha256()
    with node.open(path) as file:
        try:
            while size > 0 and (block := file.read(min(BLOCK, size))):
                hasher.update(block)
                size -= len(block)
        except OSError as e:
            raise EvidenceError(f"{path}: reading it failed: {e.strerror}") from e
    return hasher.hexdigest()
