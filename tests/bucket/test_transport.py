"""Requests: where they go, what they carry, when they are sent again, and what helps against errors."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from multiprocessing import get_context
from pathlib import Path

import pytest
from conftest import FreshBucket
from servers import FaultServer, Server, error_xml, reply

from flbrecover.bucket import site as sites
from flbrecover.bucket.answers import number_of
from flbrecover.bucket.client import S3, RequestOptions, connect
from flbrecover.bucket.listing import objects
from flbrecover.bucket.pending_uploads import list_uploads
from flbrecover.bucket.reading import head, open_body
from flbrecover.bucket.retries import pause_after
from flbrecover.demo.seaweedfs import ADMIN, READ_ONLY, WRITE_ONLY, Identity
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output

OUTPUT = S3Output(0, "logs", region="eu-central-1")
EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
Answer = Callable[[BaseHTTPRequestHandler], None]


def at(server: FaultServer, attempts: int = 3) -> S3:
    return connect(OUTPUT, endpoint_url=server.endpoint_url, attempts=attempts, read_seconds=2)


def keys(s3: S3, bucket: str = "logs") -> list[str]:
    return [o.key for o in objects(s3, bucket, [""])]


def one_by_one(*answers: Answer) -> Answer:
    """The answers in this order, the last for all further requests."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


def listed(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, 200, {}, EMPTY_LIST)


def error(status: int, code: str, more: str = "", **headers: str) -> Answer:
    return lambda handler: reply(
        handler, status, {k.replace("_", "-"): v for k, v in headers.items()}, error_xml(code, "", more)
    )


# -- where to ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "bucket", "base"),
    [
        ("eu-central-1", "logs", "https://logs.s3.eu-central-1.amazonaws.com"),
        ("us-east-1", "logs", "https://logs.s3.amazonaws.com"),
        ("cn-north-1", "logs", "https://logs.s3.cn-north-1.amazonaws.com.cn"),
        ("eu-central-1", "logs.of.us", "https://s3.eu-central-1.amazonaws.com/logs.of.us"),
    ],
)
def test_sites_of_aws_are_botocores(region: str, bucket: str, base: str) -> None:
    s3 = connect(replace(OUTPUT, region=region))
    found = sites.learned(s3.client, bucket)
    assert found.root + found.path == base
    assert (found.scope.service, found.scope.region) == ("s3", region)
    assert f"https://{found.host}{found.path}" == base


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "https://minio.example", "http://[::1]:81/gate/way/"])
def test_sites_by_path_are_botocores(endpoint: str) -> None:
    s3 = connect(OUTPUT, endpoint_url=endpoint)
    assert sites.path_style(endpoint, "logs", "eu-central-1") == sites.learned(s3.client, "logs")


def test_a_bucket_of_another_kind_of_signature() -> None:
    express = "logs--euc1-az1--x-s3"
    with pytest.raises(BucketError, match=f"s3://{express}/: .* directory and multi-region buckets are not supported"):
        keys(connect(replace(OUTPUT, bucket=express)), express)


def test_another_region_is_gone_to_where_the_server_names_it() -> None:
    elsewhere = error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")
    with FaultServer(one_by_one(elsewhere, listed)) as server:
        assert keys(at(server, attempts=1)) == []
    first, second = (headers["authorization"] for _, _, headers in server.seen)
    assert "/eu-central-1/s3/" in first and "/eu-west-1/s3/" in second


@pytest.mark.parametrize("status", [301, 400])
def test_a_head_of_another_region_is_answered_without_a_code_and_goes_there_too(status: int) -> None:
    """A 400 without a code may be keys that have expired, or the wrong region: both are tried."""

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, status, {"x-amz-bucket-region": "eu-west-1"})

    def there(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {"ETag": '"e"', "Last-Modified": formatdate(0, usegmt=True)})

    with FaultServer(one_by_one(elsewhere, there)) as server:
        assert head(at(server, attempts=1), "logs", "k").object.etag == "e"
    first, second = (headers["authorization"] for _, _, headers in server.seen)
    assert "/eu-central-1/s3/" in first and "/eu-west-1/s3/" in second


# -- what they carry --------------------------------------------------------------------------------------------------


def test_options_are_sent_with_every_request() -> None:
    uploads = b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"

    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {"ETag": '"e"'}, EMPTY_LIST if "list-type" in handler.path else uploads)

    options = RequestOptions(expected_bucket_owner="111122223333", request_payer=True, sse="aws:kms")
    with FaultServer(answer) as server:
        s3 = connect(OUTPUT, endpoint_url=server.endpoint_url, attempts=1, options=options)
        keys(s3)
        head(s3, "logs", "k")
        with open_body(s3, "logs", "k"):
            pass
        list(list_uploads(s3, "logs", ""))
    assert len(server.seen) == 4
    for _, _, headers in server.seen:
        assert headers["x-amz-expected-bucket-owner"] == "111122223333"
        assert headers["x-amz-request-payer"] == "requester"
        assert "x-amz-server-side-encryption" not in headers
        signed_names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        assert {"x-amz-expected-bucket-owner", "x-amz-request-payer"} <= set(signed_names)


@pytest.mark.parametrize("key", ["a//b", "/lead", "a/../b", "a b+c%20", "é日本/😀", "a;b?c#d", "a/./b", "~*'()"])
def test_keys_are_what_they_are(moto_bucket: FreshBucket, key: str) -> None:
    moto_bucket.put(key, key.encode())
    assert head(moto_bucket.s3, moto_bucket.name, key).object.size == len(key.encode())
    with open_body(moto_bucket.s3, moto_bucket.name, key) as body:
        assert b"".join(body) == key.encode()


