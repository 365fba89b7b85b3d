"""Carries actions out, several at once, each record once.

Nothing has to be remembered between two runs: keys follow from the content, no key is ever overwritten, and what a
killed run has written already is found under its key with the same content.

Actions of one tag are carried out one after the other, in the order of the plan. Whatever moment a run is killed at, or
looked at by a second one, S3 then holds a tag's first objects and lacks its last ones, and what is still to be done is
cut into the same objects again.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Literal, Protocol, cast

from flbrecover.bucket import pending_uploads, writing
from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import RefusedPartsError
from flbrecover.errors import BucketError, FlbrecoverError, PlanError
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.plan import Action, CompleteUpload, Plan, PutRecords
from flbrecover.recover.analysis import Connect
from flbrecover.recover.compare import ESTIMATED, SOURCE, TAG, ascii_path
from flbrecover.recover.contents import Contents
from flbrecover.recover.interrupts import InterruptsHeld
from flbrecover.recover.object_key import MOST_KEYS, keys_of
from flbrecover.recover.object_records import holds
from flbrecover.recover.origin import Origins
from flbrecover.recover.put_object import body_of
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.threads import Pool

IN_MEMORY = 1 << 20  # bytes of a body up to which no file is needed for it
JOBS = 16  # uploads under way at once
SMALL = 4 << 20  # bytes of actions of one tag that are noted, and begun, together: each note waits for the disk
MOST_AT_ONCE = 16  # of them

Outcome = Literal["written", "exists", "completed", "already completed", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one action. ``exists``: the key held this very content already. ``skipped``: there is nothing to
    upload any more, or the evidence has changed since the plan. ``detail`` says why it was skipped or failed.
    ``refused`` is the id of an upload that failed and always will: S3 refuses its parts."""

    action: Action
    outcome: Outcome
    key: str
    detail: str = ""
    etag: str = ""
    refused: str = ""


class Journal(Protocol):
    """Is told of every action before its first request, and again once there is a result; of several at once, for each
    telling waits for the disk."""

    def note(self, ended: Sequence[Done], started: Sequence[Action]) -> None: ...

    def finished(self, plan: Plan) -> dict[int, Done]:
        """What earlier runs have done of a plan, by the number of the action."""


class NoJournal:
    """For those who keep none."""

    def note(self, ended: Sequence[Done], started: Sequence[Action]) -> None:
        pass

    def finished(self, plan: Plan) -> dict[int, Done]:  # noqa: ARG002
        return {}


NO_JOURNAL = NoJournal()


