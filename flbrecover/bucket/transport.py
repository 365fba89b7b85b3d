"""One request to S3 and its answer: signed, sent over a pool of connections, and sent again where that can help.

What a recovery does thousands of times (list, look, read, put) goes this way; it costs a quarter of the processor time
that a call of botocore's client costs. Credentials, endpoints, proxies, certificates and errors are botocore's.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as NotConnectedError
from botocore.httpsession import URLLib3Session, get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from flbrecover import __version__
from flbrecover.bucket import session as sessions
from flbrecover.bucket.answers import Answer, BotocoreReply, Reply, error_of, whole_content
from flbrecover.bucket.connections import MOST_IDLE, Connections
from flbrecover.bucket.heads import need_sendable
from flbrecover.bucket.request import Begun, Limits, Request, Tried
from flbrecover.bucket.retries import ELSEWHERE, EXPIRED, headers_of, is_passing, pause_after
from flbrecover.bucket.session import Identity
from flbrecover.bucket.signing import EMPTY_SHA256, Keys, query_string, quoted_key, signed
from flbrecover.bucket.site import Site

if TYPE_CHECKING:
    from botocore.session import Session

LARGE = 1024**2  # bytes of a body from which the server is asked before it is sent

_LIST_BY_BYTE = frozenset({"AmazonS3", "MinIO"})
_SKEWED = "RequestTimeTooSkewed"
_NO_ANSWER = (HTTPClientError, NotConnectedError, HTTPError)


@dataclass(slots=True)
class _Way:
    """What is known of the way to the server, shared by all threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    process: int = field(default_factory=os.getpid)
    session: Session | None = None
    keys: Keys | None = None  # the last that were used
    http: URLLib3Session | None = None
    direct: dict[str, Connections | None] = field(default_factory=dict)  # by the root of their server
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
        request = Request(
            operation, method, bucket, key, query_string(query), given, body, size, sha256, stream
        )  # fmt: skip
        return self._until_taken(request, None)

    def begin(
        self, operation: str, method: str, bucket: str, key: str, *, headers: Mapping[str, str], body: bytes,
        sha256: str,
    ) -> Callable[[], Answer]:  # fmt: skip
        """:meth:`send` in two steps, for bodies that a socket takes at once: the request is under way when this
        returns, and the call of what it gives does the rest. What cannot be sent now is sent then."""
        given = {**self._always, **headers}
        request = Request(operation, method, bucket, key, "", given, body, len(body), sha256, stream=False)
        keys, site = self._keys(), self._site(bucket)
        begun = None
        with suppress(*_NO_ANSWER):
            begun = Begun(keys, site, self._begin(request, keys, site))
        return partial(self._until_taken, request, begun)

    def _until_taken(self, request: Request, begun: Begun | None) -> Answer:
        """Sends a request until S3 takes it; ``begun``, where it was sent already."""
        tried = Tried()
        while True:
            tried.sent += 1
            keys, site = (begun.keys, begun.site) if begun else (self._keys(), self._site(request.bucket))
            try:
                return self._answer(request, begun.reply if begun else self._begin(request, keys, site))
            except ClientError as e:
                if self._helped(e, request, keys, site, tried):
                    pause = 0.0
                elif not is_passing(e) or tried.sent >= self._limits.attempts:
                    raise
                else:
                    pause = pause_after(tried.sent, headers_of(e).get("retry-after"))
            except _NO_ANSWER:
                if tried.sent >= self._limits.attempts:
                    raise
                pause = pause_after(tried.sent, None)
            begun = None
            time.sleep(pause)

    # -- one attempt -------------------------------------------------------------------------------------------------

    def _begin(self, request: Request, keys: Keys, site: Site) -> Callable[[], Reply]:
        """Sends a request; what it gives reads the head of the answer."""
        path = site.path if request.key is None else f"{site.path}/{quoted_key(request.key)}"
        now = datetime.now(timezone.utc) + self._way.clock_offset
        headers = signed(
            keys, site.scope, now, request.method, site.host, path or "/", request.query, request.headers,
            request.sha256,
        )  # fmt: skip
        headers["user-agent"] = f"flbrecover/{__version__}"
        if request.method == "PUT":
            headers["content-length"] = str(request.size)
        target = f"{path or '/'}?{request.query}" if request.query else path or "/"
        direct = self._direct(site) if request.size < LARGE else None
        if direct is None:
            return partial(self._by_botocore, site, request, target, headers)
        body = request.body if isinstance(request.body, bytes) else _read_all(request.body)
        return direct.begin(request.method, target, headers, body).reply

    def _answer(self, request: Request, read: Callable[[], Reply]) -> Answer:
        """Raises ClientError where S3 says no, else as :meth:`send` gives it."""
        reply = read()
        self._way.server = reply.headers.get("server", "")
        if not 200 <= reply.status < 300:
            raise error_of(reply, request.operation, request.method)
        if request.stream:
            return Answer(reply.status, reply.headers, b"", reply)
        return Answer(reply.status, reply.headers, whole_content(reply, request.method), reply)

    def _direct(self, site: Site) -> Connections | None:
        """Connections without a proxy; None where there has to be one."""
        way = self._way
        if site.root not in way.direct:
            session = self.session
            with way.lock:
                if site.root not in way.direct:
                    way.direct[site.root] = _connections(site.root, session, self._limits)
        return way.direct[site.root]

    def _by_botocore(self, site: Site, request: Request, target: str, headers: dict[str, str]) -> Reply:
        """Through a proxy; and large bodies, for which the server is asked before they are sent."""
        need_sendable(headers)
        if request.size >= LARGE:
            headers["expect"] = "100-continue"
        if not isinstance(request.body, bytes):
            request.body.seek(0)
        prepared = AWSPreparedRequest(
            request.method,
            site.root + target,
            headers,  # type: ignore[arg-type]
            request.body or None,
            True,
        )
        return BotocoreReply(self._http(site).send(prepared))

    def _http(self, site: Site) -> URLLib3Session:
        way = self._way
        if way.http is not None and way.process == os.getpid():
            return way.http
        session = self.session
        with way.lock:
            if way.http is None or way.process != os.getpid():
                way.http = URLLib3Session(
                    verify=session.get_config_variable("ca_bundle") or True,
                    proxies=get_environ_proxies(site.root),
                    timeout=(self._limits.connect_seconds, self._limits.read_seconds),  # type: ignore[arg-type]
                    max_pool_connections=MOST_IDLE,
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

    def _helped(self, error: ClientError, request: Request, used: Keys, site: Site, tried: Tried) -> bool:
        """Whether something was changed, so that the same request may be taken now."""
        code = str(error.response["Error"].get("Code", ""))
        if code in EXPIRED and not tried.refreshed:
            tried.refreshed = True
            if self._refresh(used):
                return True  # else a 400 without a code may come from another region
        if code == _SKEWED and not tried.clock_set:
            tried.clock_set = True
            return self._set_clock(headers_of(error).get("date"))
        region = headers_of(error).get("x-amz-bucket-region") or error.response["Error"].get("Region")
        if code in ELSEWHERE and isinstance(region, str) and region != site.scope.region and not tried.redirected:
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


def _connections(root: str, session: Session, limits: Limits) -> Connections | None:
    if get_environ_proxies(root).get(urlsplit(root).scheme):
        return None
    context = None
    if root.startswith("https:"):
        try:
            context = ssl.create_default_context(cafile=get_cert_path(session.get_config_variable("ca_bundle") or True))
        except OSError as e:  # no such file, or no certificates in it
            raise SSLError(endpoint_url=root, error=e) from e
        context.set_alpn_protocols(["http/1.1"])
    return Connections(root, limits.connect_seconds, limits.read_seconds, context)


def _read_all(body: BinaryIO) -> bytes:
    body.seek(0)
    return body.read()
