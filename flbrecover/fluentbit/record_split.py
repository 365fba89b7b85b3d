"""A stream of bytes, cut into the records of the s3 output: from buffer files and from S3 objects alike.

``json_lines`` (with or without ``log_key``) ends each record with a newline; ``otlp_json`` writes JSON documents one
after the other with nothing between them. Splitting decides where records end, not whether they are whole: see
:func:`json_whole.is_object`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, count
from operator import add
from typing import NamedTuple, Protocol

from flbrecover.model import ByteRange, Envelope

MAX_RECORD = 64 << 20  # bytes; a longer record is passed over, so that memory stays bounded


class Piece(NamedTuple):
    """One record without its newline, the offset of its first byte, and what stands around it."""

    data: bytes
    start: int
    envelope: Envelope | None = None

    @property
    def span(self) -> ByteRange:
        return ByteRange(self.start, self.start + len(self.data))


class Lines(NamedTuple):
    """Records that follow each other, each with a newline behind it, and the offsets of their first bytes."""

    lines: list[bytes]
    starts: list[int]

    def pieces(self) -> Iterator[Piece]:
        return map(Piece, self.lines, self.starts)


class Unread(NamedTuple):
    """A range that holds no record that could be read, and why, in a few words."""

    span: ByteRange
    what: str


class Splitter(Protocol):
    """Takes the stream block by block. Pieces and unread ranges come in stream order."""

    def feed(self, block: bytes) -> Iterator[Piece | Unread]:
        """The records that end in this block. The iterator must be used up before the next call."""

    def rest(self) -> Iterator[Piece | Unread]:
        """At the end of the stream: what was begun and not ended. A ``Piece`` here has no newline."""


class LineSplitter:
    """Newline-terminated records. An empty line is a record: with ``log_key`` an empty value is written so."""

    def __init__(self, start: int = 0, limit: int = MAX_RECORD) -> None:
        self._start = start  # of the line at hand
        self._limit = limit
        self._held: list[bytes] = []
        self._held_size = 0
        self._dropped = 0  # bytes of the line at hand that were passed over because it is too long

    def lines(self, block: bytes) -> Lines | None:
        """What :meth:`feed` gives, in a tenth of the time; None where a line is too long: then feed is to be asked."""
        if self._dropped or self._held_size + len(block) > self._limit:
            return None
        lines = block.split(b"\n")
        rest = lines.pop()
        if not lines:
            self._hold(rest)
            return Lines([], [])
        if self._held_size:
            lines[0] = b"".join((*self._held, lines[0]))
        ends = list(accumulate(map(len, lines)))  # without the newlines
        starts = [self._start, *map(add, ends[:-1], count(self._start + 1))]
        self._start += ends[-1] + len(lines)
        self._held, self._held_size = [], 0
        self._hold(rest)
        return Lines(lines, starts)

    def feed(self, block: bytes) -> Iterator[Piece | Unread]:
        lines = block.split(b"\n")
        last = lines.pop()
        for line in lines:
            if self._held_size or self._dropped or len(line) > self._limit:
                self._hold(line)
                yield self._take()
            else:
                yield Piece(line, self._start)
                self._start += len(line)
            self._start += 1
        self._hold(last)

    def rest(self) -> Iterator[Piece | Unread]:
        if self._held_size or self._dropped:
            yield self._take()

    def _hold(self, part: bytes) -> None:
        if self._dropped or self._held_size + len(part) > self._limit:
            self._dropped += self._held_size + len(part)
            self._held, self._held_size = [], 0
        elif part:
            self._held.append(part)
            self._held_size += len(part)

    def _take(self) -> Piece | Unread:
        start = self._start
        self._start += self._dropped + self._held_size
        taken: Piece | Unread
        if self._dropped:
            taken = Unread(ByteRange(start, self._start), f"a record longer than {self._limit} bytes")
        else:
            taken = Piece(b"".join(self._held), start)
        self._held, self._held_size, self._dropped = [], 0, 0
        return taken


DOCUMENT = b'{"resourceLogs":'  # how flb_opentelemetry_logs_to_otlp_json begins each document
_OUTSIDE = re.compile(rb"[\"{}\[\]\x00]")
_INSIDE = re.compile(rb"[\"\\\x00]")
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
_MAX_RETRIES = 8  # looking for documents inside one that never ends costs a pass each


class DocumentSplitter:
    """Cuts ``otlp_json`` into whole documents; :mod:`otlp_split` cuts these into records.

    JSON documents without anything between them (white space is passed over).

    A NUL never stands in JSON: it ends a damaged document, and the next one is looked for by its first words, because
    inside a torn document every nested object would look like one.
    """

    def __init__(self, start: int = 0, limit: int = MAX_RECORD) -> None:
        self._buffer = bytearray()
        self._start = start  # the offset of the buffer's first byte
        self._limit = limit
        self._scan = 0  # the buffer is looked at up to here
        self._depth = 0
        self._in_string = False
        self._lost = False  # what follows may be the middle of a document
        self._unread_from: int | None = None
        self._unread_why = ""

    def feed(self, block: bytes) -> Iterator[Piece | Unread]:
        self._buffer += block
        yield from self._pieces()
        if len(self._buffer) > self._limit:
            self._skip(len(self._buffer), f"a record longer than {self._limit} bytes")

    def rest(self) -> Iterator[Piece | Unread]:
        yield from self._pieces()
        for _ in range(_MAX_RETRIES):
            if not self._depth:
                break
            self._give_up("a document that does not end")
            yield from self._pieces()
        if self._buffer:
            self._skip(len(self._buffer), self._unread_why or "a document that does not end")
        yield from self._unread()

    def _pieces(self) -> Iterator[Piece | Unread]:
        while self._depth or self._find_start():
            end = self._find_end()
            if end is None:
                return
            if end < 0:
                self._give_up("damaged: a NUL byte inside a document")
                continue
            yield from self._unread()
            yield Piece(bytes(self._buffer[:end]), self._start)
            self._drop(end)
            self._lost = False

    def _find_start(self) -> bool:
        """Bring the next document to the buffer's start; False when it is not there yet."""
        if self._unread_from is None:
            self._drop(_leading_space(self._buffer))
        begins = self._buffer.startswith(DOCUMENT if self._lost else b"{")
        if not begins:
            at = self._buffer.find(DOCUMENT)
            if at < 0:  # its first words may have come in part
                self._skip(max(len(self._buffer) - len(DOCUMENT) + 1, 0), "not a JSON document")
                return False
            self._skip(at, "not a JSON document")
        self._depth, self._scan, self._in_string = 1, 1, False
        return True

    def _find_end(self) -> int | None:
        """The document's length; None when its end has not come yet, -1 when it is damaged."""
        while True:
            found = (_INSIDE if self._in_string else _OUTSIDE).search(self._buffer, self._scan)
            if found is None:
                self._scan = len(self._buffer)
                return None
            byte = found[0]
            if byte == b"\\" and found.end() == len(self._buffer):
                self._scan = found.start()  # what it escapes has not come yet
                return None
            self._scan = found.end() + (byte == b"\\")
            if byte == b"\0":
                return -1
            if byte == b'"':
                self._in_string = not self._in_string
            elif byte in b"{[":
                self._depth += 1
            elif byte in b"}]":
                self._depth -= 1
                if self._depth == 0:
                    return self._scan

    def _give_up(self, why: str) -> None:
        """The document at hand is none: go on behind its first byte."""
        self._skip(1, why)
        self._depth, self._lost = 0, True

    def _skip(self, size: int, why: str) -> None:
        if size:
            if self._unread_from is None:
                self._unread_from, self._unread_why = self._start, why
            self._lost = True
            self._drop(size)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._start += size
        self._depth = self._scan = 0

    def _unread(self) -> Iterator[Piece | Unread]:
        if self._unread_from is not None:
            yield Unread(ByteRange(self._unread_from, self._start), self._unread_why)
            self._unread_from = None


def _leading_space(buffer: bytearray) -> int:
    found = _NOT_SPACE.search(buffer)
    return len(buffer) if found is None else found.start()
