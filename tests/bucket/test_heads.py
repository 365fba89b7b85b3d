"""Heads: what is read of an answer is what the standard library reads; what is sent has only what a head can have."""

from __future__ import annotations

import io
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.bucket.heads import Response, UnsendableHeaderError, request_head

NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1, max_size=20)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
FRAMING = ("content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection")


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, bytes, bytes]:
    """(method, head, body) of an answer as a server may send it."""
    fields = draw(st.dictionaries(NAMES.map(str.lower).filter(lambda name: name not in FRAMING), VALUES, max_size=8))
    status = draw(st.integers(200, 599))
    body = b"" if status in (204, 304) else draw(st.binary(max_size=200))
    version = draw(st.sampled_from(["HTTP/1.0", "HTTP/1.1"]))
    how = draw(st.sampled_from(["length", "chunked"])) if version == "HTTP/1.1" and body else "length"
    if how == "length":
        fields["Content-Length"] = str(len(body))
    else:
        fields["Transfer-Encoding"] = "chunked"
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part) + b"0\r\n\r\n"
    if draw(st.booleans()):
        fields["Connection"] = draw(st.sampled_from(["close", "keep-alive", "Close", "Keep-Alive"]))
    lines = [f"{version} {status} {draw(VALUES)}", *(f"{n}: {v}" for n, v in fields.items())]
    first = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    ends = st.sampled_from(["\r\n", "\r\n", "\n"])
    head = first + "".join(line + draw(ends) for line in (*lines, "")).encode()
    return draw(st.sampled_from(["GET", "PUT", "HEAD"])), head, body


class Connection(io.RawIOBase):
    """What comes in from a server, at most ``most`` bytes at once."""

    def __init__(self, sent: bytes, most: int) -> None:
        self._sent, self._most = io.BytesIO(sent), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sent.readinto(memoryview(buffer)[: self._most])

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def read(kind: type[HTTPResponse], method: str, sent: bytes, most: int = 8192) -> HTTPResponse:
    here = cast("socket.socket", Connection(sent, most))
    response = Response(here, method) if kind is Response else HTTPResponse(here, method=method)
    with response:
        response.begin()
        response.content = response.read()  # type: ignore[attr-defined]
        return response


@given(answers(), st.integers(1, 300))
def test_an_answer_is_what_the_standard_library_reads(answer: tuple[str, bytes, bytes], most: int) -> None:
    method, head, body = answer
    ours, theirs = read(Response, method, head + body, most), read(HTTPResponse, method, head + body)
    assert isinstance(ours, Response)
    assert ours.fields == {name.lower(): value.strip() for name, value in theirs.getheaders()}
    for name in ("status", "version", "will_close", "content"):
        assert getattr(ours, name) == getattr(theirs, name), name


@given(answers(), st.data())
def test_an_answer_that_was_cut_is_none(answer: tuple[str, bytes, bytes], data: st.DataObject) -> None:
    """In its head; what is cut in its body shows where the body is read."""
    method, head, _ = answer
    with pytest.raises((HTTPException, EOFError)):
        read(Response, method, head[: data.draw(st.integers(0, len(head) - 1))])


def test_headers_that_come_twice() -> None:
    sent = b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\na: 2\r\n\r\n"
    found = read(Response, "GET", sent)
    assert isinstance(found, Response)
    assert found.fields == {"a": "1, 2", "content-length": "0"}


@pytest.mark.parametrize("most", [1, 8192])
def test_a_head_ends_with_its_first_empty_line(most: int) -> None:
    for end, body in (("\n\n", "\r\nb"), ("\r\n\n", "b\n\r\n"), ("\n\r\n", "\n\nb")):
        found = read(Response, "GET", f"HTTP/1.1 200 OK\nContent-Length: {len(body)}{end}{body}".encode(), most)
        assert found.content == body.encode()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK",  # how long?
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        "HTTP/1.1 200 OK\r\nContent-Length: -1",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n folded: 1",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nno header",
        "HTTP/1.1 20 OK\r\nContent-Length: 1",
        "HTTP/2 200 OK\r\nContent-Length: 1",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: " + "b" * 70_000,
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + "\r\n".join(f"A{n}: b" for n in range(200)),
    ],
)
def test_answers_that_are_refused(head: str) -> None:
    with pytest.raises(HTTPException):
        read(Response, "GET", head.encode() + b"\r\n\r\nbody")


def test_a_head_is_sent_as_it_is() -> None:
    assert request_head("PUT", "/b/k?a=1", {"host": "s3", "x-amz-meta-a": "ü b"}) == (
        b"PUT /b/k?a=1 HTTP/1.1\r\naccept-encoding: identity\r\nhost: s3\r\nx-amz-meta-a: \xfc b\r\n\r\n"
    )


@pytest.mark.parametrize("value", ["a\nb: c", "a\r", "\0", "\x7f", "日本"])
def test_what_no_header_can_have_is_not_sent(value: str) -> None:
    with pytest.raises(UnsendableHeaderError, match="content-type"):
        request_head("PUT", "/", {"host": "s3", "content-type": value})
