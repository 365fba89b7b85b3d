"""The values that flow through a Fluent Bit pipeline, in the few Python types that keep what msgpack keeps.

Strings are ``bytes`` (Fluent Bit does not check that they are UTF-8). A map is a tuple of pairs: its order and even its
duplicate keys decide how the s3 output renders it.
"""

from __future__ import annotations

from typing import NamedTuple, Union

from flbrecover.model import SECOND_NS, ByteRange

EVENT_TIMES = range(SECOND_NS << 32)
"""The times (ns) that an event can have: it has 32 bits of seconds (flb_time_append_to_mpack in src/flb_time.c)."""


class Ext(bytes):
    """The body of a msgpack extension value: not text, and rendered differently from it."""

    __slots__ = ()


class Constant(bytes):
    """A text that a filter takes from the configuration: the same in every record, until the configuration changes."""

    __slots__ = ()


class Offset(int):
    """The place of a line in its file (``Offset_Key``). Fluent Bit can be wrong about it: after a skipped long line, or
    where a file was truncated while it was read."""

    __slots__ = ()


class JsonKey(bytes):
    """A map key that is not a string, as the JSON text that Fluent Bit makes of it (``1``, ``null`` …)."""

    __slots__ = ()


Value = Union[None, bool, int, float, bytes, list["Value"], "Fields"]
Fields = tuple[tuple[bytes, Value], ...]


class SourceRecord(NamedTuple):
    """One record as the tail input makes it from a log, before any filter.

    ``file`` is the real path inside the root, ``span`` the bytes of its *uncompressed* content (all lines of a
    multiline record, newlines included). ``time_ns`` is None where the time does not come from the line: Fluent Bit
    takes the time of reading then. ``parsed`` is False where the input's parser did not accept the line (Fluent
    Bit passes it on as ``{key: line}``). ``terminated`` is False for a last line without its newline. ``joined`` says
    that the first filter, which is ``multiline``, has made it of the input's records already.
    """

    file: str
    span: ByteRange
    tag: str
    fields: Fields
    time_ns: int | None
    parsed: bool = True
    terminated: bool = True
    joined: bool = False


def unsteady_names(fields: Fields) -> set[bytes]:
    """The names whose value (the last, where one comes twice) is made only of what a copy of the record can have
    otherwise: constants and offsets."""
    return {name for name, value in dict(fields).items() if _is_unsteady(value)}


def _is_unsteady(value: Value) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_unsteady(inner) for _, inner in value)
    return isinstance(value, (Constant, Offset))
