"""Reads the body of an object: streamed, the same object throughout, and decompressed by what its bytes are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from types import TracebackType

from botocore.exceptions import ConnectionError as NotConnectedError
from botocore.exceptions import HTTPClientError
from urllib3.exceptions import HTTPError

from flbrecover.bucket import decoding
from flbrecover.bucket.answers import Answer
from flbrecover.bucket.client import S3
from flbrecover.bucket.decoding import MAX_OUTPUT, BodyDamaged, BodyFormatError
from flbrecover.bucket.denied import ChangedError, MissingError, explained
from flbrecover.bucket.ranges import (
    ObjectFacts,
    RangeIgnoredError,
    facts_of,
    first_of_range,
    get,
    head,
    last_bytes,
    part_sizes,
    range_bytes,
)
from flbrecover.errors import BucketError
from flbrecover.fast_zlib import fast_zlib

__all__ = [
    "Body", "BodyDamaged", "BodyFormatError", "ChangedError", "CorruptedError", "MissingError", "ObjectFacts",
    "RangeIgnoredError", "decoded", "head", "last_bytes", "open_body", "part_sizes", "range_bytes",
]  # fmt: skip

READ_SIZE = 256 * 1024  # larger ones are no quicker
CUTS = 4  # how often the connection of one body may be lost
_GZIP = b"\x1f\x8b"


class CorruptedError(BucketError):
    """The bytes that arrived are not those that the object's ETag is of; another read gave others."""


class Body:
    """The bytes of an object as S3 stores them, in blocks, from start to end, once.

    A connection that is cut is opened again where it ended, and only for the same object. Where the ETag is the MD5 of
    the body, what was read is held against it at the end. ``facts`` (and ``size``, ``etag``, ``content_encoding`` and
    ``metadata`` of them) are known once it is open.
    """

    def __init__(self, s3: S3, bucket: str, key: str, etag: str | None, size: int | None) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._wanted = etag
        self._position = 0
        self._cuts = 0
        self._crc = 0
        self._checked_by_members = False
        answer = self._get()
        self._raw = answer.raw
        try:
            with explained(s3.place(bucket, key)):
                self.facts = facts_of(bucket, key, answer)
        except BucketError:
            self._raw.close()  # nobody else has it
            raise
        self.size = self.facts.object.size if size is None else size
        self.etag = self.facts.object.etag
        self.content_encoding = self.facts.content_encoding
        self.metadata = self.facts.metadata

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the reading; the connection goes with it unless the body was read to its end."""
        self._raw.close()

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of the body. Raises BucketError where S3 stops giving it out, CorruptedError (behind the last block)
        where it gave out other bytes than it has."""
        md5 = hashlib.md5(usedforsecurity=False) if self.facts.etag_is_md5 else None
        for block in self._blocks():
            if self._checked_by_members and self._position == len(block) and block.startswith(_GZIP):
                md5 = None
            self._crc = fast_zlib.crc32(block, self._crc)
            if md5 is not None:
                md5.update(block)
            yield block
        if md5 is not None and md5.hexdigest() != self.etag and self._s3.learned.etags_are_md5:
            self.confirm()
            self._s3.learned.etags_are_md5 = False

    def leave_to_members(self) -> None:
        """Says that who reads checks the checksums that gzip members carry: the MD5 costs more than inflating does."""
        self._checked_by_members = True

    def confirm(self) -> None:
        """Reads again what was read so far. Raises CorruptedError where that gives other bytes: then they, or those
        before, were changed on their way. Where it gives the same, that is how they are stored."""
        whole, crc = self._position, 0
        self._wanted, self._position = self.etag, 0
        self._raw.close()
        answer = self._get()
        self._raw = answer.raw
        place = self._s3.place(self._bucket, self._key)
        with explained(place):
            same_size = facts_of(self._bucket, self._key, answer).object.size == self.size
        for block in self._blocks(whole):
            crc = fast_zlib.crc32(block, crc)
        if crc != self._crc or not same_size:
            said = "two reads gave different bytes: they are changed on their way; try again"
            raise CorruptedError(f"{place.url}: {said}")

    def _blocks(self, end: int | None = None) -> Iterator[bytes]:
        end = self.size if end is None else end
        while self._position < end:
            try:
                block: bytes = self._raw.read(min(READ_SIZE, end - self._position))
            except (HTTPClientError, NotConnectedError, HTTPError, OSError) as e:
                self._again(e)
                continue
            if not block:
                self._again(EOFError("the body ended early"))
                continue
            self._position += len(block)
            yield block

    def _get(self) -> Answer:
        headers = {"range": f"bytes={self._position}-"} if self._position else {}
        return get(self._s3, self._bucket, self._key, self._wanted, headers)

    def _again(self, cut: Exception) -> None:
        """Opens the rest of the body."""
        self._cuts += 1
        self._raw.close()
        url = self._s3.place(self._bucket, self._key).url
        if self._cuts > CUTS or not self.etag:
            lost = f"the connection was lost {self._cuts} times"
            raise BucketError(f"{url}: {lost}, at last after {self._position} of {self.size} bytes") from cut
        self._wanted = self.etag
        answer = self._get()
        self._raw = answer.raw
        said = answer.headers.get("content-range")
        if said is None:  # a server without ranges starts again
            self._skip(self._position)
        elif first_of_range(said) != self._position:
            raise RangeIgnoredError(
                f"{url}: the server gives out another part ({said}) than that from {self._position} on"
            )

    def _skip(self, size: int) -> None:
        with explained(self._s3.place(self._bucket, self._key)):
            while size > 0:
                block = self._raw.read(min(size, READ_SIZE))
                if not block:
                    return
                size -= len(block)


def open_body(s3: S3, bucket: str, key: str, *, etag: str | None = None, size: int | None = None) -> Body:
    """An object's body as a context manager. ``etag`` and ``size`` are those that were listed: another object under
    the key is a ChangedError, and a body that ends before ``size`` was cut, whatever its headers say. Raises
    BucketError, MissingError where there is no object."""
    return Body(s3, bucket, key, etag, size)


def decoded(chunks: Iterable[bytes], *, encoding: str | None = None, max_output: int = MAX_OUTPUT) -> Iterator[bytes]:
    """The content of a body, in blocks of at most 1 MiB or so, decompressed by its magic bytes; see :mod:`decoding`.

    ``encoding`` is the ``Content-Encoding`` (a Body's own unless given): it only ever helps to tell snappy, which has
    no magic bytes, from text. Raises BodyDamaged (of a Body only where a second read gives the same bytes, else
    CorruptedError), and BodyFormatError for what cannot be read as records.
    """
    if not isinstance(chunks, Body):
        yield from decoding.decoded(chunks, maybe_snappy=encoding == "snappy", max_output=max_output)
        return
    chunks.leave_to_members()
    encoding = chunks.content_encoding if encoding is None else encoding
    try:
        yield from decoding.decoded(chunks, maybe_snappy=encoding == "snappy", max_output=max_output)
    except BodyDamaged:
        chunks.confirm()
        raise
