"""Carries actions out, several at once, each record once.

Nothing has to be remembered between two runs: keys follow from the content, no key is ever overwritten, and what a
killed run has written already is found under its key with the same content.

Actions of one tag are carried out one after the other, in the order of the plan. Whatever moment a run is killed at, or
looked at by a second one, S3 then holds a tag's first objects and lacks its last ones, and what is still to be done is
cut into the same objects again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Protocol, cast

from flbrecover.bucket import pending_uploads, writing
from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import RefusedPartsError
from flbrecover.errors import BucketError, FlbrecoverError, PlanError
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.plan import Action, CompleteUpload, Plan, PutRecords
from flbrecover.recover.analysis import Connect
from flbrecover.recover.compare import ESTIMATED, SOURCE, TAG, ascii_path
from flbrecover.recover.contents import Contents
from flbrecover.recover.done import Done
from flbrecover.recover.interrupts import InterruptsHeld
from flbrecover.recover.lanes import Batch, Lanes
from flbrecover.recover.object_key import MOST_KEYS, keys_of
from flbrecover.recover.object_records import holds
from flbrecover.recover.origin import Origins
from flbrecover.recover.put_object import body_of
from flbrecover.recover.survey import Survey
from flbrecover.recover.turns import Step, in_turns
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.threads import Pool

IN_MEMORY = 1 << 20  # bytes of a body up to which no file is needed for it
JOBS = 16  # uploads under way at once


class Journal(Protocol):
    """Is told of every action before its first request, and again once there is a result; of several at once, for each
    telling waits for the disk."""

    def note(self, ended: Sequence[Done], started: Sequence[Action]) -> None: ...

    def withdraw(self, never_begun: Sequence[Action]) -> None:
        """Takes back that these were started: they were told of with others, and nothing was asked for them."""

    def finished(self, plan: Plan) -> dict[int, Done]:
        """What earlier runs have done of a plan, by the number of the action."""


class NoJournal:
    """For those who keep none."""

    def note(self, ended: Sequence[Done], started: Sequence[Action]) -> None:
        pass

    def withdraw(self, never_begun: Sequence[Action]) -> None:
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
        lanes = Lanes(actions, lambda action: action.number not in settled and self._is_sent_ahead(action))
        running: dict[Future[list[list[Done]]], list[Batch]] = {}
        ended: list[Future[list[list[Done]]]] = []
        with Pool(self._jobs, thread_name_prefix="apply") as pool:
            try:
                while lanes or running:
                    results = [one for future in ended for one in _results(running[future], future.result())]
                    with InterruptsHeld():  # what is noted is under way, and what has ended is noted
                        lanes.give_back(batch for future in ended for batch in running[future])
                        free = self._jobs - sum(len(some) for future, some in running.items() if future not in ended)
                        begun = lanes.begin(free)
                        started = [actions[index] for some in begun for batch in some for index in batch.indexes]
                        self._journal.note([done for _, done in results], started)
                        for future in ended:
                            del running[future]
                        for some in begun:
                            steps = [[self._step(actions[i], settled) for i in batch.indexes] for batch in some]
                            running[pool.submit(in_turns, steps, self._is_interrupted)] = some
                    yield from results
                    when = ALL_COMPLETED if lanes.learning else FIRST_COMPLETED
                    ended = list(wait(running, return_when=when).done) if running else []
            finally:
                self._note_rest(running, actions)

    def _note_rest(self, running: Mapping[Future[list[list[Done]]], list[Batch]], actions: Sequence[Action]) -> None:
        """After an interruption: waits for what is under way and puts it into the journal, if that can be written. No
        further action is begun, and the journal says of none that it was."""
        if not running:
            return
        self._interrupted = True
        with suppress(FlbrecoverError):  # the error that is on its way up says so already
            rest = [one for future, some in running.items() for one in zip(some, future.result(), strict=True)]
            self._journal.note([done for _, of_lane in rest for done in of_lane], ())
            self._journal.withdraw([actions[i] for batch, of_lane in rest for i in batch.indexes[len(of_lane) :]])

    def _is_interrupted(self) -> bool:
        return self._interrupted

    def _is_sent_ahead(self, action: Action) -> bool | None:
        if not isinstance(action, PutRecords) or action.size > writing.AHEAD:
            return False
        try:
            output = self._output(action)
            return writing.sends_ahead(self._connect(output), output)
        except FlbrecoverError:  # its step says so
            return False

    def _step(self, action: Action, settled: Collection[int]) -> Step:
        """What carries an action out."""
        try:
            output = self._output(action)
            return self._done(output, self._connect(output), action, settled=action.number in settled)
        except FlbrecoverError as e:
            return _ended(Done(action, "failed", action.key, str(e)))

    def _done(self, output: S3Output, s3: S3, action: Action, *, settled: bool) -> Step:
        try:
            if isinstance(action, CompleteUpload):
                return complete(s3, action)
            if settled:
                return self._settled(s3, output, action)
            return (yield from self._put(s3, output, action))
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

    def _put(self, s3: S3, output: S3Output, action: PutRecords) -> Step:
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
                    finish = writing.begin(s3, output, key, file, self._metadata(action), sha256=sha256)
                    yield
                    result = finish()
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


def _results(batches: Iterable[Batch], done: Iterable[list[Done]]) -> Iterator[tuple[int, Done]]:
    for batch, of_lane in zip(batches, done, strict=True):
        yield from zip(batch.indexes, of_lane, strict=True)


def _ended(done: Done) -> Step:
    """A step that asks for nothing."""
    yield from ()
    return done


def complete(s3: S3, action: CompleteUpload) -> Done:
    """Completes an upload, unless it is complete already. Raises BucketError."""
    parts = pending_uploads.parts(s3, action.bucket, action.key, action.upload_id)
    if parts is None:
        if pending_uploads.head(s3, action.bucket, action.key) is None:
            raise BucketError(f"s3://{action.bucket}/{action.key}: the upload is gone, and no object stands there")
        return Done(action, "already completed", action.key)
    planned = [*action.parts, *action.left_out]
    if [(p.number, p.etag) for p in parts] != [(p.number, p.etag) for p in planned]:
        raise BucketError(f"s3://{action.bucket}/{action.key}: the upload has other parts now; make the plan again")
    try:
        pending_uploads.complete(s3, action.bucket, action.key, action.upload_id, action.parts)
    except RefusedPartsError as e:
        return Done(action, "failed", action.key, str(e), refused=action.upload_id)
    return Done(action, "completed", action.key)
