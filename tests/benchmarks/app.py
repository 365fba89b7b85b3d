"""One application of a world: its log, its buffer files, and its objects in the bucket, made in one pass."""

from __future__ import annotations

import os
import random
import string
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from chunk_builder import chunk, store_name  # tests/chunk_builder.py
from isal import igzip

from . import lines
from .lines import SECOND_US, Flavour
from .spec import Spec

GZIP_LEVEL = 1


@dataclass(slots=True)
class Counts:
    """Of one application; see World."""

    records: int = 0
    stored: int = 0
    buffered: int = 0
    unread: int = 0
    in_buffers: int = 0
    buffer_files: int = 0
    buffer_bytes: int = 0
    log_bytes: int = 0
    object_count: int = 0
    object_bytes: int = 0
    object_content: int = 0


@dataclass(frozen=True, slots=True)
class App:
    """One application of a world. ``number`` chooses its name and whether its log is plain lines or containerd's."""

    spec: Spec
    number: int
    base_us: int
    root: Path
    staging: Path
    bucket: str

    @property
    def flavour(self) -> Flavour:
        return "cri" if self.number % 2 else "plain"

    @property
    def log_path(self) -> str:
        if self.flavour == "plain":
            return f"/var/log/app/cart-{self.number}.log"
        return f"/var/log/containers/pay-{self.number}_shop_pay-{self.number:064x}.log"

    @property
    def offset_file(self) -> Path:
        """Where the maker of the log notes how far Fluent Bit read it."""
        return self.root.parent / f"offset-{self.number}"

    @property
    def stream(self) -> str:
        """The folder of this start of Fluent Bit in store_dir."""
        return datetime.fromtimestamp(self.base_us // SECOND_US, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")

    @property
    def tag(self) -> str:
        prefix = "app" if self.flavour == "plain" else "kube"
        return f"{prefix}.{self.log_path.strip('/').replace('/', '.')}"


def make(app: App) -> tuple[App, Counts]:
    """Runs in a worker process."""
    spec, counts = app.spec, Counts()
    line_size, record_size = lines.sizes(app.flavour)
    buffered = int(spec.buffers / spec.apps / record_size)
    in_log = int(spec.logs / spec.apps / line_size)
    unread = in_log // 100
    before = max(0, in_log - buffered - unread)
    rows = before + buffered + unread
    bucket = Objects(app, counts, "own")
    log = Log(app, first=rows - in_log, unread_from=before + buffered, counts=counts)
    buffers = Buffers(app, counts, bucket)
    at = 0
    for block in lines.make(
        f"{spec.seed}/{app.number}/own", rows, flavour=app.flavour, start_us=app.base_us,
        span_us=spec.hours * 3600 * SECOND_US,
    ):  # fmt: skip
        log.add(at, block.raw)
        for n, line in enumerate(block.json, at):
            if n < before:
                bucket.add(line)
            elif n < before + buffered:
                if n == before:
                    buffers.begin()
                buffers.add(line)
        at += len(block.raw)
    buffers.end()
    bucket.flush()
    log.close()
    counts.records = before + buffered + unread
    counts.stored += before
    counts.unread = unread
    counts.in_buffers = buffered
    others = max(0, int((spec.objects - counts.object_content * spec.apps) / spec.apps / record_size))
    foreign = Objects(app, counts, "other")
    for block in lines.make(
        f"{spec.seed}/{app.number}/other", others, flavour=app.flavour, start_us=app.base_us,
        span_us=spec.hours * 3600 * SECOND_US,
    ):  # fmt: skip
        foreign.add_all(block.json)
    foreign.flush()
    app.staging.mkdir(parents=True, exist_ok=True)
    return app, counts


class Objects:
    """Cuts records into objects and writes these into the staging folder."""

    def __init__(self, app: App, counts: Counts, seed: str) -> None:
        self._app = app
        self._counts = counts
        self._names = random.Random(f"{app.spec.seed}/{app.number}/{seed}/names")
        self._held: list[bytes] = []
        self._size = 0

    def add(self, record: bytes) -> None:
        self._held.append(record)
        self._size += len(record)
        if self._size >= self._app.spec.unit:
            self.flush()

    def add_all(self, records: list[bytes]) -> None:
        self._held += records
        self._size += sum(map(len, records))
        if self._size >= self._app.spec.unit:
            self.flush()

    def flush(self) -> None:
        if self._held:
            self.write(b"".join(self._held))
        self.drop()

    def drop(self) -> int:
        """Forgets what was not written yet, and says how many records that were."""
        dropped = len(self._held)
        self._held, self._size = [], 0
        return dropped

    def hold(self, record: bytes) -> None:
        """For the next object, wherever that is cut."""
        self._held.append(record)

    def write(self, content: bytes) -> None:
        """One PutObject: a single gzip member."""
        hour = content[9:22].decode()  # {"date":"2026-11-23T11
        unique = "".join(self._names.choices(string.ascii_letters + string.digits, k=8))
        year, month, day = hour[:10].split("-")
        path = self._app.staging / "logs" / self._app.tag / year / month / day / hour[11:13] / f"{unique}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = igzip.compress(content, GZIP_LEVEL) if self._app.spec.compression == "gzip" else content
        path.write_bytes(body)
        self._counts.object_count += 1
        self._counts.object_bytes += len(body)
        self._counts.object_content += len(content)


class Buffers:
    """The buffer files of one application, and what of them reached the bucket."""

    def __init__(self, app: App, counts: Counts, bucket: Objects) -> None:
        self._app = app
        self._counts = counts
        self._bucket = bucket
        self._held: list[bytes] = []
        self._size = 0
        self._files = 0
        self._object = Shifted(app, counts, bucket)

    def begin(self) -> None:
        """The first buffered record is next. An object that is cut elsewhere begins with records stored before."""
        if self._app.spec.delivered != "shifted":
            self._bucket.flush()

    def add(self, record: bytes) -> None:
        self._held.append(record)
        self._size += len(record)
        if self._app.spec.delivered == "shifted":
            self._object.add(record)
        if self._size >= self._app.spec.unit:
            self._flush()

    def end(self) -> None:
        self._flush()
        if self._app.spec.delivered == "shifted":
            self._object.end()

    def _flush(self) -> None:
        if not self._held:
            return
        content, records = b"".join(self._held), len(self._held)
        self._held, self._size = [], 0
        self._write(content)
        delivered = self._app.spec.delivered
        if delivered == "whole" or (delivered == "half" and self._files % 2):
            self._bucket.write(content)
            self._counts.stored += records
        elif delivered != "shifted":
            self._counts.buffered += records
        self._files += 1

    def _write(self, content: bytes) -> None:
        tag = self._app.tag.encode()
        made = datetime.fromisoformat(content[9:35].decode()).replace(tzinfo=timezone.utc)
        seconds, nanos = int(made.timestamp()), made.microsecond * 1000 + 195_187 + self._files
        stream = self._app.root / "var/log/s3" / self._app.bucket / self._app.stream
        stream.mkdir(parents=True, exist_ok=True)
        path = stream / store_name(tag, seconds, nanos)
        path.write_bytes(chunk(tag, content))
        os.utime(path, (seconds + 5, seconds + 5))
        self._counts.buffer_files += 1
        self._counts.buffer_bytes += len(content)


class Shifted:
    """Objects that begin in the middle of a buffer file; every fourth one never arrived."""

    def __init__(self, app: App, counts: Counts, bucket: Objects) -> None:
        self._unit = app.spec.unit
        self._counts = counts
        self._bucket = bucket
        self._mine = 0
        self._size = 0
        self._number = 0

    def add(self, record: bytes) -> None:
        self._mine += 1
        self._size += len(record)
        self._bucket.hold(record)
        if self._size >= (self._unit // 2 if self._number == 0 else self._unit):
            self.end()

    def end(self) -> None:
        if self._number % 4 == 3:
            self._bucket.drop()
            self._counts.buffered += self._mine
        else:
            self._bucket.flush()
            self._counts.stored += self._mine
        self._mine = self._size = 0
        self._number += 1


class Log:
    """The application's log: the row's lines from ``first`` on; Fluent Bit read up to line ``unread_from``."""

    def __init__(self, app: App, *, first: int, unread_from: int, counts: Counts) -> None:
        self._app = app
        self._first = first
        self._unread_from = unread_from
        self._counts = counts
        self._file: BinaryIO | None = None
        self._path = app.root / app.log_path.lstrip("/")
        if app.spec.logs:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")

    def add(self, at: int, block: list[bytes]) -> None:
        if self._file is None or at + len(block) <= self._first:
            return
        skipped = max(0, self._first - at)
        split = min(max(self._unread_from - at, skipped), len(block))
        read, unread = b"".join(block[skipped:split]), b"".join(block[split:])
        self._file.write(read)
        if read:
            self._app.offset_file.write_text(str(self._file.tell()))
        self._file.write(unread)
        self._counts.log_bytes += len(read) + len(unread)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            end = self._app.base_us // SECOND_US + self._app.spec.hours * 3600
            os.utime(self._path, (end, end))
