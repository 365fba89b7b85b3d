"""Options of a bucket reach its server from the command line."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cases import config, unpack
from command import flbrecover
from servers import FaultServer, reply

OPTIONS = ("--expected-bucket-owner", "111122223333", "--request-payer")


def nothing_there(handler: BaseHTTPRequestHandler) -> None:
    if handler.command == "PUT":
        reply(handler, 200, {"ETag": '"e"'})
    elif handler.command == "HEAD":
        reply(handler, 404, {})
    elif "uploads" in handler.path:
        reply(handler, 200, {}, b"<ListMultipartUploadsResult/>")
    else:
        reply(handler, 200, {}, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")


def test_reading_carries_owner_and_payer() -> None:
    with FaultServer(nothing_there) as server:
        where = ("--bucket", "logs", "--endpoint-url", server.endpoint_url, "--since", "2026-11-01")
        ended = flbrecover("objects", *where, *OPTIONS)
    assert ended.code == 0
    assert server.seen
    for _, _, headers in server.seen:
        assert headers["x-amz-expected-bucket-owner"] == "111122223333"
        assert headers["x-amz-request-payer"] == "requester"


def test_writing_carries_the_encryption_too(tmp_path: Path) -> None:
    root = unpack("response-lost", tmp_path)
    with FaultServer(nothing_there) as server:
        flbrecover(
            "recover", "--root", root, "--config", config("response-lost"), "--endpoint-url", server.endpoint_url,
            "--agent", "gone", "--yes", "--case", tmp_path / "case", "--sse", "aws:kms", "--sse-kms-key-id", "key-1",
            *OPTIONS,
        )  # fmt: skip
    written = [headers for method, _, headers in server.seen if method == "PUT"]
    assert written
    for headers in written:
        assert headers["x-amz-server-side-encryption"] == "aws:kms"
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
        assert headers["x-amz-expected-bucket-owner"] == "111122223333"
