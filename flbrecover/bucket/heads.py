"""The heads of HTTP/1.1 requests and answers.

http.client checks each header of a request, sends head and body apart, and parses the head of an answer as an e-mail.
Here that is done for all headers at once: it was half of what a small request costs (decision 8).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from io import BufferedReader

from botocore.exceptions import BotoCoreError

from flbrecover.bucket.answers import number_of

_LONGEST_LINE = 65_536  # bytes of one line of an answer's head, and how many lines: as http.client has them
_MOST_LINES = 100
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) +([1-9][0-9]{2})(?: .*)?\r?")
_NEVER_SENT = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")
_NO_BODY = (204, 304)


class UnsendableHeaderError(BotoCoreError):
    fmt = (
        "the header {name} was not sent: its value has a character that no header can have; "
        "correct it in the configuration or the options"
    )


class Response(HTTPResponse):
    """An answer of the standard library, which reads its body. Only its head is read here."""

    fields: dict[str, str]
    """Names in lower case. What comes more than once is joined with commas."""

    def __init__(self, connection: socket.socket, method: str) -> None:
        super().__init__(connection, method=method)
        self._has_body = method != "HEAD"

    def begin(self) -> None:
        """Raises HTTPException, EOFError and OSError for what is no head, or does not say how long the body is."""
        status = 100
        while 100 <= status < 200:
            first, *lines = _lines_of_head(self.fp) or [b""]
            started = _STATUS_LINE.fullmatch(first)
            if started is None:
                raise HTTPException("the answer is no HTTP")
            self.version, status = 10 + int(started[1]), int(started[2])
            self.fields = _fields_of(lines)
        self.status = self.code = status
        connection = self.fields.get("connection", "").lower()
        self.will_close = "close" in connection or (self.version == 10 and "keep-alive" not in connection)
        coding = self.fields.get("transfer-encoding")
        self.chunked, self.chunk_left, self.length = coding is not None, None, None
        if not self._has_body or status in _NO_BODY:
            self.chunked, self.length = False, 0
        elif coding is None:
            self.length = number_of(self.fields.get("content-length"))
            if self.length is None:  # up to its end; but one that was cut would look the same, and S3 says how long
                if self.version > 10:
                    raise HTTPException("the answer does not say how long it is")
                self.will_close = True
        elif coding.lower() != "chunked":
            raise HTTPException("the answer comes in a form that was not asked for")


def need_sendable(headers: Mapping[str, str]) -> None:
    """Raises UnsendableHeaderError where a value has what no header can have."""
    if _NEVER_SENT.search("".join(headers.values())):
        raise UnsendableHeaderError(name=next(n for n, value in headers.items() if _NEVER_SENT.search(value)))


def request_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request. Raises UnsendableHeaderError."""
    need_sendable(headers)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((f"{method} {target} HTTP/1.1", "accept-encoding: identity", *lines, "", "")).encode("latin-1")


def _lines_of_head(answer: BufferedReader) -> list[bytes]:
    """The lines of a head before the empty one, without their ends."""
    there = answer.peek()  # mostly all of it
    end = there.find(b"\n\r\n")
    if 0 <= end < _LONGEST_LINE and b"\n\n" not in there[: end + 1]:
        answer.read(end + 3)
        lines = there[:end].split(b"\n")
    else:
        lines = list(_lines_one_by_one(answer))
    if len(lines) > _MOST_LINES:
        raise HTTPException("the head of the answer has too many lines")
    return lines


def _lines_one_by_one(answer: BufferedReader) -> Iterator[bytes]:
    for _ in range(_MOST_LINES + 1):
        line = answer.readline(_LONGEST_LINE)
        if line in (b"\r\n", b"\n"):
            return
        if not line:
            raise EOFError("the head of the answer ended early")
        if not line.endswith(b"\n"):
            raise HTTPException("the head of the answer has a line that has no end")
        yield line[:-1]


def _fields_of(lines: Iterable[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name[0].isspace():
            raise HTTPException("the head of the answer has a line that is no header")
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
