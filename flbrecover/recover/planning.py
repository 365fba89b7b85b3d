"""From a comparison to actions: which missing records are uploaded, in which objects, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from flbrecover.model import SECOND_NS, Agent
from flbrecover.reconcile.columns import TimeLimits
from flbrecover.reconcile.holders import Holder
from flbrecover.reconcile.plan import Action, Additions, CompleteUpload, Piece, SourceKind
from flbrecover.reconcile.states import EntryState, join_ranges
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.contents import Contents
from flbrecover.recover.drafts import Draft, actions_of
from flbrecover.recover.estimate import Estimator
from flbrecover.recover.groups import runs_of, split
from flbrecover.recover.left_to_agent import LeftToAgent
from flbrecover.recover.log_entries import LogRun
from flbrecover.recover.states import States
from flbrecover.recover.uploads import UploadCase, sent_again
from flbrecover.wording import are, count

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
    """Plans one output. ``before`` are the actions for other ones: numbers go on from there, and an upload that one of
    them completes is not completed again (outputs may share their buffers). ``now_ns`` is the time of planning."""

    def __init__(
        self,
        comparison: Comparison,
        states: States,
        uploads: Sequence[UploadCase],
        choice: Choice,
        contents: Contents,
        before: Sequence[Action],
        now_ns: int,
    ) -> None:
        self._times = Estimator(comparison)
        self._comparison = comparison
        self._states = states
        self._uploads = uploads
        self._choice = choice
        self._contents = contents
        self._number = len(before)
        self._completed = {action.upload_id for action in before if isinstance(action, CompleteUpload)}
        self._left = LeftToAgent(comparison, now_ns, retire=choice.retire)
        self._planned = Planned()
        self._drafts: list[Draft] = []

    def run(self) -> Planned:
        completed = [u for u in self._uploads if u.state == "can be completed" and self._wants_upload(u)]
        for upload in completed:
            if upload.upload_id not in self._completed:
                self._add_completion(upload)
        for holder in self._comparison.holders:
            self._add_holder(holder.number, self._after(completed, holder.buffer.tag or ""))
        self._add_logs(completed)
        if outside := self._states.totals(range(len(self._states)))["not looked for"]:
            self._planned.leave("outside of the window that was asked for", outside)
        self._planned.actions += actions_of(self._drafts, self._contents, self._comparison.output, self._number + 1)
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
        output, parts = self._comparison.output, upload.listed.parts
        size = len(parts) - sent_again(upload, self._comparison.candidates)
        if size < len(parts):
            reason += f"; without what an object holds already, from part {parts[size].number} on"
        self._planned.actions.append(
            CompleteUpload(
                self._next(), output.number, output.bucket, upload.key, upload.upload_id, parts[:size], reason,
                parts[size:],
            )
        )  # fmt: skip

    def _wanted(self, entry: int, records: int = 1) -> bool:
        """Is the missing record of this entry to be uploaded? Notes why not, for so many records that are alike."""
        state = self._states[entry]
        need = NEEDS.get(state)
        if need is None:
            return False
        if state == "pending" and "uploads" not in self._choice.sources:
            self._planned.leave("may be in a pending upload, and uploads were not asked for", records)
            return False
        if need not in self._choice.sources:
            self._planned.leave(f"{state}: not asked for (--sources)", records)
            return False
        if denied := self._denied(self._comparison.ledger.runs.tag_of(entry)):
            self._planned.leave(f"S3 did not give out {denied}, which may hold them", records)
            return False
        if self._choice.agent == "returning":
            reason = self._left.reason(entry, state)
            if reason is not None:
                self._planned.leave(reason, records)
                return False
        return True

    def _wanted_of(self, run: LogRun) -> Iterator[tuple[str, range]]:
        """The entries of a log file that are to be rebuilt: neighbours of one tag that are alike, with that tag."""
        ledger = self._comparison.ledger
        for state, alike in self._states.stretches(ledger.runs.entries(run.run)):
            if state not in ("lost", "unread", "pending"):
                continue
            for tag, entries in ledger.runs.by_tag(alike):
                if self._wanted(entries.start, len(entries)):
                    yield tag, entries

    def _denied(self, tag: str) -> str:
        if tag in self._comparison.uncompared:
            return "what stands under the keys of its tag"
        unknown = (f"the upload of {u.key}" for u in self._uploads if u.state == "unknown" and tag in u.tags)
        return next((c.object.key for c in self._comparison.denied if tag in c.tags), next(unknown, ""))

    # -- buffers ---------------------------------------------------------------------------------------------------

    def _add_holder(self, number: int, after: tuple[str, ...]) -> None:
        comparison = self._comparison
        holder = comparison.holders[number]
        wanted = list(self._wanted_of_holder(holder))
        if not wanted:
            return
        stored = self._states.totals_of(holder)["stored"]
        whole = wanted == [range(len(holder))]
        all_of_it = count(len(holder), "record")
        reason = "no object holds any of it" if whole else f"{stored:,} of its {all_of_it} {are(stored)} stored"
        if holder.copies and not stored:
            reason = f"{holder.copies:,} of its {all_of_it} {are(holder.copies)} held elsewhere too"
        for group in split(wanted, holder, comparison.output.total_file_size):
            ranges = tuple(chain.from_iterable(map(holder.ranges, group)))  # what is not wanted lies between them
            piece = Piece(holder.buffer.path, "buffer", ranges, sum(map(len, group)))
            fallback = holder.buffer.created_ns or holder.buffer.facts.mtime_ns
            tag, limits = holder.buffer.tag or "", self._limits(holder, group)
            self._drafts.append(Draft(tag, (piece,), reason, fallback, after, limits=limits))

    def _wanted_of_holder(self, holder: Holder) -> Iterator[range]:
        """The records of a buffer file that are to be uploaded, neighbours together; not those that another buffer
        file holds as well, and gives."""
        ledger = self._comparison.ledger
        whole = holder.entry_range
        if whole is not None:
            missing = [entries for state, entries in self._states.stretches(whole) if state == "buffered"]
            if not missing:
                return
            if ledger.are_held(whole, holder.first):
                for entries in missing:
                    if self._wanted(entries.start, len(entries)):
                        yield range(entries.start - whole.start, entries.stop - whole.start)
                return
        yield from runs_of(
            index
            for index, entry in enumerate(holder.entries)
            if ledger.held[entry] == holder.first + index and self._wanted(entry)
        )

    def _limits(self, holder: Holder, group: Iterable[range]) -> TimeLimits | None:
        """The first and last time of records of a file that no log shows; None where they are to be read again."""
        whole, ledger = holder.entry_range, self._comparison.ledger
        if whole is None or whole.start < len(self._comparison.logs):
            return None
        found = (time for indexes in group for time in ledger.limits(whole[indexes.start : indexes.stop]))
        known = [time_ns for time_ns in found if time_ns is not None]
        return min(known, default=None), max(known, default=None)

    # -- logs ------------------------------------------------------------------------------------------------------

    def _add_logs(self, completed: Sequence[UploadCase]) -> None:
        by_tag: dict[str, list[tuple[LogRun, list[range]]]] = {}
        for run in self._comparison.logs.runs:
            for tag, entries in self._wanted_of(run):
                _append(by_tag.setdefault(tag, []), run, entries)
        for tag, runs in sorted(by_tag.items()):
            self._add_tag(tag, runs, self._after(completed, tag))

    def _add_tag(self, tag: str, runs: list[tuple[LogRun, list[range]]], after: tuple[str, ...]) -> None:
        """Rebuilt objects of one tag: cut where Fluent Bit would have cut, by size and by upload_timeout."""
        output = self._comparison.output
        times, logs = self._times, self._comparison.logs
        timeout_ns = output.upload_timeout_s * SECOND_NS
        names = logs.additions.get(tag)
        additions = self._comparison.siblings_of(tag).additions(None if names is None else names.__contains__)
        group: list[tuple[LogRun, list[range]]] = []
        size, first = 0, 0
        for run, ranges in runs:
            for entries in ranges:
                start = entries.start
                for entry in entries:
                    time_ns = times.of(run, entry)
                    if not group and entry == start:
                        first = time_ns
                    elif entry > start and logs.is_next_line(entry):
                        pass  # no record is cut in two
                    elif size >= output.total_file_size or time_ns - first >= timeout_ns:
                        if entry > start:
                            _append(group, run, range(start, entry))
                        self._put_rebuilt(tag, group, times, additions, after)
                        group, size, first, start = [], 0, time_ns, entry
                    size += logs.sizes[entry] + 1
                _append(group, run, range(start, entries.stop))
                self._comparison.breathe()
        if group:
            self._put_rebuilt(tag, group, times, additions, after)

    def _put_rebuilt(
        self,
        tag: str,
        group: list[tuple[LogRun, list[range]]],
        times: Estimator,
        additions: Additions,
        after: tuple[str, ...],
    ) -> None:
        pieces = []
        states = {self._states[entries.start] for _, ranges in group for entries in ranges}
        logs, runs = self._comparison.logs, self._comparison.ledger.runs
        for run, ranges in group:
            records = list(logs.records(chain.from_iterable(ranges), runs.entries(run.run), runs.tag_of))
            spans = join_ranges(((record.span.start, record.span.end) for record in records), between=0)
            pieces.append(
                Piece(
                    run.file.path,
                    "log",
                    tuple(spans),
                    sum(map(len, ranges)),
                    run.log.input_number,
                    run.log.name,
                    tuple(times.dates(run, chain.from_iterable(ranges))),
                    self._comparison.broken.near(run.log, run.file, spans),
                    tuple(record for record in records if record.numbers),
                )
            )
        reasons = {
            "lost": "lost: only in the log",
            "unread": "unread: only in the log",
            "pending": "only what the completed upload lacks" if after else "its upload cannot be completed",
        }
        reason = "; ".join(reasons[s] for s in sorted(states))
        fallback = times.of(group[0][0], group[0][1][0].start)
        self._drafts.append(Draft(tag, tuple(pieces), reason, fallback, after, additions, rebuilt=True))


def _append(runs: list[tuple[LogRun, list[range]]], run: LogRun, entries: range) -> None:
    if not runs or runs[-1][0] is not run:
        runs.append((run, []))
    runs[-1][1].append(entries)
