"""The record formats of the s3 output behind one interface: how a stream is cut into records, what a record's fields
are, how one is written, and how records become an object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from flbrecover.fluentbit import json_members, otlp_json, record_json, record_time
from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.json_whole import are_objects, is_object
from flbrecover.fluentbit.otlp_split import LogRecordSplitter
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.record_split import LineSplitter, Splitter
from flbrecover.fluentbit.values import Fields
from flbrecover.model import Envelope, Record

MILLISECOND_NS = 1_000_000
MICROSECOND_NS = 1000


class Format(Protocol):
    """Names of members are those that :meth:`members` gives: they need not be the names of the event's fields."""

    @property
    def date_name(self) -> str | None:
        """The name of the member that is the record's time."""

    @property
    def envelope(self) -> Envelope | None:
        """What is to stand around a rendered record."""

    @property
    def unwritten(self) -> str:
        """Why :meth:`render` gives None for an event, in a few words."""

    @property
    def unwritten_is_missed(self) -> bool:
        """Whether Fluent Bit would have written such an event."""

    def splitter(self, start: int = 0) -> Splitter:
        """For a stream whose first byte has the offset ``start``."""

    def is_whole(self, record: bytes) -> bool:
        """Whether a record from the middle of a stream is whole, as far as its bytes show."""

    def are_whole(self, records: Sequence[object]) -> bool:
        """Whether all of these are records of bytes that :meth:`is_whole` and hold no NUL byte, as far as that can be
        told of many at once: False says nothing."""

    def render(
        self, fields: Fields, time_ns: int, *, metadata: Fields = (), group: Fields | None = None
    ) -> bytes | None:
        """An event as Fluent Bit would write it; None where it writes none."""

    def render_apart(self, fields: Fields, time_ns: int) -> tuple[bytes | None, Members | None]:
        """:meth:`render`, and its members where they are at hand."""

    def time_of(self, record: bytes) -> int | None:
        """The time (ns) that a record carries, None where it carries none."""

    def times_of(self, records: Sequence[bytes]) -> Sequence[int | None]:
        """The times that these records carry."""

    def moment(self, time_ns: int) -> int:
        """The same for times (ns) that are written as one and the same, and another one for all others."""

    def members(self, record: bytes) -> Members | None:
        """A record's names and raw values; None where it has none that can be read."""

    def join_members(self, found: Members) -> bytes:
        """The record with these members."""

    def name_of(self, field: str) -> str:
        """The name of a field of the event."""

    def field_of(self, name: str) -> str:
        """The field of the event that has this name."""

    def shows_all(self, found: Members) -> bool:
        """Whether a record with these members shows all fields of its event."""

    def joined(self, records: Iterable[Record]) -> Iterator[bytes]:
        """The content of an object with these records."""


@dataclass(frozen=True)
class JsonLines:
    """``json_lines``, and plain lines with ``log_key``."""

    style: RecordStyle
    envelope: None = None
    unwritten_is_missed: bool = False

    @property
    def date_name(self) -> str | None:
        return self.style.json_date_key

    @property
    def unwritten(self) -> str:
        return f"have no {self.style.log_key}: the output does not write them"

    def splitter(self, start: int = 0) -> Splitter:
        return LineSplitter(start)

    def is_whole(self, record: bytes) -> bool:
        return not self.style.is_json or is_object(record)

    def are_whole(self, records: Sequence[object]) -> bool:
        return self.style.is_json and are_objects(records)

    def render(
        self, fields: Fields, time_ns: int, *, metadata: Fields = (), group: Fields | None = None
    ) -> bytes | None:
        return record_json.render(fields, time_ns, self.style, metadata=metadata, group=group)

    def render_apart(self, fields: Fields, time_ns: int) -> tuple[bytes | None, Members | None]:
        return record_json.render_apart(fields, time_ns, self.style) or (self.render(fields, time_ns), None)

    def time_of(self, record: bytes) -> int | None:
        return record_time.time_of(record, self.style)

    def times_of(self, records: Sequence[bytes]) -> Sequence[int | None]:
        return record_time.times_of(records, self.style)

    def moment(self, time_ns: int) -> int:
        return record_time.moment(time_ns, self.style.json_date_format)

    def members(self, record: bytes) -> Members | None:
        return json_members.members(record)

    def join_members(self, found: Members) -> bytes:
        return json_members.join(found)

    def name_of(self, field: str) -> str:
        return field

    def field_of(self, name: str) -> str:
        return name

    def shows_all(self, found: Members) -> bool:
        return True

    def joined(self, records: Iterable[Record]) -> Iterator[bytes]:
        for record in records:
            yield record.data + b"\n"


@dataclass(frozen=True)
class OtlpJson:
    """``otlp_json``: log records inside documents. Dates and keys of the configuration have no part in it."""

    date_name: str = otlp_json.TIME
    envelope: Envelope = otlp_json.PLAIN
    unwritten: str = "come from OpenTelemetry or nest too deep: flbrecover cannot write them as otlp_json"
    unwritten_is_missed: bool = True

    def splitter(self, start: int = 0) -> Splitter:
        return LogRecordSplitter(start)

    def is_whole(self, record: bytes) -> bool:
        return True  # the splitter has parsed it

    def are_whole(self, records: Sequence[object]) -> bool:
        return False  # records of one block may differ in what stands around them

    def render(
        self, fields: Fields, time_ns: int, *, metadata: Fields = (), group: Fields | None = None
    ) -> bytes | None:
        return otlp_json.render(fields, time_ns, metadata=metadata, group=group)

    def render_apart(self, fields: Fields, time_ns: int) -> tuple[bytes | None, Members | None]:
        return self.render(fields, time_ns), None

    def time_of(self, record: bytes) -> int | None:
        return otlp_json.time_of(record)

    def times_of(self, records: Sequence[bytes]) -> Sequence[int | None]:
        return [otlp_json.time_of(record) for record in records]

    def moment(self, time_ns: int) -> int:
        return time_ns // MICROSECOND_NS  # as fine as Fluent Bit reads times from lines

    def members(self, record: bytes) -> Members | None:
        return otlp_json.members(record)

    def join_members(self, found: Members) -> bytes:
        return otlp_json.join_members(found)

    def name_of(self, field: str) -> str:
        return otlp_json.name_of(field)

    def field_of(self, name: str) -> str:
        return otlp_json.field_of(name)

    def shows_all(self, found: Members) -> bool:
        return all(name != otlp_json.BODY for name, _ in found)

    def joined(self, records: Iterable[Record]) -> Iterator[bytes]:
        return otlp_json.joined(records)


JSON_LINES = JsonLines(RecordStyle())
OTLP_JSON = OtlpJson()


def format_of(style: RecordStyle) -> Format:
    """The format that a style asks for. What lies in buffers for ``parquet`` and ``arrow`` is JSON lines."""
    return OTLP_JSON if style.format == "otlp_json" else JsonLines(style)
