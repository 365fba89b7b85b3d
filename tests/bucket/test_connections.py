"""Connections: TLS, proxies, what is kept open and what was dropped meanwhile."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers import FaultServer, reply

from flbrecover.bucket.client import S3, connect
from flbrecover.bucket.listing import objects
from flbrecover.bucket.reading import open_body
from flbrecover.bucket.transport import LARGE
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output

EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def at(url: str, attempts: int = 1) -> S3:
    return connect(S3Output(0, "logs"), endpoint_url=url, attempts=attempts, read_seconds=5)


def listed(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, 200, {}, EMPTY_LIST)


def keys(s3: S3) -> list[str]:
    return [o.key for o in objects(s3, "logs", [""])]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the key and the self-signed certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def tls(certificate: Path) -> Iterator[FaultServer]:
    server = FaultServer(listed)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    server.endpoint_url = server.endpoint_url.replace("http:", "https:")
    with server:
        yield server


def test_tls_with_a_certificate_that_is_trusted(
    tls: FaultServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    s3 = at(tls.endpoint_url)
    assert keys(s3) == keys(s3) == []


def test_tls_with_a_certificate_that_is_not_trusted(tls: FaultServer) -> None:
    with pytest.raises(BucketError, match=r"no TLS connection .*certificate"):
        keys(at(tls.endpoint_url))


def test_a_bundle_of_certificates_that_is_not_there(tls: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/file")
    with pytest.raises(BucketError, match="no TLS connection"):
        keys(at(tls.endpoint_url))


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_proxy_gets_the_requests(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {"ETag": '"e"'}, EMPTY_LIST if handler.command == "GET" else b"")

    with FaultServer(answer) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint_url)
        monkeypatch.setenv("http_proxy", proxy.endpoint_url)
        monkeypatch.setenv("no_proxy", "")
        s3 = at("http://s3.example")
        assert keys(s3) == []
        s3.transport.send("PutObject", "PUT", "logs", "k", body=b"x" * size, size=size, sha256="0" * 64)
    assert [path.split("?")[0] for _, path, _ in proxy.seen] == ["http://s3.example/logs", "http://s3.example/logs/k"]
    assert proxy.bodies[1] == b"x" * size


def test_a_large_body_is_sent_whole() -> None:
    with FaultServer(lambda h: reply(h, 200, {"ETag": '"e"'})) as server:
        s3 = at(server.endpoint_url)
        s3.transport.send("PutObject", "PUT", "logs", "k", body=b"x" * LARGE, size=LARGE, sha256="0" * 64)
    assert server.bodies == [b"x" * LARGE]
    assert server.seen[0][2]["expect"] == "100-continue"


class Counting(FaultServer):
    """Counts the connections it was asked for."""

    def __init__(self) -> None:
        super().__init__(listed)
        self.connections: set[object] = set()
        handle = self._server.process_request

        def count(request: socket.socket, client: object) -> None:
            self.connections.add(client)
            handle(request, client)  # type: ignore[arg-type]

        self._server.process_request = count  # type: ignore[method-assign, assignment]


def test_connections_are_used_again() -> None:
    with Counting() as server:
        s3 = at(server.endpoint_url)
        for _ in range(20):
            keys(s3)
        assert len(server.connections) == 1
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: keys(s3), range(40)))
        assert len(server.connections) <= 5


def test_a_body_that_is_not_read_to_its_end_takes_its_connection_with_it() -> None:
    content = b"x" * 3_000_000

    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {"ETag": '"e"'}, content)

    with FaultServer(answer) as server:
        s3 = at(server.endpoint_url)
        for _ in range(3):
            with open_body(s3, "logs", "k") as body:
                next(iter(body))
        with open_body(s3, "logs", "k") as body:
            assert b"".join(body) == content


def test_a_connection_that_the_server_closed_meanwhile_costs_no_attempt() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        listed(handler)
        handler.close_connection = True  # without saying so

    with FaultServer(answer) as server:
        s3 = at(server.endpoint_url, attempts=1)
        for _ in range(5):
            keys(s3)
            threading.Event().wait(0.05)  # for the server's end to arrive
    assert len(server.seen) == 5


@pytest.mark.parametrize(
    "garbage", [b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"]
)
def test_answers_that_are_no_http(garbage: bytes) -> None:
    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(garbage)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(BucketError, match=f"{url} cannot be reached, or hung up"):
            keys(at(url))
        thread.join()
