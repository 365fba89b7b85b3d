"""Plain text for a terminal: tables that fit it, sizes and times that a person reads. Everything is escaped."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from typing import get_args

from flbrecover.model import State
from flbrecover.report.escape import shown
from flbrecover.report.jsonl import iso
from flbrecover.wording import count as count

_CONTAINER_ID = re.compile(r"([0-9a-f]{6})[0-9a-f]{58,}")
STATES = get_args(State)
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# What became of an action; "started" is what a journal says of one that was cut off.
OUTCOMES = {
    "written": "written",
    "exists": "was there already, same content",
    "completed": "upload completed",
    "already completed": "upload was completed already",
    "skipped": "skipped",
    "failed": "failed",
    "started": "cut off: begun, and no result noted",
}


def size(number: int | None) -> str:
    """Bytes in the largest unit that keeps the number at least 1: ``11.2 KiB``."""
    if number is None:
        return "?"
    value = float(number)
    for unit in UNITS:
        if abs(value) < 1024 or unit == UNITS[-1]:
            return f"{number} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def time(time_ns: int | None) -> str:
    """UTC to the millisecond, ``-`` where there is none."""
    text = iso(time_ns)
    if text is None:
        return "-"
    return text[:23].replace("T", " ") + "Z" if text.endswith("Z") else text


def duration(time_ns: int) -> str:
    """A span in its two largest units: ``2h 10m``, ``671s`` as ``11m 11s``."""
    left, said = max(0, time_ns) // 1_000_000_000, []
    for unit, seconds in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        number, left = divmod(left, seconds)
        said += [f"{number}{unit}"] if number else []
    return " ".join(said[:2]) or "0s"


def left_alone(reason: str, records: int) -> str:
    """``2 records (unread): Fluent Bit goes on …``: a reason may begin with the state of its records. It may name a
    key."""
    reason = shown(reason)
    state, _, why = reason.partition(": ")
    if why and state in STATES:
        return f"{count(records, 'record')} ({state}): {why}"
    return f"{count(records, 'record')}: {reason}"


def width() -> int:
    return max(60, shutil.get_terminal_size((110, 24)).columns)


def shorten(text: str, most: int) -> str:
    """Cuts the middle out of a text that is too long: paths and tags differ at their ends. Container ids go first."""
    if len(text) > most:
        text = _CONTAINER_ID.sub(r"\1…", text)
    if len(text) <= most:
        return text
    left = (most - 1) // 2
    return (text[:left] + "…" + text[len(text) - (most - 1 - left) :]).replace("……", "…")


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), fit: Sequence[int] = (0,)
) -> str:
    """A table whose columns are as wide as they need to be; where the terminal is too narrow the columns ``fit`` give
    way, one after the other.

    Cells are escaped here. ``right`` are the columns to align to the right.
    """
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max([len(head[i]), *(len(row[i]) for row in cells)]) for i in range(len(head))]
    for column in fit:
        spare = width() - sum(widths) - 2 * (len(widths) - 1)
        if spare < 0:
            widths[column] = min(widths[column], max(12, len(head[column]), widths[column] + spare))
    lines = []
    for row in [list(head), *cells]:
        fitted = [shorten(cell, widths[i]) for i, cell in enumerate(row)]
        padded = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(fitted, widths, strict=True))]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
