"""Is this text one whole JSON object, as Fluent Bit writes JSON?

Fluent Bit's JSON is not always JSON: ``nan`` and ``inf`` stand bare, keys may be numbers, extension values hold
``\\xNN``, and before 3.2 surrogates and overlong forms of UTF-8 were copied. A record must not be called damaged for
that, nor may a deep or huge one cost stack or memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import msgspec

_DECODER = json.JSONDecoder()
_FIRST, _LAST = itemgetter(0), itemgetter(-1)
_SMALL = 1 << 20  # up to here the standard parser may build the value; it can take 30 times the text's size
_NEXT = re.compile(rb"[ \t\r\n]*([{}\[\],:\"]|-?[0-9a-zA-Z][0-9a-zA-Z.+-]*)")
_STRING_STOP = re.compile(rb"[\"\\\x00-\x1f]")
_UTF8 = re.compile(  # any sequence whose first byte announces its length, as old versions took it
    rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}"
    rb"|[\xf8-\xfb][\x80-\xbf]{4}|[\xfc-\xff][\x80-\xbf]{5}"
)
_WORD = re.compile(rb"(?:true|false|null|-?nan|-?inf|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\Z")


def is_object(text: bytes) -> bool:
    """Whether ``text`` is exactly one JSON object: everything closed, nothing before it, nothing behind it.

    Neither a beginning nor an end of such a text is one itself: an end either has a closing bracket too many or, cut
    inside a string, ends inside one. (A piece out of its middle can be one.)
    """
    if text[:1] != b"{" or text[-1:] != b"}" or b"\0" in text:
        return False
    if not text.isascii() and not _UTF8.sub(b"", text).isascii():
        return False
    if len(text) <= _SMALL:
        try:
            whole = text.decode("utf-8", "surrogateescape")
            return _DECODER.raw_decode(whole)[1] == len(whole)
        except (ValueError, RecursionError):
            pass  # it may still be whole in Fluent Bit's dialect, or deep
    return _is_object_slow(text)


def are_objects(texts: Sequence[object]) -> bool:
    """Whether each of these is bytes and an object for :func:`is_object`, without a NUL byte; in a sixth of the time.
    False says nothing: of no texts, of some that are not ASCII, or that are JSON only to Fluent Bit."""
    try:
        lines = b"\n".join(texts)  # type: ignore[arg-type]
        begin, end = bytes(map(_FIRST, texts)), bytes(map(_LAST, texts))  # type: ignore[arg-type]
    except (TypeError, IndexError):  # not bytes; empty
        return False
    # In JSON a closing brace, a newline and an opening brace follow each other only between two values: so each text is
    # one value at least.
    if not lines.isascii() or begin.strip(b"{") or end.strip(b"}"):
        return False
    return len(texts) > 0 and _objects_in(lines) == len(texts)


@lru_cache(maxsize=1)
def _decoder() -> msgspec.json.Decoder[msgspec.Struct]:
    import msgspec

    class Anything(msgspec.Struct, gc=False):
        """An object whose members are looked at and not kept."""

    return msgspec.json.Decoder(Anything)


def _objects_in(lines: bytes) -> int:
    """How many JSON objects these bytes are, with nothing but white space between them; 0 where they are not that."""
    import msgspec

    try:
        return len(_decoder().decode_lines(lines))
    except (msgspec.MsgspecError, RecursionError):
        return 0


def _is_object_slow(text: bytes) -> bool:
    """One token after the other; a byte on ``still_open`` for each bracket not yet closed."""
    still_open = bytearray()
    expect = "value"
    at, size = 0, len(text)
    while at < size:
        found = _NEXT.match(text, at)
        if found is None:
            return False
        at = found.end()
        token = found[1]
        if token == b'"':
            at = _string_end(text, at)
            if at < 0:
                return False
            kind = "string"
        elif token in b"{}[],:":
            kind = token.decode("ascii")
        elif _WORD.match(token):
            kind = "word"
        else:
            return False
        after = _step(expect, kind, still_open)
        if after is None:
            return False
        expect = after
        if expect == "end":
            return at == size
    return False


def _step(expect: str, kind: str, still_open: bytearray) -> str | None:
    """What may follow ``kind`` where ``expect`` was expected; None where it may not stand there."""
    if kind in "}]":
        empty = "key or }" if kind == "}" else "value or ]"
        if expect not in (empty, ", or close") or not still_open or still_open.pop() != ord(kind):
            return None
        return ", or close" if still_open else "end"
    if expect in ("value", "value or ]"):
        if kind == "{":
            still_open.append(ord("}"))
            return "key or }"
        if kind == "[":
            still_open.append(ord("]"))
            return "value or ]"
        return ", or close" if kind in ("string", "word") else None
    if expect in ("key", "key or }"):
        return ":" if kind in ("string", "word") else None
    if expect == ":":
        return "value" if kind == ":" else None
    if expect == ", or close" and kind == ",":
        return "key" if still_open[-1] == ord("}") else "value"
    return None


def _string_end(text: bytes, at: int) -> int:
    """The offset behind the quote that closes the string whose content begins at ``at``, -1 where there is none."""
    while True:
        found = _STRING_STOP.search(text, at)
        if found is None or text[found.start()] < 0x20:
            return -1
        if found[0] == b'"':
            return found.end()
        at = found.end() + 1
