"""HTTP connections to one server that are kept open, for small requests: http.client with what S3 needs around it.

botocore's own sessions do more for each request (redirect rules, proxies, header objects) and cost three times its
processor time. Heads are written and read by :mod:`heads`. Errors are botocore's, for :mod:`denied` explains those.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import weakref
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from flbrecover.bucket.heads import Response, request_head

MOST_IDLE = 64  # connections that are kept open while nobody uses them


class Connections:
    """Safe for many threads, each of which has a connection to itself from a request to the end of its answer.

    ``context`` is for https. Seconds as for :class:`request.Limits`.
    """

    def __init__(self, root: str, connect_seconds: float, read_seconds: float, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(root)
        self._root = root
        self._host, self._port = parts.hostname or "", parts.port
        self._connect_seconds, self._read_seconds = connect_seconds, read_seconds
        self._context = context
        self._process = os.getpid()
        self._idle: list[HTTPConnection] = []
        weakref.finalize(self, _close_all, self._idle)

    def begin(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """Sends a request. ``target`` is the quoted path with its query.

        Raises exceptions of botocore for what kept it from being sent.
        """
        head = request_head(method, target, headers)
        connection = self._connection()
        try:
            connection.send(head + body)
        except BaseException as e:
            connection.close()
            raise self.as_botocore(e) from e
        return Sent(self, connection, method)

    def keep(self, connection: HTTPConnection) -> None:
        """Takes a connection back whose answer was read to its end."""
        if len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def as_botocore(self, error: BaseException) -> BaseException:
        """The same failure as botocore would raise it."""
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            return SSLError(endpoint_url=self._root, error=error)
        if isinstance(error, TimeoutError):
            return ReadTimeoutError(endpoint_url=self._root, error=error)
        if isinstance(error, HTTPException | OSError | EOFError):
            return ConnectionClosedError(endpoint_url=self._root, error=error)
        return error

    def _connection(self) -> HTTPConnection:
        if self._process != os.getpid():  # after a fork these connections are the parent's
            self._process = os.getpid()
            _close_all(self._idle)
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            if not _was_dropped(connection):
                return connection
            connection.close()
        return self._connected()

    def _connected(self) -> HTTPConnection:
        if self._context is None:
            made = HTTPConnection(self._host, self._port, timeout=self._connect_seconds)
        else:
            made = HTTPSConnection(self._host, self._port, timeout=self._connect_seconds, context=self._context)
        try:
            made.connect()
        except ssl.SSLError as e:
            made.close()
            raise SSLError(endpoint_url=self._root, error=e) from e
        except TimeoutError as e:
            made.close()
            raise ConnectTimeoutError(endpoint_url=self._root, error=e) from e
        except (OSError, UnicodeError) as e:  # UnicodeError: of a host name that cannot be one
            made.close()
            raise EndpointConnectionError(endpoint_url=self._root, error=e) from e
        made.sock.settimeout(self._read_seconds)
        # http.client sets TCP_NODELAY: without it the body of a PUT waits 40 ms for the answer to its headers.
        made.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return made


class Sent:
    """A request whose answer is still to be read, once."""

    def __init__(self, connections: Connections, connection: HTTPConnection, method: str) -> None:
        self._connections = connections
        self._connection = connection
        self._method = method

    def reply(self) -> Reply:
        """Reads the head of the answer. Raises exceptions of botocore for what kept it from coming."""
        response = None
        try:
            response = Response(self._connection.sock, self._method)
            response.begin()
            return Reply(self._connections, self._connection, response)
        except BaseException as e:
            if response is not None:
                response.close()
            self._connection.close()
            raise self._connections.as_botocore(e) from e


class Reply:
    """An answer whose body is still to be read. Read to its end it gives its connection back; ``close`` at any time."""

    def __init__(self, connections: Connections, connection: HTTPConnection, response: Response) -> None:
        self._connections = connections
        self._connection: HTTPConnection | None = connection
        self._response = response
        self.status = response.status
        self.headers = response.fields
        if response.length == 0:  # no body, or that of a HEAD
            response.close()
        self._give_back()

    def read(self, most: int) -> bytes:
        """The next bytes of the body, fewer than ``most`` only at its end. Raises botocore's ReadTimeoutError and
        ConnectionClosedError."""
        try:
            data = self._response.read(most)
        except BaseException as e:
            self.close()
            raise self._connections.as_botocore(e) from e
        self._give_back()
        return data

    def close(self) -> None:
        self._response.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _give_back(self) -> None:
        if self._connection is None or not self._response.isclosed():
            return
        connection, self._connection = self._connection, None
        # A body that ended early shows in what was left of it.
        if self._response.will_close or self._response.length:
            connection.close()
        else:
            self._connections.keep(connection)


def _close_all(idle: list[HTTPConnection]) -> None:
    while idle:
        idle.pop().close()


def _was_dropped(connection: HTTPConnection) -> bool:
    """Whether the server closed it meanwhile: nothing else can make it readable between two requests."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
