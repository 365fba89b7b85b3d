"""One request to S3 and its answer: signed, sent over a pool of connections, and sent again where that can help.

What a recovery does thousands of times (list, look, read, put) goes this way; it costs a quarter of the processor time
that a call of botocore's client costs. Credentials, endpoints, proxies, certificates and errors are botocore's.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree import ElementTree

from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnectedError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from flbrecover import __version__
from flbrecover.bucket import session as sessions
from flbrecover.bucket.session import Identity
from flbrecover.bucket.signing import EMPTY_SHA256, Keys, query_string, quoted_key, signed
from flbrecover.bucket.site import Site

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.session import Session

CONNECTIONS = 64  # that are kept open to one server
EXPECT_FROM = 1024**2  # bytes of a body from which the server is asked before it is sent
LONGEST_PAUSE = 20.0  # seconds between two attempts
MAX_ANSWER = 64 * 1024**2  # bytes of an answer that is no object; a page of a listing has less than 2 MB
MAX_ERROR = 64 * 1024  # bytes of an error's body that are read

_RETRIED_STATUS = frozenset({429, 500, 502, 503, 504, 509})
_RETRIED_CODES = frozenset({
    "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "Throttling", "ThrottlingException",
    "ThrottledException", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown", "InternalError", "ServiceUnavailable",
})  # fmt: skip
_EXPIRED = frozenset({
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidToken",
    "400",  # the answer to a HEAD has no code
})  # fmt: skip
_ELSEWHERE = frozenset({
    "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
    "301", "307", "400",
})  # fmt: skip
_LIST_BY_BYTE = frozenset({"AmazonS3", "MinIO"})
_SKEWED = "RequestTimeTooSkewed"


class UnreadableAnswerError(BotoCoreError):
    fmt = "the answer cannot be read: {what}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a connection and between two pieces of an answer; how often one request is sent at most."""

    connect_seconds: float
    read_seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What S3 answered to a request that it took. ``headers`` take names in any case. ``content`` is the whole body,
    or empty where it is still to be read from ``raw``."""

    status: int
    headers: HeadersDict
    content: bytes
    raw: Any


@dataclass(frozen=True, slots=True)
class _Request:
    operation: str
    method: str
    bucket: str
    key: str | None
    query: str
    headers: Mapping[str, str]
    body: bytes | BinaryIO
    size: int
    sha256: str
    stream: bool


@dataclass(slots=True)
class _Tried:
    """What was done about one request already; each helps once."""

    sent: int = 0
    refreshed: bool = False
    redirected: bool = False
    clock_set: bool = False


@dataclass(slots=True)
class _Way:
    """What is known of the way to the server, shared by all threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    process: int = field(default_factory=os.getpid)
    session: Session | None = None
    keys: Keys | None = None  # the last that were used
    http: URLLib3Session | None = None
    sites: dict[str, Site] = field(default_factory=dict)
    clock_offset: timedelta = timedelta()
    server: str = ""


