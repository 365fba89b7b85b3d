"""Reading objects over HTTP: whole, cut, replaced, archived, gone."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest
import zstandard
from conftest import FreshBucket
from servers import FaultServer, error_xml, reply

from flbrecover.bucket.client import connect
from flbrecover.bucket.reading import (
    BodyDamaged,
    ChangedError,
    CorruptedError,
    MissingError,
    decoded,
    last_bytes,
    open_body,
)
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.recover.object_records import holds

CONTENT = b"".join(b'{"log":"line %d"}\n' % n for n in range(20_000))
BOTH = pytest.mark.parametrize("kind", ["weed_bucket", "moto_bucket"])


@pytest.fixture
def bucket(kind: str, request: pytest.FixtureRequest) -> FreshBucket:
    found: FreshBucket = request.getfixturevalue(kind)
    return found


@BOTH
def test_a_body_with_its_facts(bucket: FreshBucket) -> None:
    stored = gzip.compress(CONTENT)
    etag = bucket.put("k", stored, ContentEncoding="gzip", Metadata={"flbrecover": "1"})  # type: ignore[arg-type]
    with open_body(bucket.s3, bucket.name, "k", etag=etag) as body:
        assert b"".join(decoded(body)) == CONTENT
    assert (body.size, body.etag, body.content_encoding) == (len(stored), etag, "gzip")
    assert body.metadata == {"flbrecover": "1"}


@BOTH
def test_headers_do_not_decide(bucket: FreshBucket) -> None:
    bucket.put("plain", CONTENT, ContentEncoding="gzip")
    bucket.put("packed", gzip.compress(CONTENT))
    for key in ("plain", "packed"):
        with open_body(bucket.s3, bucket.name, key) as body:
            assert b"".join(decoded(body)) == CONTENT


def test_snappy_is_told_by_header_and_bytes(moto_bucket: FreshBucket) -> None:
    moto_bucket.put("snappy", b"\x06\x14abcdef", ContentEncoding="snappy")
    moto_bucket.put("text", b"abcdef", ContentEncoding="snappy")
    for key in ("snappy", "text"):
        with open_body(moto_bucket.s3, moto_bucket.name, key) as body:
            assert b"".join(decoded(body)) == b"abcdef"


@BOTH
def test_an_object_that_was_replaced_is_noticed(bucket: FreshBucket) -> None:
    listed = bucket.put("k", b"one")
    bucket.put("k", b"two")
    with pytest.raises(ChangedError, match=f"s3://{bucket.name}/k: replaced while"):
        open_body(bucket.s3, bucket.name, "k", etag=listed)


@BOTH
def test_an_object_that_is_not_there(bucket: FreshBucket) -> None:
    with pytest.raises(MissingError, match=f"s3://{bucket.name}/nothing: no such object"):
        open_body(bucket.s3, bucket.name, "nothing")


@BOTH
def test_the_end_of_an_object_by_one_request(bucket: FreshBucket) -> None:
    etag = bucket.put("k", CONTENT)
    assert last_bytes(bucket.s3, bucket.name, "k", 8, etag=etag) == CONTENT[-8:]
    bucket.put("short", b"abc")
    assert last_bytes(bucket.s3, bucket.name, "short", 8) == b"abc"
    with pytest.raises(ChangedError):
        last_bytes(bucket.s3, bucket.name, "k", 8, etag="0" * 32)


def test_a_damaged_object(moto_bucket: FreshBucket) -> None:
    moto_bucket.put("k", gzip.compress(CONTENT)[:-100])
    with open_body(moto_bucket.s3, moto_bucket.name, "k") as body, pytest.raises(BodyDamaged):
        list(decoded(body))


# -- connections that are cut ------------------------------------------------------------------------------------------


def serving(
    content: bytes, *, cut_after: int, cuts: int, ranges: bool = True
) -> Callable[[BaseHTTPRequestHandler], None]:
    """A server whose first answers are cut after so many bytes."""
    left = [cuts]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        start = int(wanted[len("bytes=") : -1]) if wanted and ranges else 0
        headers = {"ETag": '"e1"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if left[0]:
            left[0] -= 1
            reply(handler, 206 if start else 200, headers, body[:cut_after], of=len(body))
        else:
            reply(handler, 206 if start else 200, headers, body)

    return answer


def read_from(server: FaultServer) -> bytes:
    s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)
    with open_body(s3, "logs", "k") as body:
        return b"".join(body)


def test_a_cut_body_is_read_on_where_it_ended() -> None:
    with FaultServer(serving(CONTENT, cut_after=100_000, cuts=3)) as server:
        assert read_from(server) == CONTENT
    again = [headers for _, _, headers in server.seen[1:]]
    assert len(again) == 3
    assert all(h["if-match"] == '"e1"' for h in again)
    assert [h["range"] for h in again] == sorted(h["range"] for h in again)


def test_a_cut_body_from_a_server_without_ranges() -> None:
    with FaultServer(serving(CONTENT, cut_after=100_000, cuts=1, ranges=False)) as server:
        assert read_from(server) == CONTENT


@pytest.mark.parametrize("said", ["bytes 0-9/10", "bytes 5-9/10", "bytes */10", "all"])
def test_another_part_than_the_rest_is_not_taken_for_it(said: str) -> None:
    content = b"0123456789"

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "Range" in handler.headers:
            reply(handler, 206, {"ETag": '"of-parts-2"', "Content-Range": said}, content)
        else:
            reply(handler, 200, {"ETag": '"of-parts-2"'}, content[:4], of=10)

    with FaultServer(answer) as server, pytest.raises(BucketError, match="s3://logs/k: the server gives out another"):
        read_from(server)


def test_a_body_that_is_cut_again_and_again() -> None:
    with (
        FaultServer(serving(CONTENT, cut_after=10, cuts=1000)) as server,
        pytest.raises(BucketError, match=r"s3://logs/k: the connection was lost 5 times, at last after \d+ of 408890"),
    ):
        read_from(server)


def test_an_answer_that_cannot_be_used_is_closed() -> None:
    """It says no size, and goes on until the client hangs up."""
    hung_up = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
        except OSError:
            hung_up.set()
        handler.close_connection = True

    with FaultServer(endless) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)
        with pytest.raises(BucketError, match="it has no Content-Length") as e:  # nothing of it is freed
            open_body(s3, "logs", "k")
        assert hung_up.wait(10), e


def test_an_object_that_is_replaced_while_its_body_is_cut() -> None:
    first = serving(CONTENT, cut_after=70_000, cuts=1)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "If-Match" in handler.headers:
            reply(handler, 412, {}, error_xml("PreconditionFailed"))
        else:
            first(handler)

    with FaultServer(answer) as server, pytest.raises(ChangedError, match="replaced"):
        read_from(server)


# -- bytes that are changed on their way -------------------------------------------------------------------------------


def changing(content: bytes, times: int, at: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """A server whose first answers have another byte at this place; the ETag is the MD5 of what it stores."""
    left = [times]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = bytearray(content)
        if left[0]:
            left[0] -= 1
            body[at] ^= 1
        reply(handler, 200, {"ETag": f'"{hashlib.md5(content).hexdigest()}"'}, bytes(body))

    return answer


@pytest.mark.parametrize("stored", [CONTENT, gzip.compress(CONTENT), zstandard.compress(CONTENT)])
def test_bytes_that_were_changed_on_their_way_are_no_content_and_no_damage(stored: bytes) -> None:
    with FaultServer(changing(stored, 1, len(stored) - 2)) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)
        with open_body(s3, "logs", "k") as body, pytest.raises(CorruptedError, match="s3://logs/k: two reads gave"):
            list(decoded(body))
        with open_body(s3, "logs", "k") as body:
            assert b"".join(decoded(body)) == CONTENT


def shortening(content: bytes, to: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """A server whose first answer ends early, under headers that say that this is all."""
    left = [1]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        start = int(wanted[len("bytes=") : -1]) if wanted else 0
        headers = {"ETag": '"of-parts-2"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start : to if left[0] else None]
        left[0] = 0
        reply(handler, 206 if start else 200, headers, body)

    return answer


@pytest.mark.parametrize("stored", [CONTENT, gzip.compress(CONTENT)])
def test_a_body_that_ends_before_the_size_that_was_listed_is_read_on(stored: bytes) -> None:
    with FaultServer(shortening(stored, 1000)) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)
        with open_body(s3, "logs", "k", etag="of-parts-2", size=len(stored)) as body:
            assert b"".join(decoded(body)) == CONTENT


def test_a_body_that_was_shortened_on_its_way_is_no_damage() -> None:
    with FaultServer(shortening(gzip.compress(CONTENT), 1000)) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)
        with open_body(s3, "logs", "k") as body, pytest.raises(CorruptedError, match="two reads gave"):
            list(decoded(body))


def test_other_content_is_believed_when_it_is_read_twice() -> None:
    """Cut between two lines, and without a checksum, a body looks whole."""
    output, wanted = S3Output(0, "logs"), hashlib.sha256(CONTENT).hexdigest()
    with FaultServer(shortening(CONTENT, CONTENT.index(b"\n") + 1)) as server:
        s3 = connect(output, endpoint_url=server.endpoint_url, attempts=1)
        with pytest.raises(CorruptedError, match="s3://logs/k: two reads gave"):
            holds(s3, output, "k", wanted)
        assert holds(s3, output, "k", wanted)
        assert not holds(s3, output, "k", hashlib.sha256(b"another").hexdigest())


def test_an_etag_that_is_no_md5_is_no_corruption() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {"ETag": f'"{"0" * 32}"'}, CONTENT)

    with FaultServer(answer) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)
        for _ in range(3):
            with open_body(s3, "logs", "k") as body:
                assert b"".join(body) == CONTENT
    assert len(server.seen) == 4  # the first was read twice


def test_an_etag_of_an_object_under_kms_is_no_md5() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}, CONTENT)

    with FaultServer(answer) as server:
        assert read_from(server) == CONTENT
    assert len(server.seen) == 1


def test_an_archived_object() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 403, {}, error_xml("InvalidObjectState", "not valid for the object's storage class"))

    with FaultServer(answer) as server, pytest.raises(BucketError, match="archived"):
        read_from(server)
