"""A string as Fluent Bit writes it into JSON, byte for byte, invalid UTF-8 and its oddities included.

Source: ``flb_utils_write_str`` in src/flb_utils.c of 5.1.1, as the official x86-64 and arm64 builds run it: ``char`` is
signed, and stretches of 16 bytes without anything to escape are copied as they are. DEL is not looked for there, so
it is escaped or not depending on its neighbours.
"""

from __future__ import annotations

import json
import re

is_plain = re.compile(rb"[ !#-\[\]-~]*\Z").match  # nothing in it is escaped
_BLOCK = 16
_STOPS = re.compile(rb"[\x00-\x1f\"\\\x80-\xff]")  # what ends the copying of whole blocks
_SHORT = {0x22: b'\\"', 0x5C: b"\\\\", 0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t", 0x08: b"\\b", 0x0C: b"\\f"}
_ESCAPES = {c: b"\\u%04x" % c for c in (*range(0x20), 0x7F)} | _SHORT
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_FRAGMENT = 0xE000  # escaping maps the bytes of an invalid sequence to the code points from here on


def write_string(text: bytes, escape_unicode: bool) -> bytes:
    """``text`` as the inside of a JSON string. ``escape_unicode`` is ``json.escape_unicode`` of ``[SERVICE]``."""
    if is_plain(text):
        return text
    if b"\x7f" not in text:
        try:
            valid = text.decode("utf-8")
        except UnicodeDecodeError:
            pass  # the byte by byte way below
        else:
            return json.dumps(valid, ensure_ascii=escape_unicode).encode("utf-8")[1:-1]
    return _write_blocks(text, escape_unicode)


def _write_blocks(text: bytes, escape_unicode: bool) -> bytes:
    one = _escaped if escape_unicode else _raw
    out = bytearray()
    at = 0
    while at < len(text):
        while at + _BLOCK <= len(text) and not _STOPS.search(text, at, at + _BLOCK):
            out += text[at : at + _BLOCK]
            at += _BLOCK
        turns = 0
        while turns < _BLOCK and at < len(text):
            written, at, turns = one(text, at, turns)
            out += written
    return bytes(out)


def _raw(text: bytes, at: int, turns: int) -> tuple[bytes, int, int]:
    """What the character at ``at`` becomes, where the next one is, and how many the C loop has counted by then."""
    byte = text[at]
    if byte < 0x80:
        return _ESCAPES.get(byte, text[at : at + 1]), at + 1, turns + 1
    size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    sequence = text[at : at + size]
    try:
        sequence.decode("utf-8")
    except UnicodeDecodeError:
        return _REPLACEMENT, at + 1, turns + 1
    return sequence, at + size, turns + 1


def _escaped(text: bytes, at: int, turns: int) -> tuple[bytes, int, int]:
    """As :func:`_raw`. The C decoder takes overlong forms, and its counter is reused for writing fragments."""
    byte = text[at]
    if byte < 0x80:
        return _ESCAPES.get(byte, text[at : at + 1]), at + 1, turns + 1
    size = 1 + sum(byte >= first for first in (0xC0, 0xE0, 0xF0, 0xF8, 0xFC))
    if at + size > len(text):
        return b"", at + 1, _BLOCK  # dropped, and the loop is left
    if byte < 0xC0 or byte >= 0xF8:
        return _fragments(text[at : at + 1]), at + 1, 2
    code = byte & (0x3F >> (size - 1))
    for read in range(1, size):
        following = text[at + read]
        if following & 0xC0 != 0x80:
            return _fragments(text[at : at + read]), at + read, read + 1
        code = code << 6 | following & 0x3F
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return _fragments(text[at : at + size - 1]), at + size - 1, size
    if code > 0xFFFF:
        high, low = 0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)
        return b"\\u%04x\\u%04x" % (high, low), at + size, turns + 1
    return b"\\u%04x" % code, at + size, turns + 1


def _fragments(sequence: bytes) -> bytes:
    return "".join(chr(_FRAGMENT + byte) for byte in sequence).encode("utf-8")
