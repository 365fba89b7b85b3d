"""The engine's own chunks under ``storage.path``: their metadata, and the msgpack events of their content.

The tables of docs/formats/engine-chunks.md in code. Source: src/flb_input_chunk.c (metadata),
src/flb_log_event_decoder.c (events), both of 5.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgpack  # type: ignore[import-untyped]

from flbrecover.fluentbit.engine_values import depth_of, key_of, plain, time_of
from flbrecover.fluentbit.record_json import MAX_DEPTH
from flbrecover.fluentbit.record_split import Unread
from flbrecover.fluentbit.values import Ext, Fields, Value
from flbrecover.model import SECOND_NS, ByteRange

META_MAGIC = b"\xf1\x77"
EVENT_START = b"\x92\x92\xd7\x00"  # [[EventTime, metadata], fields]: every event since 2.1
MAX_EVENT = 16 << 20  # bytes; Fluent Bit's chunks are about 2 MB
MAX_ITEMS = 1 << 17  # of one list or map
MAX_CONTAINERS = 1 << 19  # of one event
NAME = re.compile(r"-?[0-9]+-([0-9]{1,11})\. {0,3}([0-9]{1,9})\.flb\Z")  # pid, seconds, nanoseconds (not zero-padded)

EventType = Literal["logs", "metrics", "traces", "blobs", "profiles", "unknown"]
_TYPES: tuple[EventType, ...] = ("logs", "metrics", "traces", "blobs", "profiles")
_DIRECT_ROUTES = 1

_GROUP_START, _GROUP_END = -1, -2
_ZERO_SECTOR = bytes(512)  # what a power loss leaves of data that was never written back comes in these
_MAX_FINAL_NULS = 8
_FIRST_LOOK = 4096
HALF = "half an event"


@dataclass(frozen=True, slots=True)
class Metadata:
    """``routed``: the chunk names the outputs that it goes to (4.2 on), whatever their ``Match`` says."""

    tag: bytes
    event_type: EventType
    routed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One log event. ``group`` are the attributes of the group that it lies in, None outside of one."""

    time_ns: int
    metadata: Fields
    fields: Fields
    span: ByteRange
    group: Fields | None = None


def parse_metadata(meta: bytes) -> Metadata:
    """The metadata of a chunk file: the bare tag up to 1.8, from then on four bytes before it."""
    if len(meta) < 4 or meta[:2] != META_MAGIC:
        return Metadata(meta, "logs")
    event_type = _TYPES[meta[2]] if meta[2] < len(_TYPES) else "unknown"
    return Metadata(meta[4:].split(b"\0", 1)[0], event_type, bool(meta[3] & _DIRECT_ROUTES))


def created_ns(name: str) -> int | None:
    """The creation time in the name of a chunk file (``<pid>-<sec>.<nsec>.flb``), None for any other name."""
    found = NAME.match(name)
    return int(found[1]) * SECOND_NS + int(found[2]) if found else None


