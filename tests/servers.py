"""The S3 servers that tests talk to over real HTTP."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from flbrecover.bucket.client import S3, connect_with_keys
from flbrecover.demo.child import Child, free_ports
from flbrecover.demo.seaweedfs import ADMIN, Identity

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Server:
    """A running server. The environment of a test session holds the keys of ``ADMIN``, which every server takes."""

    endpoint_url: str

    def connect(self, identity: Identity = ADMIN) -> S3:
        return connect_with_keys(self.endpoint_url, identity.access_key, identity.secret_key)

    @property
    def client(self) -> S3Client:
        return self.connect().client


class Moto:
    """moto's server: lists in byte order, takes any key and any credentials, and is quick."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "moto.log"

    def __enter__(self) -> Server:
        port = free_ports(1)
        program = "from moto.server import main; main()"
        self._child = Child(
            [sys.executable, "-c", program, "-H", "127.0.0.1", "-p", str(port)], log=self._log, more_environment={}
        )
        deadline = time.monotonic() + 60
        while not _answers(port):
            if time.monotonic() > deadline or not self._child.running:
                raise AssertionError(self._log.read_text())
            time.sleep(0.1)
        return Server(f"http://127.0.0.1:{port}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/moto-api/data.json")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class FaultServer:
    """A server that answers every request as ``answer`` says, faults included. ``seen`` has the requests (method,
    path, headers in lower case), ``bodies`` their bodies."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        seen: list[tuple[str, str, dict[str, str]]] = []
        bodies: list[bytes] = []
        self.seen, self.bodies = seen, bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                headers = {k.lower(): v for k, v in self.headers.items()}
                bodies.append(self.rfile.read(int(headers.get("content-length", 0))))
                seen.append((self.command, self.path, headers))
                answer(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reply(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes = b"", *, of: int | None = None
) -> None:
    """Sends an answer; where its body is shorter than ``of`` (its Content-Length) the connection is cut after it."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body) if of is None else of))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
    if of is not None and of > len(body):
        handler.close_connection = True


def error_xml(code: str, message: str = "", more: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()
