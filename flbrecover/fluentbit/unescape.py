"""The three ways in which Fluent Bit undoes backslash escapes. Source: src/flb_unescape.c."""

from __future__ import annotations

import re

_SIMPLE = {
    0x22: b'"', 0x27: b"'", 0x5C: b"\\", 0x2F: b"/", 0x6E: b"\n", 0x62: b"\b", 0x74: b"\t", 0x66: b"\f", 0x72: b"\r",
    0x76: b"\v", 0x61: b"\a",
}  # fmt: skip
_ESCAPED = {k: v for k, v in _SIMPLE.items() if k not in b"\"'/"}
_MYSQL = {
    0x6E: b"\n", 0x72: b"\r", 0x74: b"\t", 0x5C: b"\\", 0x27: b"'", 0x22: b'"', 0x30: b"\0", 0x5A: b"\x1a",
}  # fmt: skip
_REPLACEMENT = "\ufffd".encode()
_HEX4 = re.compile(rb"[0-9a-fA-F]{0,4}")
_HEX8 = re.compile(rb"[0-9a-fA-F]{1,8}")
_HEX2 = re.compile(rb"[0-9a-fA-F]{1,2}")
_OCTAL = re.compile(rb"[0-7]{1,3}")


def escaped(text: bytes) -> bytes:
    """``escaped`` (flb_unescape_string): C escapes; the backslash before any other character is dropped, and one at the
    very end becomes a NUL."""
    if b"\\" not in text:
        return text
    out: list[bytes] = []
    at = 0
    while (found := text.find(b"\\", at)) >= 0:
        out.append(text[at:found])
        if found + 1 == len(text):
            return b"".join(out) + b"\0"
        known = _ESCAPED.get(text[found + 1])
        if known is not None:
            out.append(known)
        at = found + (1 if known is None else 2)
    return b"".join(out) + text[at:]


def mysql_quoted(text: bytes) -> bytes:
    """``mysql_quoted``: the text between equal quotes with MySQL's escapes undone; other text as it is."""
    if len(text) < 2 or text[:1] not in (b"'", b'"') or text[-1] != text[0]:
        return text
    text = text[1:-1]
    out: list[bytes] = []
    at = 0
    while (found := text.find(b"\\", at)) >= 0:
        out.append(text[at:found])
        pair = text[found : found + 2]
        out.append(_MYSQL.get(pair[1], pair) if len(pair) == 2 else pair)
        at = found + 2
    return b"".join(out) + text[at:]


def escaped_utf8(text: bytes) -> bytes:
    """``escaped_utf8`` (flb_unescape_string_utf8): C and JSON escapes, ``\\uXXXX`` with surrogate pairs as UTF-8. It
    ends at a NUL, and where the result would be longer than the text."""
    text = text.partition(b"\0")[0]
    if b"\\" not in text:
        return text
    out = bytearray()
    at = 0
    while (found := text.find(b"\\", at)) >= 0:
        out += text[at:found]
        if found + 1 == len(text):
            at = found
            break
        piece, at = _escape(text, found + 1)
        if len(piece) > len(text) - len(out):
            return bytes(out)
        out += piece
    return bytes(out + text[at:])


def _escape(text: bytes, at: int) -> tuple[bytes, int]:
    """What the escape whose letter is at ``at`` stands for, and where it ends."""
    c = text[at]
    if c in _SIMPLE:
        return _SIMPLE[c], at + 1
    if octal := _OCTAL.match(text, at):
        return _utf8(int(octal[0], 8)), octal.end()
    if c == 0x75:
        return _unicode(text, at + 1)
    digits = (_HEX2 if c == 0x78 else _HEX8).match(text, at + 1) if c in (0x78, 0x55) else None
    if digits:
        return _utf8(int(digits[0], 16)), digits.end()
    return text[at : at + 1], at + 1


def _unicode(text: bytes, at: int) -> tuple[bytes, int]:
    high, end = _four(text, at)
    if high is None or 0xDC00 <= high <= 0xDFFF:
        return _REPLACEMENT, end
    if not 0xD800 <= high <= 0xDBFF:
        return _utf8(high), end
    if text[end : end + 2] != b"\\u" or end + 2 >= len(text):
        return _REPLACEMENT, end
    low, end = _four(text, end + 2)
    if low is None or not 0xDC00 <= low <= 0xDFFF:
        return _REPLACEMENT, end
    return _utf8(0x10000 + ((high - 0xD800) << 10 | low - 0xDC00)), end


def _four(text: bytes, at: int) -> tuple[int | None, int]:
    """Four hexadecimal digits; fewer are no character, and none at all is the character 0."""
    match = _HEX4.match(text, at)
    digits = match[0] if match else b""
    if len(digits) == 4:
        return int(digits, 16), at + 4
    return (None if digits else 0), at + len(digits)


def _utf8(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else bytes([code & 0xFF])
