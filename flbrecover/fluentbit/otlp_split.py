"""A stream of OTLP documents, cut into their log records: from buffer files and from S3 objects alike.

A whole document is taken apart as it is. Of a damaged one the whole records are found by how each begins, a text that
no log line can forge: inside a JSON string its quotes are escaped.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flbrecover.fluentbit.otlp_json import PLAIN
from flbrecover.fluentbit.record_split import MAX_RECORD, DocumentSplitter, Piece, Unread
from flbrecover.model import ByteRange, Envelope

_RECORD = b'{"timeUnixNano":"'
_OTHER_ENVELOPE = re.compile(rb'"resource":\{"|"scope":\{"|"schemaUrl":"')
_OPENING = b'{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":['
_CLOSING = b"]}]}]}"
_BETWEEN = re.compile(rb"(?:%s)?(?:%s)?|," % (re.escape(_CLOSING), re.escape(_OPENING)))
_DECODER = json.JSONDecoder()

Walk = Callable[[int], int]  # from where an item begins to where it ends


class LogRecordSplitter(DocumentSplitter):
    """Pieces are single log records with their envelopes, at their places in the stream.

    Needs memory for one document, of at most ``limit`` bytes; a longer one is treated as a damaged one.
    """

    def __init__(self, start: int = 0, limit: int = MAX_RECORD) -> None:
        super().__init__(start, limit)
        self._passed = bytearray()  # what of the stream stands in no whole document

    def feed(self, block: bytes) -> Iterator[Piece | Unread]:
        yield from _each(super().feed(block))
        if len(self._passed) > self._limit:
            yield from self._unread()

    def rest(self) -> Iterator[Piece | Unread]:
        yield from _each(super().rest())

    def _skip(self, size: int, why: str) -> None:
        self._passed += self._buffer[:size]
        super()._skip(size, why)

    def _unread(self) -> Iterator[Piece | Unread]:
        passed, self._passed = bytes(self._passed), bytearray()
        for unread in super()._unread():
            if isinstance(unread, Unread):
                yield from salvage(passed, unread.span.start, unread.what)


def _each(pieces: Iterator[Piece | Unread]) -> Iterator[Piece | Unread]:
    for piece in pieces:
        if isinstance(piece, Piece) and piece.envelope is None:
            yield from explode(piece.data, piece.start)
        else:
            yield piece


def salvage(data: bytes, start: int, why: str) -> Iterator[Piece | Unread]:
    """The whole records in what is left of documents, and what lies between them. None of them where anything tells of
    another resource or scope than the usual empty ones: nothing shows which records it belongs to."""
    end = 0
    if not _OTHER_ENVELOPE.search(data):
        at = data.find(_RECORD)
        while at >= 0:
            following = data.find(_RECORD, at + 1)  # no record reaches beyond the beginning of the next one
            try:
                _, size = _DECODER.raw_decode(data[at : following if following >= 0 else len(data)].decode("latin-1"))
            except (ValueError, RecursionError):
                pass
            else:
                yield from _gap(data, end, at, start, why)
                yield Piece(data[at : at + size], start + at, PLAIN)
                end = at + size
            at = following
    yield from _gap(data, end, len(data), start, why)


def _gap(data: bytes, at: int, end: int, start: int, why: str) -> Iterator[Unread]:
    if not _BETWEEN.fullmatch(data, at, end):
        yield Unread(ByteRange(start + at, start + end), why)


# -- whole documents ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Level:
    """A list and the object that it lies in: where they begin and end, and what the items are."""

    start: int
    first: int = 0
    last: int = 0
    end: int = 0
    inner: list[_Level] = field(default_factory=list)
    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))

    def envelope(self, document: bytes, outer: Envelope | None) -> Envelope:
        return Envelope(document[self.start : self.first], document[self.last : self.end], outer)


def explode(document: bytes, start: int = 0) -> Iterator[Piece | Unread]:
    """The records of a document; ``start`` is the offset of its first byte."""
    try:
        top = _walk(document.decode("latin-1"))
    except (ValueError, IndexError, RecursionError):
        yield from salvage(document, start, "not a document of log records")
        return
    around = top.envelope(document, None)
    for resource in top.inner:
        around_resource = resource.envelope(document, around)
        for scope in resource.inner:
            envelope = scope.envelope(document, around_resource)
            for first, end in zip(scope.starts, scope.ends, strict=True):
                yield Piece(document[first:end], start + first, envelope)


def _walk(text: str) -> _Level:
    """Raises ValueError or IndexError where the text is no document, whole and without white space."""

    def record(scope: _Level) -> Walk:
        def walk(at: int) -> int:
            value, end = _DECODER.raw_decode(text, at)
            if not isinstance(value, dict):
                raise ValueError("a record that is no object")
            scope.starts.append(at)
            scope.ends.append(end)
            return end

        return walk

    def scope(resource: _Level) -> Walk:
        return lambda at: _into(text, at, "logRecords", resource, record)

    def resource(top: _Level) -> Walk:
        return lambda at: _into(text, at, "scopeLogs", top, scope)

    whole = _Level(0)
    if _into(text, 0, "resourceLogs", whole, resource) != len(text):
        raise ValueError("text behind the document")
    return whole.inner[0]


def _into(text: str, at: int, name: str, parent: _Level, inner: Callable[[_Level], Walk]) -> int:
    """Walk the object at ``at``: adds it to its parent, gives each item of its list ``name`` to ``inner``."""
    level = _Level(at)
    item = inner(level)
    at = _past(text, at, "{")
    while True:
        key, at = _DECODER.raw_decode(text, at)
        at = _past(text, at, ":")
        if key == name:
            if level.first:
                raise ValueError("two lists of one name")
            at = level.first = _past(text, at, "[")
            while text[at] != "]":
                at = item(at)
                if text[at] == ",":
                    at += 1
                elif text[at] != "]":
                    raise ValueError("neither , nor ]")
            level.last = at
            at += 1
        elif isinstance(key, str):
            _, at = _DECODER.raw_decode(text, at)
        else:
            raise ValueError("a key that is no string")
        if text[at] == "}":
            break
        at = _past(text, at, ",")
    if not level.first:
        raise ValueError(f"no {name}")
    level.end = at + 1
    parent.inner.append(level)
    return level.end


def _past(text: str, at: int, wanted: str) -> int:
    if text[at] != wanted:
        raise ValueError(f"no {wanted} where it should be")
    return at + 1
