"""Small made incidents: a node with a log, buffer files and a configuration, and the objects of a bucket."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chunk_builder import chunk, store_name
from command import Ended, flbrecover
from evidence.tail_support import make_db

TAG = "app.log"
LOG = "/var/log/app.log"
STEP_NS = 1_953_125  # of two records: a part of a second that a float holds exactly


@dataclass
class MadeNode:
    """``cri``: lines carry their time. Records are made one a step from ``start_ns`` on."""

    root: Path
    bucket: str
    endpoint_url: str
    cri: bool = True
    compression: str = "gzip"
    start_ns: int = 0

    def __post_init__(self) -> None:
        self.start_ns = (int(time.time()) - 7200) * 1_000_000_000
        parser = "multiline.parser cri" if self.cri else ""
        self.config.parent.mkdir(parents=True)
        (self.root / "var/log/s3").mkdir(parents=True)
        self.config.write_text(
            f"[INPUT]\n    Name tail\n    Tag app.log\n    Path {LOG}\n    Read_from_Head On\n    {parser}\n"
            f"[OUTPUT]\n    Name s3\n    Match *\n    bucket {self.bucket}\n    region us-east-1\n"
            "    store_dir /var/log/s3\n    s3_key_format /logs/$TAG/%Y/%m/%d/%H/$UUID\n    use_put_object On\n"
            f"    compression {self.compression}\n    upload_timeout 10m\n"
        )

    @property
    def config(self) -> Path:
        return self.root / "etc/fluent-bit/fluent-bit.conf"

    def stamp(self, number: int) -> str:
        at_ns = self.start_ns + number * STEP_NS
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ns // 10**9)) + f".{at_ns % 10**9:09d}"

    def key(self, name: str, *, tag: str = TAG) -> str:
        """A key of the first hour; ``name`` stands for the UUID, at most 8 letters and digits."""
        hour = time.strftime("%Y/%m/%d/%H", time.gmtime(self.start_ns // 10**9))
        return f"logs/{tag}/{hour}/{name:0>8}"

    def line(self, number: int, text: str) -> str:
        return f"{self.stamp(number)}Z stdout F {text}" if self.cri else text

    def record(self, number: int, text: str, **more: object) -> bytes:
        """What Fluent Bit makes of a line; the date of one without a time is that of its number."""
        own = {"time": self.stamp(number) + "Z", "stream": "stdout", "_p": "F"} if self.cri else {}
        fields = {"date": self.stamp(number)[:26] + "Z", **own, "log": text, **more}
        return json.dumps(fields, separators=(",", ":")).encode()

    def write_log(self, lines: Iterable[str]) -> None:
        (self.root / LOG[1:]).write_text("".join(line + "\n" for line in lines))

    def tail(self, *lines: str) -> None:
        """More keys of the tail input."""
        said = self.config.read_text()
        self.config.write_text(said.replace("    Tag ", "".join(f"    {line}\n" for line in lines) + "    Tag ", 1))

    def write_db(self, *rows: tuple[str, int], created_s: int | None = None) -> None:
        """A tail DB: files, and how many of their bytes were read; Fluent Bit saw them first at the start, or at
        another time. The input is said to have it."""
        self.tail("DB /var/lib/tail.db")
        created = self.start_ns // 10**9 if created_s is None else created_s
        inodes = [(self.root / name.lstrip("/")).stat().st_ino for name, _ in rows]
        made = [(n, *row, inode, created, 0) for n, (row, inode) in enumerate(zip(rows, inodes, strict=True), 1)]
        make_db(self.root / "var/lib/tail.db", made, markers=False)

    def write_buffer(self, records: Iterable[bytes], *, number: int = 0, after_s: int = 0, tag: str = TAG) -> str:
        """A buffer file that was begun ``after_s`` after the start. Gives its path inside the root."""
        folder = f"/var/log/s3/{self.bucket}/2026-11-23T11:00:00"
        name = store_name(tag.encode(), self.start_ns // 10**9 + after_s, 500_000_001 + number)
        path = self.root / folder[1:] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chunk(tag.encode(), b"".join(r + b"\n" for r in records)))
        return f"{folder}/{name}"

    def put(self, name: str, records: Iterable[bytes], s3: Any) -> None:
        """Records as an object of the bucket."""
        s3.put_object(Bucket=self.bucket, Key=self.key(name), Body=body(records))

    def run(self, command: str, *more: object) -> Ended:
        return flbrecover(
            command, "--root", self.root, "--config", "/etc/fluent-bit/fluent-bit.conf",
            "--endpoint-url", self.endpoint_url, *more,
        )  # fmt: skip

    def differences(self, code: int) -> list[dict[str, object]]:
        """What ``diff`` says, without what is another from run to run; it ends with this code."""
        ended = self.run("diff", "--agent", "gone", "--json")
        assert ended.code == code, ended.err
        lines = [line for line in ended.lines if line["type"] not in ("run", "output", "plan")]
        return [{k: v for k, v in line.items() if k != "plan"} for line in lines]


def body(records: Iterable[bytes]) -> bytes:
    """An object of these records, as one gzip member."""
    return gzip.compress(b"".join(r + b"\n" for r in records), 6)
