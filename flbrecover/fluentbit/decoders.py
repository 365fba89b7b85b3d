"""``Decode_Field`` and ``Decode_Field_As``: what a parser does to fields that it found.

Source: src/flb_parser_decoder.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flbrecover.fluentbit import json_fields, unescape
from flbrecover.fluentbit.values import Fields, Value

Decoder = Callable[[Fields], Fields]


@dataclass(frozen=True, slots=True)
class _Rule:
    in_place: bool  # Decode_Field_As; else the object's members are appended to the record
    backend: str
    action: str

    def decode(self, text: bytes) -> bytes | Fields | None:
        if self.backend == "json":
            return json_fields.read(text) if text.lstrip(b" ")[:1] in (b"{", b"[") else None
        return _TEXT_BACKENDS[self.backend](text)


_TEXT_BACKENDS = {
    "escaped": unescape.escaped,
    "escaped_utf8": unescape.escaped_utf8,
    "mysql_quoted": unescape.mysql_quoted,
}


def make(decoders: tuple[tuple[str, str], ...]) -> Decoder | None:
    """The decoder of a parser's rules in order, each ``(Decode_Field | Decode_Field_As, "backend field action")``.

    None where there are no rules. Raises ValueError for a rule that Fluent Bit refuses.
    """
    rules: dict[bytes, list[_Rule]] = {}
    for kind, text in decoders:
        words = text.split(None, 2)
        backend = words[0].lower() if words else ""
        if len(words) < 2 or (backend not in _TEXT_BACKENDS and backend != "json"):
            raise ValueError(f"{kind} {text}: not a decoder and a field")
        rule = _Rule(kind.lower() == "decode_field_as", backend, words[2].lower() if len(words) > 2 else "")
        rules.setdefault(words[1].encode("utf-8", "surrogateescape"), []).append(rule)
    if not rules:
        return None

    def decode(fields: Fields) -> Fields:
        out: list[tuple[bytes, Value]] = []
        extra: Fields = ()
        for name, value in fields:
            mine = rules.get(name)
            if mine is None or not isinstance(value, bytes):
                out.append((name, value))
                continue
            new, added = _apply(mine, value)
            out.append((name, new))
            if added is not None:
                extra = added  # of several decoded fields only the last one's members are kept
        return (*out, *extra)

    return decode


def _apply(rules: list[_Rule], text: bytes) -> tuple[Value, Fields | None]:
    """The field's new value, and the members to append: None where no rule of the field appends any."""
    replaced: bytes | Fields | None = None
    added: Fields | None = None if all(r.in_place for r in rules) else ()
    was_decoded = False
    for rule in rules:
        if was_decoded and not rule.in_place and rule.action == "do_next":
            continue
        if isinstance(replaced, tuple):
            continue  # an object is not decoded again
        decoded = rule.decode(text)
        if decoded is None:
            if rule.action in ("try_next", "do_next"):
                continue
            break
        if rule.in_place:
            replaced = decoded
            text = decoded if isinstance(decoded, bytes) else text
        else:
            was_decoded = True
            added = decoded if isinstance(decoded, tuple) else ()  # a text has no members to append
        if rule.action != "do_next":
            break
    return (text if replaced is None else replaced), added
