"""Incidents to fault: a small one that holds a record in every state, and captured ones. Each knows how to put itself
into S3 again, and judges by the numbers in the records what a recovery left there."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cases import SEQ, facts, keys, load, unpack
from chunk_builder import chunk, djb2, put, store_name
from judge import Case, Verdict, decompressed

sys.path.append(str(Path(__file__).parent.parent / "evidence"))
from tail_support import make_db, marker

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "my-bucket"
SECOND = 1_795_433_950  # 2026-11-23T11:39:10Z
_CONF = """\
[SERVICE]
    Flush 1
[INPUT]
    Name           tail
    Tag            test.*
    Path           /var/log/containers/test*.log
    DB             /var/log/flb.db
    Read_from_Head On
[OUTPUT]
    Name           s3
    Match          *
    bucket         my-bucket
    region         us-west-2
    store_dir      /var/log/s3/temp/
    s3_key_format  /logs/$TAG[5]/$UUID-%Y%m%dT%H%M%S.gz
    s3_key_format_tag_delimiters .-
    compression    gzip
"""


@dataclass(frozen=True)
class Judged:
    """Numbers of lines. Empty everywhere: every line is there once, and what was there still is."""

    missing: tuple[int, ...]
    twice: tuple[int, ...]
    removed: tuple[int, ...]


WHOLE = Judged((), (), ())


class Incident(Protocol):
    """What a trial needs of an incident. ``arguments`` are those of flbrecover that say where the evidence is."""

    name: str
    root: Path
    arguments: tuple[object, ...]

    def load(self) -> None:
        """Makes S3 what it was after the incident, and nothing else is in it."""

    def judge(self) -> Judged: ...


class SmallIncident:
    """Eighty lines of two logs: stored in three objects, in the part of a pending upload, in three buffer files (of one
    of which a part is stored), read and lost, and not read."""

    name = "small"

    def __init__(self, folder: Path, s3: S3Client) -> None:
        self.s3 = s3
        self.root = folder / "node"
        self.arguments = ("--root", self.root, "--config", "/etc/fluent-bit.conf")
        app, web = "/var/log/containers/test-app.log", "/var/log/containers/test-web.log"
        self._numbers = [*range(1, 61), *range(101, 121)]
        self._app, self._web = b"test" + app.replace("/", ".").encode(), b"test" + web.replace("/", ".").encode()
        put(self.root, "/etc/fluent-bit.conf", _CONF.encode())
        put(self.root, app, b"".join(_line(n) + b"\n" for n in range(1, 61)))
        put(self.root, web, b"".join(_line(n) + b"\n" for n in range(101, 121)))
        rows = [self._row(1, app, 50), self._row(2, web, 10)]
        make_db(self.root / "var/log/flb.db", rows)
        store = "/var/log/s3/temp/my-bucket"
        for stream, tag, numbers in (
            ("2026-11-23T11:39:00", self._app, range(31, 41)),
            ("quarantine", self._app, range(41, 46)),
            ("2026-11-23T11:39:00", self._web, range(101, 111)),
        ):
            name = store_name(tag, SECOND + numbers[0], 123_456_789)
            put(self.root, f"{store}/{stream}/{name}", chunk(tag, _records(numbers), length=len(_records(numbers))))
        self.upload_key = _key(b"app", 21)
        self._noted = self.root / store.lstrip("/") / "multipart_upload_metadata"
        self._date_files()

    def load(self) -> None:
        _emptied(self.s3, BUCKET)
        for name, numbers in ((b"app", range(1, 11)), (b"app", range(11, 21)), (b"app", range(31, 35))):
            self.s3.put_object(Bucket=BUCKET, Key=_key(name, numbers[0]), Body=gzip.compress(_records(numbers)))
        of = {"Bucket": BUCKET, "Key": self.upload_key}
        upload_id = self.s3.create_multipart_upload(**of)["UploadId"]
        body = gzip.compress(_records(range(21, 31)))
        etag = self.s3.upload_part(**of, UploadId=upload_id, PartNumber=1, Body=body)["ETag"]
        note = f"part_number=1\tetag={etag}\n".encode()
        meta = f"{self.upload_key}\n{upload_id}".encode()
        shutil.rmtree(self._noted, ignore_errors=True)
        self._noted.mkdir()
        (self._noted / store_name(meta, SECOND + 21, 5)).write_bytes(chunk(meta, note, length=len(note)))
        self._date_files()

    def delete(self, bucket: str, key: str) -> None:
        self.s3.delete_object(Bucket=bucket, Key=key)

    def judge(self) -> Judged:
        found = _numbers_in(self.s3, BUCKET)
        before = {*range(1, 21), *range(31, 35)}
        return Judged(
            tuple(n for n in self._numbers if not found[n]),
            tuple(n for n, times in sorted(found.items()) if times > 1),
            tuple(n for n in sorted(before) if not found[n]),
        )

    def _date_files(self) -> None:
        """Nothing on the node was written after the incident."""
        for path in self.root.rglob("*"):
            os.utime(path, (SECOND + 200, SECOND + 200))

    def _row(self, row_id: int, path: str, lines: int) -> tuple[Any, ...]:
        file = self.root / path.lstrip("/")
        read = b"\n".join(file.read_bytes().split(b"\n")[:lines]) + b"\n"
        return (row_id, path, len(read), file.stat().st_ino, SECOND, 0, marker(read), 32)


class CapturedIncident:
    """One of ``fixtures/cases``."""

    def __init__(self, name: str, folder: Path, s3: S3Client) -> None:
        from cases import CASES

        self.name = name
        self._folder = folder
        self._s3 = s3
        self._case = Case(CASES / name)
        self.root = unpack(name, folder)
        self.arguments = ("--root", self.root, "--config", f"/{facts(name)['config']}")

    def load(self) -> None:
        shutil.rmtree(self.root)  # an upload's id is new with each load, and the node has noted it
        unpack(self.name, self._folder)
        load(self.name, self._s3, self.root)

    def judge(self) -> Judged:
        verdict: Verdict = self._case.judge(self._s3, "all")
        wrong = [*verdict.twice, *verdict.unwanted]
        return Judged(*(tuple(n for _, n in lines) for lines in (verdict.missing, wrong, verdict.removed)))


def _line(number: int) -> bytes:
    return b"seq=%07d GET /api/v1/items/%d status=200 user=u%d" % (number, number % 13, number)


def _record(number: int) -> bytes:
    seconds, nanos = divmod(10_000_000 + number * 1_234_567, 1_000_000)
    return b'{"date":"2026-11-23T11:%02d:%02d.%06dZ","log":"%b"}' % (
        39 + seconds // 60, seconds % 60, nanos, _line(number),
    )  # fmt: skip


def _records(numbers: Iterable[int]) -> bytes:
    return b"".join(_record(n) + b"\n" for n in numbers)


def _key(name: bytes, number: int) -> str:
    when = _record(number)[9:28].decode().replace("-", "").replace(":", "")
    return f"logs/{name.decode()}/{djb2(b'%d' % number) % 10**8:08d}-{when}.gz"


def _numbers_in(s3: S3Client, bucket: str) -> Counter[int]:
    found: Counter[int] = Counter()
    for key in keys(s3, bucket):
        body = decompressed(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        for record in body.split(b"\n"):
            found.update({int(number) for number in SEQ.findall(record)})
    return found


def _emptied(s3: S3Client, bucket: str) -> None:
    if bucket not in {found["Name"] for found in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket)
    if there := keys(s3, bucket):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in there]})
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
