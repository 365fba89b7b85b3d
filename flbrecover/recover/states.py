"""The state of every record of a comparison."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from flbrecover.reconcile.columns import NONE, TimeLimits, are_known, same_stretches
from flbrecover.reconcile.holders import Holder
from flbrecover.reconcile.states import EntryState, Totals
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.estimate import Estimator
from flbrecover.recover.uploads import UploadCase

CODES: tuple[EntryState, ...] = (
    "stored", "pending", "buffered", "lost", "unread", "gone", "maybe filtered", "not looked for",
)  # fmt: skip
_AT_ONCE = 1 << 16
WORTH_KEEPING = 1 << 10  # entries whose first and last time are asked for more than once
CODE = {state: number for number, state in enumerate(CODES)}

_STORED, _BUFFERED = CODE["stored"], CODE["buffered"]
_NOWHERE = 255
# By two bits, "an object has it" and "a buffer file has it"; as bytes.translate wants it, for all bytes.
_BY_COPIES = bytes([_NOWHERE, _STORED, _BUFFERED, _STORED]).ljust(256, b"\0")


class States:
    """``states[entry]`` for all entries of a comparison.

    A record that S3 lacks and no buffer holds is unread where its log says that Fluent Bit never came that far, else
    lost; lost ones that may be in parts of this node's uploads are pending: nobody can read parts, so they are assumed
    to be there, as many as fit, until the upload is completed and tells. ``covers`` tells whether a time (ns) lies in
    the window that was asked for (None: all do): of others only what is stored is known.
    """

    def __init__(
        self,
        comparison: Comparison,
        uploads: Iterable[UploadCase],
        *,
        assume_kept: bool,
        covers: Callable[[int], bool] | None = None,
    ) -> None:
        ledger, logs = comparison.ledger, comparison.logs
        self._ledger = ledger
        self._limits: dict[tuple[int, int], TimeLimits] = {}
        self._codes = comparison.scratch.column("B")
        kept: Collection[str] = ()
        if logs.reasons:
            stored, held = ledger.stored.raw(), ledger.held.raw()
            kept = {ledger.runs.tag_of(e) for e in range(len(logs)) if stored[e] != NONE or held[e] != NONE}
        for run in logs.runs:
            self._add(comparison, ledger.runs.entries(run.run), run.file.read_to, kept, assume_kept)
        self._add(comparison, range(len(logs), len(ledger)), None, kept, assume_kept)
        if covers is not None:
            self._leave_out(Estimator(comparison), covers)
        for upload in uploads:
            if upload.state in ("can be completed", "key taken", "parts missing", "unknown"):
                self._mark_pending(comparison, upload)

    def _add(
        self, comparison: Comparison, entries: range, read_to: int | None, kept: Collection[str], assume_kept: bool
    ) -> None:
        """The states of the next entries, all of one log file or none of a log."""
        ledger = comparison.ledger
        for start in range(entries.start, entries.stop, _AT_ONCE):
            stop = min(start + _AT_ONCE, entries.stop)
            codes = _codes_of(ledger.stored.read(start, stop), ledger.held.read(start, stop))
            at = -1
            while (at := codes.find(_NOWHERE, at + 1)) >= 0:
                codes[at] = CODE[self._of_missing(comparison, start + at, read_to, kept, assume_kept)]
            self._codes.extend(codes)
            comparison.breathe()

    def _leave_out(self, times: Estimator, covers: Callable[[int], bool]) -> None:
        for entry in range(len(self._codes)):
            if self._codes[entry] != _STORED and not covers(times.of_entry(entry)):
                self._codes[entry] = CODE["not looked for"]

    def __getitem__(self, entry: int) -> EntryState:
        return CODES[self._codes[entry]]

    def totals(self, entries: range) -> Totals:
        """How many of these entries are in which state."""
        counts: Counter[int] = Counter()
        raw = self._codes.raw()
        for start in range(entries.start, entries.stop, _AT_ONCE):
            some = bytes(raw[start : min(start + _AT_ONCE, entries.stop)])
            while some:  # the codes of one state after the other are taken away: there are few states
                others = some.translate(None, some[:1])
                counts[some[0]] += len(some) - len(others)
                some = others
        return Totals(tuple(sorted((CODES[code], number) for code, number in counts.items())))

    def limits(self, entries: range) -> TimeLimits:
        """:meth:`Ledger.limits`, looked for once: from now on they stay the same."""
        if len(entries) < WORTH_KEEPING:
            return self._ledger.limits(entries)
        known = self._limits.get((entries.start, entries.stop))
        if known is None:
            known = self._limits[entries.start, entries.stop] = self._ledger.limits(entries)
        return known

    def totals_of(self, holder: Holder) -> Totals:
        """How many records of a buffer file are in which state."""
        entries = holder.entry_range
        return Totals.of(self.of(holder.entries)) if entries is None else self.totals(entries)

    def stretches(self, entries: range) -> Iterator[tuple[EntryState, range]]:
        """Neighbours in the same state, as ranges of entries."""
        raw = self._codes.raw()
        return ((CODES[raw[some.start]], some) for some in same_stretches(raw, entries))

    def __len__(self) -> int:
        return len(self._codes)

    def of(self, entries: Sequence[int]) -> Iterable[EntryState]:
        return (self[entry] for entry in entries)

    @staticmethod
    def _of_missing(
        comparison: Comparison, entry: int, read_to: int | None, kept: Collection[str], assume_kept: bool
    ) -> EntryState:
        """The state of the record of a log that neither S3 nor a buffer file has."""
        ledger, logs = comparison.ledger, comparison.logs
        doubt = logs.doubt(entry)
        if doubt and doubt.by == "multiline" and ledger.is_unread(entry):
            doubt = None  # it joins lines and drops none; what was never read was never joined
        if doubt and not assume_kept and not (doubt.whole_log and ledger.runs.tag_of(entry) in kept):
            return "maybe filtered"
        # read_to None: an older file whose row Fluent Bit has deleted, as it does some time after a rotation.
        return "unread" if read_to is not None and logs.starts[entry] >= read_to else "lost"

    def _mark_pending(self, comparison: Comparison, upload: UploadCase) -> None:
        room = upload.size if comparison.output.compression == "none" else None
        for entry in range(len(comparison.logs)):
            if self._codes[entry] != CODE["lost"] or comparison.ledger.runs.tag_of(entry) not in upload.tags:
                continue
            if room is not None:
                room -= comparison.logs.sizes[entry] + 1
                if room < 0:
                    return
            self._codes[entry] = CODE["pending"]


def _codes_of(stored: array[int], held: array[int]) -> bytearray:
    """The codes of entries by the objects and the records of buffer files that hold them: of all at once, as two large
    numbers with a byte for each."""
    in_objects, in_buffers = int.from_bytes(are_known(stored), "big"), int.from_bytes(are_known(held), "big")
    both = (in_objects | in_buffers << 1).to_bytes(len(stored), "big")
    return bytearray(both.translate(_BY_COPIES))
