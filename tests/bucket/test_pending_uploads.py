"""Multipart uploads that were begun and not completed, on both servers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import FreshBucket
from servers import FaultServer, error_xml, reply

from flbrecover.bucket.client import connect
from flbrecover.bucket.denied import ChangedError, MissingError
from flbrecover.bucket.pending_uploads import complete, etag_of_parts, head, list_uploads, parts
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import UploadPart

BOTH = pytest.mark.parametrize("kind", ["weed_bucket", "moto_bucket"])
FIVE_MIB = 5 * 1024 * 1024


@pytest.fixture
def bucket(kind: str, request: pytest.FixtureRequest) -> FreshBucket:
    found: FreshBucket = request.getfixturevalue(kind)
    return found


def begin(bucket: FreshBucket, key: str, *bodies: bytes) -> str:
    """A pending upload with one part a body; gives its id."""
    client = bucket.s3.client
    upload_id = client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
    for number, body in enumerate(bodies, 1):
        client.upload_part(Bucket=bucket.name, Key=key, UploadId=upload_id, PartNumber=number, Body=body)
    return upload_id


@BOTH
def test_pending_uploads_with_their_parts(bucket: FreshBucket) -> None:
    one = begin(bucket, "logs/a b+c%20/1", b"x" * FIVE_MIB, b"yy")
    begin(bucket, "logs/2")
    begin(bucket, "other/3")
    found = {u.key: u for u in list_uploads(bucket.s3, bucket.name, "logs/")}
    assert found.keys() == {"logs/a b+c%20/1", "logs/2"}
    upload = found["logs/a b+c%20/1"]
    assert upload.upload_id == one
    assert [(p.number, p.size) for p in upload.parts] == [(1, FIVE_MIB), (2, 2)]
    assert upload.parts[1].etag == hashlib.md5(b"yy").hexdigest()
    assert found["logs/2"].parts == ()


@BOTH
def test_parts_of_no_upload(bucket: FreshBucket) -> None:
    gone = begin(bucket, "k", b"x")
    bucket.s3.client.abort_multipart_upload(Bucket=bucket.name, Key="k", UploadId=gone)
    assert parts(bucket.s3, bucket.name, "k", gone) is None


def test_more_parts_than_a_page_has() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        first = int(query.get("part-number-marker", ["0"])[0]) + 1
        listed = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>&quot;e{n}&quot;</ETag><Size>{n}</Size></Part>"
            for n in range(first, first + 2)
        )
        more = f"<IsTruncated>{'true' if first < 5 else 'false'}</IsTruncated>"
        marker = f"<NextPartNumberMarker>{first + 1}</NextPartNumberMarker>"
        reply(handler, 200, {}, f"<ListPartsResult>{more}{marker}{listed}</ListPartsResult>".encode())

    with FaultServer(answer) as server:
        found = parts(connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url), "logs", "k", "u")
    assert found == tuple(UploadPart(n, f"e{n}", n) for n in range(1, 7))


@BOTH
def test_completing(bucket: FreshBucket) -> None:
    upload_id = begin(bucket, "k", b"x" * FIVE_MIB, b"yy")
    listed = parts(bucket.s3, bucket.name, "k", upload_id)
    assert listed is not None
    etag = complete(bucket.s3, bucket.name, "k", upload_id, listed)
    assert etag == etag_of_parts(listed)
    assert bucket.get("k") == b"x" * FIVE_MIB + b"yy"
    assert list(list_uploads(bucket.s3, bucket.name, "")) == []
    # the answer may have been lost: doing it again is no failure
    assert complete(bucket.s3, bucket.name, "k", upload_id, listed) == etag


@BOTH
def test_an_object_under_the_key_is_not_replaced(bucket: FreshBucket) -> None:
    upload_id = begin(bucket, "k", b"new")
    bucket.put("k", b"old")
    listed = parts(bucket.s3, bucket.name, "k", upload_id)
    assert listed is not None
    with pytest.raises(ChangedError, match=f"s3://{bucket.name}/k: an object stands under this key already"):
        complete(bucket.s3, bucket.name, "k", upload_id, listed)
    assert bucket.get("k") == b"old"
    assert parts(bucket.s3, bucket.name, "k", upload_id) == listed  # and nothing was aborted


def test_completing_what_is_gone(weed_bucket: FreshBucket) -> None:
    bucket = weed_bucket  # moto fails on this request
    upload_id = begin(bucket, "k", b"x")
    listed = parts(bucket.s3, bucket.name, "k", upload_id)
    assert listed is not None
    bucket.s3.client.abort_multipart_upload(Bucket=bucket.name, Key="k", UploadId=upload_id)
    with pytest.raises(MissingError, match="no such multipart upload"):
        complete(bucket.s3, bucket.name, "k", upload_id, listed)


@BOTH
def test_head(bucket: FreshBucket) -> None:
    assert head(bucket.s3, bucket.name, "k") is None
    etag = bucket.put("k", b"four")
    found = head(bucket.s3, bucket.name, "k")
    assert found is not None and (found.key, found.size, found.etag) == ("k", 4, etag)


def test_when_an_upload_was_begun(weed_bucket: FreshBucket) -> None:
    before = time.time_ns()
    begin(weed_bucket, "k")
    (upload,) = list_uploads(weed_bucket.s3, weed_bucket.name, "k")
    assert abs(upload.initiated_ns - before) < 120_000_000_000


def test_etags_that_are_no_md5_say_nothing_of_the_whole() -> None:
    assert etag_of_parts([UploadPart(1, "not-hex")]) is None


def paged(*, moves_on: bool) -> Callable[[BaseHTTPRequestHandler], None]:
    """Three pending uploads, one a page (the servers above give them on one)."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        if "uploadId" in query:
            reply(handler, 200, {}, b"<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>")
            return
        number = int(query["key-marker"][0][1:]) + 1 if "key-marker" in query and moves_on else 1
        assert number == 1 or not moves_on or query["upload-id-marker"] == [f"u{number - 1}"]
        body = (
            f"<ListMultipartUploadsResult><IsTruncated>{'false' if number == 3 else 'true'}</IsTruncated>"
            f"<NextKeyMarker>k{number}</NextKeyMarker><NextUploadIdMarker>u{number}</NextUploadIdMarker>"
            f"<Upload><Key>k{number}</Key><UploadId>u{number}</UploadId>"
            "<Initiated>2026-11-23T11:40:19.123Z</Initiated></Upload></ListMultipartUploadsResult>"
        )
        reply(handler, 200, {}, body.encode())

    return answer


