"""From a comparison to actions: which missing records are uploaded, in which objects, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flbrecover.fluentbit.key_format import recovered_key
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import Agent, ByteRange
from flbrecover.reconcile.ledger import NONE
from flbrecover.reconcile.plan import Action, Additions, CompleteUpload, Piece, PutRecords, SourceKind
from flbrecover.reconcile.states import EntryState, join_ranges
from flbrecover.recover.compare import Comparison
from flbrecover.recover.contents import Contents, sum_up
from flbrecover.recover.estimate import Estimator
from flbrecover.recover.left_to_agent import left_to_agent
from flbrecover.recover.log_entries import SECOND_NS, LogRun
from flbrecover.recover.states import States
from flbrecover.recover.uploads import UploadCase

NOTHING = Additions()
NEEDS: dict[EntryState, SourceKind] = {"buffered": "buffers", "lost": "lost", "unread": "unread", "pending": "lost"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user wants recovered."""

    agent: Agent
    sources: tuple[SourceKind, ...]
    retire: bool = False  # stored buffer files are moved out of Fluent Bit's way


@dataclass(slots=True)
class Planned:
    """The actions for one output, and how many missing records they leave alone, by reason."""

    actions: list[Action] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)

    def leave(self, reason: str, records: int = 1) -> None:
        self.left[reason] = self.left.get(reason, 0) + records


