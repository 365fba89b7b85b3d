"""Buffer files on the ledger: which of their records is the copy that a recovery would upload.

The same record can lie in several buffer files (a chunk that was quarantined twice, an engine chunk that had been
handed to the output already) and even twice in one file; it is one entry all the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flbrecover.model import BufferFile, ByteRange
from flbrecover.reconcile.ledger import NONE, Ledger, Run
from flbrecover.reconcile.placement import Copy, Placement


@dataclass(slots=True)
class Holder:
    """A buffer file and its records. ``entries[i]`` is the ledger entry of record ``i``; ``copies`` counts the
    records that another record already holds."""

    number: int
    buffer: BufferFile
    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    entries: array[int] = field(default_factory=lambda: array("q"))
    copies: int = 0
    first_ns: int | None = None
    last_ns: int | None = None

    def __len__(self) -> int:
        return len(self.starts)


def place_holder(
    ledger: Ledger, holder: Holder, records: Iterable[tuple[ByteRange, Copy]], *, precise: bool
) -> None:
    """Puts all records of a buffer file on the ledger, each on the entry of its source record or on one of its own."""
    digests: list[bytes] = []
    times: list[int | None] = []

    def place(copy: Copy, entry: int) -> None:
        holder.entries[copy.index] = entry

    placement = Placement(
        ledger,
        place,
        lambda entry: ledger.held[entry] != NONE,
        tags=(holder.buffer.tag or "",),
        precise=precise,
        latest=True,
    )
    for span, copy in records:
        holder.starts.append(span.start)
        holder.ends.append(span.end)
        holder.entries.append(NONE)
        digests.append(copy.digest)
        times.append(copy.time_ns)
        placement.feed(copy)
    placement.finish()
    known = [t for t in times if t is not None]
    holder.first_ns, holder.last_ns = (min(known), max(known)) if known else (None, None)
    _claim(ledger, holder, digests, times, precise)


def _claim(
    ledger: Ledger, holder: Holder, digests: Sequence[bytes], times: Sequence[int | None], precise: bool
) -> None:
    complete = all(entry != NONE for entry in holder.entries)  # the logs show every record of this file
    doubled = holder.buffer.kind == "quarantine" and not precise
    repeated = repeated_block(digests) if doubled else range(0)
    run = NONE
    for index, digest in enumerate(digests):
        entry = holder.entries[index]
        if entry == NONE and precise and ledger.of_digest(digest):
            entry = ledger.of_digest(digest)[0]
        elif entry == NONE and index in repeated:
            entry = holder.entries[index - repeated.start]
        if entry != NONE and ledger.held[entry] != NONE:
            same_bytes = ledger.digest(entry) == digest
            another_reading = complete and ledger.held[entry] != holder.number
            if same_bytes or another_reading:
                holder.entries[index] = entry
                holder.copies += 1
                continue
            entry = NONE
        if entry == NONE:
            if run == NONE:
                run = ledger.start_run(Run(holder.buffer.path))
            entry = ledger.add(run, holder.buffer.tag or "", None)
        holder.entries[index] = entry
        ledger.hold(entry, holder.number, index, digest, times[index])


def repeated_block(digests: Sequence[bytes]) -> range:
    """Where a quarantined file starts all over again: the second copy of its beginning, or an empty range.

    Fluent Bit appends a chunk to its own quarantined copy when two processes quarantine it (seen). The copy starts
    where the first record comes up again; different records have to repeat in order, as one line does again and again.
    """
    if not digests or digests.count(digests[0]) < 2:
        return range(0)
    at = digests.index(digests[0], 1)
    length = min(at, len(digests) - at)
    if digests[at : at + length] != digests[:length] or len(set(digests[:length])) < 2:
        return range(0)
    return range(at, at + length)
