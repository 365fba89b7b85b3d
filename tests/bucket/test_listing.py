"""Listing on both servers: odd keys, order, pages, prefixes."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest
from conftest import FreshBucket

from flbrecover.bucket.listing import objects
from flbrecover.bucket.lists import time_ns, time_ns_of
from flbrecover.errors import BucketError

ODD = ["a/b c+d%20.gz", "a/é日本", "a/x&y<z>'\"", "a/~!*()", "a/%2F", "a/a=b;c,d@e:f"]
ODDER = ["/lead", "a//b", "a/../b", "a\\b", "a/\x01b", "a/\u2028", "a/."]  # SeaweedFS cannot have these


def keys(bucket: FreshBucket, *prefixes: str) -> list[str]:
    return [o.key for o in objects(bucket.s3, bucket.name, prefixes)]


@pytest.mark.parametrize("kind", ["weed_bucket", "moto_bucket"])
def test_odd_keys_come_back_as_they_were_put(kind: str, request: pytest.FixtureRequest) -> None:
    bucket: FreshBucket = request.getfixturevalue(kind)
    for key in ODD:
        bucket.put(key)
    assert sorted(keys(bucket, "a/")) == sorted(ODD)


def test_odder_keys_and_byte_order(moto_bucket: FreshBucket) -> None:
    for key in ODDER:
        moto_bucket.put(key)
    assert keys(moto_bucket, "") == sorted(ODDER, key=str.encode)
    assert keys(moto_bucket, "/") == ["/lead"]


def test_what_a_listing_says_of_an_object(weed_bucket: FreshBucket) -> None:
    before = time.time_ns()
    etag = weed_bucket.put("k", b"four")
    (found,) = objects(weed_bucket.s3, weed_bucket.name, [""])
    assert (found.bucket, found.key, found.size, found.etag) == (weed_bucket.name, "k", 4, etag)
    assert abs(found.last_modified_ns - before) < 60_000_000_000


def test_folders_with_like_names_on_a_server_that_lists_by_folder(weed_bucket: FreshBucket) -> None:
    for key in ("app/1", "app-1/1", "app.log", "app/2/3"):
        weed_bucket.put(key, b"x")
    assert sorted(keys(weed_bucket, "app/")) == ["app/1", "app/2/3"]
    assert sorted(keys(weed_bucket, "app")) == ["app-1/1", "app.log", "app/1", "app/2/3"]
    assert keys(weed_bucket, "app-") == ["app-1/1"]
    assert keys(weed_bucket, "ap/") == []


def test_prefixes_that_overlap_give_each_object_once(moto_bucket: FreshBucket) -> None:
    for key in ("a/1", "a/b/2", "c"):
        moto_bucket.put(key)
    assert keys(moto_bucket, "a/b/", "a/", "a/", "a/b/2", "c") == ["a/1", "a/b/2", "c"]
    assert keys(moto_bucket) == []


def test_more_than_one_page(moto_bucket: FreshBucket) -> None:
    wanted = [f"k/{n:04}" for n in range(1005)]
    for key in wanted:
        moto_bucket.put(key)
    assert keys(moto_bucket, "k/") == wanted


def test_listing_streams(moto_bucket: FreshBucket) -> None:
    """Nothing is asked before the first object is taken: the error comes there, not at the call."""
    listing = objects(moto_bucket.s3, "no-such-bucket", [""])
    with pytest.raises(BucketError, match="no such bucket"):
        next(listing)


def test_times_keep_their_microseconds() -> None:
    assert time_ns(datetime(2026, 11, 23, 11, 38, 24, 123457, tzinfo=timezone.utc)) == 1795433904123457000


@pytest.mark.parametrize("text", ["", "Mon Nov 23 11:38:24 2026", "9" * 20, "1e400"])
def test_what_is_no_time_is_one_kind_of_error(text: str) -> None:
    """So that a page with it is one that cannot be read, whatever a server answers."""
    with pytest.raises(ValueError):
        time_ns_of(text)
