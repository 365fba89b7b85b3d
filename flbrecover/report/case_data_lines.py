"""The JSON lines of a case folder, read back: a line at a time, and none is trusted.

A line that is no JSON, or whose fields are not of the kinds that docs/json-output.md names, is a problem and left out;
nothing is guessed for it. Types that this version does not know are skipped, as that page asks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from flbrecover.model import Problem
from flbrecover.report import jsonl

LONGEST = 64 << 20  # bytes of one line
MOST_PROBLEMS = 10  # of one file

Fields = Mapping[str, Any]
Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _count_or_null(value: Any) -> bool:
    return value is None or _count(value)


def _time_or_null(value: Any) -> bool:
    try:
        time_ns = jsonl.ns(value)
    except (ValueError, AttributeError, TypeError):
        return False
    return time_ns is None or -(1 << 63) <= time_ns < 1 << 63


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and _numbers(list(value.values()))


def _numbers(value: Any) -> bool:
    """Long lists of small numbers: the types all at once."""
    if not isinstance(value, list) or {*map(type, value)} - {int}:
        return False
    return not value or (_count(min(value)) and _count(max(value)))


def _lanes(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_numbers, value.values()))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _where(value: Any) -> bool:
    return value is None or (_numbers(value) and len(value) == 2)


SHAPES: dict[str, dict[str, Check]] = {
    "tag": {"output": _text, "bucket": _text, "tag": _text, "records": _count, "states": _counts},
    "log_state": {
        "output": _text, "path": _text, "tag": _text, "read_to": _count_or_null, "read_proof": _text,
        "records": _count, "states": _counts,
    },
    "buffer_state": {
        "output": _text, "path": _text, "kind": _text, "tag": _text_or_null, "records": _count, "states": _counts,
        "copies": _count, "stored_in": _counts, "first_time": _time_or_null, "last_time": _time_or_null,
    },
    "object_state": {
        "output": _text, "bucket": _text, "key": _text, "tags": _texts, "records": _count, "readable": _flag,
        "size": _count, "etag": _text, "first_time": _time_or_null, "last_time": _time_or_null,
        "last_modified": _time_or_null,
    },
    "upload": {
        "bucket": _text, "key": _text, "upload_id": _text, "state": _text, "size": _count, "parts": _list,
        "difference": _text,
    },
    "coverage": {
        "output": _text, "tag": _text, "bin_ns": _count, "start": _time_or_null, "bins": _numbers, "lanes": _lanes,
        "estimated": _count, "untimed": _count,
    },
    "gone": {"log": _text, "tag": _text, "start": _count, "end": _count, "proof": _text,
             "missing_bytes": _count_or_null},
    "plan": {"id": _text, "agent": _text, "sources": _texts, "actions": _count, "left": _counts},
    "action": {"plan": _text, "action": _text, "number": _count, "bucket": _text, "key": _text, "reason": _text},
    "done": {"number": _count, "outcome": _text, "bucket": _text, "key": _text, "detail": _text},
    "proof": {"number": _count, "ok": _flag, "key": _text, "detail": _text},
    "verdict": {"missing": _count, "stored": _count, "records": _count, "left": _counts, "gone": _count},
    "summary": {"records": _count, "states": _counts, "missing": _count},
    "problem": {"path": _text, "what": _text, "where": _where, "way_out": _text, "unreadable": _flag},
    "note": {"text": _text},
}  # fmt: skip
"""What a report uses of each type of line. More fields may be there."""


def read_lines(path: Path, problems: list[Problem], kinds: Collection[str] = SHAPES) -> Iterator[Fields]:
    """The lines of ``path`` of the types ``kinds``, in order. Raises OSError where the file cannot be read.

    What cannot be used is added to ``problems``, the first few by line, the rest as a number.
    """
    bad = 0
    others = tuple(b'{"type": "%s"' % kind.encode() for kind in (*SHAPES, "stretch") if kind not in kinds)
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST):
            number += 1
            if len(line) == LONGEST and not line.endswith(b"\n"):
                while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                    pass
                found: Fields | str = f"longer than {LONGEST} bytes"
            elif line == b"\n" or line.startswith(others):  # as jsonl.py writes them: need not be taken apart
                continue
            else:
                found = _parsed(line)
            if not isinstance(found, str):
                if found["type"] in kinds:
                    yield found
                continue
            bad += 1
            if bad <= MOST_PROBLEMS:
                problems.append(Problem(path.name, f"line {number}: {found}; it was left out"))
    if bad > MOST_PROBLEMS:
        problems.append(Problem(path.name, f"{bad - MOST_PROBLEMS} more lines cannot be used; they were left out"))


def _parsed(line: bytes) -> Fields | str:
    """The fields of a line, or what is wrong with it."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON" if line.endswith(b"\n") else "cut short"
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        return "no object with a type"
    for name, fits in SHAPES.get(fields["type"], {}).items():
        if name not in fields:
            return f"a {fields['type']} line without {name}"
        if not fits(fields[name]):
            return f"a {fields['type']} line whose {name} is of the wrong kind"
    if fields["type"] == "coverage":
        return _coverage(fields)
    if fields["type"] == "action":
        return _action(fields)
    return fields


def _coverage(fields: Fields) -> Fields | str:
    bins = fields["bins"]
    if not fields["bin_ns"] or any(len(lane) != len(bins) for lane in fields["lanes"].values()):
        return "a coverage line whose lanes do not fit its bins"
    start = jsonl.ns(fields["start"])
    if bins and (start is None or start + (max(bins) + 1) * fields["bin_ns"] >= 1 << 63):
        return "a coverage line whose bins are in no time"
    return fields


_PUT: dict[str, Check] = {
    "tag": _text, "records": _count, "size": _count, "sha256": _text, "rebuilt": _flag, "estimated_dates": _count,
    "missing_fields": _texts,
}  # fmt: skip


def _action(fields: Fields) -> Fields | str:
    if fields["action"] == "put_records" and not all(name in fields and _PUT[name](fields[name]) for name in _PUT):
        return "an action line with a field missing or of the wrong kind"
    return fields
