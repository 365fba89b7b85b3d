"""The values of the engine's events, as its chunks hold them in MessagePack.

Source: src/flb_log_event_decoder.c of 5.1.1; docs/formats/engine-chunks.md.
"""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]

from flbrecover.fluentbit.record_json import value_text
from flbrecover.fluentbit.values import Ext, JsonKey
from flbrecover.model import SECOND_NS

_LAST_SECOND = 253_402_300_799  # the year 9999


def time_of(value: Any) -> tuple[int, int] | None:
    """Seconds and nanoseconds of a timestamp; negative seconds mark a group. None for what is no timestamp."""
    if isinstance(value, Ext):
        if len(value) != 8:
            return None
        seconds, nanos = int.from_bytes(value[:4], "big"), int.from_bytes(value[4:], "big")
        if seconds >= 0xFFFFFFFE and nanos == 0:
            return seconds - (1 << 32), 0
        return (seconds, nanos) if nanos < SECOND_NS else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and 0 <= value <= _LAST_SECOND:
        return value, 0
    if isinstance(value, float) and -_LAST_SECOND <= value <= _LAST_SECOND:
        seconds = int(value)
        return seconds, int((value - seconds) * 1e9)
    return None


def depth_of(value: Any) -> int:
    """How deep lists and maps are nested. Not recursive; a pair of a map is a tuple too, but no container."""
    deepest = 0
    todo = [(value, 1)]
    while todo:
        at, depth = todo.pop()
        deepest = max(deepest, depth)
        items = (item for _, item in at) if isinstance(at, tuple) else at
        todo.extend((item, depth + 1) for item in items if isinstance(item, (list, tuple)))
    return deepest


def key_of(key: Any) -> bytes:
    """The key of a map as bytes; what is no text is the JSON that Fluent Bit writes for it. Raises ValueError."""
    if type(key) is bytes:
        return key
    try:
        return JsonKey(value_text(plain(key)))
    except RecursionError as e:
        raise ValueError("a map key nested too deep") from e


def plain(value: Any) -> Any:
    """msgpack's own timestamps come as a class of the library; Fluent Bit knows them as any other extension."""
    return Ext(value.to_bytes()) if type(value) is msgpack.Timestamp else value
