"""Where the requests for a bucket go, and what their signature has to be good for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import BotoCoreError, ParamValidationError

from flbrecover.bucket.signing import Scope

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BUCKET = re.compile(r"[a-zA-Z0-9.\-_]{1,255}")  # botocore.handlers.VALID_BUCKET
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]*/[0-9]{8}/([^/,]+)/([^/,]+)/aws4_request")
_DIRECTORY_BUCKET = "--x-s3"
_KEY = "k"


class UnknownSignatureError(BotoCoreError):
    fmt = "the bucket wants a signature of another kind ({kind}); directory and multi-region buckets are not supported"


class _NoBody:
    def stream(self) -> Iterator[bytes]:
        return iter(())


@dataclass(frozen=True, slots=True)
class Site:
    """``root`` is scheme and server, ``path`` (quoted, no "/" at its end) what the path of a key follows on."""

    root: str
    path: str
    host: str
    scope: Scope


def path_style(endpoint: str, bucket: str, region: str) -> Site:
    """The bucket as the first part of the path: servers that are not AWS's. Raises ParamValidationError."""
    if not _BUCKET.fullmatch(bucket):
        raise ParamValidationError(report=f"Invalid bucket name {bucket!r}")
    parts = urlsplit(endpoint)
    path = f"{parts.path.rstrip('/')}/{quote(bucket)}"
    return _site(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", path, Scope("s3", region))


def learned(client: S3Client, bucket: str) -> Site:
    """As botocore's rules for endpoints have it (regions, partitions, FIPS, virtual hosts, access points): a request
    is made and signed, and looked at instead of being sent. The client is good for nothing else afterwards.

    Raises what botocore raises: for a bucket name that cannot be one, for credentials that are not there.
    """
    if bucket.endswith(_DIRECTORY_BUCKET):  # its credentials would be asked for over the network
        raise UnknownSignatureError(kind="CreateSession")
    seen: list[AWSPreparedRequest] = []

    def look(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        seen.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), _NoBody())

    client.meta.events.register("before-send.s3.HeadObject", look)  # type: ignore[arg-type]
    client.head_object(Bucket=bucket, Key=_KEY)
    (request,) = seen
    parts = urlsplit(request.url)
    header = request.headers.get("Authorization", "")
    said = header.decode() if isinstance(header, bytes) else header
    scope = _SCOPE.match(said)
    if scope is None:
        raise UnknownSignatureError(kind=said.split(" ")[0] or "none")
    path = parts.path.removesuffix(f"/{_KEY}")
    return _site(f"{parts.scheme}://{parts.netloc}", path, Scope(scope[2], scope[1]))


def _site(root: str, path: str, scope: Scope) -> Site:
    parts = urlsplit(root)
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    host = parts.hostname or ""
    return Site(root, path, f"[{host}]{port}" if ":" in host else f"{host}{port}", scope)
