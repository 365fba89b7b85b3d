"""Multipart uploads that were begun and not completed: what S3 lists of them, and completing one.

Nothing here aborts an upload: its parts may be the only copy of their records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flbrecover.bucket import ranges
from flbrecover.bucket.answers import UnreadableAnswerError
from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import (
    ChangedError,
    ConflictError,
    MissingError,
    NotSupportedError,
    RefusedPartsError,
    explained,
)
from flbrecover.bucket.lists import Page, etag_of, time_ns_of
from flbrecover.errors import BucketError
from flbrecover.model import PendingUpload, StoredObject, UploadPart

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


LEAST_PART = 5 << 20  # bytes of a part before the last one: S3 completes no upload that has a smaller one


def list_uploads(s3: S3, bucket: str, prefix: str) -> Iterator[PendingUpload]:
    """Every pending upload whose key starts with ``prefix``, with its parts. One that vanishes meanwhile is left out.

    Raises BucketError.
    """
    # No encoding-type: some servers say that they encoded the keys, and did not.
    markers: list[tuple[str, str]] = []
    while True:
        with explained(s3.place(bucket)):
            query = [("uploads", ""), ("prefix", prefix), *markers]
            answer = s3.transport.send("ListMultipartUploads", "GET", bucket, query=query)
            page = Page(answer.content, "ListMultipartUploads")
            listed = [_upload(bucket, said) for said in page.items("Upload")]
        for upload in listed:
            found = parts(s3, bucket, upload.key, upload.upload_id) if upload.key.startswith(prefix) else None
            if found is not None:
                yield replace(upload, parts=found)
        if not page.is_truncated:
            return
        following = [("key-marker", page.text("NextKeyMarker")), ("upload-id-marker", page.text("NextUploadIdMarker"))]
        if following == markers:
            raise BucketError(f"s3://{bucket}/{prefix}: {s3.endpoint} lists the same multipart uploads again and again")
        markers = following


def parts(s3: S3, bucket: str, key: str, upload_id: str) -> tuple[UploadPart, ...] | None:
    """The parts of an upload in order, None where there is no such upload (any more). Raises BucketError."""
    found: list[UploadPart] = []
    marker: list[tuple[str, str]] = []
    place = s3.place(bucket, key)
    while True:
        try:
            with explained(place):
                query = [("uploadId", upload_id), *marker]
                answer = s3.transport.send("ListParts", "GET", bucket, key, query=query)
                page = Page(answer.content, "ListParts")
                found += [_part(said) for said in page.items("Part")]
        except MissingError:
            return None
        if not page.is_truncated:
            return tuple(sorted(found, key=lambda part: part.number))
        following = [("part-number-marker", page.text("NextPartNumberMarker"))]
        if following == marker:
            raise BucketError(f"{place.url}: {s3.endpoint} lists the same parts again and again")
        marker = following


def head(s3: S3, bucket: str, key: str) -> StoredObject | None:
    """The object under a key, None where there is none. Raises BucketError."""
    try:
        return ranges.head(s3, bucket, key).object
    except MissingError:
        return None


def complete(
    s3: S3, bucket: str, key: str, upload_id: str, parts: Sequence[UploadPart], *, if_none_match: bool = True
) -> str:
    """Completes an upload and gives the new object's ETag.

    With ``if_none_match`` (a server that does not know it is asked first) an object that stands under the key is not
    replaced: ChangedError. An answer that was lost is no failure: where the object with just these parts stands there,
    its ETag is given. Raises MissingError for an upload that is gone, BucketError.
    """
    listed: list[CompletedPartTypeDef] = [{"PartNumber": p.number, "ETag": f'"{p.etag}"'} for p in parts]
    request: dict[str, Any] = {
        "Bucket": bucket, "Key": key, "UploadId": upload_id, "MultipartUpload": {"Parts": listed},
    }  # fmt: skip
    place = s3.place(bucket, key)
    try:
        if if_none_match:
            try:
                with explained(place):
                    return etag_of(s3.client.complete_multipart_upload(**request, IfNoneMatch="*")["ETag"])
            except NotSupportedError:
                if head(s3, bucket, key) is not None:
                    raise ChangedError(f"{place.url}: an object stands under this key already") from None
        with explained(place):
            return etag_of(s3.client.complete_multipart_upload(**request)["ETag"])
    except (ChangedError, ConflictError, MissingError, RefusedPartsError) as e:
        stands = head(s3, bucket, key)
        if stands is not None and stands.etag == etag_of_parts(parts):
            return stands.etag
        if stands is not None:
            raise ChangedError(f"{place.url}: an object stands under this key already") from e
        raise


def etag_of_parts(parts: Sequence[UploadPart]) -> str | None:
    """The ETag that S3 gives to an object of these parts: MD5 of the parts' MD5s; None where ETags are no MD5s."""
    try:
        sums = b"".join(bytes.fromhex(p.etag) for p in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _upload(bucket: str, said: Mapping[str, str]) -> PendingUpload:
    """An upload as it is listed, without its parts."""
    try:
        return PendingUpload(bucket, said["Key"], said["UploadId"], time_ns_of(said["Initiated"]), ())
    except (KeyError, ValueError) as e:
        raise UnreadableAnswerError(what=str(e)) from e


def _part(said: Mapping[str, str]) -> UploadPart:
    try:
        return UploadPart(int(said["PartNumber"]), etag_of(said["ETag"]), int(said["Size"]))
    except (KeyError, ValueError) as e:
        raise UnreadableAnswerError(what=str(e)) from e