class EventDecoder:
    """Takes the content block by block and gives its events in order, with what could not be read in between.

    After bytes that are no event it goes on at the next place that begins like an event of Fluent Bit 2.1 or later
    and is one. What msgpack takes but the damages of a disk make likely is not given: an event with zeroed bytes, or
    one that has swallowed others because a length in it is wrong.
    """

    def __init__(self, start: int = 0, limit: int = MAX_EVENT, *, padded: bool = False) -> None:
        """``start`` is the offset of the first byte that will be fed. ``padded``: zeros behind the last event are
        nothing unusual, and say nothing about it."""
        self._buffer = bytearray()
        self._start = start  # the offset of the buffer's first byte
        self._limit = limit
        self._padded = padded
        self._wait_for = 0  # no use to try again before the buffer has this many bytes
        self._lost = False
        self._group: Fields | None = None
        self._held: Event | None = None  # what follows an event can still prove it damaged
        self._zero_ended = False  # whether its last byte is zero
        self._unread: Unread | None = None
        self._at = 0  # where in the buffer the last run stopped, and why; "" where it only needs more bytes
        self._why = ""
        self._containers = 0

    def feed(self, block: bytes) -> Iterator[Event | Unread]:
        """The events that are known to be whole with this block. The iterator must be used up before the next call."""
        self._buffer += block
        if len(self._buffer) >= self._wait_for:
            yield from self._events(ended=False)

    def rest(self) -> Iterator[Event | Unread]:
        """At the end of the content: what is left. Half an event comes as an unread range."""
        yield from self._events(ended=True)
        if self._buffer:
            self._pass(len(self._buffer), HALF)
        yield from self._settle()

    def _events(self, ended: bool) -> Iterator[Event | Unread]:
        while self._find_start():
            yield from self._run(ended)
            self._drop(self._at)
            self._wait_for = 0
            if not self._why:
                if not self._at:
                    self._wait_for = 2 * len(self._buffer)
                return
            if self._held:
                yield from self._settle(before_zeros=self._buffer[:1] == b"\0")
            self._pass(1, self._why)

    def _find_start(self) -> bool:
        """Bring the next possible event to the buffer's start; False when it is not there yet."""
        if self._lost:
            at = self._buffer.find(EVENT_START)
            self._pass(max(len(self._buffer) - len(EVENT_START) + 1, 0) if at < 0 else at, self._why)
            return at >= 0
        return bool(self._buffer)

    def _run(self, ended: bool) -> Iterator[Event | Unread]:
        """All events from the buffer's start on, up to the first that is not whole or none."""
        unpacker = msgpack.Unpacker(
            raw=True,
            strict_map_key=False,
            object_pairs_hook=self._map,
            list_hook=self._list,
            ext_hook=lambda _code, data: Ext(data),
            max_buffer_size=0,  # the buffer is bounded here
            max_str_len=self._limit,
            max_bin_len=self._limit,
            max_ext_len=self._limit,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
        )
        fed = 0
        self._at, self._why = 0, ""
        self._containers = 0
        while True:
            try:
                value = unpacker.unpack()
            except msgpack.OutOfData:
                if fed < len(self._buffer):  # little at first: among garbage most runs end at once
                    more = self._buffer[fed : max(4 * fed, _FIRST_LOOK)]
                    unpacker.feed(more)
                    fed += len(more)
                    continue
                if len(self._buffer) - self._at > self._limit:
                    self._why = f"an event longer than {self._limit} bytes"
                elif ended and self._at < len(self._buffer):
                    self._why = HALF
                return
            except (ValueError, msgpack.UnpackException, RecursionError):
                self._why = "not a log event"
                return
            end = int(unpacker.tell())
            event = self._event(value, ByteRange(self._start + self._at, self._start + end))
            self._why = self._damage(event, end)
            if self._why:
                return
            self._at, self._containers = end, 0
            yield from self._settle()
            self._lost = False
            self._held = event if isinstance(event, Event) else None
            self._zero_ended = self._buffer[end - 1] == 0

    def _event(self, value: Any, span: ByteRange) -> Event | bool:
        """The event in an unpacked value; True for a marker that Fluent Bit reads and does not pass on, False for what
        is no event."""
        if not (isinstance(value, list) and len(value) == 2 and _is_map(value[1])):
            return False
        when, metadata = value[0], ()
        if isinstance(when, list):
            if not (len(when) == 2 and _is_map(when[1])):
                return False
            when, metadata = when
        time = time_of(when)
        if time is None or depth_of(value) > MAX_DEPTH:
            return False
        seconds, nanos = time
        if seconds < 0:
            if seconds in (_GROUP_START, _GROUP_END):
                self._group = value[1] if seconds == _GROUP_START else None
            return True
        return Event(seconds * SECOND_NS + nanos, metadata, value[1], span, self._group)

    def _damage(self, event: Event | bool, end: int) -> str:
        """Why what stands in the buffer up to ``end`` is not to be taken, "" where nothing is wrong with it."""
        if event is False:
            return "not a log event"
        if self._buffer.find(EVENT_START, self._at + 1, end) > 0:
            return "an event that runs into the next one"
        zeroed = self._buffer.find(_ZERO_SECTOR, self._at, end) >= 0
        if zeroed or (isinstance(event, Event) and final_nuls(event) > _MAX_FINAL_NULS):
            return "an event with zeroed bytes"
        return ""

    def _settle(self, before_zeros: bool = False) -> Iterator[Event | Unread]:
        """Give what waits: the event before, or the range that could not be read."""
        held, self._held = self._held, None
        if held and before_zeros and self._zero_ended and not self._padded:
            self._unread = Unread(held.span, "an event with zeroed bytes")
            return
        if held:
            yield held
        if self._unread:
            yield self._unread
            self._unread = None

    def _pass(self, size: int, why: str) -> None:
        if size:
            end = self._start + size
            if self._unread:
                self._unread = Unread(ByteRange(self._unread.span.start, end), self._unread.what)
            else:
                self._unread = Unread(ByteRange(self._start, end), why)
            self._lost = True
            self._drop(size)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._start += size

    def _map(self, pairs: list[tuple[Any, Any]]) -> Fields:
        self._count()
        for place, (key, value) in enumerate(pairs):
            if type(key) is not bytes or type(value) is msgpack.Timestamp:
                pairs[place] = (key_of(key), plain(value))
        return tuple(pairs)

    def _list(self, items: list[Any]) -> list[Any]:
        self._count()
        return [plain(item) for item in items]

    def _count(self) -> None:
        self._containers += 1
        if self._containers > MAX_CONTAINERS:
            raise ValueError("too many lists and maps in one event")


def final_nuls(event: Event) -> int:
    """How many NULs end the string that ends the event; 0 where it does not end in a string."""
    value: Value = event.fields
    while value and isinstance(value, (tuple, list)):
        value = value[-1][1] if isinstance(value, tuple) else value[-1]
    return len(value) - len(value.rstrip(b"\0")) if isinstance(value, bytes) else 0


def _is_map(value: Any) -> bool:
    return isinstance(value, tuple)
