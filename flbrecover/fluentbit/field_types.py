"""``Types``: the fields that a parser turns from text into numbers and booleans. Source: flb_parser_typecast in
src/flb_parser.c. Only the regex, logfmt and ltsv parsers cast; json has types of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from flbrecover.fluentbit.values import Value

_INTEGER = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]{1,4000})")
_HEX = re.compile(rb"[ \t\n\v\f\r]*([+-]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]{1,4000})")
_FLOAT = re.compile(
    rb"[ \t\n\v\f\r]*([+-]?(?:(?:[0-9]{1,4000}(?:\.[0-9]{0,4000})?|\.[0-9]{1,4000})(?:[eE][+-]?[0-9]{1,9})?"
    rb"|inf(?:inity)?|nan))",
    re.IGNORECASE,
)
_HEX_FLOAT = re.compile(
    rb"[ \t\n\v\f\r]*([+-]?0[xX](?:[0-9a-fA-F]{1,4000}(?:\.[0-9a-fA-F]{0,4000})?|\.[0-9a-fA-F]{1,4000})"
    rb"(?:[pP][+-]?[0-9]{1,9})?)"
)

Cast = Callable[[bytes], Value]


def casts(types: Mapping[str, str]) -> dict[bytes, Cast]:
    """What to do with the text of each named field: ``integer``, ``float``, ``bool`` or ``hex`` (any case); other types
    leave it text."""
    known: dict[str, Cast] = {"integer": _integer, "float": _float, "bool": _bool, "hex": _hex}
    return {
        name.encode("utf-8", "surrogateescape"): known[kind.lower()]
        for name, kind in types.items()
        if kind.lower() in known
    }


def _c_string(text: bytes) -> bytes:
    return text.partition(b"\0")[0]


def _integer(text: bytes) -> Value:
    """C's atoll: the number in front, 0 where there is none, cut to 64 bits."""
    match = _INTEGER.match(_c_string(text))
    return max(-(2**63), min(2**63 - 1, int(match[1]))) if match else 0


def _hex(text: bytes) -> Value:
    """C's strtoull with base 16: too large a number becomes the largest, a negative one wraps around."""
    match = _HEX.match(_c_string(text))
    if not match:
        return 0
    value = int(match[2], 16)
    if value >= 2**64:
        return 2**64 - 1
    return (-value) % 2**64 if match[1] == b"-" else value


def _float(text: bytes) -> Value:
    """C's atof, hexadecimal numbers included."""
    text = _c_string(text)
    if hexadecimal := _HEX_FLOAT.match(text):
        try:
            return float.fromhex(hexadecimal[1].decode("ascii"))
        except OverflowError:
            return float("-inf" if b"-" in hexadecimal[1][:1] else "inf")
    match = _FLOAT.match(text)
    return float(match[1]) if match else 0.0


def _bool(text: bytes) -> Value:
    """``true…`` and ``false…`` in any case; anything else stays text."""
    if text[:4].lower() == b"true":
        return True
    return False if text[:5].lower() == b"false" else text
