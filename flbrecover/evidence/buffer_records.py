"""The whole records of one buffer file, and the byte ranges that hold none.

Only whole records are given. A JSON record proves itself: it is whole or it does not parse. A plain line (``log_key``)
does not; what shows that it is damaged is a NUL byte, which Fluent Bit never writes there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.evidence.chunk_reader import blocks, problem_of
from flbrecover.evidence.node import Node
from flbrecover.fast_zlib import fast_zlib
from flbrecover.fluentbit import chunk_file
from flbrecover.fluentbit.engine_chunk import HALF, Event, EventDecoder, final_nuls
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.record_split import Lines, LineSplitter, Piece, Unread
from flbrecover.fluentbit.values import EVENT_TIMES
from flbrecover.model import BufferFile, ByteRange, Problem, Record

MAX_RANGES = 1000  # of damaged bytes that are listed one by one


class BufferRecords:
    """Iterating reads the file once, in blocks, and gives its records in file order; it can be done again.

    Records from the slack come after those of the content; they are the ones whose ``span`` does not begin inside
    ``buffer.content``. ``slack=False`` leaves them out. With ``log_key`` a value of an engine chunk may hold newlines:
    each of its lines is a record, all with places of their own inside the event's span.

    Once an iteration has run to its end: ``problems`` says what could not be read or trusted; ``content_crc32`` and
    ``content_length`` are of the content's bytes, which are those of an upload before compression (not so for engine
    chunks).
    """

    def __init__(self, node: Node, buffer: BufferFile, style: RecordStyle, *, slack: bool = True) -> None:
        self._node = node
        self._buffer = buffer
        self._style = style
        self._format = format_of(style)
        self._slack = slack
        self._start_over()

    def _start_over(self) -> None:
        self.content_crc32 = 0
        self.content_length = 0
        self._notes: list[Problem] = []
        self._ranges: list[Unread] = []
        self._torn: Unread | None = None  # at the end of the content: the slack may hold the rest
        self._slack_used = False  # whether there is anything but zeros in it
        self._unwritten = 0

    @property
    def problems(self) -> list[Problem]:
        """What could not be read or trusted, by the iteration that ran last."""
        return [Problem(self._buffer.path, what, span) for span, what in self._ranges] + self._notes

    def __iter__(self) -> Iterator[Record]:
        for item in self.batches():
            if isinstance(item, Record):
                yield item
            else:
                yield from map(self._record, item.pieces())

    def batches(self) -> Iterator[Record | Lines]:
        """As iterating, but records that lie next to each other and are whole beyond doubt come as the lines that they
        are, many at a time: their time is not read."""
        self._start_over()
        try:
            with self._node.open(self._buffer.path) as file:
                yield from self._of_events(file) if self._buffer.holds_events else self._of_content(file)
            now = self._node.facts(self._buffer.path)
        except (EvidenceError, OSError) as e:
            self._notes.append(problem_of(self._buffer.facts, e))
            return
        if not self._buffer.facts.is_unchanged(now.inode, now.size, now.mtime_ns):
            self._note("the file was changed while it was looked at", way_out="look again once nothing writes to it")

    # -- the content of a store_dir file -----------------------------------------------------------------------------

    def _of_content(self, file: BinaryIO) -> Iterator[Record | Lines]:
        split = self._format.splitter(self._buffer.content.start)
        for block in self._content(file):
            found = split.lines(block) if isinstance(split, LineSplitter) else None
            if found is None:
                yield from self._whole(split.feed(block))
            elif self._format.are_whole(found.lines):
                yield found
            else:
                yield from self._whole(found.pieces())
        for piece in split.rest():
            if isinstance(piece, Unread):
                if piece.span.end == self._buffer.content.end:
                    self._torn = piece
                else:
                    self._damaged(*piece)
                continue
            first = _before_zeros(piece)
            only_zeros = not piece.data[len(first.data) :].strip(b"\0")
            if self._style.is_json and only_zeros and self._format.is_whole(first.data):
                yield self._record(first)
                if first.span.end < piece.span.end:  # its newline is zeroed
                    self._damaged(ByteRange(first.span.end, piece.span.end), "zeroed bytes")
            else:
                self._torn = Unread(piece.span, "a torn record")
        if self._slack and (self._slack_used or self._torn):
            yield from self._behind_content(file)
        if self._torn:
            self._damaged(*self._torn)

    def _whole(self, pieces: Iterable[Piece | Unread]) -> Iterator[Record]:
        for piece in pieces:
            if isinstance(piece, Unread):
                self._damaged(*piece)
                continue
            if b"\0" in piece.data:
                yield from self._around_zeros(piece)
            elif self._format.is_whole(piece.data):
                yield self._record(piece)
            else:
                self._damaged(piece.span, "not a whole record")

    def _around_zeros(self, piece: Piece) -> Iterator[Record]:
        """Where only the newline between them is zeroed, two whole records stand around the zeros; what is in between
        could be a part of one."""
        first, last = _before_zeros(piece), _behind_zeros(piece)
        whole = tuple(self._style.is_json and self._format.is_whole(p.data) for p in (first, last))
        if whole[0]:
            yield self._record(first)
        start = first.span.end if whole[0] else piece.start
        end = last.start if whole[1] else piece.span.end
        self._damaged(ByteRange(start, end), "zeroed bytes")
        if whole[1]:
            yield self._record(last)

    def _record(self, piece: Piece) -> Record:
        return Record(piece.data, piece.span, self._format.time_of(piece.data), piece.envelope)

    def _behind_content(self, file: BinaryIO) -> Iterator[Record]:
        """Records that the header's length does not cover: it is wrong, or older than the pages behind it."""
        content = self._buffer.content
        if not self._style.is_json:
            if self._slack_used:
                self._note("there is text behind the content, and nothing shows that its lines are whole", slack=True)
            return
        start = self._torn.span.start if self._torn else content.end
        split = self._format.splitter(start)
        others = False
        for _, block in blocks(file, ByteRange(start, self._buffer.slack.end)):
            for piece in split.feed(block):
                found = _behind_zeros(piece) if isinstance(piece, Piece) else None
                if found and self._format.is_whole(found.data):
                    yield self._from_slack(found)
                else:
                    others = others or found is None or found.data != b""
        for piece in split.rest():
            if isinstance(piece, Piece) and piece.envelope:  # whole without a newline
                yield self._from_slack(piece)
            else:
                others = others or (isinstance(piece, Piece) and piece.data.strip(b"\0") != b"")
        if others and self._slack_used:
            self._note("there is text behind the content that is no whole record", slack=True, unreadable=False)

    def _from_slack(self, piece: Piece) -> Record:
        if piece.start < self._buffer.content.end:
            self._torn = None
        return self._record(piece)

    # -- the events of an engine chunk -------------------------------------------------------------------------------

    def _of_events(self, file: BinaryIO) -> Iterator[Record]:
        content = self._buffer.content
        decoder = EventDecoder(content.start)
        for block in self._content(file):
            yield from self._events(decoder.feed(block))
        yield from self._events(decoder.rest())
        if self._slack and (self._slack_used or self._torn):
            yield from self._events_behind(file)
        if self._torn:
            self._damaged(*self._torn)
        if self._unwritten:
            missed = self._format.unwritten_is_missed
            what = f"{self._unwritten} events {self._format.unwritten}"
            self._note(what, way_out=_LET_FLUENT_BIT if missed else "", unreadable=missed)

    def _events(self, items: Iterable[Event | Unread]) -> Iterator[Record]:
        for item in items:
            if isinstance(item, Event):
                yield from self._lines(item)
            elif item.what == HALF and item.span.end == self._buffer.content.end:
                self._torn = item
            else:
                self._damaged(*item)

    def _lines(self, event: Event) -> Iterator[Record]:
        text = self._format.render(event.fields, event.time_ns, metadata=event.metadata, group=event.group)
        if text is None:
            self._unwritten += 1
            return
        lines = self._style.records_in(text)
        for number, line in enumerate(lines, 1):
            start = event.span.start + number - 1
            end = event.span.end if number == len(lines) else start + 1
            time_ns = self._format.time_of(line)
            if time_ns is None and event.time_ns in EVENT_TIMES:  # that of an old event is a number of any size
                time_ns = event.time_ns
            yield Record(line, ByteRange(start, end), time_ns, self._format.envelope)

    def _events_behind(self, file: BinaryIO) -> Iterator[Record]:
        """Events that the header's length does not cover, up to the first thing that is none. One that begins inside
        the content must not end in zeros that the slack has filled in."""
        content = self._buffer.content
        start = self._torn.span.start if self._torn else content.end
        decoder = EventDecoder(start, padded=True)
        for _, block in blocks(file, ByteRange(start, self._buffer.slack.end)):
            for item in decoder.feed(block):
                if not self._is_taken(item):
                    return
                if item.span.start < content.end:
                    self._torn = None
                yield from self._events((item,))
        for item in decoder.rest():
            if not self._is_taken(item):
                return
            if item.span.start < content.end:
                self._torn = None
            yield from self._events((item,))

    def _is_taken(self, item: Event | Unread) -> bool:
        if isinstance(item, Unread):
            return False
        return item.span.start >= self._buffer.content.end or not final_nuls(item)

    # -- the bytes ---------------------------------------------------------------------------------------------------

    def _content(self, file: BinaryIO) -> Iterator[bytes]:
        """The content's bytes. Reads the whole file, and looks at everything else on the way."""
        size, content = self._buffer.facts.size, self._buffer.content
        checked = 0
        header = None
        end = 0
        for at, block in blocks(file, ByteRange(0, size)):
            if header is None:
                header = chunk_file.parse_header(block, size)
            end = at + len(block)
            checked = fast_zlib.crc32(_part(block, at, ByteRange(chunk_file.CHECKED_AT, content.end)), checked)
            self._slack_used = self._slack_used or bool(_part(block, at, self._buffer.slack).strip(b"\0"))
            part = _part(block, at, content)
            if part:
                self.content_crc32 = fast_zlib.crc32(part, self.content_crc32)
                self.content_length += len(part)
                yield part
        if end < size:
            self._damaged(ByteRange(end, size), "the file has become shorter than it was")
            return
        if header is not None and not self._checks(header, checked):
            self._notes.append(Problem(self._buffer.path, _MISMATCH, content))

    def _checks(self, header: chunk_file.Header, crc32: int) -> bool:
        """Whether the checksum fits, or there is nothing to hold it against."""
        if not header.magic_ok or header.content.start != self._buffer.content.start or chunk_file.is_new(header):
            return True
        zeros = 0 if header.length_known else _ZEROS_OF_A_NUMBER  # which may end a content of unknown length
        possible = (fast_zlib.crc32(bytes(more), crc32) for more in range(zeros + 1))
        return any(chunk_file.crc_verdict(header.crc, value) != "mismatch" for value in possible)

    def _damaged(self, span: ByteRange, what: str) -> None:
        """List a range; one that follows the one before it (with only a newline between) is the same damage."""
        last = self._ranges[-1] if self._ranges else None
        if last and (span.start - last.span.end in (0, 1) or len(self._ranges) == MAX_RANGES):
            self._ranges[-1] = Unread(ByteRange(last.span.start, max(span.end, last.span.end)), last.what)
        else:
            self._ranges.append(Unread(span, what))

    def _note(self, what: str, *, slack: bool = False, way_out: str = "", unreadable: bool = True) -> None:
        where = self._buffer.slack if slack else None
        self._notes.append(Problem(self._buffer.path, what, where, way_out, unreadable))


def _before_zeros(piece: Piece) -> Piece:
    return Piece(piece.data.partition(b"\0")[0], piece.start, piece.envelope)


def _behind_zeros(piece: Piece) -> Piece:
    data = piece.data.rpartition(b"\0")[2]
    return Piece(data, piece.span.end - len(data), piece.envelope)


def _part(block: bytes, at: int, wanted: ByteRange) -> bytes:
    """What a block that begins at ``at`` has of a range."""
    start, end = max(wanted.start - at, 0), max(wanted.end - at, 0)
    return block if start == 0 and end >= len(block) else block[start:end]


_ZEROS_OF_A_NUMBER = 8
_MISMATCH = "the checksum does not fit the content: what reads as whole records may be damaged all the same"
_LET_FLUENT_BIT = "let Fluent Bit send these chunks itself"
