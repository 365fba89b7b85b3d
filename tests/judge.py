"""Judges what S3 holds after a recovery against what the applications wrote, by the numbers in their lines.

It knows nothing of Fluent Bit's formats: buffers are searched as raw bytes, objects only decompressed.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import zstandard

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SEQ = re.compile(rb"seq=(\d{7})")
Scope = Literal["buffers", "all"]
Line = tuple[str, int]  # bucket ("" where all buckets get the same lines) and number


@dataclass(frozen=True)
class Verdict:
    """Empty everywhere: every line that can be there is there, once, and nothing else."""

    missing: list[Line]
    twice: list[Line]
    removed: list[Line]
    unwanted: list[Line]
    identical_off: dict[str, int]


class Case:
    """One captured incident with its truth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Any] = json.loads((folder / "case.json").read_text())
        self.lines = [json.loads(line) for line in unpacked(folder / "truth.jsonl.zst").splitlines() if line]
        self.routes = {b: re.compile(r) for b, r in self.facts.get("routes", {}).items()}
        with archive(folder / "s3.tar.zst") as tar:
            index = json.loads(_member(tar, "index.json"))
            self.before = Counter(
                line
                for o in index["objects"]
                for line in self._numbers(o["bucket"], decompressed(_member(tar, f"blobs/{o['blob']}")))
            )
            self.pending = {
                line
                for u in index["uploads"]
                for p in u["parts"]
                for line in self._numbers(u["bucket"], decompressed(_member(tar, f"blobs/{p['blob']}")))
            }

    def _numbers(self, bucket: str, body: bytes) -> Iterator[Line]:
        """Each number once a stored record, for it may show its line twice. (A log record of OTLP begins like that,
        and no line of a log can hold the same bytes in JSON.)"""
        for line in re.split(rb'\n|(?=\{"timeUnixNano":)', body):
            yield from {(bucket if self.routes else "", int(n)) for n in SEQ.findall(line)}

    def _set(self, name: str) -> set[int]:
        return set(self.facts.get(name, ()))

    def _all_lines(self) -> set[Line]:
        if not self.routes:
            return {("", line["seq"]) for line in self.lines}
        return {(b, line["seq"]) for line in self.lines for b, r in self.routes.items() if r.search(line["file"])}

    def _in_buffers(self) -> set[Line]:
        found: set[Line] = set()
        with archive(self.folder / "node.tar.zst") as tar:
            for member in tar.getmembers():
                path = member.name
                if not member.isfile() or not ("/s3/" in path or "/flb-storage/" in path or path.endswith(".flb")):
                    continue
                bucket = next((p for p in path.split("/") if p in self.facts["buckets"]), None)
                buckets = [bucket] if bucket else list(self.routes)
                for number in {int(n) for n in SEQ.findall(_member(tar, path))}:
                    found.update((b, number) for b in (buckets if self.routes else [""]))
        return found

    def judge(self, s3: S3Client, scope: Scope) -> Verdict:
        after: Counter[Line] = Counter()
        torn = dict.fromkeys(self._set("torn_seqs"), True)
        texts = {line["seq"]: line["text"].encode("utf-8", "surrogateescape") for line in self.lines}
        identical = self.facts.get("identical_lines", ())
        counted: Counter[str] = Counter()
        for bucket, body in bodies(s3, self.facts["buckets"]):
            numbers = list(self._numbers(bucket, body))
            after.update(numbers)
            for _, number in numbers:
                if number in torn:
                    torn[number] = torn[number] and texts[number] in body
            for line in identical:
                counted[line["text"]] += len(re.findall((line.get("regex") or re.escape(line["text"])).encode(), body))
        never, nowhere = self._set("never_stored_seqs"), self._set("unrecoverable_seqs")
        legal = {line for line in self._all_lines() if line[1] not in never}
        wanted = {line for line in legal if line[1] not in nowhere}
        if scope == "buffers":
            held = {line for line in self._in_buffers() if line[1] not in torn}
            wanted &= set(self.before) | self.pending | held
        least = "want_all" if scope == "all" else "want_buffers"
        return Verdict(
            missing=sorted(wanted - set(after)),
            twice=sorted(line for line, n in after.items() if n > max(1, self.before[line])),
            removed=sorted(line for line, n in self.before.items() if after[line] < n),
            unwanted=[
                *sorted(set(after) - set(self.before) - legal),
                *(("", n) for n, whole in torn.items() if not whole),
            ],
            identical_off={
                line["text"]: counted[line["text"]]
                for line in identical
                if not line[least] <= counted[line["text"]] <= line["want_all"]
            },
        )


def unpacked(path: Path) -> bytes:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        return reader.read()


def archive(path: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(unpacked(path)))


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def decompressed(body: bytes) -> bytes:
    if body[:2] == b"\x1f\x8b":
        return gzip.decompress(body)
    if body[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True).read()
    return body


def bodies(s3: S3Client, buckets: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for bucket in buckets:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", []):
                body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
                yield bucket, decompressed(body)
