"""Carries a plan out: completes uploads first, then uploads what is still missing, each record once.

Nothing has to be remembered between two runs: keys follow from the content, no key is ever overwritten, and what a
killed run has written already is found under its key with the same content.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flbrecover.bucket import pending_uploads, writing
from flbrecover.bucket.client import S3
from flbrecover.bucket.writing import PutResult
from flbrecover.errors import BucketError, EvidenceError, FlbrecoverError, PlanError
from flbrecover.evidence.node import Node
from flbrecover.fluentbit.key_format import recovered_key
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.plan import Action, CompleteUpload, Plan, PutRecords
from flbrecover.recover.analysis import Connect, hash_of
from flbrecover.recover.compare import SOURCE, TAG, ascii_path
from flbrecover.recover.content_hash import ContentHash, content_hash
from flbrecover.recover.contents import Contents
from flbrecover.recover.object_records import content_sha256
from flbrecover.recover.planning import first_attempt, identity
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched

MOST_KEYS = 8  # keys that are tried when a key is taken by other content

Outcome = Literal["written", "exists", "completed", "already completed", "failed"]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one action. ``exists``: the key held this very content already. ``detail`` says why it failed."""

    action: Action
    outcome: Outcome
    key: str
    detail: str = ""


def check_evidence(plan: Plan, node: Node) -> None:
    """Raises PlanError where a file that the plan relies on is gone or has other bytes now."""
    for relied in plan.evidence:
        try:
            now = hash_of(node, relied.path, relied.size)
        except EvidenceError as e:
            raise PlanError(f"{e}: the plan relies on this file; make the plan again") from e
        if now != relied.sha256:
            raise PlanError(f"{relied.path}: not the bytes that the plan was made with any more; make the plan again")


class Apply:
    """Carries out the actions of plans on one survey. Failures are results, one never stops the others."""

    def __init__(self, survey: Survey, connect: Connect, *, plain_lines: bool, plan_id: str, tool: str) -> None:
        self._survey = survey
        self._connect = connect
        self._plain = plain_lines
        self._plan_id = plan_id
        self._tool = tool
        self._outputs = {o.number: o for o in survey.pipeline.outputs}

    def run(self, actions: Sequence[Action], watch: Watch = unwatched) -> Iterator[Done]:
        for action in watch(actions, "recovering", len(actions)):
            try:
                output = self._output(action)
                s3 = self._connect(output)
                if isinstance(action, CompleteUpload):
                    yield complete(s3, action)
                else:
                    yield self._put(s3, output, action)
            except FlbrecoverError as e:
                yield Done(action, "failed", action.key, str(e))

    def _output(self, action: Action) -> S3Output:
        output = self._outputs.get(action.output)
        if output is None or output.bucket != action.bucket:
            raise PlanError(f"action {action.number}: the plan's configuration has no such output")
        return output

    def _put(self, s3: S3, output: S3Output, action: PutRecords) -> Done:
        contents = Contents(self._survey, output, plain_lines=self._plain)
        blocks = contents.blocks(action.pieces, action.tag, action.additions)
        hasher = content_hash(output.format)
        try:
            with tempfile.TemporaryFile(prefix="flbrecover-") as file:
                made = writing.make_body(output, _hashed(blocks, hasher), file)
                if hasher.hexdigest() != action.sha256:
                    raise PlanError("its records are not what the plan was made with any more; make the plan again")
                for key in keys_of(output, action):
                    result: PutResult = writing.put(s3, output, key, file, self._metadata(action))
                    if result.outcome == "written":
                        return Done(action, "written", key, "; ".join(filter(None, (made, result.note))))
                    if content_sha256(s3, output, key) == action.sha256:
                        return Done(action, "exists", key)
        except OSError as e:
            where = tempfile.gettempdir()
            raise FlbrecoverError(f"{where}: {e.strerror} (scratch space; set TMPDIR to a folder with room)") from e
        where = f"s3://{output.bucket}/{action.key}"
        raise BucketError(f"{where}: taken by other content, as are {MOST_KEYS - 1} more keys")

    def _metadata(self, action: PutRecords) -> dict[str, str]:
        """User metadata: which tool, plan and source; ASCII, bounded (S3 takes 2 KB)."""
        source = ",".join(ascii_path(piece.path) for piece in action.pieces)
        said = {
            "flbrecover": self._tool,
            "flbrecover-plan": self._plan_id,
            TAG: ascii_path(action.tag)[:300],
            SOURCE: source if len(source) <= 900 else source[:897] + "...",
            "flbrecover-records": str(action.records),
            "flbrecover-sha256": action.sha256,
        }
        if action.rebuilt:
            said["flbrecover-rebuilt"] = "true"
            said["flbrecover-estimated-dates"] = str(action.estimated)
        return said


def keys_of(output: S3Output, action: PutRecords) -> Iterator[str]:
    """The keys that an action's object can stand under, in the order in which they are tried."""
    first = first_attempt(output)
    for attempt in range(first, first + MOST_KEYS):
        source = identity(action.tag, action.pieces, action.sha256)
        yield recovered_key(output, action.tag, action.first_ns, source, attempt=attempt)


def complete(s3: S3, action: CompleteUpload) -> Done:
    """Completes an upload, unless it is complete already. Raises BucketError."""
    parts = pending_uploads.parts(s3, action.bucket, action.key, action.upload_id)
    if parts is None:
        if pending_uploads.head(s3, action.bucket, action.key) is None:
            raise BucketError(f"s3://{action.bucket}/{action.key}: the upload is gone, and no object stands there")
        return Done(action, "already completed", action.key)
    if [(p.number, p.etag) for p in parts] != [(p.number, p.etag) for p in action.parts]:
        raise BucketError(f"s3://{action.bucket}/{action.key}: the upload has other parts now; make the plan again")
    pending_uploads.complete(s3, action.bucket, action.key, action.upload_id, action.parts)
    return Done(action, "completed", action.key)


def _hashed(blocks: Iterator[bytes], hasher: ContentHash) -> Iterator[bytes]:
    for block in blocks:
        hasher.update(block)
        yield block
