"""What is left of a record in a columnar file (``format parquet`` and ``arrow``), as text to compare records by.

Fluent Bit turns a buffer's JSON lines into a table with Arrow's JSON reader (src/aws/compression/arrow/compress.c,
5.1.1). Its columns do not tell every JSON text from another: see docs/formats/columnar.md. Two records that a column
file cannot tell apart have one form here, whichever of the two they were read from.
"""

from __future__ import annotations

import json
import re
from calendar import timegm
from datetime import datetime, timedelta
from typing import Any

COLUMNAR = ("parquet", "arrow")
"""The record formats that are stored as columns."""

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d)(?::(\d\d)(?::(\d\d))?)?(?:Z|([+-])(\d\d)(?::?(\d\d))?)?)?", re.ASCII
)
_LARGEST_EXACT = 1 << 53  # beyond it, a column of doubles does not hold every integer
_CYCLE = 146_097 * 86_400  # seconds of 400 years, after which the calendar repeats
_START = datetime(1970, 1, 1)


def comparable(record: bytes) -> bytes:
    """The same bytes for every JSON text that makes the same row: members sorted, none that are null, numbers by their
    value, texts that Arrow takes for a timestamp in one spelling. What is no JSON object stays as it is."""
    try:
        value = json.loads(record.decode("utf-8", "surrogateescape"))
        if not isinstance(value, dict):
            return record
        return json.dumps(_form(value), sort_keys=True, separators=(",", ":")).encode("ascii")
    except (ValueError, OverflowError, RecursionError):
        return record


def timestamp_text(seconds: int) -> str:
    """Seconds since the epoch as the text that stands for all spellings of this time."""
    cycles, rest = divmod(seconds, _CYCLE)
    time = _START + timedelta(seconds=rest)
    return f"{time.year + 400 * cycles:04}-{time:%m-%dT%H:%M:%S}Z"


def _form(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _form(v) for name, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_form(v) for v in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(text: str) -> str:
    """Arrow's JSON reader makes a column of timestamps (whole seconds) where all texts look like one."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return text
    year, month, day, hour, minute, second, zone_hour, zone_minute = (
        int(n or 0) for n in found.group(1, 2, 3, 4, 5, 6, 8, 9)
    )
    if zone_hour > 23 or zone_minute > 59:
        return text
    cycles, of_cycle = divmod(year - 1970, 400)
    try:
        time = datetime(1970 + of_cycle, month, day, hour, minute, second)
    except ValueError:
        return text
    ahead = (zone_hour * 60 + zone_minute) * (-60 if found[7] == "-" else 60)
    return timestamp_text(timegm(time.timetuple()) + cycles * _CYCLE - ahead)
