"""Writing objects: once, whole, and as the output would."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import FreshBucket
from servers import FaultServer, Server, error_xml, reply

from flbrecover.bucket import transport, writing
from flbrecover.bucket.answers import Answer
from flbrecover.bucket.client import S3, RequestOptions, connect
from flbrecover.bucket.pending_uploads import list_uploads
from flbrecover.bucket.writing import begin, put, sends_ahead
from flbrecover.demo.seaweedfs import READ_ONLY, WRITE_ONLY
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output

BODY = b'{"log":"x"}\n'
NOTE = {"flbrecover": "0.1.0", "flbrecover-plan": "p1"}
BOTH = pytest.mark.parametrize("kind", ["weed_bucket", "moto_bucket"])
AHEAD = pytest.mark.parametrize("ahead", [False, True], ids=["looked at first", "sent ahead"])
"""``ahead``: the server has shown that it keeps to conditions, and small bodies are sent before they are waited for."""


@pytest.fixture
def bucket(kind: str, request: pytest.FixtureRequest) -> FreshBucket:
    found: FreshBucket = request.getfixturevalue(kind)
    return found


def output(bucket: str, **changes: Any) -> S3Output:
    return replace(S3Output(0, bucket), **changes)


def put_bytes(s3: S3, to: S3Output, key: str, body: bytes = BODY) -> writing.PutResult:
    return put(s3, to, key, io.BytesIO(body), NOTE)


@BOTH
def test_an_object_with_the_outputs_headers(bucket: FreshBucket) -> None:
    to = output(bucket.name, compression="gzip", content_type="application/json", send_content_md5=True)
    result = put_bytes(bucket.s3, to, "a b/é.gz")
    assert (result.outcome, result.etag, result.note) == ("written", hashlib.md5(BODY).hexdigest(), "")
    stored = bucket.s3.client.get_object(Bucket=bucket.name, Key="a b/é.gz")
    assert stored["Body"].read() == BODY
    assert (stored["ContentEncoding"], stored["ContentType"], stored["Metadata"]) == ("gzip", "application/json", NOTE)


@BOTH
def test_a_key_that_exists_is_never_overwritten(bucket: FreshBucket) -> None:
    etag = bucket.put("k", b"someone else's")
    result = put_bytes(bucket.s3, output(bucket.name), "k")
    assert (result.outcome, result.etag) == ("exists", etag)
    assert bucket.get("k") == b"someone else's"


def test_doing_it_twice_changes_nothing(weed_bucket: FreshBucket) -> None:
    to = output(weed_bucket.name)
    assert put_bytes(weed_bucket.s3, to, "k").outcome == "written"
    assert put_bytes(weed_bucket.s3, to, "k").outcome == "exists"
    assert weed_bucket.get("k") == BODY


def test_the_real_server_refuses_by_condition_and_by_checksum(weed_bucket: FreshBucket) -> None:
    """What put relies on, shown without it."""
    client = weed_bucket.s3.client
    weed_bucket.put("k", b"old")
    with pytest.raises(ClientError) as taken:
        client.put_object(Bucket=weed_bucket.name, Key="k", Body=b"new", IfNoneMatch="*")
    assert taken.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    with pytest.raises(ClientError, match=r"BadDigest|Checksum|InvalidDigest"):
        client.put_object(Bucket=weed_bucket.name, Key="new", Body=b"new", ChecksumSHA256=wrong)
    assert [o["Key"] for o in client.list_objects_v2(Bucket=weed_bucket.name)["Contents"]] == ["k"]


def test_who_may_only_read_cannot_put(weed: Server, weed_bucket: FreshBucket) -> None:
    action = f"IAM action s3:PutObject on arn:aws:s3:::{weed_bucket.name}/k is missing"
    with pytest.raises(BucketError, match=f"s3://{weed_bucket.name}/k: access denied: {action}"):
        put_bytes(weed.connect(READ_ONLY), output(weed_bucket.name), "k")


def test_who_may_only_write_puts_and_overwrites_nothing(weed: Server, weed_bucket: FreshBucket) -> None:
    """The key cannot be looked at first: the condition alone holds."""
    s3 = weed.connect(WRITE_ONLY)
    assert put_bytes(s3, output(weed_bucket.name), "k").outcome == "written"
    weed_bucket.put("taken", b"old")
    assert put_bytes(s3, output(weed_bucket.name), "taken").outcome == "exists"
    assert weed_bucket.get("taken") == b"old"


# -- large bodies ------------------------------------------------------------------------------------------------------

LARGE = b"0123456789abcdef" * (writing.SINGLE_PUT // 16) + b"end"


@BOTH
def test_a_large_body_goes_up_in_parts(bucket: FreshBucket) -> None:
    to = output(bucket.name, compression="zstd")
    result = put_bytes(bucket.s3, to, "large", LARGE)
    assert result.outcome == "written" and result.etag.endswith("-5")
    stored = bucket.s3.client.get_object(Bucket=bucket.name, Key="large")
    assert hashlib.sha256(stored["Body"].read()).digest() == hashlib.sha256(LARGE).digest()
    assert (stored["ContentEncoding"], stored["Metadata"]) == ("zstd", NOTE)
    assert put_bytes(bucket.s3, to, "large", LARGE).outcome == "exists"
    assert list(list_uploads(bucket.s3, bucket.name, "")) == []


def test_our_own_upload_is_taken_away_where_it_fails() -> None:
    calls = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        calls.append(handler.command)
        if handler.command == "HEAD":
            reply(handler, 404, {})
        elif handler.command == "POST":
            name = "InitiateMultipartUploadResult"
            reply(handler, 200, {}, f"<{name}><UploadId>u</UploadId></{name}>".encode())
        elif handler.command == "PUT" and calls.count("PUT") == 1:
            reply(handler, 200, {"ETag": '"e"'})
        elif handler.command == "PUT":
            reply(handler, 403, {}, error_xml("AccessDenied"))
        else:
            assert "uploadId=u" in handler.path
            reply(handler, 204, {})

    with FaultServer(answer) as server, pytest.raises(BucketError, match="s3:PutObject"):
        put_bytes(at(server), output("logs"), "k", LARGE)
    assert calls == ["HEAD", "POST", "PUT", "PUT", "DELETE"]


def test_keys_are_looked_at_until_the_server_has_shown_that_it_keeps_to_the_condition(weed_bucket: FreshBucket) -> None:
    s3, to = weed_bucket.s3.reopened(), output(weed_bucket.name)
    for number, known in ((1, None), (2, True), (3, True)):
        assert put_bytes(s3, to, f"k{number}").outcome == "written"
        assert s3.learned.conditions_kept is known
    etag = weed_bucket.put("k4", b"someone else's")
    assert put_bytes(s3, to, "k4") == writing.PutResult("exists", etag)
    assert weed_bucket.get("k4") == b"someone else's" and weed_bucket.get("k2") == BODY


def test_many_threads_put_each_key_once(weed_bucket: FreshBucket) -> None:
    s3, to = weed_bucket.s3.reopened(), output(weed_bucket.name, compression="gzip")
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda n: put_bytes(s3, to, f"k{n % 50}", b"%d\n" % (n % 50)).outcome, range(100)))
    assert (done.count("written"), done.count("exists")) == (50, 50)
    assert all(weed_bucket.get(f"k{n}") == b"%d\n" % n for n in range(50))


# -- servers that are not like AWS -------------------------------------------------------------------------------------


def at(server: FaultServer, attempts: int = 1, *, ahead: bool = False) -> S3:
    s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=attempts)
    s3.learned.conditions_kept = ahead or None
    return s3


@AHEAD
def test_a_server_without_conditions_is_asked_first_and_the_result_says_so(*, ahead: bool) -> None:
    stands = [False]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "HEAD":
            when = {"ETag": '"old"', "Last-Modified": "Mon, 23 Nov 2026 11:40:19 GMT"}
            reply(handler, *((200, when) if stands[0] else (404, {})))
        elif "If-None-Match" in handler.headers:
            reply(handler, 501, {}, error_xml("NotImplemented"))
        else:
            reply(handler, 200, {"ETag": '"new"'})

    with FaultServer(answer) as server:
        result = put_bytes(at(server, ahead=ahead), output("logs"), "k")
        assert (result.outcome, result.etag) == ("written", "new")
        assert "does not know If-None-Match" in result.note
        stands[0] = True
        assert put_bytes(at(server, ahead=ahead), output("logs"), "k").outcome == "exists"


def test_a_server_that_overlooks_conditions_is_noticed_and_asked_first() -> None:
    stored: dict[str, bytes] = {}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "HEAD":
            when = {"ETag": '"e"', "Last-Modified": "Mon, 23 Nov 2026 11:40:19 GMT"}
            reply(handler, *((200, when) if handler.path in stored else (404, {})))
        else:
            stored[handler.path] = b""
            reply(handler, 200, {"ETag": '"e"'})

    with FaultServer(answer) as server:
        s3 = at(server)
        notes = [put_bytes(s3, output("logs"), key).note for key in ("a", "b", "c")]
        assert put_bytes(s3, output("logs"), "a").outcome == "exists"
    assert "does not know If-None-Match" in notes[2]
    sent = [(method, path) for method, path, _ in server.seen]
    assert sent.count(("PUT", "/logs/a")) == sent.count(("PUT", "/logs/c")) == 1
    assert sent.count(("PUT", "/logs/b")) == 2  # with the same bytes


@AHEAD
def test_a_bucket_that_wants_a_content_md5_gets_one(*, ahead: bool) -> None:
    wanted = (
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    )

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "HEAD":
            reply(handler, 404, {})
        elif handler.headers.get("Content-MD5") is None:
            reply(handler, 400, {}, error_xml("InvalidRequest", wanted))
        else:
            reply(handler, 200, {"ETag": '"e"'})

    with FaultServer(answer) as server:
        assert put_bytes(at(server, ahead=ahead), output("logs"), "k").outcome == "written"
    assert server.seen[-1][2]["content-md5"] == base64.b64encode(hashlib.md5(BODY).digest()).decode()


@pytest.mark.parametrize("body", [BODY, b"x" * transport.LARGE], ids=["small", "large"])
def test_a_content_type_that_no_header_can_have(body: bytes) -> None:
    with FaultServer(lambda handler: reply(handler, 404, {})) as server, pytest.raises(BucketError) as e:
        put_bytes(at(server), output("logs", content_type="text/\x01plain"), "k", body)
    assert str(e.value) == (
        "s3://logs/k: the header content-type was not sent: its value has a character that no header can have; "
        "correct it in the configuration or the options"
    )
    assert all(method == "HEAD" for method, _, _ in server.seen)


def test_encryption_that_was_asked_for_is_sent_with_writes() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "POST":
            name = "InitiateMultipartUploadResult"
            reply(handler, 200, {}, f"<{name}><UploadId>u</UploadId></{name}>".encode())
        elif handler.command == "PUT" and "partNumber" in handler.path:
            reply(handler, 403, {}, error_xml("AccessDenied"))
        else:
            reply(handler, 404 if handler.command == "HEAD" else 200, {"ETag": '"e"'})

    options = RequestOptions(sse_kms_key_id="key-1", expected_bucket_owner="1")
    with FaultServer(answer) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1, options=options)
        put_bytes(s3, output("logs"), "small")
        with pytest.raises(BucketError):
            put_bytes(s3, output("logs"), "large", LARGE)
    of_writes = [headers for method, path, headers in server.seen if path in ("/logs/small", "/logs/large?uploads")]
    made = [h for h in of_writes if "x-amz-server-side-encryption" in h]
    assert [h["x-amz-server-side-encryption-aws-kms-key-id"] for h in made] == ["key-1", "key-1"]
    assert {h["x-amz-server-side-encryption"] for h in made} == {"aws:kms"}
    assert {h["x-amz-expected-bucket-owner"] for _, _, h in server.seen} == {"1"}


@AHEAD
def test_a_conflict_is_tried_again(*, ahead: bool) -> None:
    puts = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "HEAD":
            reply(handler, 404, {})
            return
        puts.append(handler.path)
        if len(puts) == 1:
            reply(handler, 409, {}, error_xml("ConditionalRequestConflict"))
        else:
            reply(handler, 200, {"ETag": '"new"'})

    with FaultServer(answer) as server:
        assert put_bytes(at(server, ahead=ahead), output("logs"), "k").outcome == "written"
    assert len(puts) == 2


@AHEAD
def test_an_answer_that_was_lost_does_not_write_twice(*, ahead: bool) -> None:
    """The first PUT is stored and its answer lost; the condition stops the second."""
    puts = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "HEAD":
            when = {"ETag": '"e"', "Last-Modified": "Mon, 23 Nov 2026 11:40:19 GMT"}
            reply(handler, *((200, when) if puts else (404, {})))
            return
        puts.append(handler.path)
        if len(puts) == 1:
            handler.close_connection = True
        else:
            reply(handler, 412, {}, error_xml("PreconditionFailed"))

    with FaultServer(answer) as server:
        result = put_bytes(at(server, attempts=3, ahead=ahead), output("logs"), "k")
    assert (result.outcome, result.etag, len(puts)) == ("exists", "e", 2)


def test_what_is_sent() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 404 if handler.command == "HEAD" else 200, {"ETag": '"e"'})

    to = output(
        "logs", compression="snappy", content_type="text/plain", canned_acl="bucket-owner-full-control",
        storage_class="STANDARD_IA", send_content_md5=True,
    )  # fmt: skip
    with FaultServer(answer) as server:
        put_bytes(at(server), to, "k")
        put_bytes(at(server), replace(to, format="parquet", send_content_md5=False), "k")
    sent, columnar = (headers for method, _, headers in server.seen if method == "PUT")
    assert sent["if-none-match"] == "*"
    assert sent["content-encoding"] == "snappy"
    assert sent["content-type"] == "text/plain"
    assert sent["x-amz-acl"] == "bucket-owner-full-control"
    assert sent["x-amz-storage-class"] == "STANDARD_IA"
    assert sent["content-md5"] == base64.b64encode(hashlib.md5(BODY).digest()).decode()
    assert sent["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    assert sent["x-amz-meta-flbrecover-plan"] == "p1"
    assert sent["content-length"] == str(len(BODY))
    assert "content-encoding" not in columnar and "content-md5" not in columnar


# -- in two steps -----------------------------------------------------------------------------------------------------


def begun(s3: S3, key: str, body: bytes = BODY) -> Callable[[], writing.PutResult]:
    return begin(s3, output("logs"), key, io.BytesIO(body), NOTE)


def test_small_bodies_are_under_way_together() -> None:
    all_here = threading.Barrier(3)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        all_here.wait(timeout=30)
        reply(handler, 200, {"ETag": f'"{handler.path[-1]}"'})

    with FaultServer(answer) as server:
        s3 = at(server, ahead=True)
        results = [finish() for finish in [begun(s3, key) for key in "abc"]]
    assert [(result.outcome, result.etag) for result in results] == [("written", key) for key in "abc"]
    assert sorted(server.bodies) == [BODY] * 3


def test_what_a_socket_does_not_take_at_once_is_sent_when_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    sent_ahead: list[int] = []
    real = transport.Transport.begin

    def watched(self: transport.Transport, *args: Any, **given: Any) -> Callable[[], Answer]:
        sent_ahead.append(len(given["body"]))
        return real(self, *args, **given)

    monkeypatch.setattr(transport.Transport, "begin", watched)
    with FaultServer(lambda handler: reply(handler, 200, {"ETag": '"e"'})) as server:
        for size in (writing.AHEAD, writing.AHEAD + 1):
            assert begun(at(server, ahead=True), "k", b"x" * size)().outcome == "written"
    assert [len(body) for body in server.bodies] == [writing.AHEAD, writing.AHEAD + 1]
    assert sent_ahead == [writing.AHEAD]


def test_whether_bodies_are_sent_ahead_shows_with_the_second_one(weed_bucket: FreshBucket) -> None:
    s3, to = weed_bucket.s3, output(weed_bucket.name)
    known = []
    for key in "ab":
        known.append(sends_ahead(s3, to))
        put_bytes(s3, to, key)
    assert [*known, sends_ahead(s3, to)] == [None, None, True]
    assert sends_ahead(s3, replace(to, send_content_md5=True)) is False
    s3.learned.conditions_known = False
    assert sends_ahead(s3, to) is False


def test_before_a_server_is_known_nothing_is_sent_ahead() -> None:
    with FaultServer(lambda handler: reply(handler, 404 if handler.command == "HEAD" else 200, {})) as server:
        finish = begun(at(server), "k")
        assert server.seen == []
        finish()
    assert [method for method, _, _ in server.seen] == ["HEAD", "PUT"]


def test_what_stands_there_is_said_of_a_body_that_was_sent_ahead() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        when = {"ETag": '"e"', "Last-Modified": "Mon, 23 Nov 2026 11:40:19 GMT"}
        reply(handler, *((200, when) if handler.command == "HEAD" else (412, {}, error_xml("PreconditionFailed"))))

    with FaultServer(answer) as server:
        result = begun(at(server, ahead=True), "k")()
    assert (result.outcome, result.etag) == ("exists", "e")


def test_a_server_that_is_away_when_a_body_is_sent_ahead() -> None:
    """It may be back when the result is asked for."""
    with FaultServer(lambda handler: reply(handler, 200, {"ETag": '"e"'})) as server:
        s3 = at(server, ahead=True)
    finish = begun(s3, "k")
    with pytest.raises(BucketError, match="cannot be reached"):
        finish()
