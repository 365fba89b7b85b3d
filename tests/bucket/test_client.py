"""Connections: endpoints, credentials, roles, and what a failing call says."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from conftest import FreshBucket
from servers import FaultServer, Server, error_xml, reply

from flbrecover.bucket.client import S3, connect
from flbrecover.bucket.denied import ConflictError, MissingError, NotSupportedError, without_secrets
from flbrecover.bucket.listing import objects
from flbrecover.bucket.pending_uploads import head, list_uploads, parts
from flbrecover.bucket.reading import open_body
from flbrecover.demo.seaweedfs import ADMIN, READ_ONLY, WRITE_ONLY, Identity
from flbrecover.errors import BucketError, UsageError
from flbrecover.fluentbit.pipeline import S3Output

OUTPUT = S3Output(0, "logs", region="eu-central-1")


def list_all(s3: S3, bucket: str = "logs") -> list[str]:
    return [o.key for o in objects(s3, bucket, [""])]


def said(call: Callable[[], object]) -> str:
    """The one line that a failing call gives."""
    with pytest.raises(BucketError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 700
    return text


# -- where to ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "url", "style"),
    [
        (None, "https://s3.eu-central-1.amazonaws.com", "auto"),
        ("http://127.0.0.1:5556", "http://127.0.0.1:5556", "path"),
        ("minio.example:9000", "https://minio.example:9000", "path"),
        ("vpce-1.s3.eu-west-1.vpce.amazonaws.com", "https://vpce-1.s3.eu-west-1.vpce.amazonaws.com", "auto"),
    ],
)  # fmt: skip
def test_endpoint_of_an_output(endpoint: str | None, url: str, style: str) -> None:
    s3 = connect(replace(OUTPUT, endpoint=endpoint))
    assert s3.client.meta.endpoint_url == url
    assert s3.client.meta.config.s3["addressing_style"] == style  # type: ignore[attr-defined]
    assert s3.client.meta.region_name == "eu-central-1"


def test_what_is_given_wins_over_the_output(moto_bucket: FreshBucket) -> None:
    away = replace(OUTPUT, bucket=moto_bucket.name, endpoint="http://127.0.0.1:9")
    moto_bucket.put("k")
    s3 = connect(away, endpoint_url=moto_bucket.server.endpoint_url, region="us-west-2")
    assert list_all(s3, moto_bucket.name) == ["k"]
    assert s3.region == "us-west-2"


@pytest.mark.parametrize("endpoint", ["http://", "http://a b", "http://h:port", "https://[::1"])
def test_an_endpoint_that_is_no_url(endpoint: str) -> None:
    with pytest.raises(UsageError, match=f"^endpoint '{re.escape(endpoint)}': not a URL|shown\\)': not a URL"):
        connect(OUTPUT, endpoint_url=endpoint)


@pytest.mark.parametrize("endpoint", ["ftp://x", "s3://bucket/key", "://x", "htp://user:secret@x/"])
def test_an_endpoint_of_another_protocol(endpoint: str) -> None:
    with pytest.raises(UsageError, match=r"^endpoint .*: http:// or https:// is wanted$") as e:
        connect(OUTPUT, endpoint_url=endpoint)
    assert "secret" not in str(e.value)


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("minio.example:9000", "minio.example:9000"), ("user:secret@minio.example:9000/", "minio.example:9000"),
        ("https://user:secret@minio.example/s3/?token=secret", "https://minio.example/s3"), ("http://", "http://"),
    ],
)  # fmt: skip
def test_an_endpoint_is_shown_as_it_can_be_given(endpoint: str, shown: str) -> None:
    assert without_secrets(endpoint) == shown


def test_an_endpoint_shows_no_password() -> None:
    s3 = connect(OUTPUT, endpoint_url="http://user:secret@127.0.0.1:9", attempts=1, connect_seconds=1)
    assert "secret" not in said(lambda: list_all(s3))
    assert "http://127.0.0.1:9" in said(lambda: list_all(s3))


# -- who ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return monkeypatch


def profiles(monkeypatch: pytest.MonkeyPatch, folder: Path, **identities: Identity) -> None:
    file = folder / "credentials"
    file.write_text(
        "".join(
            f"[{name}]\naws_access_key_id={i.access_key}\naws_secret_access_key={i.secret_key}\n"
            for name, i in identities.items()
        )
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))


def test_no_credentials(weed: Server, nobody: pytest.MonkeyPatch) -> None:
    text = said(lambda: list_all(connect(OUTPUT, endpoint_url=weed.endpoint_url)))
    assert text.startswith("no AWS credentials found (looked at: AWS_ACCESS_KEY_ID, profile default in ")
    assert "EC2 instance metadata (switched off)" in text


def test_half_of_the_credentials(weed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    text = said(lambda: list_all(connect(OUTPUT, endpoint_url=weed.endpoint_url)))
    assert "incomplete" in text and "AWS_SECRET_ACCESS_KEY" in text


def test_wrong_credentials(weed: Server, weed_bucket: FreshBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    to = replace(OUTPUT, bucket=weed_bucket.name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    text = said(lambda: list_all(connect(to, endpoint_url=weed.endpoint_url), weed_bucket.name))
    assert text == f"s3://{weed_bucket.name}/: wrong credentials: the secret key does not belong to the access key"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody-known")
    text = said(lambda: list_all(connect(to, endpoint_url=weed.endpoint_url), weed_bucket.name))
    assert "wrong credentials" in text and "does not know this access key" in text
    assert "secret" not in text.replace("secret key", "") and "nobody-known" not in text


def test_a_profile_by_name(weed: Server, weed_bucket: FreshBucket, nobody: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profiles(nobody, tmp_path, reader=READ_ONLY)
    s3 = connect(OUTPUT, endpoint_url=weed.endpoint_url, profile="reader")
    assert list_all(s3, weed_bucket.name) == []
    text = said(lambda: connect(OUTPUT, profile="other"))
    assert "other" in text and "--profile" in text


def test_the_outputs_own_profile_counts_where_nothing_else_is_said(
    weed: Server, weed_bucket: FreshBucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profiles(monkeypatch, tmp_path, node=WRITE_ONLY, default=ADMIN)
    of_node = replace(OUTPUT, profile="node")
    assert list_all(connect(of_node, endpoint_url=weed.endpoint_url), weed_bucket.name) == []  # the environment's keys
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    text = said(lambda: list_all(connect(of_node, endpoint_url=weed.endpoint_url), weed_bucket.name))
    assert "s3:ListBucket" in text
    elsewhere = replace(OUTPUT, profile="not-on-this-machine")
    assert list_all(connect(elsewhere, endpoint_url=weed.endpoint_url), weed_bucket.name) == []


def test_a_role_is_taken_with_its_external_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """STS here is a server that hands out the keys of a role; S3 one that shows whose keys come."""

    def sts(handler: BaseHTTPRequestHandler) -> None:
        body = (
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ROLEKEY</AccessKeyId>"
            "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
        reply(handler, 200, {"Content-Type": "text/xml"}, body.encode())

    def s3_server(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, {}, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    role = replace(OUTPUT, role_arn="arn:aws:iam::1:role/logs", external_id="x1")
    with FaultServer(sts) as issuer, FaultServer(s3_server) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.endpoint_url)
        list_all(connect(role, endpoint_url=server.endpoint_url))
        list_all(connect(role, endpoint_url=server.endpoint_url, assume_role=False))
    (form,) = (parse_qs(body.decode()) for body in issuer.bodies)
    assert (form["Action"], form["ExternalId"], form["RoleArn"]) == (["AssumeRole"], ["x1"], [role.role_arn])
    used = [re.search(r"Credential=([^/]+)", headers["authorization"]) for _, _, headers in server.seen]
    assert [u and u[1] for u in used] == ["ROLEKEY", ADMIN.access_key]


def test_a_role_that_may_not_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def sts(handler: BaseHTTPRequestHandler) -> None:
        what = "User: arn:aws:iam::1:user/u is not authorized to perform: sts:AssumeRole on resource"
        reply(handler, 403, {}, b"<ErrorResponse>" + error_xml("AccessDenied", what)[len("<?xml version='1.0'?>") :]
              + b"</ErrorResponse>")  # fmt: skip

    role = replace(OUTPUT, role_arn="arn:aws:iam::1:role/logs")
    with FaultServer(sts) as issuer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.endpoint_url)
        text = said(lambda: list_all(connect(role, endpoint_url="http://127.0.0.1:9")))
    assert "IAM action sts:AssumeRole on arn:aws:iam::1:role/logs is missing" in text


def test_a_server_of_roles_that_cannot_be_reached(weed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    role = replace(OUTPUT, role_arn="arn:aws:iam::1:role/logs")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    text = said(lambda: list_all(connect(role, endpoint_url=weed.endpoint_url, attempts=1)))
    assert text == (
        "127.0.0.1:9 (STS) cannot be reached, or does not answer, so arn:aws:iam::1:role/logs cannot be taken; "
        "see the network, or say --no-assume-role"
    )


def test_a_role_without_credentials_to_take_it_with(nobody: pytest.MonkeyPatch) -> None:
    assert "no AWS credentials found" in said(lambda: connect(replace(OUTPUT, role_arn="arn:aws:iam::1:role/logs")))


# -- what a real server says ------------------------------------------------------------------------------------------


def test_no_such_bucket(weed: Server) -> None:
    text = said(lambda: list_all(weed.connect(), "nowhere"))
    assert text == f"s3://nowhere/: no such bucket at {weed.endpoint_url}"


def test_who_may_only_write_can_neither_list_nor_read(weed: Server, weed_bucket: FreshBucket) -> None:
    name, s3 = weed_bucket.name, weed.connect(WRITE_ONLY)
    weed_bucket.put("a k")
    assert said(lambda: list_all(s3, name)) == (
        f"s3://{name}/: access denied: IAM action s3:ListBucket on arn:aws:s3:::{name} is missing"
    )
    assert said(lambda: open_body(s3, name, "a k")) == (
        f"s3://{name}/a k: access denied: IAM action s3:GetObject on arn:aws:s3:::{name}/a k is missing"
    )
    assert "s3:GetObject" in said(lambda: head(s3, name, "a k"))


def test_a_bucket_name_that_cannot_be_one() -> None:
    assert "S3 has no such bucket name" in said(lambda: list_all(connect(OUTPUT), "no good"))


def test_a_role_that_cannot_be_one() -> None:
    text = said(lambda: list_all(connect(replace(OUTPUT, role_arn="foo"), endpoint_url="http://127.0.0.1:9")))
    assert "a value that AWS does not take: " in text and "RoleArn" in text and "bucket name" not in text


# -- what other servers say -------------------------------------------------------------------------------------------


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[S3]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, status, {k.replace("_", "-"): v for k, v in headers.items()}, body)

    with FaultServer(answer) as server:
        yield connect(OUTPUT, endpoint_url=server.endpoint_url, attempts=1, read_seconds=5)


@pytest.mark.parametrize(
    ("status", "code", "more", "expected"),
    [
        (400, "ExpiredToken", "", "the credentials have expired"),
        (403, "RequestTimeTooSkewed", "", "clock differs"),
        (301, "PermanentRedirect", "", "the bucket is in another region, not in eu-central-1; give --region"),
        (400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>", "the bucket is in eu-west-1, not in"),
        (503, "SlowDown", "", "overloaded"),
        (500, "InternalError", "", "ListObjectsV2 failed: InternalError: words of the server"),
        (400, "", "", "ListObjectsV2 failed"),
        (403, "AccessDenied", "", "s3:ListBucket on arn:aws:s3:::logs is missing"),
        (200, None, "", "127.0.0.1"),
    ],
)
def test_answers_in_words(status: int, code: str | None, more: str, expected: str) -> None:
    body = b"<html>not S3" if code is None else error_xml(code, "words of  the\nserver", more)
    with answering(status, body) as s3:
        assert expected in said(lambda: list_all(s3))


def test_a_head_that_is_refused_has_no_reason() -> None:
    with answering(400) as s3:
        assert "HeadObject was refused without a reason: expired credentials, or" in said(lambda: head(s3, "logs", "k"))


def test_the_right_region_from_a_header() -> None:
    with answering(301, error_xml("PermanentRedirect"), x_amz_bucket_region="eu-north-1") as s3:
        assert "the bucket is in eu-north-1" in said(lambda: list_all(s3))


@pytest.mark.parametrize(
    ("call", "action"),
    [
        (lambda s3: next(objects(s3, "logs", [""])), "s3:ListBucket on arn:aws:s3:::logs is"),
        (lambda s3: open_body(s3, "logs", "k"), "s3:GetObject on arn:aws:s3:::logs/k is"),
        (lambda s3: next(list_uploads(s3, "logs", "")), "s3:ListBucketMultipartUploads on arn:aws:s3:::logs is"),
        (lambda s3: parts(s3, "logs", "k", "u"), "s3:ListMultipartUploadParts on arn:aws:s3:::logs/k is"),
    ],
)
def test_the_missing_action_of_each_call(call: Callable[[S3], Any], action: str) -> None:
    with answering(403, error_xml("AccessDenied", "Access Denied")) as s3:
        assert action in said(lambda: call(s3))


def test_the_missing_action_that_aws_names() -> None:
    why = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:x"
    with answering(403, error_xml("AccessDenied", why)) as s3:
        assert "kms:Decrypt" in said(lambda: open_body(s3, "logs", "k"))
    with answering(403, error_xml("AccessDenied", why.replace("kms:Decrypt", "s3:PutObjectAcl"))) as s3:
        text = said(lambda: open_body(s3, "logs", "k"))
        assert "IAM action s3:PutObjectAcl on arn:aws:s3:::logs/k is missing" in text


def test_kinds_that_callers_tell_apart() -> None:
    for status, code, kind in (
        (404, "NoSuchKey", MissingError), (501, "NotImplemented", NotSupportedError),
        (409, "ConditionalRequestConflict", ConflictError),
    ):  # fmt: skip
        with answering(status, error_xml(code)) as s3, pytest.raises(kind):
            open_body(s3, "logs", "k")


def test_nothing_signed_is_shown() -> None:
    leak = "see https://u:pw@h/x?X-Amz-Signature=abcdef&amp;X-Amz-Credential=AKIA%2F1 " + "long " * 200
    with answering(400, error_xml("Odd", leak)) as s3:
        text = said(lambda: list_all(s3))
    assert "abcdef" not in text and "AKIA" not in text and "pw@" not in text
    assert len(text) < 400


# -- no answer at all -------------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    s3 = connect(OUTPUT, endpoint_url="http://127.0.0.1:9", attempts=1)
    assert said(lambda: list_all(s3)).startswith("http://127.0.0.1:9 cannot be reached")


def test_an_unknown_host() -> None:
    s3 = connect(OUTPUT, endpoint_url="http://no-such-host.invalid", attempts=1)
    assert said(lambda: list_all(s3)).startswith("http://no-such-host.invalid cannot be reached")


def test_an_endpoint_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        s3 = connect(OUTPUT, endpoint_url=url, attempts=2, read_seconds=0.2)
        assert said(lambda: list_all(s3)).startswith(f"{url} does not answer (timed out)")


def test_no_tls_there(weed: Server) -> None:
    s3 = connect(OUTPUT, endpoint_url=weed.endpoint_url.replace("http:", "https:"), attempts=1)
    assert "no TLS connection" in said(lambda: list_all(s3))


def test_throttling_is_waited_for() -> None:
    calls = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        calls.append(handler.path)
        if len(calls) < 3:
            reply(handler, 503, {}, error_xml("SlowDown"))
        else:
            reply(handler, 200, {}, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    with FaultServer(answer) as server:
        assert list_all(connect(OUTPUT, endpoint_url=server.endpoint_url)) == []
    assert len(calls) == 3
