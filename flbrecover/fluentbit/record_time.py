"""The time that a record as the s3 output writes it carries.

Source: ``flb_pack_msgpack_to_json_format`` in src/flb_pack.c of 5.1.1; docs/formats/rendering.md lists the forms.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from flbrecover.fluentbit import record_json
from flbrecover.fluentbit.iso_times import times_of_iso
from flbrecover.fluentbit.pipeline import JsonDateFormat
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.values import EVENT_TIMES
from flbrecover.model import SECOND_NS

_LARGEST_PARSED = 1 << 20  # a record is parsed as a whole only for a date that does not come first
_DATES = {
    "iso8601": re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z"'),
    "java_sql_timestamp": re.compile(rb'"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d{6})"'),
}
_STEPS = {"epoch": SECOND_NS, "epoch_ms": 1_000_000, "iso8601": 1000, "java_sql_timestamp": 1000}
_INTEGER = re.compile(rb"(\d{1,19})[,}]")
_DOUBLE = re.compile(rb"(\d{1,19}\.\d{1,22}|\d(?:\.\d{1,17})?e-\d\d)[,}]")


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


def times_of(records: Sequence[bytes], style: RecordStyle) -> Sequence[int | None]:
    """:func:`time_of` of each record; in a tenth of the time where all begin with a date in ISO 8601, of one day."""
    if style.json_date_format == "iso8601" and style.json_date_key is not None and style.log_key is None:
        times = times_of_iso(records, style.opening)
        if times is not None and max(times) in EVENT_TIMES:
            return times
    return [time_of(record, style) for record in records]


def moment(time_ns: int, date_format: JsonDateFormat) -> int:
    """The same for times (ns) that are written as one and the same date, and another one for all others.

    ``double`` rounds to the nearest microsecond, all others cut what they do not show.
    """
    if date_format != "double":
        return time_ns // _STEPS[date_format]
    written = record_json.date_text(time_ns, date_format)
    return int(Decimal(written.decode("ascii")) * SECOND_NS)


def _parse_date(text: bytes, date_format: JsonDateFormat) -> int | None:
    """The time in the value at the start of ``text``; None for one that no event can have."""
    found = _value_of(text, date_format)
    return found if found is not None and found in EVENT_TIMES else None


def _value_of(text: bytes, date_format: JsonDateFormat) -> int | None:
    if date_format in _DATES:
        found = _DATES[date_format].match(text)
        if found is None:
            return None
        seconds = _seconds(found[1])
        return None if seconds is None else seconds * SECOND_NS + int(found[2]) * 1000
    found = (_DOUBLE if date_format == "double" else _INTEGER).match(text)
    if found is None:
        return None
    return int(Decimal(found[1].decode("ascii")) * (1_000_000 if date_format == "epoch_ms" else SECOND_NS))


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
