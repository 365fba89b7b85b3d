"""A line of JSON into fields, as Fluent Bit's json parser takes it (with yyjson: flb_pack_json_recs in src/flb_pack.c).

Order and duplicate keys stay. Integers beyond 64 bits become floats. Bytes that are not UTF-8 and raw control
characters inside a string stay as they are; a lone surrogate escape becomes U+FFFD. What follows the first value is
ignored unless it is a value, too.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from flbrecover.fluentbit.values import Fields, Value

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9.eE])")
_ODD_ESCAPE = re.compile(rb"\\u(?:[dD][89a-fA-F]|[0-9a-fA-F]{0,3}(?![0-9a-fA-F]))")
_ESCAPE = re.compile(
    rb"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})(?:\\u(?P<low>[0-9a-fA-F]{0,4}))?"
    rb"|u(?P<lone>[dD][c-fC-F][0-9a-fA-F]{2})|u[0-9a-fA-F]{4}|u(?P<short>[0-9a-fA-F]{0,3})[^\"'\x00]?|.)",
    re.DOTALL,
)


def read(line: bytes) -> Fields | None:
    """The fields of the one JSON object that ``line`` begins with; None where the json parser does not accept it."""
    found = read_all(line)
    return found if isinstance(found, tuple) else None


def read_all(text: bytes) -> Value:
    """The single JSON value of ``text``: a tuple for an object. None where there is none, or a second one follows."""
    if b"\\u" in text and _ODD_ESCAPE.search(text):
        text = _ESCAPE.sub(_valid_escape, text)
    chars = text.decode("utf-8", "surrogateescape")
    try:
        decoded, end = _DECODER.raw_decode(chars, _end_of_space(chars, 0))
        value = _converted(decoded)
    except (ValueError, RecursionError):
        return None
    at = _end_of_space(chars, end)
    return value if at == len(chars) or not _is_value(chars, at) else None


def _is_value(chars: str, at: int) -> bool:
    """Whether another JSON value begins at ``at``: text that is none is ignored."""
    if chars[at] in "-0123456789" and not _NUMBER.match(chars, at):
        return False
    try:
        _DECODER.raw_decode(chars, at)
    except (ValueError, RecursionError):
        return False
    return True


def _end_of_space(chars: str, at: int) -> int:
    match = _SPACE.match(chars, at)
    return match.end() if match else at


def _valid_escape(match: re.Match[bytes]) -> bytes:
    """What yyjson makes of escapes that are none: half a surrogate pair becomes U+FFFD, and a ``\\u`` with fewer than
    four digits stays as text, without the character behind it."""
    high, low, lone, short = match["high"], match["low"], match["lone"], match["short"]
    if short is not None:
        return rb"\\u" + short
    if lone or (high and not (low and len(low) == 4 and 0xDC00 <= int(low, 16) <= 0xDFFF)):
        return rb"\ufffd"
    return match[0]


def _object(pairs: list[tuple[str, Any]]) -> Fields:
    return tuple((name.encode("utf-8", "surrogateescape"), _converted(value)) for name, value in pairs)


def _converted(value: Any) -> Value:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_converted(v) for v in value]
    checked: Value = value
    return checked


def _integer(digits: str) -> int | float:
    if len(digits) <= 20 and -(2**63) <= (value := int(digits)) < 2**64:
        return value
    return _float(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number beyond what a double holds")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant, strict=False
)
