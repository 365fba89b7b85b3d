"""The state of every record of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flbrecover.reconcile.ledger import NONE
from flbrecover.reconcile.states import EntryState
from flbrecover.recover.compare import Comparison
from flbrecover.recover.uploads import UploadCase

CODES: tuple[EntryState, ...] = ("stored", "pending", "buffered", "lost", "unread", "gone", "maybe filtered")
CODE = {state: number for number, state in enumerate(CODES)}


class States:
    """``states[entry]`` for all entries of a comparison.

    A record that S3 lacks and no buffer holds is unread where its log says that Fluent Bit never came that far, else
    lost; lost ones that may be in parts of this node's uploads are pending: nobody can read parts, so they are assumed
    to be there, as many as fit, until the upload is completed and tells.
    """

    def __init__(self, comparison: Comparison, uploads: Iterable[UploadCase], *, assume_kept: bool) -> None:
        self._codes = bytearray(len(comparison.ledger))
        ledger, logs = comparison.ledger, comparison.logs
        kept = {ledger.tag_of(e) for e in range(len(logs)) if ledger.stored[e] != NONE or ledger.held[e] != NONE}
        for run in logs.runs:
            read_to = run.file.read_to
            for entry in ledger.entries_of(run.run):
                self._codes[entry] = CODE[self._of_log(comparison, entry, read_to, kept, assume_kept)]
        for entry in range(len(logs), len(ledger)):
            self._codes[entry] = CODE["buffered" if ledger.stored[entry] == NONE else "stored"]
        for upload in uploads:
            if upload.state in ("can be completed", "key taken", "parts missing", "unknown"):
                self._mark_pending(comparison, upload)

    def __getitem__(self, entry: int) -> EntryState:
        return CODES[self._codes[entry]]

    def __len__(self) -> int:
        return len(self._codes)

    def of(self, entries: Sequence[int]) -> Iterable[EntryState]:
        return (self[entry] for entry in entries)

    @staticmethod
    def _of_log(
        comparison: Comparison, entry: int, read_to: int | None, kept: set[str], assume_kept: bool
    ) -> EntryState:
        ledger, logs = comparison.ledger, comparison.logs
        if ledger.stored[entry] != NONE:
            return "stored"
        if ledger.held[entry] != NONE:
            return "buffered"
        doubt = logs.doubt(entry)
        if doubt and doubt.by == "multiline" and ledger.is_unread(entry):
            doubt = None  # it joins lines and drops none; what was never read was never joined
        if doubt and not assume_kept and not (doubt.whole_log and ledger.tag_of(entry) in kept):
            return "maybe filtered"
        # read_to None: an older file whose row Fluent Bit has deleted, as it does some time after a rotation.
        return "unread" if read_to is not None and logs.starts[entry] >= read_to else "lost"

    def _mark_pending(self, comparison: Comparison, upload: UploadCase) -> None:
        room = upload.size if comparison.output.compression == "none" else None
        for entry in range(len(comparison.logs)):
            if self._codes[entry] != CODE["lost"] or comparison.ledger.tag_of(entry) not in upload.tags:
                continue
            if room is not None:
                room -= comparison.logs.sizes[entry] + 1
                if room < 0:
                    return
            self._codes[entry] = CODE["pending"]
