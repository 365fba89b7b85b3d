"""The raw block format of snappy, which Fluent Bit writes to S3: no magic bytes, no checksum, no frames.

A block is the length of its content (a varint of at most 32 bits) and elements: literals, and copies of what came
before. Encoders work on 64 KiB at a time, so that no copy reaches back further (lib/snappy-fef67ac/snappy.c; the
format: https://github.com/google/snappy/blob/main/format_description.txt).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

WINDOW = 64 * 1024
GIVE_OUT = 256 * 1024  # content is given out in pieces of about this size
_MAX_VARINT = 5
_LONGEST_ELEMENT_HEAD = 5
_LONGEST_COPY = 64


class Decoder:
    """Decodes one block that comes in pieces. Raises ValueError for what no encoder writes."""

    def __init__(self) -> None:
        self._left: int | None = None  # bytes of content to come, None before the length is read
        self._literal = 0  # bytes of a literal to come
        self._window = bytearray()
        self._given = 0  # bytes of the window that were given out
        self.rest = b""

    @property
    def finished(self) -> bool:
        """Whether the block is complete; ``rest`` is what followed it."""
        return self._left == 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The content that the next bytes of the block hold."""
        self.rest += data
        if self._left is None:
            self._read_length()
        while self._step():
            if len(self._window) - self._given >= GIVE_OUT:
                yield self._give()
        if len(self._window) > self._given:
            yield self._give()

    def end(self) -> Iterator[bytes]:
        """To be called where no more bytes come. Raises ValueError for a block that is not complete."""
        raise ValueError("it ends in the middle of a block")

    def _give(self) -> bytes:
        block = bytes(self._window[self._given :])
        del self._window[:-WINDOW]
        self._given = len(self._window)
        return block

    def _read_length(self) -> None:
        length = 0
        for n, byte in enumerate(self.rest[:_MAX_VARINT]):
            length |= (byte & 0x7F) << 7 * n
            if byte < 0x80:
                if length >= 1 << 32:
                    break
                self._left, self.rest = length, self.rest[n + 1 :]
                return
        if len(self.rest) >= _MAX_VARINT:
            raise ValueError("its length is no number of 32 bits")

    def _step(self) -> bool:
        """Decodes some elements; False where more bytes are needed, or none."""
        if not self._left:
            return False
        data, at, before = self.rest, 0, len(self._window)
        left = self._left
        window = self._window
        while left and at < len(data) and len(window) - before < GIVE_OUT:
            if self._literal:
                piece = data[at : at + self._literal]
                window += piece
                at += len(piece)
                left -= len(piece)
                self._literal -= len(piece)
                continue
            tag = data[at]
            kind = tag & 3
            if kind == 0:
                extra = max((tag >> 2) - 59, 0)
                if at + 1 + extra > len(data):
                    break
                length = 1 + (int.from_bytes(data[at + 1 : at + 1 + extra], "little") if extra else tag >> 2)
                if length > left:
                    raise ValueError("a literal is longer than the content")
                self._literal = length
                at += 1 + extra
                continue
            if at + (2, 3, _LONGEST_ELEMENT_HEAD)[kind - 1] > len(data):
                break
            if kind == 1:
                length, offset = 4 + (tag >> 2 & 7), (tag >> 5) << 8 | data[at + 1]
                at += 2
            else:
                size = 2 if kind == 2 else 4
                length, offset = 1 + (tag >> 2), int.from_bytes(data[at + 1 : at + 1 + size], "little")
                at += 1 + size
            if not 0 < offset <= min(len(window), WINDOW) or length > left:
                raise ValueError("a copy is of what is not there")
            left -= length
            start = len(window) - offset
            if offset >= length:
                window += window[start : start + length]
            else:
                pattern = bytes(window[start:])
                window += (pattern * (length // offset + 1))[:length]
        self.rest, self._left = data[at:], left
        return len(window) > before


def is_plausible(head: bytes, *, whole: bool) -> bool:
    """Whether the start of a body can be snappy. ``whole``: there is nothing more, so that it must end with a block.

    Text is told apart soon: its second byte would have to be a literal, every later one a copy of what is there.
    """
    try:
        while head:
            decoder = Decoder()
            for _ in decoder.feed(head):
                pass
            if not decoder.finished:
                return not whole
            head = decoder.rest
    except ValueError:
        return False
    return True


def encoded(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """One block for content of ``size`` bytes. The same content gives the same block, however it is cut into chunks."""
    yield _varint(size)
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= WINDOW:
            yield _fragment(bytes(held[:WINDOW]))
            del held[:WINDOW]
    if held:
        yield _fragment(bytes(held))


def _fragment(data: bytes) -> bytes:
    out = bytearray()
    seen: dict[bytes, int] = {}
    at = literal = 0
    last = len(data) - 4
    while at <= last:
        four = data[at : at + 4]
        earlier = seen.get(four)
        seen[four] = at
        if earlier is None:
            at += 1 + (at - literal >> 5)  # hurry through what does not repeat
            continue
        end, other = at + 4, earlier + 4
        while end < len(data) and data[end] == data[other]:
            end += 1
            other += 1
        _put_literal(out, data[literal:at])
        _put_copy(out, at - earlier, end - at)
        at = literal = end
    _put_literal(out, data[literal:])
    return bytes(out)


def _put_literal(out: bytearray, text: bytes) -> None:
    if not text:
        return
    length = len(text) - 1
    if length < 60:
        out.append(length << 2)
    else:
        size = (length.bit_length() + 7) // 8
        out.append(59 + size << 2)
        out += length.to_bytes(size, "little")
    out += text


def _put_copy(out: bytearray, offset: int, length: int) -> None:
    while length:
        some = min(length, _LONGEST_COPY)
        out.append(some - 1 << 2 | 2)
        out += offset.to_bytes(2, "little")
        length -= some


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
