"""What stands in a bucket, as S3 lists it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import explained
from flbrecover.model import StoredObject

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def objects(s3: S3, bucket: str, prefixes: Iterable[str]) -> Iterator[StoredObject]:
    """Every object under one of the prefixes, each once, streamed page by page.

    The order is the server's own: AWS lists by byte, others by folder. Raises BucketError.
    """
    for prefix in _apart(prefixes):
        yield from _under(s3, bucket, prefix)


def time_ns(moment: datetime) -> int:
    """A time of boto as ns since the epoch, without the rounding of floats."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def etag_of(text: str) -> str:
    """An ETag without its quotes."""
    return text.strip('"')


def _under(s3: S3, bucket: str, prefix: str) -> Iterator[StoredObject]:
    pages = iter(s3.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    seen: set[str] = set()  # keys of the page before: a server may repeat the last one
    while True:
        with explained(s3.place(bucket)):
            page = next(pages, None)
        if page is None:
            return
        listed = page.get("Contents", [])
        for item in listed:
            if item["Key"].startswith(prefix) and item["Key"] not in seen:
                yield StoredObject(
                    bucket, item["Key"], item["Size"], etag_of(item.get("ETag", "")), time_ns(item["LastModified"])
                )
        seen = {item["Key"] for item in listed}


def _apart(prefixes: Iterable[str]) -> list[str]:
    """The prefixes without those that another one covers."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept
