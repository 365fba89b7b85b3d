"""A proxy between flbrecover and a real S3 server that does at a chosen call what a network, a server or an operator
may do, and is invisible at all other calls.

It is transparent to SigV4: the ``Host`` that was signed is what the server behind sees. Every call is logged, so that
a test can list the calls of a recovery and fault each of them in turn.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

UPSTREAM_SECONDS = 60.0
_HOP = {"connection", "expect", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}


@dataclass(frozen=True)
class Call:
    """One request. ``number`` counts from 1 in the order of arrival since the last :meth:`FaultProxy.watch`."""

    number: int
    method: str
    path: str
    operation: str
    headers: dict[str, str] = field(repr=False, hash=False, compare=False)

    @property
    def bucket(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


Action = Callable[["Exchange"], None]
"""Deals with one call; its body has not been read yet."""
Rule = Callable[[Call], "Action | None"]
"""What to do with a call; None: let it through."""


def passes(_call: Call) -> Action | None:
    """The rule of a proxy that does nothing."""
    return None


class Exchange:
    """One call under way, for a rule to act on."""

    def __init__(self, call: Call, handler: BaseHTTPRequestHandler, upstream: Callable[[], http.client.HTTPConnection]):
        self.call = call
        self._handler = handler
        self._upstream = upstream
        self._body: bytes | None = None

    def body(self) -> bytes:
        """The whole body of the request."""
        if self._body is None:
            if "chunked" in self.call.headers.get("transfer-encoding", "").lower():
                self._body = self._chunked()
            else:
                self._body = self._read(int(self.call.headers.get("content-length", 0)))
        return self._body

    def half_body(self) -> None:
        """Takes half of the request's body, and no more."""
        self._handler.rfile.read(int(self.call.headers.get("content-length", 0)) // 2)

    def forward(self) -> Answer:
        """Sends the call on, and gives the server's answer."""
        body = self.body()
        headers = {name: value for name, value in self._handler.headers.items() if name.lower() not in _HOP}
        headers["Content-Length"] = str(len(body))
        for attempt in (1, 2):
            connection = self._upstream()
            try:
                connection.putrequest(self.call.method, self.call.path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                return Answer(answer.status, answer.getheaders(), answer.read())
            except (http.client.HTTPException, OSError):
                connection.close()  # an idle connection that the server has ended
                if attempt == 2:
                    raise
        raise AssertionError("not reached")

    def reply(self, answer: Answer, *, send: int | None = None) -> None:
        """Gives an answer to the client; with ``send`` only so many bytes of its body, and then a cut."""
        handler = self._handler
        handler.send_response_only(answer.status)
        sized = self.call.method == "HEAD"
        for name, value in answer.headers:
            if name.lower() in _HOP or (name.lower() == "content-length" and not sized):
                continue
            handler.send_header(name, value)
        if not sized and answer.status != 204:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if self.call.method != "HEAD":
            handler.wfile.write(answer.body if send is None else answer.body[:send])
        if send is not None:
            self.cut()

    def error(self, status: int, code: str, message: str = "said by the fault proxy") -> None:
        """An error of S3, without asking the server. The request's body is taken first, as S3 does."""
        self.body()
        xml = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self.reply(Answer(status, [("Content-Type", "application/xml")], xml.encode()))

    def cut(self) -> None:
        """Resets the connection."""
        handler = self._handler
        handler.close_connection = True
        handler.wfile.flush()
        # No time to linger: what follows is a RST, as from a machine that died or a firewall that lost its state.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    def _read(self, size: int) -> bytes:
        return self._handler.rfile.read(size)

    def _chunked(self) -> bytes:
        out = bytearray()
        while size := int(self._handler.rfile.readline().split(b";")[0], 16):
            out += self._read(size)
            self._handler.rfile.readline()
        while self._handler.rfile.readline().strip():
            pass
        return bytes(out)


def first(operation: str, do: Callable[[], None]) -> Rule:
    """Does something when the first request of this kind is on its way."""
    done: list[int] = []

    def act(exchange: Exchange) -> None:
        do()
        exchange.reply(exchange.forward())

    def rule(call: Call) -> Action | None:
        if call.operation != operation or done:
            return None
        done.append(call.number)
        return act

    return rule


class FaultProxy:
    """The proxy as a context manager, before the server at ``server_url``."""

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        assert parts.hostname is not None and parts.port is not None
        self._server = (parts.hostname, parts.port)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._rule: Rule = passes
        self.calls: list[Call] = []
        """The calls since the last :meth:`watch`, faulted ones included."""
        self.faults = 0
        """How many of them the rule dealt with."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _any(self) -> None:
                proxy._serve(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any  # noqa: N815

            def finish(self) -> None:
                proxy._close_upstream()
                with contextlib.suppress(OSError):  # cut already
                    super().finish()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that went away is what these tests are about."""

            def shutdown_request(self, request: Any) -> None:
                with contextlib.suppress(OSError):  # cut already
                    super().shutdown_request(request)

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)
        self.endpoint_url = f"http://127.0.0.1:{self._listener.server_port}"

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def watch(self, rule: Rule = passes) -> None:
        """Forgets the calls so far, and does from now on what ``rule`` says."""
        with self._lock:
            self.calls, self.faults, self._rule = [], 0, rule

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            number = len(self.calls) + 1
            call = Call(number, handler.command, handler.path, operation(handler.command, handler.path), headers)
            self.calls.append(call)
            action = self._rule(call)
            self.faults += action is not None
        exchange = Exchange(call, handler, self._upstream)
        try:
            if action is None:
                exchange.reply(exchange.forward())
            else:
                action(exchange)
        except (ConnectionError, ValueError):  # the client has gone, or was cut off
            handler.close_connection = True

    def _upstream(self) -> http.client.HTTPConnection:
        """The connection of this thread to the server: one for each connection of a client."""
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = http.client.HTTPConnection(*self._server, timeout=UPSTREAM_SECONDS)
            self._local.connection = found
        return found

    def _close_upstream(self) -> None:
        if (found := getattr(self._local, "connection", None)) is not None:
            found.close()
            self._local.connection = None


def operation(method: str, path: str) -> str:
    """The S3 operation of a request in path style, by its name in the AWS API."""
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    bucket, _, key = parts.path.lstrip("/").partition("/")
    if not bucket:
        return "ListBuckets"
    if not key:
        if method == "GET" and "uploads" in query:
            return "ListMultipartUploads"
        if method == "GET":
            named = {"location": "GetBucketLocation", "versioning": "GetBucketVersioning"}
            return next((name for asked, name in named.items() if asked in query), "ListObjectsV2")
        return {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, method)
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        names = {"GET": "ListParts", "PUT": "UploadPart", "POST": "CompleteMultipartUpload"}
        return names.get(method, "AbortMultipartUpload")
    return {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}.get(method, method)
