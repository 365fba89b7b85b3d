"""A record as the s3 output writes it.

Source: ``flb_pack_msgpack_to_json_format`` and ``msgpack2json`` in src/flb_pack.c,
``flb_pack_msgpack_extract_log_key`` in plugins/out_s3/s3.c, all of 5.1.1; the rules are listed in
docs/formats/rendering.md.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import add

from flbrecover.fluentbit import spelling
from flbrecover.fluentbit.column_form import COLUMNAR, comparable
from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.json_string import is_plain, write_string
from flbrecover.fluentbit.pipeline import JsonDateFormat, RecordFormat, S3Output, Service
from flbrecover.fluentbit.values import Constant, Ext, Fields, JsonKey, Offset, Value
from flbrecover.model import SECOND_NS

MAX_DEPTH = 32  # of maps and lists: MSGPACK_EMBED_STACK_SIZE, beyond which Fluent Bit cannot read its own records


@dataclass(frozen=True, slots=True)
class RecordStyle:
    """What of an output's configuration decides how its records look. ``json_date_key`` None: no date.

    ``any_spelling``: of one record there may be a copy that Fluent Bit wrote and one that is rendered here, where
    characters beyond ASCII can be spelled in another way.
    """

    json_date_key: str | None = "date"
    json_date_format: JsonDateFormat = "iso8601"
    log_key: str | None = None
    escape_unicode: bool = True
    format: RecordFormat = "json_lines"
    any_spelling: bool = False
    opening: bytes = field(init=False, repr=False, compare=False, default=b"")  # of a record that begins with its date

    def __post_init__(self) -> None:
        if self.json_date_key is not None:
            key = write_string(_raw(self.json_date_key), self.escape_unicode)
            object.__setattr__(self, "opening", b'{"' + key + b'":')

    @classmethod
    def of(cls, output: S3Output, service: Service) -> RecordStyle:
        """The style that an output writes with."""
        return cls(
            output.json_date_key,
            output.json_date_format,
            output.log_key,
            service.escape_unicode,
            output.format,
        )

    @property
    def is_json(self) -> bool:
        """Whether each record is a JSON object; with ``log_key`` it is whatever the value was."""
        return self.log_key is None

    def records_in(self, rendered: bytes) -> list[bytes]:
        """With ``log_key`` a value of several lines is several records for whoever reads the object."""
        return rendered.split(b"\n") if self.log_key is not None else [rendered]

    @property
    def has_forms(self) -> bool:
        """Can copies of one record that Fluent Bit wrote have other bytes, and no fields to tell that by?"""
        return self.format in COLUMNAR or self.log_key is not None or self.any_spelling

    def comparable(self, record: bytes) -> bytes:
        """What of a record, buffered or stored, is the same in every copy of it: mostly its very bytes."""
        if self.log_key is not None:
            return spelling.whole_bytes(record)
        if self.any_spelling:
            return spelling.spelled_out(record)
        return comparable(record) if self.format in COLUMNAR else record

    def all_comparable(self, records: Sequence[bytes]) -> Sequence[bytes]:
        """:meth:`comparable` of each."""
        return list(map(self.comparable, records)) if self.has_forms else records


def render(
    fields: Fields, time_ns: int, style: RecordStyle, *, metadata: Fields = (), group: Fields | None = None
) -> bytes | None:
    """The record's bytes without the newline, as the s3 output with ``format json_lines`` would write them.

    ``metadata`` is the event's own, ``group`` are the attributes of the group that it lies in. None where Fluent Bit
    writes nothing: the ``log_key`` is missing, or a value is nested deeper than :data:`MAX_DEPTH`. With ``log_key``
    the value may hold newlines, and is several lines then.
    """
    try:
        if style.log_key is not None:
            return _log_value(fields, style)
        pairs: list[tuple[bytes, Value]] = []
        if style.json_date_key is not None:
            pairs.append((_raw(style.json_date_key), _date(time_ns, style.json_date_format)))
        if group or metadata:
            own: tuple[tuple[bytes, Value], ...] = ((b"log_metadata", metadata),)
            pairs.append((b"__internal__", own if group is None else ((b"group_attributes", group), *own)))
        return _map((*pairs, *fields), style.escape_unicode, 1)
    except _TooDeepError:
        return None


def render_apart(fields: Fields, time_ns: int, style: RecordStyle) -> tuple[bytes, Members] | None:
    """:func:`render`, and what :func:`json_members.members` would tell of it, in a third of its time. None where that
    is not sure to be the same: for other values than texts, integers and literals, say, or a key that comes twice."""
    if style.log_key is not None:
        return None
    if style.json_date_key is not None:
        fields = ((_raw(style.json_date_key), _date(time_ns, style.json_date_format)), *fields)
    keys = [key for key, _ in fields]
    if not _BYTES.issuperset(map(type, keys)) or not _SIMPLE.issuperset([type(value) for _, value in fields]):
        return None
    known = _names_of(tuple(keys), style.escape_unicode)
    if known is None:
        return None
    names, begins = known
    escape = style.escape_unicode
    values = [b'"%b"' % v if type(v) is bytes and is_plain(v) else _value(v, escape, 1) for _, v in fields]
    data = b"{" + b",".join(map(add, begins, values)) + b"}"
    return data, [(name, value.decode("utf-8", "surrogateescape")) for name, value in zip(names, values, strict=True)]


def value_text(value: Value, escape_unicode: bool = True) -> bytes:
    """One value as JSON text. Raises ValueError where it is nested deeper than :data:`MAX_DEPTH`."""
    return _value(value, escape_unicode, 1)


_BYTES = frozenset({bytes})
_SIMPLE = frozenset({bytes, Constant, int, Offset, bool, type(None)})  # values whose JSON every reader takes


def date_text(time_ns: int, date_format: JsonDateFormat) -> bytes:
    """A record's date as JSON."""
    return value_text(_date(time_ns, date_format))


