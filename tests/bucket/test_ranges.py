"""What small requests tell: facts, ranges, parts; and servers that do not tell."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest
from conftest import FreshBucket
from servers import FaultServer, error_xml, reply

from flbrecover.bucket.client import S3, connect
from flbrecover.bucket.reading import (
    ChangedError,
    MissingError,
    RangeIgnoredError,
    head,
    last_bytes,
    part_sizes,
    range_bytes,
)
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output

CONTENT = bytes(range(256)) * 40
BOTH = pytest.mark.parametrize("kind", ["weed_bucket", "moto_bucket"])
PART = 5 * 1024**2


@pytest.fixture
def bucket(kind: str, request: pytest.FixtureRequest) -> FreshBucket:
    found: FreshBucket = request.getfixturevalue(kind)
    return found


def at(server: FaultServer) -> S3:
    return connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)


def put_in_parts(bucket: FreshBucket, *sizes: int) -> str:
    client, name = bucket.s3.client, bucket.name
    upload = client.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    parts = []
    for number, size in enumerate(sizes, 1):
        answer = client.upload_part(Bucket=name, Key="k", UploadId=upload, PartNumber=number, Body=b"x" * size)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    done = client.complete_multipart_upload(Bucket=name, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})  # type: ignore[typeddict-item]
    return done["ETag"].strip('"')


@BOTH
def test_facts(bucket: FreshBucket) -> None:
    etag = bucket.put("k", CONTENT, ContentEncoding="gzip", Metadata={"a": "b"})  # type: ignore[arg-type]
    facts = head(bucket.s3, bucket.name, "k", etag=etag)
    assert (facts.object.size, facts.object.etag, facts.content_encoding) == (len(CONTENT), etag, "gzip")
    assert (facts.metadata, facts.encryption, facts.parts) == ({"a": "b"}, None, None)
    assert facts.etag_is_md5
    with pytest.raises(ChangedError):
        head(bucket.s3, bucket.name, "k", etag="0" * 32)
    with pytest.raises(MissingError):
        head(bucket.s3, bucket.name, "other")


@pytest.mark.parametrize(
    ("headers", "encryption", "is_md5"),
    [
        ({"ETag": '"' + "a" * 32 + '"'}, None, True),
        ({"ETag": '"' + "a" * 32 + '"', "x-amz-server-side-encryption": "AES256"}, "AES256", True),
        ({"ETag": '"' + "a" * 32 + '"', "x-amz-server-side-encryption": "aws:kms"}, "aws:kms", False),
        ({"ETag": '"' + "a" * 32 + '"', "x-amz-server-side-encryption-customer-algorithm": "AES256"}, "SSE-C", False),
        ({"ETag": '"' + "a" * 32 + '-3"'}, None, False),
        ({"ETag": '"e"'}, None, False),
    ],
)
def test_what_headers_say(headers: dict[str, str], encryption: str | None, is_md5: bool) -> None:
    with FaultServer(lambda handler: reply(handler, 200, headers)) as server:
        facts = head(at(server), "logs", "k")
    assert (facts.encryption, facts.etag_is_md5) == (encryption, is_md5)


@BOTH
def test_bytes_of_an_object(bucket: FreshBucket) -> None:
    etag = bucket.put("k", CONTENT)
    s3, name = bucket.s3, bucket.name
    for start, length in ((0, 1), (0, 10), (100, 300), (len(CONTENT) - 5, 5), (len(CONTENT) - 5, 500), (0, 10**6)):
        assert range_bytes(s3, name, "k", start, length, etag=etag) == CONTENT[start : start + length]
    assert range_bytes(s3, name, "k", len(CONTENT), 5) == b""
    assert range_bytes(s3, name, "k", 3, 0) == b""
    assert last_bytes(s3, name, "k", 8) == CONTENT[-8:]
    assert last_bytes(s3, name, "k", 10**6) == CONTENT
    bucket.put("empty", b"")
    assert last_bytes(s3, name, "empty", 8) == range_bytes(s3, name, "empty", 0, 8) == b""
    with pytest.raises(ChangedError):
        range_bytes(s3, name, "k", 0, 1, etag="0" * 32)
    with pytest.raises(MissingError):
        range_bytes(s3, name, "other", 0, 1)


def test_a_server_without_ranges_says_so() -> None:
    with FaultServer(lambda handler: reply(handler, 200, {"ETag": '"e"'}, CONTENT)) as server:
        s3 = at(server)
        with pytest.raises(RangeIgnoredError, match=f"{server.endpoint_url} does not give out a part"):
            range_bytes(s3, "logs", "k", 0, 10)
        with pytest.raises(RangeIgnoredError):
            last_bytes(s3, "logs", "k", 8)
        assert range_bytes(s3, "logs", "k", 0, len(CONTENT)) == CONTENT  # which is all of it


@pytest.mark.parametrize("said", ["bytes 1-10/10240", "bytes 0-8/10240", "bytes 0-9/*x", "items 0-9/10240"])
def test_another_range_than_was_asked_for(said: str) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 206, {"ETag": '"e"', "Content-Range": said}, CONTENT[:10])

    with FaultServer(answer) as server, pytest.raises(RangeIgnoredError):
        range_bytes(at(server), "logs", "k", 0, 10)


def test_a_range_that_is_cut_is_asked_for_again() -> None:
    left = [2]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        left[0] -= 1
        headers = {"ETag": '"e"', "Content-Range": "bytes 0-9/10240"}
        reply(handler, 206, headers, CONTENT[: 10 if left[0] <= 0 else 4], of=10)

    with FaultServer(answer) as server:
        assert range_bytes(at(server), "logs", "k", 0, 10) == CONTENT[:10]
        left[0] = 100
        with pytest.raises(BucketError, match="s3://logs/k: the connection was lost 3 times"):
            range_bytes(at(server), "logs", "k", 0, 10)


# -- parts -------------------------------------------------------------------------------------------------------------


def test_sizes_of_parts_that_a_server_does_not_tell(moto_bucket: FreshBucket) -> None:
    etag = put_in_parts(moto_bucket, PART, PART + 7, 11)
    assert part_sizes(moto_bucket.s3, moto_bucket.name, "k", etag=etag) is None


def test_sizes_of_parts_of_a_real_server(weed_bucket: FreshBucket) -> None:
    etag = put_in_parts(weed_bucket, PART, PART + 7, 11)
    assert part_sizes(weed_bucket.s3, weed_bucket.name, "k", etag=etag) == (PART, PART + 7, 11)


@BOTH
def test_an_object_of_one_put_is_one_part(bucket: FreshBucket) -> None:
    etag = bucket.put("k", b"four")
    assert part_sizes(bucket.s3, bucket.name, "k", etag=etag) == (4,)


def parts_server(sizes: list[int], *, count: int | None, whole: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        headers = {"ETag": '"' + "a" * 32 + '-3"'}
        if "partNumber" not in handler.path:
            reply(handler, 200, headers, b"x" * whole)
            return
        if count is not None:
            headers["x-amz-mp-parts-count"] = str(count)
        number = int(handler.path.split("partNumber=")[1])
        reply(handler, 206, headers, b"x" * sizes[number - 1])

    return answer


@pytest.mark.parametrize(
    ("sizes", "count", "whole", "found"),
    [
        ([5, 6, 7], 3, 18, (5, 6, 7)),
        ([18, 18, 18], None, 18, None),  # a server that overlooks partNumber
        ([5, 6, 7], 2, 18, None),  # another number than in the ETag
        ([5, 6, 8], 3, 18, None),  # which do not add up
    ],
)
def test_sizes_that_are_told_and_that_are_not(
    sizes: list[int], count: int | None, whole: int, found: tuple[int, ...] | None
) -> None:
    with FaultServer(parts_server(sizes, count=count, whole=whole)) as server:
        assert part_sizes(at(server), "logs", "k", etag="a" * 32 + "-3") == found


def test_a_denied_look() -> None:
    with FaultServer(lambda h: reply(h, 403, {}, error_xml("AccessDenied"))) as server:
        with pytest.raises(BucketError, match="s3:GetObject on arn:aws:s3:::logs/k is missing"):
            range_bytes(at(server), "logs", "k", 0, 1)
        with pytest.raises(BucketError, match="s3:GetObject"):
            head(at(server), "logs", "k")
