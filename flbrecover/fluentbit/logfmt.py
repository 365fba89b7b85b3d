"""The logfmt parser: ``key=value key="quoted value" bare`` into texts. Source: src/flb_parser_logfmt.c."""

from __future__ import annotations

import re

from flbrecover.fluentbit.field_types import Cast
from flbrecover.fluentbit.unescape import escaped_utf8
from flbrecover.fluentbit.values import Value

_IDENT = rb'[^\x00-\x20="]'
_PAIR = re.compile(
    rb"(?:[\x00-\x20=\"]*)(" + _IDENT + rb'+)(=(?:(")((?:[^"\\]+|\\.)*\\?)"?|(' + _IDENT + rb"*))?)?", re.DOTALL
)


def pairs(line: bytes) -> list[tuple[bytes, bytes | None, bool]] | None:
    """Keys with their raw texts in order, and whether the text was quoted. The text is None for a bare key.

    None: a line without a key. A carriage return or newline after a pair ends the reading.
    """
    found: list[tuple[bytes, bytes | None, bool]] = []
    at = 0
    while match := _PAIR.match(line, at):
        key, assigned, quote, quoted, plain = match.groups()
        found.append((key, None if assigned is None else quoted if quote else plain or b"", bool(quote)))
        at = match.end()
        if line[at : at + 1] in (b"\r", b"\n", b""):
            break
    return found or None


def value(key: bytes, text: bytes | None, quoted: bool, casts: dict[bytes, Cast], types_given: bool) -> Value:
    """What the record gets for a pair. With ``Types`` in the parser, no text is unescaped and bare keys are empty; a
    bare key and ``key=`` are true otherwise."""
    if types_given:
        cast = casts.get(key)
        return cast(text or b"") if cast else text or b""
    if not text:
        return b"" if quoted else True
    if quoted and b"\\" in text:
        return escaped_utf8(text).partition(b"\0")[0]  # its result is taken as a C string
    return text