class Transport:
    """Sends requests. Safe to be used by many threads at once, and after a fork: the child connects anew.

    ``find_site`` tells a bucket's site, given the region that S3 named, if any. Errors are raised as botocore raises
    them, for :func:`denied.explained`.
    """

    def __init__(
        self, identity: Identity, region: str, limits: Limits, find_site: Callable[[str, str | None], Site],
        always: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._identity = identity
        self._region = region
        self._limits = limits
        self._find_site = find_site
        self._always = dict(always)
        self._way = _Way()

    @property
    def session(self) -> Session:
        """botocore's session with the credentials. Raises what botocore raises."""
        way = self._way
        with way.lock:
            if way.session is None:
                way.session = sessions.session_of(self._identity, self._region)
            return way.session

    @property
    def clock_offset(self) -> timedelta:
        """What the server's clock is ahead of this machine's, where it refused a request for that; else zero."""
        return self._way.clock_offset

    @property
    def lists_by_byte(self) -> bool:
        """Whether the server is known to list keys in the order of their bytes, by what it calls itself."""
        return self._way.server.strip() in _LIST_BY_BYTE

    def send(
        self, operation: str, method: str, bucket: str, key: str | None = None, *,
        query: Iterable[tuple[str, str]] = (), headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO = b"", size: int = 0, sha256: str = EMPTY_SHA256, stream: bool = False,
    ) -> Answer:  # fmt: skip
        """Sends a request until S3 takes it. ``operation`` is S3's name for it, for errors.

        ``size`` and ``sha256`` (hex) are those of ``body``, a seekable file or bytes. With ``stream`` the answer's
        body is left to the caller, who closes ``raw``.
        """
        given = {**self._always, **(headers or {})}
        request = _Request(
            operation, method, bucket, key, query_string(query), given, body, size, sha256, stream
        )  # fmt: skip
        tried = _Tried()
        while True:
            tried.sent += 1
            keys, site = self._keys(), self._site(bucket)
            try:
                return self._once(request, keys, site)
            except ClientError as e:
                if self._helped(e, request, keys, site, tried):
                    continue
                if not _is_passing(e) or tried.sent >= self._limits.attempts:
                    raise
                pause = _pause(tried.sent, _headers(e).get("retry-after"))
            except (HTTPClientError, NotConnectedError, HTTPError):
                if tried.sent >= self._limits.attempts:
                    raise
                pause = _pause(tried.sent, None)
            time.sleep(pause)

    # -- one attempt -------------------------------------------------------------------------------------------------

    def _once(self, request: _Request, keys: Keys, site: Site) -> Answer:
        path = site.path if request.key is None else f"{site.path}/{quoted_key(request.key)}"
        url = site.base_url + path[len(site.path) :]
        now = datetime.now(timezone.utc) + self._way.clock_offset
        headers = signed(
            keys, site.scope, now, request.method, site.host, path or "/", request.query, request.headers,
            request.sha256,
        )  # fmt: skip
        headers["user-agent"] = f"flbrecover/{__version__}"
        if request.method == "PUT":
            headers["content-length"] = str(request.size)
            if request.size >= EXPECT_FROM:
                headers["expect"] = "100-continue"
        if not isinstance(request.body, bytes):
            request.body.seek(0)
        prepared = AWSPreparedRequest(
            request.method,
            (url or "/") + (f"?{request.query}" if request.query else ""),
            headers,  # type: ignore[arg-type]
            request.body or None,
            True,
        )
        answer = self._http(site).send(prepared)
        self._way.server = answer.headers.get("Server", "")
        if 200 <= answer.status_code < 300:
            if request.stream:
                return Answer(answer.status_code, answer.headers, b"", answer.raw)
            return Answer(answer.status_code, answer.headers, _content(answer, url, request.method), None)
        raise _error(answer, request, _error_body(answer))

    def _http(self, site: Site) -> URLLib3Session:
        way = self._way
        if way.http is not None and way.process == os.getpid():
            return way.http
        session = self.session
        with way.lock:
            if way.http is None or way.process != os.getpid():
                verify = session.get_config_variable("ca_bundle")
                way.http = URLLib3Session(
                    verify=True if verify is None else verify,
                    proxies=get_environ_proxies(site.base_url),
                    timeout=(self._limits.connect_seconds, self._limits.read_seconds),  # type: ignore[arg-type]
                    max_pool_connections=CONNECTIONS,
                    # Without it the body of a small PUT waits 40 ms for the answer to the packet of its headers.
                    socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # type: ignore[list-item]
                )
                way.process = os.getpid()
            return way.http

    def _site(self, bucket: str) -> Site:
        found = self._way.sites.get(bucket)
        if found is None:
            found = self._way.sites[bucket] = self._find_site(bucket, None)
        return found

    def _keys(self) -> Keys:
        keys = self._way.keys = sessions.keys_of(self.session)
        return keys

    # -- what can be done about an error -----------------------------------------------------------------------------

    def _helped(self, error: ClientError, request: _Request, used: Keys, site: Site, tried: _Tried) -> bool:
        """Whether something was changed, so that the same request may be taken now."""
        code = str(error.response["Error"].get("Code", ""))
        if code in _EXPIRED and not tried.refreshed:
            tried.refreshed = True
            return self._refresh(used)
        if code == _SKEWED and not tried.clock_set:
            tried.clock_set = True
            return self._set_clock(_headers(error).get("date"))
        region = _headers(error).get("x-amz-bucket-region") or error.response["Error"].get("Region")
        if code in _ELSEWHERE and isinstance(region, str) and region != site.scope.region and not tried.redirected:
            tried.redirected = True
            self._way.sites[request.bucket] = self._find_site(request.bucket, region)
            return True
        return False

    def _refresh(self, used: Keys) -> bool:
        """Asks the whole chain of credentials anew; False where it has the same ones as before."""
        with self._way.lock:
            if self._way.session is not None and sessions.keys_of(self._way.session) != used:
                return True  # another thread was here, or the session refreshed itself
            self._way.session = sessions.session_of(self._identity, self._region)
            return sessions.keys_of(self._way.session) != used

    def _set_clock(self, date: str | None) -> bool:
        try:
            there = parsedate_to_datetime(date or "")
        except ValueError:
            return False
        if there.tzinfo is None:
            there = there.replace(tzinfo=timezone.utc)
        self._way.clock_offset = there - datetime.now(timezone.utc)
        return True


def _content(answer: AWSResponse, url: str, method: str) -> bytes:
    """The whole body. One that is shorter than announced is a connection that was cut."""
    content: bytes = answer.raw.read(MAX_ANSWER + 1)
    if len(content) > MAX_ANSWER:
        answer.raw.close()
        raise UnreadableAnswerError(what=f"it has over {MAX_ANSWER} bytes")
    announced = answer.headers.get("Content-Length")
    if method != "HEAD" and announced is not None and announced.isdigit() and len(content) != int(announced):
        raise ConnectionClosedError(endpoint_url=url, error=EOFError("the answer ended early"))
    return content


def _error_body(answer: AWSResponse) -> bytes:
    try:
        body: bytes = answer.raw.read(MAX_ERROR)
        if not answer.raw.read(1):
            return body
        answer.raw.close()
    except (OSError, HTTPError):
        return b""  # the status says enough
    return body


def _error(answer: AWSResponse, request: _Request, body: bytes) -> ClientError:
    """As botocore's parser makes it."""
    found = {"Code": str(answer.status_code), "Message": ""}
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):
        pass  # HTML of a proxy, or nothing: the answer to a HEAD has no body
    else:
        inner = root.find("{*}Error")
        for element in root if inner is None else inner:
            found[element.tag.rpartition("}")[2]] = element.text or ""
    metadata = {
        "HTTPStatusCode": answer.status_code,
        "HTTPHeaders": {name.lower(): value for name, value in answer.headers.items()},
    }
    return ClientError({"Error": found, "ResponseMetadata": metadata}, request.operation)  # type: ignore[typeddict-item]


def _headers(error: ClientError) -> dict[str, str]:
    return error.response["ResponseMetadata"]["HTTPHeaders"]


def _is_passing(error: ClientError) -> bool:
    code, status = error.response["Error"].get("Code", ""), error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in _RETRIED_STATUS or code in _RETRIED_CODES


def _pause(sent: int, retry_after: str | None) -> float:
    """Seconds: random up to a bound that doubles, as botocore's standard mode; not less than the server asks for."""
    least = float(retry_after) if retry_after is not None and retry_after.isdigit() else 0.0
    return min(max(random.random() * float(2 ** (sent - 1)), least), LONGEST_PAUSE)