class Apply:
    """Carries out the actions of plans on one survey, ``jobs`` at once. Failures are results, one never stops the
    others."""

    def __init__(
        self,
        survey: Survey,
        connect: Connect,
        *,
        plain_lines: bool,
        plan_id: str,
        tool: str,
        journal: Journal = NO_JOURNAL,
        jobs: int = JOBS,
    ) -> None:
        self._survey = survey
        self._connect = connect
        self._plain = plain_lines
        self._plan_id = plan_id
        self._tool = tool
        self._journal = journal
        self._jobs = jobs
        self._outputs = {o.number: o for o in survey.pipeline.outputs}
        self._origins = Origins(survey)
        self._contents: dict[int, Contents] = {}  # by output: made for all actions, it looks through all buffer files
        self._interrupted = False

    def run(
        self, actions: Sequence[Action], watch: Watch = unwatched, *, settled: Collection[int] = ()
    ) -> Iterator[Done]:
        """Gives the results in the order of the actions; each is in the journal as soon as it is there.

        ``settled`` are numbers of actions whose records are not missing any more: it is only looked whether their own
        object has them.

        An interruption waits for the requests that are under way, notes them, and goes on up. At most ``jobs`` bodies
        are in the scratch folder at once.
        """
        results: dict[int, Done] = {}
        shown = 0
        for index, done in watch(self._all(actions, settled), "recovering", len(actions)):
            results[index] = done
            while shown in results:
                yield results.pop(shown)
                shown += 1

    def _all(self, actions: Sequence[Action], settled: Collection[int]) -> Iterator[tuple[int, Done]]:
        """(index of the action, its result) as they come."""
        lanes: dict[tuple[int, str], deque[int]] = {}
        for index, action in enumerate(actions):
            what = action.key if isinstance(action, CompleteUpload) else action.tag
            lanes.setdefault((action.output, what), deque()).append(index)
        waiting = list(lanes.values())
        running: dict[Future[list[Done]], tuple[deque[int], list[int]]] = {}  # with what of its lane was begun
        ended: list[Future[list[Done]]] = []
        with Pool(self._jobs, thread_name_prefix="apply") as pool:
            try:
                while waiting or running:
                    results = [one for future in ended for one in zip(running[future][1], future.result(), strict=True)]
                    with InterruptsHeld():  # what is noted is under way, and what has ended is noted
                        for future in ended:
                            lane, _ = running[future]
                            if lane:
                                waiting.append(lane)
                        free = self._jobs - len(running) + len(ended)
                        waiting.sort(key=len)  # the longest next, so that no single one is left over at the end
                        lanes_begun = [waiting.pop() for _ in range(min(free, len(waiting)))]
                        begun = [_next_of(lane, actions) for lane in lanes_begun]
                        self._journal.note([done for _, done in results], [actions[i] for some in begun for i in some])
                        for future in ended:
                            del running[future]
                        for lane, some in zip(lanes_begun, begun, strict=True):
                            steps = [self._step(actions[i], settled) for i in some]
                            running[pool.submit(self._done_all, steps)] = lane, some
                    yield from results
                    ended = list(wait(running, return_when=FIRST_COMPLETED).done) if running else []
            finally:
                self._note_rest(running)

    def _note_rest(self, running: Collection[Future[list[Done]]]) -> None:
        """After an interruption: waits for what is under way and puts it into the journal, if that can be written."""
        if running:
            self._interrupted = True
            with suppress(FlbrecoverError):  # the error that is on its way up says so already
                self._journal.note([done for future in running for done in future.result()], ())

    def _step(self, action: Action, settled: Collection[int]) -> Callable[[], Done]:
        """What carries an action out."""
        try:
            output = self._output(action)
            return partial(self._done, output, self._connect(output), action, settled=action.number in settled)
        except FlbrecoverError as e:
            return partial(Done, action, "failed", action.key, str(e))

    def _done_all(self, steps: Sequence[Callable[[], Done]]) -> list[Done]:
        """Carries out some actions of one tag, after an interruption no further one: it is in the journal as one that
        was cut off."""
        done: list[Done] = []
        for step in steps:
            if done and self._interrupted:
                break
            done.append(step())
        return done

    def _done(self, output: S3Output, s3: S3, action: Action, *, settled: bool) -> Done:
        try:
            if isinstance(action, CompleteUpload):
                return complete(s3, action)
            return self._settled(s3, output, action) if settled else self._put(s3, output, action)
        except FlbrecoverError as e:
            return Done(action, "failed", action.key, str(e))

    def _settled(self, s3: S3, output: S3Output, action: PutRecords) -> Done:
        detail = "its records are not missing any more"
        try:
            for key in keys_of(output, action):
                there = pending_uploads.head(s3, output.bucket, key)
                if there is None:
                    break
                if holds(s3, output, key, action.sha256):
                    return Done(action, "exists", key, etag=there.etag)
        except BucketError as e:
            detail += f" ({e})"
        return Done(action, "skipped", action.key, detail)

    def _output(self, action: Action) -> S3Output:
        output = self._outputs.get(action.output)
        if output is None or output.bucket != action.bucket:
            raise PlanError(f"action {action.number}: the plan's configuration has no such output")
        return output

    def _put(self, s3: S3, output: S3Output, action: PutRecords) -> Done:
        contents = self._contents_of(output)
        try:
            with SpooledTemporaryFile(IN_MEMORY, prefix="flbrecover-") as spool:
                file = cast("BinaryIO", spool)
                try:
                    made = body_of(contents, output, action, file)
                except PlanError as e:
                    return Done(action, "skipped", action.key, str(e))
                as_it_is = output.format == "json_lines" and output.compression == "none"
                sha256 = action.sha256 if as_it_is else None
                for key in keys_of(output, action):
                    result = writing.put(s3, output, key, file, self._metadata(action), sha256=sha256)
                    if result.outcome == "written":
                        notes = "; ".join(filter(None, (made, result.note)))
                        return Done(action, "written", key, notes, result.etag)
                    if holds(s3, output, key, action.sha256):
                        return Done(action, "exists", key, etag=result.etag)
        except OSError as e:
            where = tempfile.gettempdir()
            raise FlbrecoverError(f"{where}: {e.strerror} (scratch space; set TMPDIR to a folder with room)") from e
        where = f"s3://{output.bucket}/{action.key}"
        raise BucketError(f"{where}: taken by other content, as are {MOST_KEYS - 1} more keys")

    def _contents_of(self, output: S3Output) -> Contents:
        found = self._contents.get(output.number)
        if found is None:  # another thread may make one as well: they are alike
            found = self._contents[output.number] = Contents(self._survey, output, plain_lines=self._plain)
        return found

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
            **self._origins.metadata(action.pieces),
        }
        if action.rebuilt:
            said["flbrecover-rebuilt"] = "true"
            said[ESTIMATED] = str(action.estimated)
        return said


def _next_of(lane: deque[int], actions: Sequence[Action]) -> list[int]:
    """Takes the next action from a lane, and with a small one those after it that are small, too."""
    some = [lane.popleft()]
    size = _size(actions[some[0]])
    while lane and len(some) < MOST_AT_ONCE and (size := size + _size(actions[lane[0]])) <= SMALL:
        some.append(lane.popleft())
    return some


def _size(action: Action) -> int:
    return action.size if isinstance(action, PutRecords) else SMALL


def complete(s3: S3, action: CompleteUpload) -> Done:
    """Completes an upload, unless it is complete already. Raises BucketError."""
    parts = pending_uploads.parts(s3, action.bucket, action.key, action.upload_id)
    if parts is None:
        if pending_uploads.head(s3, action.bucket, action.key) is None:
            raise BucketError(f"s3://{action.bucket}/{action.key}: the upload is gone, and no object stands there")
        return Done(action, "already completed", action.key)
    if [(p.number, p.etag) for p in parts] != [(p.number, p.etag) for p in action.parts]:
        raise BucketError(f"s3://{action.bucket}/{action.key}: the upload has other parts now; make the plan again")
    try:
        pending_uploads.complete(s3, action.bucket, action.key, action.upload_id, action.parts)
    except RefusedPartsError as e:
        return Done(action, "failed", action.key, str(e), refused=action.upload_id)
    return Done(action, "completed", action.key)
