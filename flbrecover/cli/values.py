"""Times, sizes and lists as they are typed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from flbrecover.errors import UsageError

if TYPE_CHECKING:
    from flbrecover.recover.window import Window

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhdw])$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def moment(text: str | None, option: str, now_ns: int) -> int | None:
    """A point in time, in ns: ``2026-11-23T11:00:00Z`` (without a zone: UTC), ``2026-11-23``, or ``3h`` before now."""
    if text is None:
        return None
    if span := _SPAN.match(text):
        back_ns = float(span[1]) * _SECONDS[span[2]] * 1_000_000_000
        return _of_this_age(now_ns - int(min(back_ns, 2 * now_ns)), text, option)
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as e:
        raise UsageError(f"{option} {text}: not a time; write 2026-11-23T11:00:00Z, or 3h for three hours ago") from e
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    whole = int(at.replace(microsecond=0).timestamp())
    return _of_this_age(whole * 1_000_000_000 + at.microsecond * 1000, text, option)


def _of_this_age(time_ns: int, text: str, option: str) -> int:
    if time_ns < 0:
        raise UsageError(f"{option} {text}: lies before 1970; nothing was logged then, leave it out for no limit")
    return time_ns


def times_of(given: Mapping[str, Any]) -> tuple[int, int | None, int | None]:
    """(now, ``--since``, ``--until``) in ns; None for what was not given."""
    now_ns = time.time_ns()
    until = moment(given.get("until"), "--until", now_ns)
    since = moment(given.get("since"), "--since", now_ns)
    if since is not None and since >= (now_ns if until is None else until):
        raise UsageError("--since lies after --until")
    return now_ns, since, until


def window_of(given: Mapping[str, Any]) -> Window:
    """The window that ``--since`` and ``--until`` ask for, up to now."""
    from flbrecover.recover.window import Window

    now_ns, since, until = times_of(given)
    return Window(since, now_ns if until is None else until)


def key_formats_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """``--former-key-format``, all of them. Raises UsageError."""
    formats: tuple[str, ...] = tuple(given.get("former_key_formats") or ())
    for key_format in formats:
        if not key_format.startswith("/"):
            raise UsageError(f"--former-key-format {key_format}: an s3_key_format starts with a /")
    return formats


def memory_of(given: Mapping[str, Any]) -> int:
    """``--max-memory`` in bytes. Raises UsageError."""
    from flbrecover.fluentbit import units
    from flbrecover.recover.scratch import DEFAULT_MEMORY

    text = given.get("max_memory")
    if text is None:
        return DEFAULT_MEMORY
    try:
        return max(units.size(text), 1 << 20)
    except ValueError as e:
        raise UsageError(f"--max-memory {text}: a size is wanted, as 32M") from e


def sources_of(text: str | None) -> Any:
    """The value of ``--sources`` as a tuple, in the contract's order."""
    from flbrecover.reconcile.plan import ALL_SOURCES

    if text is None:
        return ALL_SOURCES
    asked = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in asked if part not in ALL_SOURCES]
    if unknown or not asked:
        raise UsageError(f"--sources {text}: a list of {', '.join(ALL_SOURCES)} is wanted")
    return tuple(s for s in ALL_SOURCES if s in asked)