class _TooDeepError(ValueError):
    pass


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _date(time_ns: int, date_format: JsonDateFormat) -> Value:
    seconds, nanos = divmod(time_ns, SECOND_NS)
    if date_format == "epoch":
        return seconds
    if date_format == "epoch_ms":
        return seconds * 1000 + nanos // 1_000_000
    if date_format == "double":
        return float(seconds) + nanos / 1e9
    day, clock = _day_and_clock(seconds)
    if date_format == "iso8601":
        return b"%bT%b.%06dZ" % (day, clock, nanos // 1000)
    return b"%b %b.%06d" % (day, clock, nanos // 1000)


@lru_cache(maxsize=64)  # records of one second mostly follow each other
def _day_and_clock(seconds: int) -> tuple[bytes, bytes]:
    utc = time.gmtime(seconds)
    day = b"%d-%02d-%02d" % (utc.tm_year, utc.tm_mon, utc.tm_mday)
    return day, b"%02d:%02d:%02d" % (utc.tm_hour, utc.tm_min, utc.tm_sec)


def _log_value(fields: Fields, style: RecordStyle) -> bytes | None:
    """The first value under ``log_key``: strings as they are, anything else as JSON."""
    wanted = _raw(style.log_key or "")
    for key, value in fields:
        if key == wanted and not isinstance(key, JsonKey):
            if isinstance(value, bytes) and not isinstance(value, Ext):
                return value
            return _value(value, style.escape_unicode, 1)
    return None


def _map(fields: Fields, escape: bool, depth: int) -> bytes:
    """Of keys that come twice the last one is written, at its own place."""
    if depth > MAX_DEPTH:
        raise _TooDeepError
    names = [key for key, _ in fields]
    if len(set(names)) == len(names) and JsonKey not in map(type, names):
        return b"{" + b",".join([_key(key, escape) + _value(value, escape, depth + 1) for key, value in fields]) + b"}"
    last = {key: place for place, (key, _) in enumerate(fields) if not isinstance(key, JsonKey)}
    out = []
    for place, (key, value) in enumerate(fields):
        if isinstance(key, JsonKey):
            out.append(key + b":" + _value(value, escape, depth + 1))
        elif last[key] == place:
            out.append(_key(key, escape) + _value(value, escape, depth + 1))
    return b"{" + b",".join(out) + b"}"


@lru_cache(maxsize=512)  # records of one log have the same keys
def _key(key: bytes, escape: bool) -> bytes:
    return b'"' + write_string(key, escape) + b'":'


@lru_cache(maxsize=512)
def _names_of(keys: tuple[bytes, ...], escape: bool) -> tuple[list[str], list[bytes]] | None:
    """What a reader of the JSON takes for these keys, and how they are written; None where they are not all different,
    or one could not be read."""
    begins = [_key(key, escape) for key in keys]
    try:
        names = [str(json.loads(begin[:-1].decode("utf-8", "surrogateescape"))) for begin in begins]
    except ValueError:
        return None
    return (names, begins) if len(set(keys)) == len(keys) else None


def _value(value: Value, escape: bool, depth: int) -> bytes:
    if type(value) is bytes:
        return b'"' + write_string(value, escape) + b'"'
    if isinstance(value, bytes):
        if isinstance(value, Ext):
            return b'"' + b"".join(_EXT_BYTES[byte] for byte in value) + b'"'
        return b'"' + write_string(value, escape) + b'"'
    if isinstance(value, tuple):
        return _map(value, escape, depth)
    if isinstance(value, list):
        if depth > MAX_DEPTH:
            raise _TooDeepError
        return b"[" + b",".join(_value(item, escape, depth + 1) for item in value) + b"]"
    if value is None:
        return b"null"
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    return _float(value)


_EXT_BYTES = [b"\\x%02x" % (byte if byte < 0x80 else byte | 0xFFFFFF00) for byte in range(256)]  # a signed char


def _float(value: float) -> bytes:
    """``%.1f`` where a cast to a 64-bit integer and back gives the same value, else ``%.16g``."""
    if math.isnan(value):
        return b"-nan" if math.copysign(1.0, value) < 0 else b"nan"
    if -(2.0**63) <= value < 2.0**63 and value == int(value):
        return b"%.1f" % value
    return b"%.16g" % value
