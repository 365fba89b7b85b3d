"""Writes an object as the s3 output would, once: a key that exists is never overwritten, and no byte gets lost.

Source of the headers: create_headers in plugins/out_s3/s3.c.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Literal

from flbrecover.bucket import pending_uploads
from flbrecover.bucket.answers import Answer
from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import (
    ChangedError,
    ConflictError,
    DeniedError,
    Md5WantedError,
    MissingError,
    NotSupportedError,
    explained,
)
from flbrecover.bucket.lists import etag_of
from flbrecover.errors import BucketError
from flbrecover.fluentbit.column_form import COLUMNAR
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import UploadPart

SINGLE_PUT = 64 * 1024**2  # larger bodies go up in parts: a failure costs one part
PART = 16 * 1024**2
MAX_PARTS = 10_000
_BLOCK = 1024 * 1024
_CONFLICTS = 3
_CONFLICT_PAUSE = 1.0  # seconds
_AT_ONCE = 1024 * 1024  # bytes of a body that is read at once to be sent
AHEAD = 64 * 1024  # bytes of a body that a socket takes at once, before the server reads it
_UNLESS_ONE_EXISTS = {"if-none-match": "*"}
_TRIED_WITH = 8 * 1024**2  # bytes of the largest body that conditions are tried with
_META = "x-amz-meta-"
_PARAMETERS = {
    "content-type": "ContentType",
    "content-encoding": "ContentEncoding",
    "x-amz-acl": "ACL",
    "x-amz-storage-class": "StorageClass",
}
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
    sha256: str  # hex


@dataclass(frozen=True, slots=True)
class _Job:
    """One object that is to be written. ``headers`` are its own."""

    s3: S3
    bucket: str
    key: str
    body: BinaryIO
    sums: _Sums
    headers: Mapping[str, str]
    send_md5: bool


def put(
    s3: S3, output: S3Output, key: str, body: BinaryIO, metadata: Mapping[str, str], *, sha256: str | None = None
) -> PutResult:
    """Stores ``body`` (a seekable file, compressed already) under a key of the output's bucket unless one exists.
    Many threads may put with one handle, each with a body of its own.

    ``sha256`` is that of the body (hex) where it is known already: S3 refuses a body that does not have it.

    It gets the output's content type, encoding, ACL and storage class, and ``metadata`` (ASCII). Bodies above 64 MiB
    go up in parts; our own upload is aborted where it fails. Raises BucketError.
    """
    return begin(s3, output, key, body, metadata, sha256=sha256)()


def begin(
    s3: S3, output: S3Output, key: str, body: BinaryIO, metadata: Mapping[str, str], *, sha256: str | None = None
) -> Callable[[], PutResult]:
    """:func:`put` in two steps: a small body is on its way when this returns, where nothing has to be asked before; the
    call of what it gives does the rest, with ``body`` still open. Both raise BucketError."""
    headers = _headers(output) | {f"{_META}{name}": value for name, value in metadata.items()}
    headers |= s3.spec.options.on_write
    sums = _sums(body) if sha256 is None else _Sums(body.seek(0, os.SEEK_END), sha256)
    job = _Job(s3, output.bucket, key, body, sums, headers, output.send_content_md5)
    begun = None
    if sums.size <= AHEAD and sends_ahead(s3, output):
        with explained(s3.place(job.bucket, key)):
            body.seek(0)
            begun = s3.transport.begin(
                "PutObject", "PUT", job.bucket, key, headers={**headers, **_checksum(sums), **_UNLESS_ONE_EXISTS},
                body=body.read(), sha256=sums.sha256,
            )  # fmt: skip
    return partial(_finish, job, begun)


def sends_ahead(s3: S3, output: S3Output) -> bool | None:
    """Is a small body (:data:`AHEAD`) sent with :func:`begin`? None: that shows with the second object of a run."""
    if output.send_content_md5 or not s3.learned.conditions_known:
        return False
    return s3.learned.conditions_kept


def _finish(job: _Job, begun: Callable[[], Answer] | None) -> PutResult:
    learned = job.s3.learned
    if learned.conditions_known or begun:
        try:
            return _guarded(job, begun)
        except NotSupportedError:
            learned.conditions_known = False
    return _looked_before(job)


def _headers(output: S3Output) -> dict[str, str]:
    inside = output.format in COLUMNAR  # compressed inside the file
    encoding = None if inside or output.compression == "none" else output.compression
    named = {
        "content-type": output.content_type,
        "content-encoding": encoding,
        "x-amz-acl": output.canned_acl,
        "x-amz-storage-class": output.storage_class,
    }
    return {name: value for name, value in named.items() if value}


def _guarded(job: _Job, begun: Callable[[], Answer] | None) -> PutResult:
    """With ``If-None-Match: *``, and with a look at the key before until the server has shown that it keeps to it.
    ``begun``: the first request is on its way."""
    learned = job.s3.learned
    if not begun and (not learned.conditions_kept or job.sums.size > SINGLE_PUT):
        stands = _etag_there(job)
        if stands is not None:
            return PutResult("exists", stands)
    for attempt in range(1, _CONFLICTS + 1):
        try:
            first, begun = begun, None
            etag = _write(job, if_none_match=True, begun=first)
            _try_condition(job)
            return PutResult("written", etag, _NOT_GUARDED if learned.conditions_kept is False else "")
        except ChangedError:
            learned.conditions_kept = learned.conditions_kept is not False
            return PutResult("exists", _etag_there(job) or "")
        except ConflictError:
            if attempt == _CONFLICTS:
                raise
            time.sleep(_CONFLICT_PAUSE * attempt)
    raise AssertionError("not reached")


def _try_condition(job: _Job) -> None:
    """Finds out, with the second object of a run, whether the server keeps to the condition: the same object is put
    once more. A server that takes it has the same bytes as before, and every further key is looked at first."""
    learned = job.s3.learned
    with learned.lock:
        learned.writes += 1
        if learned.conditions_kept is not None or learned.writes != 2 or job.sums.size > _TRIED_WITH:
            return
    try:
        _write(job, if_none_match=True)
        learned.conditions_kept = False
    except ChangedError:
        learned.conditions_kept = True
    except BucketError:
        return  # nothing learned: every key is looked at first


def _looked_before(job: _Job) -> PutResult:
    stands = pending_uploads.head(job.s3, job.bucket, job.key)
    if stands is not None:
        return PutResult("exists", stands.etag, _NOT_GUARDED)
    return PutResult("written", _write(job, if_none_match=False), _NOT_GUARDED)


def _etag_there(job: _Job) -> str | None:
    """The ETag of what stands under the key; None also where we may not look: ``If-None-Match`` holds without it."""
    try:
        stands = pending_uploads.head(job.s3, job.bucket, job.key)
    except DeniedError:
        return None
    return None if stands is None else stands.etag


def _write(job: _Job, *, if_none_match: bool, begun: Callable[[], Answer] | None = None) -> str:
    if job.sums.size > SINGLE_PUT:
        return _in_parts(job, if_none_match=if_none_match)
    condition = _UNLESS_ONE_EXISTS if if_none_match else {}
    try:
        if begun:
            return _etag_of(job, begun)
        return _put(job, condition | ({"content-md5": _md5_of(job.body)} if job.send_md5 else {}))
    except Md5WantedError:
        return _put(job, condition | {"content-md5": _md5_of(job.body)})


def _etag_of(job: _Job, answer: Callable[[], Answer]) -> str:
    with explained(job.s3.place(job.bucket, job.key)):
        return etag_of(answer().headers.get("etag", ""))


def _checksum(sums: _Sums) -> dict[str, str]:
    return {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sums.sha256)).decode()}


def _put(job: _Job, more: Mapping[str, str]) -> str:
    job.body.seek(0)
    body = job.body.read() if job.sums.size <= _AT_ONCE else job.body
    send = partial(
        job.s3.transport.send, "PutObject", "PUT", job.bucket, job.key,
        headers={**job.headers, **_checksum(job.sums), **more}, body=body, size=job.sums.size, sha256=job.sums.sha256,
    )  # fmt: skip
    return _etag_of(job, send)


def _in_parts(job: _Job, *, if_none_match: bool) -> str:
    s3, bucket, key, size = job.s3, job.bucket, job.key, job.sums.size
    place = s3.place(bucket, key)
    with explained(place):
        upload_id = s3.client.create_multipart_upload(Bucket=bucket, Key=key, **_as_parameters(job.headers))["UploadId"]
    try:
        job.body.seek(0)
        parts: list[UploadPart] = []
        for number, data in enumerate(_blocks(job.body, max(PART, size // (MAX_PARTS - 1))), 1):
            md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            with explained(place):
                answer = s3.transport.send(
                    "UploadPart", "PUT", bucket, key, query=[("partNumber", str(number)), ("uploadId", upload_id)],
                    headers={"content-md5": md5}, body=data, size=len(data), sha256=hashlib.sha256(data).hexdigest(),
                )  # fmt: skip
            parts.append(UploadPart(number, etag_of(answer.headers.get("etag", "")), len(data)))
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


def _as_parameters(headers: Mapping[str, str]) -> dict[str, Any]:
    """The headers of an object as the parameters of botocore's client."""
    metadata = {name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)}
    named = {_PARAMETERS[name]: value for name, value in headers.items() if name in _PARAMETERS}
    return {**named, "Metadata": metadata}


def _sums(body: BinaryIO) -> _Sums:
    sha256, size = hashlib.sha256(), 0
    body.seek(0)
    for block in _blocks(body, _BLOCK):
        sha256.update(block)
        size += len(block)
    return _Sums(size, sha256.hexdigest())


def _md5_of(body: BinaryIO) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    body.seek(0)
    for block in _blocks(body, _BLOCK):
        md5.update(block)
    return base64.b64encode(md5.digest()).decode()


def _blocks(body: BinaryIO, size: int) -> Iterator[bytes]:
    return iter(lambda: body.read(size), b"")