# -- again ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500])
def test_passing_errors_are_waited_for(status: int) -> None:
    with FaultServer(one_by_one(error(status, "X"), error(status, "X"), listed)) as server:
        assert keys(at(server)) == []
    assert len(server.seen) == 3


def test_it_ends_at_last() -> None:
    with FaultServer(error(503, "SlowDown")) as server, pytest.raises(BucketError, match="stayed so; try again later"):
        keys(at(server, attempts=2))
    assert len(server.seen) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412])
def test_what_stays_is_not_asked_again(status: int) -> None:
    with FaultServer(error(status, "X")) as server, pytest.raises(BucketError):
        keys(at(server))
    assert len(server.seen) == 1


def test_connections_that_are_cut_and_answers_that_end_early() -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    def half(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {}, EMPTY_LIST[:20], of=len(EMPTY_LIST))

    with FaultServer(one_by_one(cut, half, listed)) as server:
        assert keys(at(server)) == []
    assert len(server.seen) == 3


def test_a_server_that_asks_for_time_gets_it() -> None:
    with FaultServer(one_by_one(error(503, "SlowDown", Retry_After="1"), listed)) as server:
        before = time.monotonic()
        keys(at(server))
        assert time.monotonic() - before >= 1


@pytest.mark.parametrize("said", ["²", "9" * 5000, "-1", "1e9", "٣", "soon", ""])
def test_a_server_that_asks_for_no_number_of_seconds(said: str) -> None:
    assert 0 <= pause_after(1, said) <= 1 and number_of(said) is None


# -- credentials and clocks -------------------------------------------------------------------------------------------


def credentials_file(folder: Path, identity: Identity) -> Path:
    file = folder / "credentials"
    file.write_text(
        f"[default]\naws_access_key_id={identity.access_key}\naws_secret_access_key={identity.secret_key}\n"
    )
    return file


@pytest.fixture
def in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    credentials_file(tmp_path, WRITE_ONLY)
    return tmp_path


def used_keys(server: FaultServer) -> list[str]:
    return [headers["authorization"].split("Credential=")[1].split("/")[0] for _, _, headers in server.seen]


def test_expired_credentials_are_asked_for_anew(in_a_file: Path) -> None:
    def expired(handler: BaseHTTPRequestHandler) -> None:
        credentials_file(in_a_file, READ_ONLY)  # as whoever is asked to puts new ones there
        reply(handler, 400, {}, error_xml("ExpiredToken"))

    with FaultServer(one_by_one(listed, expired, listed)) as server:
        s3 = at(server, attempts=1)
        assert keys(s3) == keys(s3) == []
        assert s3.transport.session.get_credentials().access_key == READ_ONLY.access_key
    assert used_keys(server) == [WRITE_ONLY.access_key, WRITE_ONLY.access_key, READ_ONLY.access_key]


def test_expired_credentials_without_new_ones_say_how_to_go_on(in_a_file: Path) -> None:
    with FaultServer(error(400, "ExpiredToken")) as server, pytest.raises(BucketError) as caught:
        keys(at(server))
    assert "have expired; get new ones and run the same command again: it goes on" in str(caught.value)
    assert len(server.seen) == 1


def test_a_clock_that_differs_is_worked_around() -> None:
    there = time.time() + 3600
    skewed = error(403, "RequestTimeTooSkewed", Date=formatdate(there, usegmt=True))

    def refuses(handler: BaseHTTPRequestHandler) -> None:
        handler.date_time_string = lambda timestamp=None: formatdate(there, usegmt=True)  # type: ignore[method-assign]
        skewed(handler)

    with FaultServer(one_by_one(refuses, listed)) as server:
        s3 = at(server, attempts=1)
        assert keys(s3) == []
        assert 3500 < s3.transport.clock_offset.total_seconds() < 3700
    first, second = (headers["x-amz-date"] for _, _, headers in server.seen)
    assert first < second


# -- threads and processes --------------------------------------------------------------------------------------------


def test_many_threads_with_one_handle(weed: Server, weed_bucket: FreshBucket) -> None:
    s3 = weed_bucket.s3
    for number in range(20):
        weed_bucket.put(f"k{number}", b"%d" % number)

    def read(number: int) -> bytes:
        with open_body(s3, weed_bucket.name, f"k{number % 20}") as body:
            return b"".join(body)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(read, range(200))) == [b"%d" % (n % 20) for n in range(200)]


def _sizes(s3: S3, bucket: str) -> list[int]:
    return [o.size for o in objects(s3, bucket, [""])]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_handle_in_another_process(weed_bucket: FreshBucket, method: str) -> None:
    weed_bucket.put("k", b"four")
    assert keys(weed_bucket.s3, weed_bucket.name) == ["k"]  # a connection is open
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        assert pool.submit(_sizes, weed_bucket.s3, weed_bucket.name).result(60) == [4]
    assert keys(weed_bucket.s3, weed_bucket.name) == ["k"]


def test_a_handle_that_is_pickled_holds_no_secret_of_the_environment() -> None:
    s3 = connect(OUTPUT, endpoint_url="http://127.0.0.1:9")
    s3.transport.session.get_credentials()
    packed = pickle.dumps(s3)
    assert ADMIN.secret_key.encode() not in packed
    assert pickle.loads(packed).spec == s3.spec == s3.reopened().spec
