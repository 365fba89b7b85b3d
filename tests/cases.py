"""The captured incidents of ``fixtures/cases``, for tests: a node's root, and what S3 held."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flbrecover.demo import incident

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CASES = Path(__file__).parent.parent / "fixtures" / "cases"
SEQ = re.compile(rb"seq=(\d{7})")
NAMES = tuple(sorted(path.name for path in CASES.iterdir()))


def unpack(name: str, tmp_path: Path) -> Path:
    """The root of the node of a case, below ``tmp_path``."""
    return incident.unpack(CASES / name, tmp_path)


def load(name: str, s3: S3Client, node: Path) -> dict[str, Any]:
    """Puts the buckets, objects and pending uploads of a case into S3, and nothing else is in them; gives
    ``index.json``. All cases call their bucket ``my-bucket``."""
    for bucket in facts(name)["buckets"]:
        remove(s3, bucket)
    return incident.load(CASES / name, node, s3)


def remove(s3: S3Client, bucket: str) -> None:
    """Removes a bucket with everything in it, if it is there."""
    if bucket not in {found["Name"] for found in s3.list_buckets()["Buckets"]}:
        return
    for key in keys(s3, bucket):
        s3.delete_object(Bucket=bucket, Key=key)
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=bucket)


def keys(s3: S3Client, bucket: str) -> list[str]:
    """All keys of a bucket, sorted."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sorted(found["Key"] for page in pages for found in page.get("Contents", []))


def stored(s3: S3Client, bucket: str) -> Counter[int]:
    """How often the bucket holds each of the numbered lines (``seq=NNNNNNN``) that the applications wrote."""
    found: Counter[int] = Counter()
    for key in keys(s3, bucket):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for record in body.split(b"\n"):
            found.update({int(number) for number in SEQ.findall(record)})
    return found


def written(name: str) -> dict[int, str]:
    """Every line that the applications of a case wrote, by number."""
    return {line["seq"]: line["text"] for line in incident.truth(CASES / name)}


def facts(name: str) -> dict[str, Any]:
    """``case.json``."""
    return incident.facts(CASES / name)


def config(name: str) -> str:
    """The path of the configuration inside the node."""
    return f"/{facts(name)['config']}"


def footprint(node: Path) -> dict[str, tuple[int, int, int, int, str]]:
    """Mode, inode, size, mtime and hash of everything below a root: what a command must not change."""
    found = {}
    for path in [node, *sorted(node.rglob("*"))]:
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        digest = hashlib.sha256(content).hexdigest()
        found[str(path.relative_to(node))] = (stat.st_mode, stat.st_ino, stat.st_size, stat.st_mtime_ns, digest)
    return found
