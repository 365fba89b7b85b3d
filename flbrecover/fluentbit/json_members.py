"""Takes a rendered JSON record apart without changing a byte of its values, and puts one together again.

A value that Fluent Bit once rendered (a ``kubernetes`` map of a sibling record, say) can so be used again as it is,
whatever its number formats and escapes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from flbrecover.fluentbit import spelling

_SPACES = frozenset(" \t\r\n")
_DECODER = json.JSONDecoder()
# What raw_decode calls, without its wrapper: it raises StopIteration where no value begins.
_scan: Callable[[str, int], tuple[object, int]] = vars(_DECODER)["scan_once"]

Members = list[tuple[str, str]]
"""Names (decoded) with the raw text of their values, in order; duplicate names stay."""


def members(record: bytes) -> Members | None:
    """The top-level members of a JSON object; None where ``record`` is not one (or nests too deep to be read)."""
    return of_text(record.decode("utf-8", "surrogateescape"))


def of_text(text: str) -> Members | None:
    """As :func:`members`, of a raw value."""
    found: Members = []
    try:
        at = _skip(text, 0)
        if text[at] != "{":
            return None
        at = _skip(text, at + 1)
        if text[at] == "}":
            return found if _skip(text, at + 1) == len(text) else None
        while True:
            if text[at] != '"':
                return None
            name, at = _scan(text, at)
            if text[at] != ":":
                at = _skip(text, at)
                if text[at] != ":":
                    return None
            start = at + 1
            if text[start] in _SPACES:
                start = _skip(text, start)
            _, at = _scan(text, start)
            found.append((str(name), text[start:at]))
            end = text[at]
            if end in _SPACES:
                at = _skip(text, at)
                end = text[at]
            if end == "}":
                return found if _skip(text, at + 1) == len(text) else None
            if end != ",":
                return None
            at += 1
            if text[at] in _SPACES:
                at = _skip(text, at)
    except (ValueError, IndexError, RecursionError, StopIteration):
        return None


def elements(text: str) -> list[str] | None:
    """The raw values of a JSON list, written without white space; None where ``text`` is not one."""
    found: list[str] = []
    if text == "[]":
        return found
    try:
        if text[0] != "[":
            return None
        at = 1
        while True:
            start = at
            _, at = _DECODER.raw_decode(text, at)
            found.append(text[start:at])
            if text[at] == "]":
                return found if at + 1 == len(text) else None
            if text[at] != ",":
                return None
            at += 1
    except (ValueError, IndexError, RecursionError):
        return None


def _skip(text: str, at: int) -> int:
    """Behind white space, of which there is hardly ever any."""
    while text[at : at + 1] in _SPACES:
        at += 1
    return at


def join(parts: Iterable[tuple[str, str]]) -> bytes:
    """One JSON record of names and raw values, written as the s3 output separates them (no spaces)."""
    text = ",".join(f"{json.dumps(name)}:{value}" for name, value in parts)
    return ("{" + text + "}").encode("utf-8", "surrogateescape")


def canonical(raw: str) -> bytes:
    """A form of a raw JSON value that is the same for every way to write the same value: escapes, member order, and
    halves of characters (:mod:`spelling`)."""
    raw = spelling.whole(raw)
    if raw[0] == '"' and "\\" not in raw:
        return b"s" + raw[1:-1].encode("utf-8", "surrogatepass")
    if raw.isdecimal() and raw.isascii() and (raw[0] != "0" or raw == "0"):
        return raw.encode("ascii")
    value, end = _scan(raw, 0)
    if end != len(raw):
        raise ValueError("there is more than one value")
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogatepass")
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def string_leaves(raw: str) -> Iterator[str]:
    """Every string value inside a raw JSON value, nested ones too."""
    todo = [json.loads(raw)]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
