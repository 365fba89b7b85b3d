"""What the first records of the buffer files tell before all of them are read: their fields, and how fine their dates
are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.evidence.node import Node
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import BufferFile
from flbrecover.reconcile.precision import ALWAYS, FINE, NEVER, Precision, precision_of

SAMPLE = 50  # records


@dataclass(frozen=True, slots=True)
class Sample:
    """What the first records of a buffer file tell: their times, and of the records those that have other fields than
    all before them."""

    buffer: BufferFile
    times: tuple[int | None, ...]
    records: tuple[bytes, ...]


class Samples:
    """Samples of all buffer files of one output, in their order.

    ``precision`` is that of each tag, ``of_others`` that of tags without a buffer file: the dates of one output can be
    very different, those of one tag the time of reading, those of another one what a parser finds in the line. ``fine``
    are the paths of the files whose dates tell one record from another, but for a few.
    """

    def __init__(self, node: Node, style: RecordStyle, buffers: Iterable[BufferFile]) -> None:
        self._style = style
        self._format = format_of(style)
        self._seen: set[tuple[str, ...]] = set()  # the tag and the names of fields
        self.all = [self._sample(node, buffer) for buffer in buffers]
        times: dict[str, list[int | None]] = {}
        for sample in self.all:
            times.setdefault(sample.buffer.tag or "", []).extend(sample.times)
        self.precision = {tag: self._precision(some) for tag, some in times.items()}
        seen = [time_ns for some in times.values() for time_ns in some]
        some_tell = any(map(self._precision(seen).tells, seen))
        self.of_others = ALWAYS if some_tell or not seen else NEVER
        self.fine = {s.buffer.path for s in self.all if self._precision(s.times) == FINE}

    @property
    def buffers(self) -> list[BufferFile]:
        return [sample.buffer for sample in self.all]

    @property
    def times(self) -> list[int]:
        """All times that are known, in ns."""
        return [time_ns for sample in self.all for time_ns in sample.times if time_ns is not None]

    @property
    def records(self) -> dict[str, list[bytes]]:
        """Of each tag, records that differ in their fields."""
        found: dict[str, list[bytes]] = {}
        for sample in self.all:
            found.setdefault(sample.buffer.tag or "", []).extend(sample.records)
        return found

    def _sample(self, node: Node, buffer: BufferFile) -> Sample:
        records = list(islice(BufferRecords(node, buffer, self._style), SAMPLE))
        others = []
        for record in records:
            names = (buffer.tag or "", *[name for name, _ in self._format.members(record.data) or ()])
            if names not in self._seen:
                self._seen.add(names)
                others.append(record.data)
        return Sample(buffer, tuple(r.time_ns for r in records), tuple(others))

    def _precision(self, times: Sequence[int | None]) -> Precision:
        """How fine dates are that are written with these times: an event has one that its bytes may not show."""
        dated = self._style.log_key is None and self._format.date_name is not None
        return precision_of(times) if dated or not times else NEVER