class Planner:
    """Plans one output; actions are numbered on from ``first_number``."""

    def __init__(
        self,
        comparison: Comparison,
        states: States,
        uploads: Sequence[UploadCase],
        choice: Choice,
        contents: Contents,
        covers: Callable[[int], bool],
        first_number: int,
    ) -> None:
        self._covers = covers
        self._times = Estimator(comparison)
        self._comparison = comparison
        self._states = states
        self._uploads = uploads
        self._choice = choice
        self._contents = contents
        self._number = first_number
        self._planned = Planned()

    def run(self) -> Planned:
        completed = [u for u in self._uploads if u.state == "can be completed" and self._wants_upload(u)]
        for upload in completed:
            self._add_completion(upload)
        for holder in self._comparison.holders:
            self._add_holder(holder.number, self._after(completed, holder.buffer.tag or ""))
        self._add_logs(completed)
        return self._planned

    def _wants_upload(self, upload: UploadCase) -> bool:
        return "uploads" in self._choice.sources and not (self._choice.agent == "returning" and upload.recorded)

    def _after(self, completed: Iterable[UploadCase], tag: str) -> tuple[str, ...]:
        return tuple(u.upload_id for u in completed if tag in u.tags)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _add_completion(self, upload: UploadCase) -> None:
        assert upload.listed is not None
        reason = "all its parts are in S3, its key is free"
        if upload.difference:
            reason += f" ({upload.difference})"
        output = self._comparison.output
        self._planned.actions.append(
            CompleteUpload(
                self._next(), output.number, output.bucket, upload.key, upload.upload_id, upload.listed.parts, reason
            )
        )

    def _wanted(self, entry: int) -> bool:
        """Is the missing record of this entry to be uploaded? Notes why not."""
        state = self._states[entry]
        need = NEEDS.get(state)
        if need is None:
            return False
        if not self._covers(self._time(entry)):
            self._planned.leave("outside of the window that was asked for")
            return False
        if state == "pending" and "uploads" not in self._choice.sources:
            self._planned.leave("may be in a pending upload, and uploads were not asked for")
            return False
        if need not in self._choice.sources:
            self._planned.leave(f"{state}: not asked for (--sources)")
            return False
        if denied := self._denied(self._comparison.ledger.tag_of(entry)):
            self._planned.leave(f"S3 did not give out {denied}, which may hold them")
            return False
        if self._choice.agent == "returning":
            reason = left_to_agent(self._comparison, entry, state, retire=self._choice.retire)
            if reason is not None:
                self._planned.leave(reason)
                return False
        return True

    def _time(self, entry: int) -> int:
        known = self._comparison.ledger.time_of(entry)
        if known is not None:
            return known
        if entry < len(self._comparison.logs):
            return self._times.of(self._comparison.logs.run_of(self._comparison.ledger.run_of(entry)), entry)
        facts = self._comparison.holders[self._comparison.ledger.held[entry]].buffer
        return facts.created_ns or facts.facts.mtime_ns

    def _denied(self, tag: str) -> str:
        if tag in self._comparison.uncompared:
            return "what stands under the keys of its tag"
        unknown = (f"the upload of {u.key}" for u in self._uploads if u.state == "unknown" and tag in u.tags)
        return next((c.object.key for c in self._comparison.denied if tag in c.tags), next(unknown, ""))

    # -- buffers ---------------------------------------------------------------------------------------------------

    def _add_holder(self, number: int, after: tuple[str, ...]) -> None:
        comparison = self._comparison
        holder = comparison.holders[number]
        ledger = comparison.ledger
        wanted = [
            index
            for index, entry in enumerate(holder.entries)
            if ledger.held[entry] == number and ledger.held_at[entry] == index and self._wanted(entry)
        ]
        if not wanted:
            return
        stored = sum(1 for entry in holder.entries if ledger.stored[entry] != NONE)
        whole = len(wanted) == len(holder)
        reason = "no object holds any of it" if whole else f"{stored} of its {len(holder)} records are stored"
        if holder.copies and not stored:
            reason = f"{holder.copies} of its {len(holder)} records are held elsewhere too"
        sizes = lambda i: holder.ends[i] - holder.starts[i]  # noqa: E731
        for group in split(wanted, sizes, comparison.output.total_file_size):
            spans = (ByteRange(holder.starts[i], holder.ends[i]) for i in group)
            piece = Piece(holder.buffer.path, "buffer", tuple(join_ranges(spans, between=1)), len(group))
            fallback = holder.buffer.created_ns or holder.buffer.facts.mtime_ns
            self._put(holder.buffer.tag or "", (piece,), reason, fallback, after=after)

    # -- logs ------------------------------------------------------------------------------------------------------

    def _add_logs(self, completed: Sequence[UploadCase]) -> None:
        by_tag: dict[str, list[tuple[LogRun, list[int]]]] = {}
        for run in self._comparison.logs.runs:
            for entry in self._comparison.ledger.entries_of(run.run):
                if self._states[entry] in ("lost", "unread", "pending") and self._wanted(entry):
                    runs = by_tag.setdefault(self._comparison.ledger.tag_of(entry), [])
                    if not runs or runs[-1][0] is not run:
                        runs.append((run, []))
                    runs[-1][1].append(entry)
        for tag, runs in sorted(by_tag.items()):
            self._add_tag(tag, runs, self._after(completed, tag))

    def _add_tag(self, tag: str, runs: list[tuple[LogRun, list[int]]], after: tuple[str, ...]) -> None:
        """Rebuilt objects of one tag: cut where Fluent Bit would have cut, by size and by upload_timeout."""
        output = self._comparison.output
        times = self._times
        names = self._comparison.logs.additions.get(tag)
        additions = self._comparison.siblings_of(tag).additions(None if names is None else names.__contains__)
        group: list[tuple[LogRun, list[int]]] = []
        size, first = 0, 0
        for run, entries in runs:
            for entry in entries:
                time_ns = times.of(run, entry)
                if not group:
                    first = time_ns
                late = time_ns - first >= output.upload_timeout_s * SECOND_NS
                if group and (size >= output.total_file_size or late):
                    self._put_rebuilt(tag, group, times, additions, after)
                    group, size, first = [], 0, time_ns
                if not group or group[-1][0] is not run:
                    group.append((run, []))
                group[-1][1].append(entry)
                size += self._comparison.logs.sizes[entry] + 1
        if group:
            self._put_rebuilt(tag, group, times, additions, after)

    def _put_rebuilt(
        self,
        tag: str,
        group: list[tuple[LogRun, list[int]]],
        times: Estimator,
        additions: Additions,
        after: tuple[str, ...],
    ) -> None:
        pieces = []
        states: set[str] = set()
        for run, entries in group:
            states.update(self._states[e] for e in entries)
            spans = (self._comparison.logs.span(e) for e in entries)
            pieces.append(
                Piece(
                    run.file.path,
                    "log",
                    tuple(join_ranges(spans, between=0)),
                    len(entries),
                    run.log.input_number,
                    run.log.name,
                    tuple(times.dates(run, entries)),
                )
            )
        reasons = {
            "lost": "lost: only in the log",
            "unread": "unread: only in the log",
            "pending": "only what the completed upload lacks",
        }
        reason = "; ".join(reasons[s] for s in sorted(states))
        fallback = times.of(group[0][0], group[0][1][0])
        self._put(tag, tuple(pieces), reason, fallback, after=after, additions=additions, rebuilt=True)

    def _put(
        self,
        tag: str,
        pieces: tuple[Piece, ...],
        reason: str,
        fallback_ns: int,
        *,
        after: tuple[str, ...],
        additions: Additions = NOTHING,
        rebuilt: bool = False,
    ) -> None:
        summed = sum_up(self._contents, pieces, tag, additions)
        first = summed.first_ns if summed.first_ns is not None else fallback_ns
        last = summed.last_ns if summed.last_ns is not None else first
        output = self._comparison.output
        key = recovered_key(output, tag, first, identity(tag, pieces, summed.sha256), attempt=first_attempt(output))
        self._planned.actions.append(
            PutRecords(
                self._next(), output.number, output.bucket, tag, key, pieces, summed.records, summed.size,
                summed.sha256, first, last, reason, rebuilt, additions, after,
            )
        )  # fmt: skip


def identity(tag: str, pieces: Sequence[Piece], sha256: str) -> str:
    """What the random part of a key is derived from: the content, and where its first record came from. Two objects of
    nothing but the same heartbeat have the same content and are two objects all the same."""
    first = pieces[0]
    where = f"{sha256}\n{tag}\n{first.path}\n{first.ranges[0].start}"
    return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()


def first_attempt(output: S3Output) -> int:
    """The first key that is tried. The plain key of ``static_file_path`` is the one that every Fluent Bit with this
    configuration writes next: what is put there will be overwritten."""
    return 1 if output.static_file_path else 0


def split(indexes: Sequence[int], size: Callable[[int], int], most: int) -> Iterator[list[int]]:
    """Groups of records that are no larger than an object of this output may be."""
    group: list[int] = []
    total = 0
    for index in indexes:
        if group and total + size(index) + 1 > most:
            yield group
            group, total = [], 0
        group.append(index)
        total += size(index) + 1
    if group:
        yield group
