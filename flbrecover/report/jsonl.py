"""JSON lines: one object a line on stdout, each with a ``type``; docs/json-output.md is the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TextIO


def write(stream: TextIO, kind: str, fields: Mapping[str, Any]) -> None:
    """One line. Text that is no valid Unicode (surrogate escapes) is written as JSON escapes, so a line is ASCII."""
    stream.write(json.dumps({"type": kind, **fields}, ensure_ascii=True) + "\n")


def iso(time_ns: int | None) -> str | None:
    """A time as RFC 3339 in UTC with nanoseconds; None stays None; times out of the calendar become their number."""
    if time_ns is None:
        return None
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns}ns"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
