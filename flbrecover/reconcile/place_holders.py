"""Puts the records of buffer files on the ledger: each on the entry of its source record, or on one of its own."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence

from flbrecover.model import ByteRange
from flbrecover.reconcile.batch import Batch
from flbrecover.reconcile.breaks import Gap
from flbrecover.reconcile.columns import NO_TIME, NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.entry_search import LOOK_AHEAD
from flbrecover.reconcile.follow import following
from flbrecover.reconcile.holders import Holder
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.placement import Placement
from flbrecover.reconcile.precision import MIXED, Precision
from flbrecover.reconcile.repeated_blocks import NO_BLOCKS, repeated_blocks
from flbrecover.reconcile.runs import Run

_NOTHING = range(0)
LOOK_AT = 16  # records that are looked at for one whose bytes tell

CopyAt = Callable[[int], Copy]
"""A record of a batch as placement takes it, by its place in the batch."""


def place_holder(
    ledger: Ledger,
    holder: Holder,
    batches: Iterable[tuple[Batch, CopyAt]],
    *,
    precision: Precision,
    gap: Gap | None = None,
) -> None:
    """Puts all records of a buffer file on the ledger, each on the entry of its source record or on one of its own.
    What follows each other as it does in the log is placed together, without a look at the single record."""
    times, owns = array("q"), array("Q")
    together: dict[int, range] = {}  # entries that were taken at once, by the first of their records

    def place(copy: Copy, entry: int) -> None:
        holder.set_entry(copy.index, entry)

    placement = Placement(
        ledger,
        place,
        lambda entry: ledger.held[entry] != NONE,
        tags=(holder.buffer.tag or "",),
        precision=precision,
        latest=True,
        gap=gap,
    )
    for batch, copy_at in batches:
        first = len(holder)
        holder.add_all(batch)
        times.extend(batch.times)
        owns.extend(batch.owns)
        at = 0
        while at < len(batch):
            entries = _following(ledger, holder, placement.previous, batch, at)
            if entries:
                placement.run(first + at, entries)
                holder.set_entries(first + at, entries)
                together[first + at] = entries
                at += len(entries)
            else:
                placement.feed(copy_at(at))
                at += 1
    placement.finish()
    _claim(ledger, holder, times, owns, together, precision=precision)
    holder.settle()


def _following(ledger: Ledger, holder: Holder, previous: int, batch: Batch, at: int) -> range:
    """Entries of log records behind ``previous`` that follow each other as the records from ``at`` on do."""
    if previous == NONE:
        return _NOTHING
    entries = range(previous + 1, min(ledger.runs.chain(previous).stop, ledger.indexed))
    entries = entries[: following(ledger, batch.owns, at, entries)]
    if not entries or ledger.runs.tags_of(entries) != {holder.buffer.tag or ""}:
        return _NOTHING
    for entry, time_ns in ((entries[0], batch.times[at]), (entries[-1], batch.times[at + len(entries) - 1])):
        if not ledger.agrees_in_time(entry, None if time_ns == NO_TIME else time_ns):
            return _NOTHING
    return entries


def place_by_digest(ledger: Ledger, holder: Holder, batches: Iterable[Batch]) -> None:
    """:func:`place_holder` for a tag without logs and a file with fine dates, where the same bytes are the same record:
    a record is on the entry that is held with its bytes, or on a new one. One whose date is not fine by chance, or
    because its line was not parsed, is on the entry next to that of its neighbour."""
    run = NONE
    tag = holder.buffer.tag or ""
    dated = not holder.buffer.holds_events  # the time of an event need not be in the bytes that are written of it
    for batch in batches:
        holder.learn(batch)
        if run == NONE:
            run = ledger.runs.begin(Run(holder.buffer.path))
        if ledger.knows_none_of(tag, batch, dated=dated):
            ledger.hold_new(run, tag, batch)
            holder.grew(len(batch))
            continue
        for n in range(len(batch)):
            digest = batch.digests.digest(n)
            index = len(holder)
            holder.add(ByteRange(batch.starts[n], batch.ends[n]), digest)
            held = _held(ledger, holder, digest) if _tells(batch, n) else _beside(ledger, holder, batch, n)
            if held != NONE:
                holder.set_entry(index, held)
                holder.copies += 1
                continue
            entry = ledger.add(run, tag, None, own=batch.owns[n])
            holder.set_entry(index, entry)
            ledger.hold(entry, holder.first + index, None if batch.times[n] == NO_TIME else batch.times[n])
    holder.settle()


def _tells(batch: Batch, at: int) -> bool:
    """Is the date of a record so fine that no other record has its bytes?"""
    return batch.times[at] != NO_TIME and MIXED.tells(batch.times[at])


def _beside(ledger: Ledger, holder: Holder, batch: Batch, at: int) -> int:
    """The entry of a record whose bytes may be those of several: held with them, and next to the entry of the record
    before it, or of the first one after it whose bytes tell. NONE: it is taken for a new one."""
    digest, index = batch.digests.digest(at), len(holder) - 1
    near = [holder.entry(index - 1) + 1] if index else []
    behind = next((n for n in range(at + 1, min(at + LOOK_AT, len(batch))) if _tells(batch, n)), None)
    if behind is not None and (held := _held(ledger, holder, batch.digests.digest(behind))) != NONE:
        near.append(held - (behind - at))
    fitting = (entry for entry in near if 0 <= entry < len(ledger) and ledger.digest(entry) == digest)
    tag = holder.buffer.tag or ""
    return next((entry for entry in fitting if ledger.runs.tag_of(entry) == tag), NONE)


def _claim(
    ledger: Ledger,
    holder: Holder,
    times: array[int],
    owns: array[int],
    together: Mapping[int, range],
    *,
    precision: Precision,
) -> None:
    """Has entries hold the records of a file: those that were taken ``together`` at once, where nothing holds them
    yet."""
    complete = all(entry != NONE for entry in holder.entries)  # the logs show every record of this file
    rows: bytearray | None = None

    def is_sure(index: int) -> bool:
        return precision.tells(None if times[index] == NO_TIME else times[index])

    doubled = holder.buffer.kind == "quarantine" and not all(map(is_sure, range(len(holder))))
    repeated = repeated_blocks([holder.digest(i) for i in range(len(holder))]) if doubled else NO_BLOCKS
    run = NONE
    past = 0  # records up to here have been claimed
    for index in range(len(holder)):
        if index < past:
            continue
        entries = together.get(index, _NOTHING)
        if entries and ledger.hold_all(entries, holder.first + index, times[index : index + len(entries)]):
            past = index + len(entries)
            continue
        entry, digest = holder.entry(index), holder.digest(index)
        if entry == NONE and is_sure(index) and (held := _held(ledger, holder, digest)) != NONE:
            entry = held
        elif entry == NONE and index in repeated.records:
            entry = holder.entry(index - repeated.shift)
        if entry != NONE and ledger.held[entry] != NONE:
            same_bytes = ledger.digest(entry) == digest
            another_reading = ledger.held[entry] < holder.first
            if another_reading and not same_bytes and not complete:
                rows = _in_rows(ledger, holder.entries) if rows is None else rows
                another_reading = bool(rows[index])
            if same_bytes or another_reading:
                holder.set_entry(index, entry)
                holder.copies += 1
                continue
            entry = NONE
        if entry == NONE:
            if run == NONE:
                run = ledger.runs.begin(Run(holder.buffer.path))
            entry = ledger.add(run, holder.buffer.tag or "", None, own=owns[index])
        holder.set_entry(index, entry)
        ledger.hold(entry, holder.first + index, None if times[index] == NO_TIME else times[index])


def _in_rows(ledger: Ledger, entries: Sequence[int]) -> bytearray:
    """A byte for each record: is it one of many in a row that are in a row in a log? Then it surely is the log's."""
    rows, start = bytearray(len(entries)), 0
    for at in range(1, len(entries) + 1):
        ends = at == len(entries) or NONE in (entries[at - 1], entries[at])
        if ends or not ledger.runs.are_neighbours(entries[at - 1], entries[at]):
            if at - start >= LOOK_AHEAD:
                rows[start:at] = b"\1" * (at - start)
            start = at
    return rows


def _held(ledger: Ledger, holder: Holder, digest: bytes) -> int:
    """The entry that is held with these bytes under the tag of the file, or NONE. Under another tag they are another
    record: Fluent Bit delivers both."""
    tag = holder.buffer.tag or ""
    return next((entry for entry in ledger.of_digest(digest) if ledger.runs.tag_of(entry) == tag), NONE)
