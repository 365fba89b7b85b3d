"""Records on a terminal are escaped; anywhere else they are the bytes that they are."""

from __future__ import annotations

import io

from flbrecover.model import ByteRange, Record
from flbrecover.report.buffers import write_records

HOSTILE = b'{"log":"\x1b]0;owned\x07 \xff \xe2\x80\xae"}'


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def written(stream_class: type[io.TextIOWrapper]) -> bytes:
    raw = io.BytesIO()
    stream = stream_class(raw, "utf-8")
    write_records(stream, [Record(HOSTILE, ByteRange(0, len(HOSTILE)))])
    stream.flush()
    return raw.getvalue()


def test_a_terminal_gets_no_control_characters() -> None:
    assert written(Terminal) == b'{"log":"\\x1b]0;owned\\x07 \\xff \\u202e"}\n'


def test_a_pipe_gets_the_bytes() -> None:
    assert written(io.TextIOWrapper) == HOSTILE + b"\n"
