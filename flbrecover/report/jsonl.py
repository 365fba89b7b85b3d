"""JSON lines: one object a line on stdout, each with a ``type``; docs/json-output.md is the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, TextIO

from flbrecover.model import SECOND_NS

_EPOCH = datetime(1970, 1, 1)


def line(kind: str, fields: Mapping[str, Any]) -> str:
    """One line. Text that is no valid Unicode (surrogate escapes) is written as JSON escapes, so a line is ASCII."""
    return json.dumps({"type": kind, **fields}, ensure_ascii=True) + "\n"


def write(stream: TextIO, kind: str, fields: Mapping[str, Any]) -> None:
    stream.write(line(kind, fields))


@lru_cache(maxsize=1024)  # the times of keys are those of their hours
def iso(time_ns: int | None) -> str | None:
    """A time as RFC 3339 in UTC with nanoseconds; None stays None; times out of the calendar become their number."""
    if time_ns is None:
        return None
    seconds, nanoseconds = divmod(time_ns, SECOND_NS)
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns}ns"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def ns(text: str | None) -> int | None:
    """What :func:`iso` wrote, as a time in ns again. Raises ValueError for anything else."""
    if text is None:
        return None
    if text.endswith("ns"):
        return int(text[:-2])
    if len(text) != 30 or text[10] + text[19] + text[29] != "T.Z" or not text[20:29].isdigit():
        raise ValueError(f"no time: {text[:40]!r}")
    moment = datetime.fromisoformat(text[:19])
    return (moment - _EPOCH) // timedelta(seconds=1) * SECOND_NS + int(text[20:29])
