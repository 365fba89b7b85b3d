"""One request to S3 while it is on its way, and how long it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from flbrecover.bucket.answers import Reply
from flbrecover.bucket.signing import Keys
from flbrecover.bucket.site import Site


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a connection and between two pieces of an answer; how often one request is sent at most."""

    connect_seconds: float
    read_seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Request:
    """``query`` is in the order that is signed; ``size`` (bytes) and ``sha256`` (hex) are those of the body, which is
    seekable; with ``stream`` the body of the answer is left to who asked."""

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


@dataclass(frozen=True, slots=True)
class Begun:
    """A request that was sent: with what, and what reads the head of its answer."""

    keys: Keys
    site: Site
    reply: Callable[[], Reply]


@dataclass(slots=True)
class Tried:
    """What was done about one request already; each helps once."""

    sent: int = 0
    refreshed: bool = False
    redirected: bool = False
    clock_set: bool = False
