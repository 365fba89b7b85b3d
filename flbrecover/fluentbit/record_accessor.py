"""Record accessors: ``$key['sub'][0]`` to look into a record, and templates such as ``new.$TAG[1].$1.$key``.

Source: src/flb_record_accessor.c (cutting into parts), src/record_accessor/ra.l and ra.y (what a ``$key`` is),
src/flb_ra_key.c (looking it up). What looks odd below is what Fluent Bit 5.1.1 does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from flbrecover.fluentbit.values import Fields, Value

MAX_TEMPLATE = 64 * 1024  # bytes; no sane tag template or field name is near it


class Missing:
    """The type of :data:`MISSING`: nothing is there (a value may be None, which is JSON's null)."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()

Found = Value | Missing
Step = bytes | int


@dataclass(frozen=True, slots=True)
class KeyPath:
    """``$root['sub'][0]``: the name of a top-level field, then map keys and array indexes."""

    root: bytes
    steps: tuple[Step, ...] = ()

    def find(self, fields: Fields) -> Found:
        """The value at this path; of duplicate names the last one. A root that is neither map nor array is found
        whatever the steps say: ``$log['level']`` is the whole of a ``log`` that is text."""
        value = last(fields, self.root)
        if isinstance(value, Missing) or not isinstance(value, (tuple, list)):
            return value
        return walk(value, self.steps)

    def find_pair(self, fields: Fields) -> Found:
        """As :meth:`find` for the filters that want a name too: an array element has none, so it is not found."""
        value = self.find(fields)
        if self.steps and isinstance(self.steps[-1], int) and isinstance(last(fields, self.root), (tuple, list)):
            return MISSING
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """Literal bytes of a template; looked up as a path, it is the name of a top-level field as it stands."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Special:
    """``$TAG``, ``$TAG[n]`` or ``$n`` (a group of the regular expression that matched before)."""

    kind: Literal["tag", "tag part", "group"]
    number: int = 0


Part = KeyPath | Text | Special


@dataclass(frozen=True, slots=True)
class Accessor:
    """A whole accessor or template, as its parts."""

    parts: tuple[Part, ...]

    @property
    def path(self) -> KeyPath | None:
        """What a filter looks up with it: the first part only (``$a.b`` is ``$a``), a plain name as it stands."""
        first = self.parts[0] if self.parts else None
        if isinstance(first, Text):
            return KeyPath(first.text)
        return first if isinstance(first, KeyPath) else None

    def translate(
        self, tag: bytes, find: Callable[[KeyPath], Found], groups: Sequence[bytes | None] = ()
    ) -> bytes | None:
        """The template filled in. ``find`` looks a path up in the record. ``groups``: group 0 and on, of the match
        before; () where the expression has no group at all (``$0`` is empty then). What is not found is empty.
        None where a map would have to be written out as JSON."""
        out: list[bytes] = []
        for part in self.parts:
            if isinstance(part, Text):
                out.append(part.text)
            elif isinstance(part, KeyPath):
                text = as_text(find(part))
                if text is None:
                    return None
                out.append(text)
            elif part.kind == "tag":
                out.append(tag)
            elif part.kind == "tag part":
                out.append(tag_part(tag, part.number))
            elif part.number < len(groups):
                out.append(groups[part.number] or b"")
        return b"".join(out)


def last(fields: Fields, name: bytes) -> Found:
    """The value of the last field with this name."""
    for key, value in reversed(fields):
        if key == name:
            return value
    return MISSING


def walk(value: Value, steps: Sequence[Step]) -> Found:
    """What lies below ``value``: a step that does not fit means that nothing is found."""
    here: Found = value
    for step in steps:
        if isinstance(step, int):
            here = here[step] if isinstance(here, list) and step < len(here) else MISSING
        else:
            here = last(here, step) if isinstance(here, tuple) else MISSING
        if isinstance(here, Missing):
            return MISSING
    return here


def as_text(value: Found) -> bytes | None:
    """How a template writes a value (ra_translate_keymap); None for a map. An array counts as not found."""
    if isinstance(value, (Missing, list)):
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        wrapped = (value + 2**63) % 2**64 - 2**63  # printed as a signed 64-bit number
        return str(wrapped).encode()
    if isinstance(value, float):
        return f"{value:f}".encode()[:31]
    return b"null" if value is None else None


def tag_part(tag: bytes, number: int) -> bytes:
    """``$TAG[n]``: split at every dot, empty parts count; empty where there is no such part."""
    parts = tag.split(b".")
    return parts[number] if 0 <= number < len(parts) else b""


def parse(text: str) -> Accessor:
    """The parts of an accessor or template. Raises ValueError where Fluent Bit would refuse to start."""
    data = text.encode("utf-8", "surrogateescape").split(b"\0")[0]
    if len(data) > MAX_TEMPLATE:
        raise ValueError(f"a record accessor of {len(data)} bytes")
    return Accessor(tuple(_parts(data)))


def parse_path(text: str) -> KeyPath:
    """An accessor that is only looked up. Raises ValueError as :func:`parse`, and where it names no field."""
    path = parse(text).path
    if path is None:
        raise ValueError(f"{text!r} names no field")
    return path


def _parts(data: bytes) -> list[Part]:
    """The walk of ra_parse_buffer. After ``$TAG``, ``$TAG[n]`` and ``$key`` it skips one character unread, so a ``$``
    right there is text; a single character after a ``$key`` at the very end is lost."""
    parts: list[Part] = []
    length = len(data)
    at = text_from = end = 0
    while at < length:
        if data[at : at + 1] != b"$":
            at += 1
            continue
        if at > text_from:
            parts.append(Text(data[text_from:at]))
        text_from = at
        after = at + 1
        if after >= length:
            break
        if data[after : after + 1].isdigit():
            parts.append(Special("group", _atoi(data[after:])))
            at = text_from = after + 1
            continue
        if data[after : after + 3] == b"TAG":
            if data[after + 3 : after + 4] == b"[" and after + 4 < length:
                end = data.find(b"]", after + 3) - (after + 3) if b"]" in data[after + 3 :] else -1
                parts.append(Special("tag part", _atoi(data[after + 4 :])))
                text_from = after + 3 + end + 1
            else:
                parts.append(Special("tag"))
                text_from = after + 3
            at = text_from + 1
            continue
        end = _end_of_key(data, after)
        parts.append(_key_path(data[at:end]))
        text_from = end
        at = end + 1
    if (at - 1 > end and text_from < at) or at == 1:
        parts.append(Text(data[text_from:]))
    return parts


def _end_of_key(data: bytes, at: int) -> int:
    quotes = 0
    for end in range(at, len(data)):
        char = data[end : end + 1]
        if char == b"'":
            quotes += 1
        elif (char == b"." and not quotes % 2) or char in (b" ", b",", b'"'):
            return end
    return len(data)


_TOKEN = re.compile(
    rb"(?P<integer>[1-9][0-9]*|0)|'(?P<string>(?:[^']|'')*)'|(?P<name>[_A-Za-z][A-Za-z0-9_.\-/]*)|(?P<mark>[$\[\].,;])"
    rb"|.",  # anything else is reported by Fluent Bit and passed over
    re.DOTALL,
)


def _key_path(data: bytes) -> KeyPath:
    """The grammar of ra.y: ``$`` name, then ``['text']`` or ``[number]`` any number of times."""
    tokens = [m for m in _TOKEN.finditer(data) if m.lastgroup]
    if len(tokens) < 2 or tokens[0]["mark"] != b"$" or tokens[1]["name"] is None or (len(tokens) - 2) % 3:
        raise ValueError(f"not a record accessor: {data.decode('utf-8', 'replace')}")
    steps: list[Step] = []
    for i in range(2, len(tokens), 3):
        opening, step, closing = tokens[i : i + 3]
        if opening["mark"] != b"[" or closing["mark"] != b"]":
            raise ValueError(f"not a record accessor: {data.decode('utf-8', 'replace')}")
        if step["integer"] is not None:
            steps.append(int(step["integer"][:19]))
        elif step["string"] is not None:
            steps.append(step["string"].replace(b"''", b"'"))
        else:
            raise ValueError(f"not a record accessor: {data.decode('utf-8', 'replace')}")
    return KeyPath(tokens[1]["name"], tuple(steps))


def _atoi(data: bytes) -> int:
    number = re.match(rb"[ \t\n\v\f\r]*([+-]?[0-9]{1,9})", data)
    return int(number[1]) if number else 0
