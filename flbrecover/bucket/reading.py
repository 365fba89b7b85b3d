"""Reads the body of an object: streamed, the same object throughout, and decompressed by what its bytes are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import HTTPClientError, IncompleteReadError
from urllib3.exceptions import HTTPError

from flbrecover.bucket import decoding
from flbrecover.bucket.client import S3
from flbrecover.bucket.decoding import MAX_OUTPUT, BodyDamaged, BodyFormatError
from flbrecover.bucket.denied import ChangedError, MissingError, explained
from flbrecover.bucket.listing import etag_of
from flbrecover.errors import BucketError

if TYPE_CHECKING:
    from botocore.response import StreamingBody

__all__ = [
    "Body", "BodyDamaged", "BodyFormatError", "ChangedError", "MissingError", "decoded", "last_bytes", "open_body",
]  # fmt: skip

READ_SIZE = 64 * 1024
CUTS = 4  # how often the connection of one body may be lost


class Body:
    """The bytes of an object as S3 stores them, in blocks, from start to end, once.

    A connection that is cut is opened again where it ended, and only for the same object. ``etag``, ``size``,
    ``content_encoding`` and ``metadata`` are known once it is open; ``sha256`` and ``md5`` (hex) cover what was read.
    """

    def __init__(self, s3: S3, bucket: str, key: str, etag: str | None) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._position = 0
        self._cuts = 0
        self._wanted = etag
        answer = self._get()
        self._stream: StreamingBody = answer["Body"]
        self.size: int = answer["ContentLength"]
        self.etag = etag_of(answer.get("ETag", ""))
        self.content_encoding: str | None = answer.get("ContentEncoding")
        self.metadata: dict[str, str] = answer.get("Metadata", {})

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of the body. Raises BucketError where S3 stops giving it out."""
        while True:
            try:
                block = self._stream.read(READ_SIZE)
            except (HTTPClientError, IncompleteReadError, HTTPError) as e:
                self._again(e)
                continue
            if not block and self._position < self.size:
                self._again(EOFError("the body ended early"))
                continue
            if not block:
                return
            self._position += len(block)
            self._sha256.update(block)
            self._md5.update(block)
            yield block

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()

    def _get(self) -> dict[str, Any]:
        request: dict[str, Any] = {"Bucket": self._bucket, "Key": self._key}
        if self._wanted:
            request["IfMatch"] = f'"{self._wanted}"'
        if self._position:
            request["Range"] = f"bytes={self._position}-"
        place = self._s3.place(self._bucket, self._key)
        try:
            with explained(place):
                return dict(self._s3.client.get_object(**request))
        except ChangedError:
            raise ChangedError(f"{place.url}: replaced while it was looked at; run the command again") from None

    def _again(self, cut: Exception) -> None:
        """Opens the rest of the body."""
        self._cuts += 1
        self._stream.close()
        url = self._s3.place(self._bucket, self._key).url
        if self._cuts > CUTS or not self.etag:
            lost = f"the connection was lost {self._cuts} times"
            raise BucketError(f"{url}: {lost}, at last after {self._position} of {self.size} bytes") from cut
        self._wanted = self.etag
        answer = self._get()
        self._stream = answer["Body"]
        if self._position and "ContentRange" not in answer:  # a server without ranges starts again
            self._skip(self._position)

    def _skip(self, size: int) -> None:
        with explained(self._s3.place(self._bucket, self._key)):
            while size > 0:
                block = self._stream.read(min(size, READ_SIZE))
                if not block:
                    return
                size -= len(block)


def open_body(s3: S3, bucket: str, key: str, *, etag: str | None = None) -> Body:
    """An object's body as a context manager. ``etag`` is the one that was listed: another object under the key is a
    ChangedError. Raises BucketError, MissingError where there is no object."""
    return Body(s3, bucket, key, etag)


def decoded(chunks: Iterable[bytes], *, encoding: str | None = None, max_output: int = MAX_OUTPUT) -> Iterator[bytes]:
    """The content of a body, in blocks of at most 1 MiB or so, decompressed by its magic bytes; see :mod:`decoding`.

    ``encoding`` is the ``Content-Encoding`` (a Body's own unless given): it only ever helps to tell snappy, which has
    no magic bytes, from text. Raises BodyDamaged, and BodyFormatError for what cannot be read as records.
    """
    if encoding is None and isinstance(chunks, Body):
        encoding = chunks.content_encoding
    return decoding.decoded(chunks, maybe_snappy=encoding == "snappy", max_output=max_output)


def last_bytes(s3: S3, bucket: str, key: str, length: int, *, etag: str | None = None) -> bytes:
    """The end of an object: at most ``length`` bytes, by one request. Raises BucketError."""
    condition: dict[str, Any] = {"IfMatch": f'"{etag}"'} if etag else {}
    place = s3.place(bucket, key)
    with explained(place):
        answer = s3.client.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{length}", **condition)
        with closing(answer["Body"]) as body:
            if "ContentRange" not in answer and answer["ContentLength"] > length:
                raise BucketError(f"{place.url}: the server at {s3.endpoint} does not give out the end of an object")
            return body.read(length)
