"""What one small request tells of an object: its facts, some of its bytes, the sizes of its parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnectedError
from urllib3.exceptions import HTTPError

from flbrecover.bucket.answers import Answer, UnreadableAnswerError, number_of
from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import ChangedError, explained
from flbrecover.bucket.lists import etag_of, time_ns
from flbrecover.errors import BucketError
from flbrecover.model import StoredObject
from flbrecover.threads import Pool

MOST_PARTS = 1000  # of an object whose parts are asked for one by one
HEADS = 8  # parts that are asked for at once
CUTS = 2  # how often the connection of one range may be lost

_META = "x-amz-meta-"
_PARTS = "x-amz-mp-parts-count"
_MD5 = re.compile("[0-9a-f]{32}")
_ETAG_OF_PARTS = re.compile("[0-9a-f]{32}-([0-9]{1,5})")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")


class RangeIgnoredError(BucketError):
    """The server gives out whole objects only, or another range than it was asked for."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What S3 says of an object. ``encryption``: of the server's side (``AES256``, ``aws:kms``, ``SSE-C`` …), None
    where it says nothing. ``parts``: how many parts it was uploaded in, None where S3 does not say."""

    object: StoredObject
    content_encoding: str | None
    metadata: dict[str, str]
    encryption: str | None
    parts: int | None

    @property
    def etag_is_md5(self) -> bool:
        """Whether the ETag looks like the MD5 of the stored bytes: one PUT, and not encrypted in a way that hides it.
        A server may have 32 hex digits that are something else and not say so."""
        return self.encryption in (None, "AES256") and _MD5.fullmatch(self.object.etag) is not None


def head(s3: S3, bucket: str, key: str, *, etag: str | None = None) -> ObjectFacts:
    """The facts of an object by one request, without its body. Raises MissingError, ChangedError where it has another
    ETag than ``etag``, BucketError."""
    with explained(s3.place(bucket, key)):
        answer = s3.transport.send("HeadObject", "HEAD", bucket, key, headers=_condition(etag))
        return facts_of(bucket, key, answer)


def last_bytes(s3: S3, bucket: str, key: str, length: int, *, etag: str | None = None) -> bytes:
    """The end of an object: at most ``length`` bytes, by one request. Raises RangeIgnoredError where the server does
    not give out ranges, ChangedError, MissingError, BucketError."""
    return _some_bytes(s3, bucket, key, None, length, etag)


def range_bytes(s3: S3, bucket: str, key: str, start: int, length: int, *, etag: str | None = None) -> bytes:
    """``length`` bytes of an object from ``start`` on, fewer at its end. Raises as last_bytes does."""
    return _some_bytes(s3, bucket, key, start, length, etag)


def part_sizes(s3: S3, bucket: str, key: str, *, etag: str) -> tuple[int, ...] | None:
    """The sizes of the parts that an object was uploaded in, in order; None where the server does not tell them (it
    must say how many there are, and they must add up), or where there are over 1000. An object of one PUT is one part.

    One request a part. Raises ChangedError, MissingError, BucketError.
    """
    of_parts = _ETAG_OF_PARTS.fullmatch(etag)
    whole = head(s3, bucket, key, etag=etag).object.size
    if of_parts is None and _MD5.fullmatch(etag):
        return (whole,)
    try:
        first, count = _part(s3, bucket, key, etag, 1)
        if count is None or not 1 <= count <= MOST_PARTS or (of_parts is not None and int(of_parts[1]) != count):
            return None
        with Pool(min(HEADS, count), "parts") as pool:
            rest = list(pool.map(lambda n: _part(s3, bucket, key, etag, n), range(2, count + 1)))
    except ChangedError:
        return None  # a server that holds the condition against the part's own ETag
    if any(said != count for _, said in rest) or first + sum(size for size, _ in rest) != whole:
        return None
    return (first, *(size for size, _ in rest))


def get(s3: S3, bucket: str, key: str, etag: str | None, headers: Mapping[str, str]) -> Answer:
    """A GET whose body is still to be read, of the object with this ETag. Raises ChangedError, BucketError."""
    place = s3.place(bucket, key)
    try:
        with explained(place):
            return s3.transport.send(
                "GetObject", "GET", bucket, key, headers={**headers, **_condition(etag)}, stream=True
            )
    except ChangedError:
        raise ChangedError(f"{place.url}: replaced while it was looked at; run the command again") from None


def facts_of(bucket: str, key: str, answer: Answer) -> ObjectFacts:
    """The facts in the headers of an answer. Raises UnreadableAnswerError."""
    headers = answer.headers
    size = number_of(headers.get("content-length"))
    if size is None:
        raise UnreadableAnswerError(what="it has no Content-Length")
    whole = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if whole is not None and whole[3] != "*":
        size = int(whole[3])
    try:
        modified = time_ns(parsedate_to_datetime(headers["last-modified"]))
    except (KeyError, ValueError, TypeError):
        modified = 0
    found = StoredObject(bucket, key, size, etag_of(headers.get("etag", "")), modified)
    by_customer = "x-amz-server-side-encryption-customer-algorithm" in headers
    return ObjectFacts(
        found,
        headers.get("content-encoding"),
        {name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)},
        "SSE-C" if by_customer else headers.get("x-amz-server-side-encryption"),
        number_of(headers.get(_PARTS)),
    )


def _part(s3: S3, bucket: str, key: str, etag: str, number: int) -> tuple[int, int | None]:
    """The size of a part, and how many parts there are."""
    with explained(s3.place(bucket, key)):
        answer = s3.transport.send(
            "HeadObject", "HEAD", bucket, key, query=[("partNumber", str(number))], headers=_condition(etag)
        )
    return number_of(answer.headers.get("content-length")) or 0, number_of(answer.headers.get(_PARTS))


def _some_bytes(s3: S3, bucket: str, key: str, start: int | None, length: int, etag: str | None) -> bytes:
    """``start`` None: the last ones."""
    if length <= 0:
        return b""
    wanted = f"bytes=-{length}" if start is None else f"bytes={start}-{start + length - 1}"
    for cut in range(CUTS + 1):
        try:
            answer = get(s3, bucket, key, etag, {"range": wanted})
        except BucketError as e:
            if _is_beyond_the_end(e.__cause__):
                return b""
            raise
        with closing(answer.raw):
            size = _size_of_range(s3, bucket, key, answer, start, length)
            try:
                data: bytes = answer.raw.read(size)
            except (HTTPClientError, NotConnectedError, HTTPError, OSError):
                data = b""
        if len(data) == size:
            return data
        if cut == CUTS:
            break
    raise BucketError(f"{s3.place(bucket, key).url}: the connection was lost {CUTS + 1} times while bytes were read")


def _is_beyond_the_end(error: BaseException | None) -> bool:
    """Of every range of an empty object, too."""
    return isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] == 416


def first_of_range(said: str) -> int | None:
    """The first byte that a Content-Range names; None where it names none."""
    found = _CONTENT_RANGE.fullmatch(said)
    return None if found is None else int(found[1])


def _size_of_range(s3: S3, bucket: str, key: str, answer: Answer, start: int | None, length: int) -> int:
    """How many bytes the answer has, once it is seen that they are those that were asked for."""
    place = s3.place(bucket, key)
    announced = number_of(answer.headers.get("content-length"))
    said = answer.headers.get("content-range")
    if said is None and start in (None, 0) and announced is not None and announced <= length:
        return announced  # the whole object, which is not larger
    found = None if said is None else _CONTENT_RANGE.fullmatch(said)
    if found is None:
        raise RangeIgnoredError(f"{place.url}: the server at {place.endpoint} does not give out a part of an object")
    first, last, whole = int(found[1]), int(found[2]), found[3]
    wanted_first = (int(whole) - min(length, int(whole)) if whole != "*" else first) if start is None else start
    wanted_last = (int(whole) if whole != "*" else last + 1) - 1 if start is None else start + length - 1
    if whole != "*":
        wanted_last = min(wanted_last, int(whole) - 1)
    if first != wanted_first or last != wanted_last:
        raise RangeIgnoredError(f"{place.url}: the server at {place.endpoint} gives out another part ({said})")
    return last - first + 1


def _condition(etag: str | None) -> dict[str, str]:
    return {"if-match": f'"{etag}"'} if etag else {}