def test_more_uploads_than_a_page_has() -> None:
    with FaultServer(paged(moves_on=True)) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url)
        found = list(list_uploads(s3, "logs", ""))
    assert [(u.key, u.upload_id, u.initiated_ns) for u in found] == [
        (f"k{n}", f"u{n}", 1795434019123000000) for n in (1, 2, 3)
    ]


def test_a_list_that_does_not_move_on() -> None:
    with FaultServer(paged(moves_on=False)) as server, pytest.raises(BucketError, match="again and again"):
        list(list_uploads(connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url), "logs", ""))


def test_parts_whose_list_does_not_move_on() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = b"<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>7</NextPartNumberMarker>"
        reply(handler, 200, {}, body + b"</ListPartsResult>")

    with FaultServer(answer) as server, pytest.raises(BucketError, match="same parts again and again"):
        parts(connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url), "logs", "k", "u")


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"<ListMultipartUploadsResult>",
        b"<ListMultipartUploadsResult><Upload><Key>k</Key></Upload></ListMultipartUploadsResult>",
        b"<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId><Initiated>soon</Initiated></Upload>"
        b"</ListMultipartUploadsResult>",
    ],
)
def test_an_answer_that_is_no_list_of_uploads(body: bytes) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {}, body)

    with FaultServer(answer) as server, pytest.raises(BucketError, match="cannot be read"):
        list(list_uploads(connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url), "logs", ""))


def test_a_server_without_conditions_is_asked_first() -> None:
    stands = [False]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "HEAD":
            when = {"ETag": '"old"', "Last-Modified": "Mon, 23 Nov 2026 11:40:19 GMT"}
            reply(handler, *((200, when) if stands[0] else (404, {})))
        elif "If-None-Match" in handler.headers:
            reply(handler, 501, {}, error_xml("NotImplemented"))
        else:
            body = b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>'
            reply(handler, 200, {}, body)

    with FaultServer(answer) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)
        assert complete(s3, "logs", "k", "u", [UploadPart(1, "ab" * 16)]) == "e-1"
        stands[0] = True
        with pytest.raises(ChangedError, match="stands under this key"):
            complete(s3, "logs", "k", "u", [UploadPart(1, "ab" * 16)])
    assert [method for method, _, _ in server.seen] == ["POST", "HEAD", "POST", "POST", "HEAD", "HEAD"]


def test_an_answer_that_was_lost_is_found_again() -> None:
    """The first POST is carried out and its answer lost; the second finds no upload, and the key the object."""
    part = UploadPart(1, hashlib.md5(b"x").hexdigest())
    done = hashlib.md5(bytes.fromhex(part.etag)).hexdigest() + "-1"
    posts = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "HEAD":
            reply(handler, 200, {"ETag": f'"{done}"', "Last-Modified": "Mon, 23 Nov 2026 11:40:19 GMT"})
            return
        posts.append(handler.path)
        if len(posts) == 1:
            handler.close_connection = True
        else:
            reply(handler, 404, {}, error_xml("NoSuchUpload"))

    with FaultServer(answer) as server:
        s3 = connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url)
        assert complete(s3, "logs", "k", "u", [part]) == done
    assert len(posts) == 2
