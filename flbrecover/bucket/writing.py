"""Writes an object as the s3 output would, once: a key that exists is never overwritten, and no byte gets lost.

Source of the headers: create_headers in plugins/out_s3/s3.c.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from flbrecover.bucket import columnar, pending_uploads
from flbrecover.bucket.client import S3
from flbrecover.bucket.compressing import compress
from flbrecover.bucket.denied import (
    ChangedError,
    ConflictError,
    DeniedError,
    MissingError,
    NotSupportedError,
    explained,
)
from flbrecover.bucket.listing import etag_of
from flbrecover.errors import BucketError
from flbrecover.fluentbit.column_form import COLUMNAR
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import UploadPart

__all__ = ["PutResult", "compress", "make_body", "put"]

SINGLE_PUT = 64 * 1024**2  # larger bodies go up in parts: a failure costs one part
PART = 16 * 1024**2
MAX_PARTS = 10_000
_BLOCK = 1024 * 1024
_CONFLICTS = 3
_CONFLICT_PAUSE = 1.0  # seconds
_NOT_GUARDED = "the server does not know If-None-Match: the key was looked at before instead"


@dataclass(frozen=True, slots=True)
class PutResult:
    """``exists``: an object stood under the key, and is untouched; ``etag`` is that of the object there.

    ``note`` says what the reader of a report should know ("" for nothing).
    """

    outcome: Literal["written", "exists"]
    etag: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Sums:
    size: int
    sha256: str  # base64, as S3 takes them
    md5: str


def put(s3: S3, output: S3Output, key: str, body: BinaryIO, metadata: Mapping[str, str]) -> PutResult:
    """Stores ``body`` (a seekable file, compressed already) under a key of the output's bucket unless one exists.

    It gets the output's content type, encoding, ACL and storage class, and ``metadata`` (ASCII). Bodies above 64 MiB
    go up in parts; our own upload is aborted where it fails. Raises BucketError.
    """
    sums = _sums(body)
    headers = _headers(output) | {"Metadata": dict(metadata)}
    try:
        return _guarded(s3, output, key, body, sums, headers)
    except NotSupportedError:
        return _looked_before(s3, output, key, body, sums, headers)


def make_body(output: S3Output, content: Iterable[bytes], file: BinaryIO) -> str:
    """Writes what the output would upload for this content to ``file``, which is left at its start. Gives a note, ""
    for nothing.

    What makes no table stays JSON lines in a columnar output: so does Fluent Bit with it (put_all_chunks in s3.c).
    Raises ExtraMissingError, and OSError where the file's disk is full.
    """
    if output.format not in COLUMNAR:
        compress(content, output.compression, file)
        return ""
    columnar.need_for(output)
    with tempfile.TemporaryFile(prefix="flbrecover-") as lines:
        compress(content, "none", lines)
        try:
            columnar.write(lines, output.format, output.compression, file)
            file.seek(0)
        except columnar.NoTableError as e:
            file.seek(0)
            file.truncate()
            lines.seek(0)
            compress(_blocks(lines, _BLOCK), "none", file)
            return f"as JSON lines, for its records make no table: {e}"
    return ""


def _headers(output: S3Output) -> dict[str, Any]:
    inside = output.format in COLUMNAR  # compressed inside the file
    encoding = None if inside or output.compression == "none" else output.compression
    named = {
        "ContentType": output.content_type,
        "ContentEncoding": encoding,
        "ACL": output.canned_acl,
        "StorageClass": output.storage_class,
    }
    return {name: value for name, value in named.items() if value}


def _guarded(
    s3: S3, output: S3Output, key: str, body: BinaryIO, sums: _Sums, headers: Mapping[str, Any]
) -> PutResult:
    """With ``If-None-Match: *``, and for servers that overlook it a look at the key before."""
    stands = _etag_there(s3, output, key)
    if stands is not None:
        return PutResult("exists", stands)
    for attempt in range(1, _CONFLICTS + 1):
        try:
            return PutResult("written", _write(s3, output, key, body, sums, headers, if_none_match=True))
        except ChangedError:
            return PutResult("exists", _etag_there(s3, output, key) or "")
        except ConflictError:
            if attempt == _CONFLICTS:
                raise
            time.sleep(_CONFLICT_PAUSE * attempt)
    raise AssertionError("not reached")


def _looked_before(
    s3: S3, output: S3Output, key: str, body: BinaryIO, sums: _Sums, headers: Mapping[str, Any]
) -> PutResult:
    stands = pending_uploads.head(s3, output.bucket, key)
    if stands is not None:
        return PutResult("exists", stands.etag, _NOT_GUARDED)
    etag = _write(s3, output, key, body, sums, headers, if_none_match=False)
    return PutResult("written", etag, _NOT_GUARDED)


def _etag_there(s3: S3, output: S3Output, key: str) -> str | None:
    """The ETag of what stands under the key; None also where we may not look: ``If-None-Match`` holds without it."""
    try:
        stands = pending_uploads.head(s3, output.bucket, key)
    except DeniedError:
        return None
    return None if stands is None else stands.etag


def _write(
    s3: S3, output: S3Output, key: str, body: BinaryIO, sums: _Sums, headers: Mapping[str, Any], *, if_none_match: bool
) -> str:
    if sums.size > SINGLE_PUT:
        return _in_parts(s3, output.bucket, key, body, sums.size, headers, if_none_match=if_none_match)
    request: dict[str, Any] = {"Bucket": output.bucket, "Key": key, "ContentLength": sums.size, **headers}
    if if_none_match:
        request["IfNoneMatch"] = "*"
    if output.send_content_md5:
        request["ContentMD5"] = sums.md5
    body.seek(0)
    with explained(s3.place(output.bucket, key)):
        answer = s3.client.put_object(**request, Body=body, ChecksumSHA256=sums.sha256)
    return etag_of(answer.get("ETag", ""))


def _in_parts(
    s3: S3, bucket: str, key: str, body: BinaryIO, size: int, headers: Mapping[str, Any], *, if_none_match: bool
) -> str:
    place = s3.place(bucket, key)
    with explained(place):
        upload_id = s3.client.create_multipart_upload(Bucket=bucket, Key=key, **headers)["UploadId"]
    try:
        body.seek(0)
        parts: list[UploadPart] = []
        for number, data in enumerate(_blocks(body, max(PART, size // (MAX_PARTS - 1))), 1):
            digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            with explained(place):
                answer = s3.client.upload_part(
                    Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data, ContentMD5=digest
                )
            parts.append(UploadPart(number, etag_of(answer["ETag"]), len(data)))
        return pending_uploads.complete(s3, bucket, key, upload_id, parts, if_none_match=if_none_match)
    except BaseException as e:
        _abort(s3, bucket, key, upload_id, e)
        raise


def _abort(s3: S3, bucket: str, key: str, upload_id: str, reason: BaseException) -> None:
    """Takes our own unfinished upload away; where that fails too, the reason says that parts are left."""
    try:
        with explained(s3.place(bucket, key)):
            s3.client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except MissingError:
        return
    except BucketError as e:
        if isinstance(reason, BucketError):
            reason.args = (f"{reason}; its unfinished upload {upload_id} is left in the bucket: {e}",)


def _sums(body: BinaryIO) -> _Sums:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    body.seek(0)
    for block in _blocks(body, _BLOCK):
        sha256.update(block)
        md5.update(block)
        size += len(block)
    return _Sums(size, base64.b64encode(sha256.digest()).decode(), base64.b64encode(md5.digest()).decode())


def _blocks(body: BinaryIO, size: int) -> Iterator[bytes]:
    return iter(lambda: body.read(size), b"")
