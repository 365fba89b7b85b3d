"""Buffer files on the ledger: which of their records is the copy that a recovery would upload.

The same record can lie in several buffer files (a chunk that was quarantined twice, an engine chunk that had been
handed to the output already) and even twice in one file; it is one entry all the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flbrecover.model import BufferFile, ByteRange
from flbrecover.reconcile.batch import Batch
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.held_records import HeldRecords
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.states import join_ranges


@dataclass(slots=True)
class Holder:
    """A buffer file and its records: rows ``first`` on of ``records``. ``copies`` counts those that another record
    already holds; ``varied``: not all of them have the same bytes. ``proof`` says how an object was shown to hold
    all of them at once ("": it was not)."""

    number: int
    buffer: BufferFile
    records: HeldRecords
    first: int
    copies: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    varied: bool = False
    proof: str = ""
    entry_range: range | None = None
    """The entries as a range, where they follow each other as the records do; known once all are placed."""
    _count: int = 0

    @classmethod
    def begin(cls, number: int, buffer: BufferFile, ledger: Ledger) -> Holder:
        """A holder whose records are the next ones that the ledger gets."""
        ledger.begin_file()
        return cls(number, buffer, ledger.records, len(ledger.records))

    def __len__(self) -> int:
        return self._count

    def add(self, span: ByteRange, digest: bytes) -> None:
        self.records.add(span.start, span.end, digest)
        self._count += 1

    def add_all(self, batch: Batch) -> None:
        """More records, that have no entries yet."""
        self.learn(batch)
        self.records.add_all(batch.starts, batch.ends, batch.digests, [NONE] * len(batch))
        self._count += len(batch)

    def learn(self, batch: Batch) -> None:
        """What the next records tell of all of them, before they are added."""
        if not self.varied:
            self.varied = batch.digests.differ() or (len(self) > 0 and self.digest(0) != batch.digests.digest(0))
        if batch.limits is not None:
            first, last = batch.limits
            self.first_ns = first if self.first_ns is None else min(self.first_ns, first)
            self.last_ns = last if self.last_ns is None else max(self.last_ns, last)

    def grew(self, records: int) -> None:
        """The ledger has got so many records of this file."""
        self._count += records

    def span(self, index: int) -> ByteRange:
        at = self.first + index
        return ByteRange(self.records.starts[at], self.records.ends[at])

    def places(self, indexes: range) -> Iterator[tuple[int, int]]:
        """Where records that follow each other begin and end, many of them in little time."""
        rows = slice(self.first + indexes.start, self.first + indexes.stop)
        return zip(self.records.starts.raw()[rows], self.records.ends.raw()[rows], strict=True)

    def size(self, indexes: range) -> int:
        """Bytes of records that follow each other, each with a newline."""
        rows = slice(self.first + indexes.start, self.first + indexes.stop)
        return sum(self.records.ends.raw()[rows]) - sum(self.records.starts.raw()[rows]) + len(indexes)

    def ranges(self, indexes: range) -> list[ByteRange]:
        """Where records that follow each other lie, without the last newline: one range where no other bytes lie
        between them."""
        if not indexes:
            return []
        whole = ByteRange(self.span(indexes[0]).start, self.span(indexes[-1]).end)
        if whole.length + 1 == self.size(indexes):
            return [whole]
        return join_ranges(self.places(indexes), between=1)

    def entry(self, index: int) -> int:
        """The ledger entry of record ``index``."""
        return self.records.entries[self.first + index]

    def set_entry(self, index: int, entry: int) -> None:
        self.records.entries[self.first + index] = entry

    def set_entries(self, index: int, entries: range) -> None:
        """The entries of record ``index`` and those after it."""
        self.records.put(self.first + index, entries)

    @property
    def entries(self) -> Sequence[int]:
        """The entries of all records, in the file's order."""
        return self.records.entries.raw()[self.first : self.first + self._count]

    def settle(self) -> None:
        """When all are placed."""
        entries = self.entries
        whole = range(entries[0], entries[0] + self._count) if self._count else range(0)
        self.entry_range = whole if bytes(entries) == array("i", whole).tobytes() else None

    def digest(self, index: int) -> bytes:
        return self.records.digest(self.first + index)
