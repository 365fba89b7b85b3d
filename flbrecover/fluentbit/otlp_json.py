"""A log record of ``format otlp_json``: how Fluent Bit writes it, what its fields are, how records lie in documents.

The s3 output writes one JSON document for each flush, with all the records of the flush in it. What is accounted for is
the single ``logRecord``, byte for byte; what stands around it is its :class:`~flbrecover.model.Envelope`.

Source: src/opentelemetry/flb_opentelemetry_otlp_json.c, ``s3_format_event_chunk`` in plugins/out_s3/s3.c,
src/flb_json.c and lib/yyjson, all of 5.1.1; the rules are listed in docs/formats/otlp-json.md.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from flbrecover.fluentbit import json_members
from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.record_json import MAX_DEPTH
from flbrecover.fluentbit.values import EVENT_TIMES, Ext, Fields, JsonKey, Value
from flbrecover.model import Envelope, Record

BODY_KEYS = (b"log", b"message")  # the first of them that a record has becomes its body, and nothing else is written
DOCUMENT_SIZE = 2_000_000  # about a chunk of the engine, and so a flush: where a document of rebuilt records ends
TIME = "timeUnixNano"
BODY = "body"
FIELD = "body."  # before the names of fields, to tell them from members of the record itself

PLAIN = Envelope(
    b'{"scope":{},"logRecords":[',
    b"]}",
    Envelope(b'{"resource":{},"scopeLogs":[', b"]}", Envelope(b'{"resourceLogs":[', b"]}")),
)
"""What stands around records that do not come from OpenTelemetry."""

_TIME = re.compile(rb'\{"timeUnixNano":"([1-9][0-9]{0,18})"')
_ESCAPED = re.compile(rb"[\x00-\x1f\"\\]")
_SHORT = {b'"': b'\\"', b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\b": b"\\b", b"\f": b"\\f"}
_SMALLEST_NORMAL = 2.0**-1022


# -- writing -----------------------------------------------------------------------------------------------------------


def render(fields: Fields, time_ns: int, *, metadata: Fields = (), group: Fields | None = None) -> bytes | None:
    """The ``logRecord`` that Fluent Bit makes of an event (``time_ns`` 0 or less: one without a time).

    None where it nests deeper than Fluent Bit can read, and for events of OpenTelemetry, whose resource, scope and
    severity are not modelled.
    """
    if any(_is_key(key, b"otlp") for key, _ in metadata):
        return None
    if any(_is_key(key, wanted) for key, _ in group or () for wanted in (b"resource", b"scope")):
        return None
    body: Value = next((v for wanted in BODY_KEYS for k, v in fields if _is_key(k, wanted)), fields)
    try:
        try:
            written = _any_value(body, 1, lenient=False)
        except _NoJsonError:  # then Fluent Bit takes its own writer instead of yyjson
            written = _any_value(body, 1, lenient=True)
    except _TooDeepError:
        return None
    parts = [b'"timeUnixNano":"%d"' % time_ns] if time_ns > 0 else []
    if written is not None:
        parts.append(b'"body":' + written)
    return b"{" + b",".join(parts) + b"}"


class _TooDeepError(ValueError):
    pass


class _NoJsonError(ValueError):
    """A value that JSON has no form for: text that is not UTF-8, a float that is no number."""


def _is_key(key: bytes, wanted: bytes) -> bool:
    return key.lower() == wanted and not isinstance(key, JsonKey)


def _any_value(value: Value, depth: int, lenient: bool) -> bytes | None:
    """An OTLP ``AnyValue``; None where Fluent Bit leaves the whole body out."""
    if value is None or isinstance(value, Ext):
        return None
    if isinstance(value, bytes):
        return b'{"stringValue":' + _string(value, lenient) + b"}"
    if isinstance(value, (tuple, list)):
        if depth > MAX_DEPTH:
            raise _TooDeepError
        name = b"kvlistValue" if isinstance(value, tuple) else b"arrayValue"
        items = []
        for item in value:
            written = _pair(item, depth, lenient) if isinstance(value, tuple) else _item(item, depth, lenient)  # type: ignore[arg-type]
            if written is None:
                return None
            items.append(written)
        return b'{"%s":{"values":[%s]}}' % (name, b",".join(items))
    if isinstance(value, bool):
        return b'{"boolValue":true}' if value else b'{"boolValue":false}'
    if isinstance(value, int):
        return b'{"intValue":"%d"}' % value
    return b'{"doubleValue":%s}' % _real(value, lenient)


def _item(value: Value, depth: int, lenient: bool) -> bytes | None:
    return b"{}" if value is None else _any_value(value, depth + 1, lenient)


def _pair(pair: tuple[bytes, Value], depth: int, lenient: bool) -> bytes | None:
    key, value = pair
    written = _item(value, depth, lenient)
    if isinstance(key, JsonKey) or written is None:
        return None
    return b'{"key":' + _string(key, lenient) + b',"value":' + written + b"}"


def _string(text: bytes, lenient: bool) -> bytes:
    if not lenient:
        text = text.partition(b"\0")[0]  # a C string by then
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as e:
            raise _NoJsonError from e
    form = b"\\u%04x" if lenient else b"\\u%04X"
    return b'"' + _ESCAPED.sub(lambda m: _SHORT.get(m[0]) or form % ord(m[0]), text) + b'"'


def _real(value: float, lenient: bool) -> bytes:
    """yyjson's shortest form: like JavaScript's, but always with a point or an exponent. Else ``%.17g``."""
    if lenient:
        sign = "-" if math.isnan(value) and math.copysign(1.0, value) < 0 else ""
        return f"{sign}{value:.17g}".encode("ascii")
    if not math.isfinite(value):
        raise _NoJsonError
    if value == 0:
        return b"-0.0" if math.copysign(1.0, value) < 0 else b"0.0"
    minus, numbers, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, numbers))
    point = len(digits) + int(exponent)
    if point <= -6 or point > 21 or abs(value) < _SMALLEST_NORMAL:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{point - 1}"
    elif point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[:point].ljust(point, "0") + "." + (digits[point:] or "0")
    return (("-" if minus else "") + text).encode("ascii")


# -- reading -----------------------------------------------------------------------------------------------------------


def time_of(record: bytes) -> int | None:
    """``timeUnixNano`` of a record; None for one that no event can have."""
    found = _TIME.match(record)
    return int(found[1]) if found and int(found[1]) in EVENT_TIMES else None


def members(record: bytes) -> Members | None:
    """The members of a record. A body that is a map comes as its fields, each named ``body.<field>``."""
    found = json_members.members(record)
    if found is None:
        return None
    named: Members = []
    for name, raw in found:
        fields = _fields(raw) if name == BODY else None
        named += [(FIELD + field, value) for field, value in fields] if fields else [(name, raw)]
    return named


def join_members(found: Members) -> bytes:
    """The opposite of :func:`members`. Fields stand in the body, unless there is a body that is no map."""
    taken = any(name == BODY for name, _ in found)
    pairs = [f'{{"key":{_quoted(name[len(FIELD) :])},"value":{raw}}}' for name, raw in found if name.startswith(FIELD)]
    parts: list[str] = []
    for name, raw in found:
        if not name.startswith(FIELD):
            parts.append(f"{_quoted(name)}:{raw}")
        elif not taken:
            parts.append('"body":{"kvlistValue":{"values":[' + ",".join(pairs) + "]}}")
            taken = True
    return ("{" + ",".join(parts) + "}").encode("utf-8", "surrogateescape")


def name_of(field: str) -> str:
    """The name that :func:`members` gives to a field of the event."""
    return BODY if field.lower().encode("utf-8", "surrogateescape") in BODY_KEYS else FIELD + field


def field_of(name: str) -> str:
    """The field of the event behind a name of :func:`members`."""
    return name[len(FIELD) :] if name.startswith(FIELD) else name


def _fields(body: str) -> Members | None:
    """The pairs of a ``kvlistValue``; None where the body is none."""
    if not body.startswith('{"kvlistValue":'):
        return None
    kvlist = dict(json_members.of_text(body) or ()).get("kvlistValue", "")
    values = dict(json_members.of_text(kvlist) or ()).get("values", "")
    fields: Members = []
    for item in json_members.elements(values) or ():
        pair = dict(json_members.of_text(item) or ())
        if pair.keys() != {"key", "value"}:
            return None
        key = json.loads(pair["key"])
        if not isinstance(key, str):
            return None
        fields.append((key, pair["value"]))
    return fields


def _quoted(name: str) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(name)
    return json.dumps(name, ensure_ascii=False)


# -- documents ---------------------------------------------------------------------------------------------------------


def joined(records: Iterable[Record], size: int = DOCUMENT_SIZE) -> Iterator[bytes]:
    """Documents with these records, in order. All the records of a document that Fluent Bit wrote give that document
    again, byte for byte. Others share documents of about ``size`` bytes."""
    stack: list[Envelope] = []
    written = 0
    for record in records:
        chain = _chain(record.envelope or PLAIN)
        if written >= size and stack and stack[-1] is PLAIN:
            yield _closing(stack)
            stack, written = [], 0
        common = 0
        while common < min(len(stack), len(chain)) and stack[common] is chain[common]:
            common += 1
        block = _closing(stack[common:]) + (b"," if common else b"")
        block += b"".join(level.before for level in chain[common:]) + record.data
        written = written + len(block) if common else len(block)
        stack = chain
        yield block
    if stack:
        yield _closing(stack)


def _chain(envelope: Envelope | None) -> list[Envelope]:
    chain: list[Envelope] = []
    while envelope is not None:
        chain.append(envelope)
        envelope = envelope.outer
    return chain[::-1]


def _closing(levels: list[Envelope]) -> bytes:
    return b"".join(level.after for level in reversed(levels))
