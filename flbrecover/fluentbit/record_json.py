"""A record as the s3 output writes it, and the time that a written record carries.

Source: ``flb_pack_msgpack_to_json_format`` and ``msgpack2json`` in src/flb_pack.c,
``flb_pack_msgpack_extract_log_key`` in plugins/out_s3/s3.c, all of 5.1.1; the rules are listed in
docs/formats/rendering.md.
"""

from __future__ import annotations

import calendar
import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from operator import add

from flbrecover.fluentbit.column_form import COLUMNAR, comparable
from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.json_string import is_plain, write_string
from flbrecover.fluentbit.pipeline import JsonDateFormat, RecordFormat, S3Output, Service
from flbrecover.fluentbit.values import Ext, Fields, JsonKey, Value

MAX_DEPTH = 32  # of maps and lists: MSGPACK_EMBED_STACK_SIZE, beyond which Fluent Bit cannot read its own records
_SECOND = 1_000_000_000
_LARGEST_PARSED = 1 << 20  # a record is parsed as a whole only for a date that does not come first


@dataclass(frozen=True, slots=True)
class RecordStyle:
    """What of an output's configuration decides how its records look. ``json_date_key`` None: no date."""

    json_date_key: str | None = "date"
    json_date_format: JsonDateFormat = "iso8601"
    log_key: str | None = None
    escape_unicode: bool = True
    format: RecordFormat = "json_lines"
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

    def comparable(self, record: bytes) -> bytes:
        """What of a record, buffered or stored, is the same in every copy of it: mostly its very bytes."""
        return comparable(record) if self.format in COLUMNAR else record


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


def time_of(record: bytes, style: RecordStyle) -> int | None:
    """The time (ns) that a line carries, None where it carries none that can be read.

    ``epoch`` and ``epoch_ms`` are as coarse as they say, all others are exact to the microsecond at best.
    """
    if style.json_date_key is None or style.log_key is not None:
        return None
    if record.startswith(style.opening):
        end = len(style.opening) + 64
        return _parse_date(record[len(style.opening) : end], style.json_date_format)
    if style.opening[1:] not in record or len(record) > _LARGEST_PARSED:
        return None
    try:
        parsed = json.loads(record.decode("utf-8", "surrogateescape"))
        value = parsed.get(style.json_date_key) if isinstance(parsed, dict) else None
        text = json.dumps(value) if isinstance(value, (str, int, float)) else ""
    except (ValueError, RecursionError):
        return None
    return _parse_date(text.encode("utf-8") + b",", style.json_date_format)


def times_of(records: Sequence[bytes], style: RecordStyle) -> list[int | None]:
    """:func:`time_of` of each record; in a quarter of the time where all begin with a date in ISO 8601."""
    at = len(style.opening) + 1
    begin = {(r[:at], r[at + 19 : at + 20], r[at + 26 : at + 28]) for r in records}
    usual = style.json_date_format == "iso8601" and style.json_date_key is not None and style.log_key is None
    if not usual or begin != {(style.opening + b'"', b".", b'Z"')}:
        return [time_of(record, style) for record in records]
    fractions = [r[at + 20 : at + 26] for r in records]
    seconds = {second: _seconds_of(second) for second in {r[at : at + 19] for r in records}}
    if not b"".join(fractions).isdigit() or None in seconds.values():
        return [time_of(record, style) for record in records]
    known = {second: value * _SECOND for second, value in seconds.items() if value is not None}
    return [known[r[at : at + 19]] + int(f) * 1000 for r, f in zip(records, fractions, strict=True)]


def _seconds_of(text: bytes) -> int | None:
    return _seconds(text) if _CLOCK.fullmatch(text) else None


_BYTES = frozenset({bytes})
_SIMPLE = frozenset({bytes, int, bool, type(None)})  # values whose JSON every reader takes


class _TooDeepError(ValueError):
    pass


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _date(time_ns: int, date_format: JsonDateFormat) -> Value:
    seconds, nanos = divmod(time_ns, _SECOND)
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


_DATES = {
    "iso8601": re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z"'),
    "java_sql_timestamp": re.compile(rb'"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d{6})"'),
}
_CLOCK = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_INTEGER = re.compile(rb"(\d{1,19})[,}]")
_DOUBLE = re.compile(rb"(\d{1,19}\.\d{1,22}|\d(?:\.\d{1,17})?e-\d\d)[,}]")


def _parse_date(text: bytes, date_format: JsonDateFormat) -> int | None:
    """The time in the value at the start of ``text``."""
    if date_format in _DATES:
        found = _DATES[date_format].match(text)
        if found is None:
            return None
        seconds = _seconds(found[1])
        return None if seconds is None else seconds * _SECOND + int(found[2]) * 1000
    found = (_DOUBLE if date_format == "double" else _INTEGER).match(text)
    if found is None:
        return None
    return int(Decimal(found[1].decode("ascii")) * (1_000_000 if date_format == "epoch_ms" else _SECOND))


def _seconds(text: bytes) -> int | None:
    """The seconds since the epoch of ``YYYY-mm-dd?HH:MM:SS``, UTC."""
    minute = _minute(text[:16])
    return None if minute is None else minute + int(text[17:19])


@lru_cache(maxsize=64)  # records of one minute mostly follow each other
def _minute(text: bytes) -> int | None:
    """The seconds since the epoch of ``YYYY-mm-dd?HH:MM``, UTC."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if not (year and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    return calendar.timegm((year, month, day, int(text[11:13]), int(text[14:16]), 0))


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
