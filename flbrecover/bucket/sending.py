"""Sends an object whose size nobody knows yet: in parts, as its bytes come, and under a key that is free."""

from __future__ import annotations

import base64
import hashlib
from types import TracebackType
from urllib.parse import unquote, urlsplit

from flbrecover.bucket import pending_uploads
from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import DeniedError, MissingError, explained
from flbrecover.bucket.lists import etag_of
from flbrecover.errors import BucketError, UsageError
from flbrecover.model import UploadPart

PART = 16 << 20
_LARGER_FROM = 1000  # parts; from there they are four times as large, so that 10,000 of them hold 580 GiB
MAX_PARTS = 10_000


def bucket_and_key(url: str) -> tuple[str, str]:
    """Of ``s3://bucket/key``. Raises UsageError."""
    try:
        parts = urlsplit(url)
    except ValueError as e:  # s3://[a/b
        raise UsageError(f"--to {url}: s3://BUCKET/KEY is wanted") from e
    key = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "s3" or not parts.netloc or not key or key.endswith("/") or parts.query or parts.fragment:
        raise UsageError(f"--to {url}: s3://BUCKET/KEY is wanted")
    return parts.netloc, key


class Sending:
    """A context: ``write`` the bytes, then ``finish``. Where ``finish`` was not reached the upload is aborted, and
    nothing stands under the key. Holds one part in memory. Raises BucketError, UsageError for a key that is taken."""

    def __init__(self, s3: S3, bucket: str, key: str) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._held = bytearray()
        self._parts: list[UploadPart] = []
        self._upload_id: str | None = None

    def __enter__(self) -> Sending:
        try:
            stands = pending_uploads.head(self._s3, self._bucket, self._key)
        except DeniedError:  # the condition of the last request holds without a look
            stands = None
        if stands is not None:
            raise UsageError(f"s3://{self._bucket}/{self._key}: an object stands there already; choose another key")
        return self

    def write(self, data: bytes) -> None:
        self._held += data
        size = PART if len(self._parts) < _LARGER_FROM else 4 * PART
        while len(self._held) >= size:
            self._send(bytes(self._held[:size]))
            del self._held[:size]

    def finish(self) -> None:
        """Raises ChangedError where an object stands under the key by now; it is left as it is."""
        if self._held or not self._parts:
            self._send(bytes(self._held))
        assert self._upload_id is not None
        pending_uploads.complete(self._s3, self._bucket, self._key, self._upload_id, self._parts)
        self._upload_id = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._upload_id is None:
            return
        try:
            with explained(self._s3.place(self._bucket, self._key)):
                self._s3.client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)
        except MissingError:
            return
        except BucketError as e:
            if isinstance(error, BucketError):
                error.args = (f"{error}; its unfinished upload {self._upload_id} is left in the bucket: {e}",)

    def _send(self, data: bytes) -> None:
        number = len(self._parts) + 1
        if number > MAX_PARTS:
            raise BucketError(f"s3://{self._bucket}/{self._key}: larger than an object can be; use --max-size")
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        with explained(self._s3.place(self._bucket, self._key)):
            if self._upload_id is None:
                self._upload_id = self._s3.client.create_multipart_upload(
                    Bucket=self._bucket, Key=self._key, ContentType="application/zstd"
                )["UploadId"]
            answer = self._s3.client.upload_part(
                Bucket=self._bucket, Key=self._key, UploadId=self._upload_id, PartNumber=number, Body=data,
                ContentMD5=digest,
            )  # fmt: skip
        self._parts.append(UploadPart(number, etag_of(answer["ETag"]), len(data)))
