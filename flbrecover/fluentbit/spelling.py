"""Characters that versions of Fluent Bit write in several ways, and halves of them.

Python and others write what is beyond U+FFFF as two escapes (``\\ud83d\\ude00``). Fluent Bit 4.0 makes the character of
them; before, each half became three bytes, which are no UTF-8. They were written as they are, in records of JSON before
3.2 and with ``log_key``, or, in the JSON of 3.2, as a character for each byte: U+E000 plus the byte. A half alone is
U+FFFD since 4.0. Source: src/flb_unescape.c and ``flb_utils_write_str`` in src/flb_utils.c of 2.2.3, 3.2.10 and 4.0.0.
"""

from __future__ import annotations

import re

_BYTE = "[\udc80-\udcbf\ue080-\ue0bf]"
_HIGH = f"[\udced\ue0ed]([\udca0-\udcaf\ue0a0-\ue0af])({_BYTE})"
_LOW = f"[\udced\ue0ed]([\udcb0-\udcbf\ue0b0-\ue0bf])({_BYTE})"
_HALVES = re.compile(f"{_HIGH}{_LOW}|{_HIGH}|{_LOW}")
_ESCAPES = re.compile(rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})|.)", re.DOTALL)
_HALVES_IN_BYTES = re.compile(rb"(?:\xed[\xa0-\xbf][\x80-\xbf])+")


def whole(text: str) -> str:
    """Text that was decoded with surrogate escapes, with characters in place of their halves."""
    if text.isascii() or ("\udced" not in text and "\ue0ed" not in text):
        return text
    return _HALVES.sub(_character, text)


def whole_bytes(data: bytes) -> bytes:
    """As :func:`whole`, of bytes that were written as they are."""
    if b"\xed" not in data:
        return data
    return _HALVES_IN_BYTES.sub(lambda found: whole(found[0].decode("utf-8", "surrogateescape")).encode("utf-8"), data)


def spelled_out(data: bytes) -> bytes:
    """JSON text with every character beyond ASCII, and DEL, as itself: Fluent Bit escapes them since 3.2, as
    ``json.escape_unicode`` says. Other escapes stay."""
    if b"\\u" in data:
        data = _ESCAPES.sub(_unescaped, data)
    if data.isascii():
        return data
    return whole(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1] is None:  # another escape
        return found[0]
    text = found[0].decode("ascii")
    units = [int(text[at + 2 : at + 6], 16) for at in range(0, len(text), 6)]
    if len(units) == 1 and units[0] < 0x7F:
        return found[0]
    chars = b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")
    return chars.encode("utf-8")


def _character(halves: re.Match[str]) -> str:
    if halves[1] is None or halves[3] is None:
        return "\N{REPLACEMENT CHARACTER}"
    high, more_of_high, low, more_of_low = (ord(byte) & 0x3F for byte in halves.groups()[:4])
    return chr(0x10000 + ((high & 0xF) << 16 | more_of_high << 10 | (low & 0xF) << 6 | more_of_low))
