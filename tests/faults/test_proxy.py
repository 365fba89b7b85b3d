"""The fault proxy itself: invisible where it does nothing, and each fault is what it says."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import FreshBucket
from faults import catalog
from faults.catalog import FAULTS, at, paged
from faults.incidents import WHOLE, SmallIncident
from faults.proxy import FaultProxy, operation
from faults.trials import recover
from servers import Server

from flbrecover.bucket.client import S3, connect_with_keys
from flbrecover.bucket.listing import objects
from flbrecover.demo.seaweedfs import ADMIN

ANY_KEY = "AWS4-HMAC-SHA256 Credential=any/20261123/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
BY_NAME = {fault.name: fault for fault in FAULTS}


def test_a_recovery_through_it_is_the_same_with_real_signatures(weed: Server, tmp_path: Path) -> None:
    """SeaweedFS refuses a request whose signature does not fit, the Host header included."""
    incident = SmallIncident(tmp_path, weed.client)
    incident.load()
    with FaultProxy(weed.endpoint_url) as proxy:
        ended = recover(incident, proxy.endpoint_url)
        assert ended.code == 0, ended
        assert incident.judge() == WHOLE
        made = {call.operation for call in proxy.calls}
        assert {"ListObjectsV2", "GetObject", "PutObject", "CompleteMultipartUpload", "ListParts"} <= made
        wrong = connect_with_keys(proxy.endpoint_url, ADMIN.access_key, "not the secret")
        with pytest.raises(Exception, match="SignatureDoesNotMatch"):
            wrong.client.list_objects_v2(Bucket="my-bucket")


@pytest.fixture
def bucket(moto_bucket: FreshBucket) -> FreshBucket:
    moto_bucket.put("k", b"0123456789" * 100)
    return moto_bucket


@pytest.fixture
def through(bucket: FreshBucket, proxy: FaultProxy) -> Iterator[S3]:
    yield connect_with_keys(proxy.endpoint_url, "any", "any")
    proxy.watch()


def raw(proxy: FaultProxy, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body without anyone's retries. Raises what a client sees of a cut connection."""
    connection = http.client.HTTPConnection(urlsplit(proxy.endpoint_url).netloc, timeout=10)
    try:
        connection.request(method, path, body=body or None, headers={"Authorization": ANY_KEY})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("503 SlowDown", 503, b"SlowDown"),
        ("500 InternalError", 500, b"InternalError"),
        ("429 TooManyRequests", 429, b"TooManyRequests"),
        ("ExpiredToken from then on", 400, b"ExpiredToken"),
        ("AccessDenied from then on", 403, b"AccessDenied"),
        ("RequestTimeTooSkewed from then on", 403, b"RequestTimeTooSkewed"),
    ],
)
def test_errors_do_not_reach_the_server(
    bucket: FreshBucket, proxy: FaultProxy, name: str, status: int, code: bytes
) -> None:
    proxy.watch(at(1, BY_NAME[name]))
    got, body = raw(proxy, "PUT", f"/{bucket.name}/new", b"x")
    assert (got, proxy.faults) == (status, 1) and b"<Code>" + code in body
    later, _ = raw(proxy, "GET", f"/{bucket.name}/k")
    assert later == (status if BY_NAME[name].lasting else 200)
    assert [o.key for o in objects(bucket.s3, bucket.name, [""])] == ["k"]


@pytest.mark.parametrize(
    ("name", "stored"),
    [("answer lost", True), ("500 though done", True), ("cut in request", False), ("timeout before", False)],
)
def test_whether_the_server_took_it(bucket: FreshBucket, proxy: FaultProxy, name: str, stored: bool) -> None:
    proxy.watch(at(1, BY_NAME[name]))
    try:
        status, _ = raw(proxy, "PUT", f"/{bucket.name}/new", b"x" * 100_000)
        assert status == 500
    except (ConnectionError, http.client.HTTPException):
        pass
    keys = [o.key for o in objects(bucket.s3, bucket.name, [""])]
    assert keys == (["k", "new"] if stored else ["k"])


def test_an_answer_that_comes_too_late(bucket: FreshBucket, proxy: FaultProxy) -> None:
    proxy.watch(at(1, BY_NAME["timeout after"]))
    start = time.monotonic()
    assert raw(proxy, "PUT", f"/{bucket.name}/new", b"x")[0] == 200
    assert time.monotonic() - start >= catalog.STALL_SECONDS


def test_what_becomes_of_a_body(bucket: FreshBucket, proxy: FaultProxy) -> None:
    path, body = f"/{bucket.name}/k", b"0123456789" * 100
    proxy.watch(at(1, BY_NAME["cut in answer"]))
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        raw(proxy, "GET", path)
    proxy.watch(at(1, BY_NAME["answer shortened"]))
    assert raw(proxy, "GET", path) == (200, body[:500])
    proxy.watch(at(1, BY_NAME["bit flipped in middle"]))
    flipped = raw(proxy, "GET", path)[1]
    assert sum((a ^ b).bit_count() for a, b in zip(flipped, body, strict=True)) == 1
    assert raw(proxy, "GET", path) == (200, body)  # the next call is not faulted


def test_lists_in_pages_that_change(bucket: FreshBucket, proxy: FaultProxy, through: S3) -> None:
    for n in range(5):
        bucket.put(f"key-{n}")
    between: list[int] = []
    proxy.watch(paged(2, between=between.append))
    assert [o.key for o in objects(through, bucket.name, ["key-"])] == [f"key-{n}" for n in range(5)]
    assert between == [1, 2]
    proxy.watch(paged(2, repeat=True))
    pages = through.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix="key-")
    shown = [[o["Key"] for o in page["Contents"]] for page in pages]
    assert shown == [["key-0", "key-1"], ["key-1", "key-2", "key-3"], ["key-3", "key-4"]]


def test_calls_are_logged_by_operation(bucket: FreshBucket, proxy: FaultProxy, through: S3) -> None:
    proxy.watch()
    threads = [threading.Thread(target=bucket.get, args=("k",)) for _ in range(3)]
    through.client.head_object(Bucket=bucket.name, Key="k")
    through.client.put_object(Bucket=bucket.name, Key="a b/é", Body=b"x")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(c.number, c.operation, c.key) for c in proxy.calls] == [(1, "HeadObject", "k"), (2, "PutObject", "a b/é")]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/b?list-type=2&prefix=x", "ListObjectsV2"),
        ("GET", "/b?uploads", "ListMultipartUploads"),
        ("GET", "/b?location", "GetBucketLocation"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
        ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
        ("GET", "/b/k?uploadId=u", "ListParts"),
        ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
        ("GET", "/b/k", "GetObject"),
    ],
)
def test_names_of_operations(method: str, path: str, name: str) -> None:
    assert operation(method, path) == name
