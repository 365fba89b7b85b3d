"""What S3 answers to one request: its head, its body, and the error that it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnectedError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

MAX_ANSWER = 64 * 1024**2  # bytes of an answer that is no object; a page of a listing has less than 2 MB
MAX_ERROR = 64 * 1024  # bytes of an error's body that are read


class UnreadableAnswerError(BotoCoreError):
    fmt = "the answer cannot be read: {what}"


class Reply(Protocol):
    """An answer whose body is still to be read. Who does not read it to its end closes it."""

    status: int
    headers: dict[str, str]  # names in lower case

    def read(self, most: int, /) -> bytes:
        """The next bytes, fewer than ``most`` only at the end. Raises exceptions of botocore or of urllib3."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What S3 answered to a request that it took. Names of ``headers`` are in lower case. ``content`` is the whole
    body, or empty where it is still to be read from ``raw``."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    raw: Reply


class BotocoreReply:
    """An answer that botocore's session gives."""

    def __init__(self, answer: AWSResponse) -> None:
        self.status = answer.status_code
        self.headers = {name.lower(): value for name, value in answer.headers.items()}
        self._raw = answer.raw

    def read(self, most: int) -> bytes:
        data: bytes = self._raw.read(most)
        return data

    def close(self) -> None:
        self._raw.close()


def number_of(text: str | None) -> int | None:
    """The number in a header; None where there is none, or none that a size or a count can have."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 20 else None


def whole_content(reply: Reply, method: str) -> bytes:
    """The whole body. One that is shorter than announced is a connection that was cut."""
    content = b"" if method == "HEAD" else reply.read(MAX_ANSWER + 1)
    if len(content) > MAX_ANSWER:
        reply.close()
        raise UnreadableAnswerError(what=f"it has over {MAX_ANSWER} bytes")
    announced = number_of(reply.headers.get("content-length"))
    if method != "HEAD" and announced is not None and len(content) != announced:
        reply.close()
        raise ConnectionClosedError(endpoint_url="", error=EOFError("the answer ended early"))
    return content


def error_of(reply: Reply, operation: str, method: str) -> ClientError:
    """As botocore's parser makes it."""
    found = {"Code": str(reply.status), "Message": ""}
    try:
        body = b"" if method == "HEAD" else reply.read(MAX_ERROR)
        root = ElementTree.fromstring(body)
    except (NotConnectedError, HTTPClientError, HTTPError, OSError, ElementTree.ParseError, ValueError, LookupError):
        pass  # HTML of a proxy, or nothing: the status says enough
    else:
        inner = root.find("{*}Error")
        for element in root if inner is None else inner:
            found[element.tag.rpartition("}")[2]] = element.text or ""
    if reply.headers.get("content-length") != "0" and method != "HEAD":
        reply.close()
    metadata = {"HTTPStatusCode": reply.status, "HTTPHeaders": reply.headers}
    return ClientError({"Error": found, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]
