"""The ltsv parser: ``label:value<TAB>label:value`` into texts. Source: src/flb_parser_ltsv.c."""

from __future__ import annotations

import re

_FIELD = re.compile(rb"([0-9A-Za-z_.-]*):([^\x00\t\n\r\x0e]*)")  # 0x0e by an oversight


def pairs(line: bytes) -> list[tuple[bytes, bytes]] | None:
    """Labels with their values in order. Reading ends where no label follows; None where it got none at all."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while match := _FIELD.match(line, at):
        if match[1]:
            found.append((match[1], match[2]))
        at = match.end()
        if line[at : at + 1] == b"\t":
            at += 1
        if line[at : at + 1] in (b"\r", b"\n", b""):
            break
    return found or None
