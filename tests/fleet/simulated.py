"""A fleet of nodes that never were: captured incidents, each on many nodes with lines and pods of its own, all in one
bucket of one server. The nodes' recoveries are processes of their own, as in the pods of a manifest."""

from __future__ import annotations

import gzip
import io
import os
import re
import sqlite3
import struct
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash
import zstandard
from cases import CASES, config
from judge import SEQ, bodies, unpacked

from flbrecover.demo import incident
from flbrecover.fluentbit.file_name import tag_hash

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# kubernetes-cri: a tag for each pod; the others: all of their nodes have the same tags
NAMES = (
    "kubernetes-cri", "sigkill-put-gzip", "kubernetes-cri", "response-lost", "kubernetes-cri", "rotated-unread",
    "kubernetes-cri", "response-lost-superset", "credentials-expired", "rolling-update",
)  # fmt: skip
BUCKET, RESULTS = "my-bucket", "results"
LINES = 10_000  # of a node at most: its numbers are NODE * LINES and more
PODS = (b"x2k4p", b"qq8zl")
ROOT = Path(__file__).parent.parent.parent
_DIGITS = "bcdfghjklmnpqrstvwxz2456789"  # what pods' names are made of
_STORE_NAME = re.compile(r"([0-9]+)-([0-9]+)")


def node_name(number: int) -> str:
    return f"ip-10-0-{number // 256}-{number % 256}.eu-west-1.compute.internal"


@dataclass(frozen=True)
class Ended:
    node: str
    code: int
    said: str
    seconds: float
    peak_kib: int


class SimulatedNode:
    """Node ``number`` with the incident ``name``, below ``folder``: unpacked, and loaded into S3."""

    def __init__(self, number: int, folder: Path, s3: S3Client) -> None:
        self.name, self.number = NAMES[number % len(NAMES)], number
        self.node = node_name(number)
        self._rewrite = _rewriter(number)
        made = folder / "made"
        made.mkdir(parents=True)
        source = CASES / self.name
        facts = self._rewrite((source / "case.json").read_bytes())
        (made / "case.json").write_bytes(self._paths(facts))
        (made / "node.tar.zst").write_bytes(self._archive(source / "node.tar.zst", renamed=True))
        self.root = incident.unpack(made, folder)
        for db in self.root.rglob("*.db"):
            self._set_rows(db)
        self._load(source / "s3.tar.zst", s3)
        self.lines = {line["seq"] + number * LINES for line in incident.truth(source)}

    def _archive(self, path: Path, *, renamed: bool) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(unpacked(path))) as old, tarfile.open(fileobj=out, mode="w") as new:
            for member in old.getmembers():
                body = b""
                if member.isfile():
                    file = old.extractfile(member)
                    assert file is not None
                    body = self._body(member.name, file.read())
                if renamed:
                    member.name = self._paths(self._rewrite(member.name.encode())).decode()
                    member.linkname = self._rewrite(member.linkname.encode()).decode()
                member.size, member.pax_headers = len(body), {}
                new.addfile(member, io.BytesIO(body))
        return zstandard.ZstdCompressor().compress(out.getvalue())

    def _body(self, name: str, body: bytes) -> bytes:
        if "flb_" in name:  # tail DBs: their rows are set later
            return body
        if body[:2] == b"\x1f\x8b":
            return gzip.compress(self._rewrite(gzip.decompress(body)), mtime=0)
        return self._rewrite(body)

    def _paths(self, text: bytes) -> bytes:
        """Names of buffer files begin with the hash of their tag."""
        for pod in (("cart", "6d4cf56db6", PODS[0]), ("pay", "7f89b7d5c9", PODS[1])):
            tag = f"kube.var.log.containers.{pod[0]}-{pod[1]}-".encode() + pod[2] + f"_shop_{pod[0]}-".encode()
            tag += b"ab" * 32 + b".log"
            old, new = tag_hash(tag), tag_hash(self._rewrite(tag))
            text = text.replace(str(old).encode(), str(new).encode())
        return text

    def _set_rows(self, db: Path) -> None:
        """Names of pods, and the marks of what stands before an offset."""
        files = {f.stat().st_ino: f for f in self.root.rglob("*") if f.is_file() and not f.is_symlink()}
        times = db.stat()
        with closing(sqlite3.connect(db)) as con, con:
            columns = {row[1] for row in con.execute("PRAGMA table_info(in_tail_files)")}
            for row, name, inode, offset in con.execute("SELECT id, name, inode, offset FROM in_tail_files").fetchall():
                con.execute("UPDATE in_tail_files SET name=? WHERE id=?", (self._rewrite(name.encode()).decode(), row))
                if "offset_marker_size" not in columns or inode not in files:
                    continue
                (size,) = con.execute("SELECT offset_marker_size FROM in_tail_files WHERE id=?", (row,)).fetchone()
                if not size:
                    continue
                mark = xxhash.xxh3_64_intdigest(files[inode].read_bytes()[offset - size : offset])
                (signed,) = struct.unpack("<q", struct.pack("<Q", mark))
                con.execute("UPDATE in_tail_files SET offset_marker=? WHERE id=?", (signed, row))
        os.utime(db, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _load(self, archive: Path, s3: S3Client) -> None:
        with tarfile.open(fileobj=io.BytesIO(unpacked(archive))) as tar:
            index = _json(tar, "index.json")
            assert not index["uploads"]
            for stored in index["objects"]:
                file = tar.extractfile(f"blobs/{stored['blob']}")
                assert file is not None
                s3.put_object(
                    Bucket=BUCKET, Key=self._key(stored["key"]), Body=self._body("", file.read()),
                    Metadata=stored["metadata"], **incident._headers(stored),
                )  # fmt: skip

    def _key(self, key: str) -> str:
        """The 8 characters of $UUID are others on each node."""
        stem, dot, end = self._rewrite(key.encode()).decode().rpartition(".")
        return f"{stem[:-4]}{self.number:04}{dot}{end}"


def _json(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    import json

    file = tar.extractfile(name)
    assert file is not None
    found = json.loads(file.read())
    assert isinstance(found, dict)
    return found


def _rewriter(number: int) -> Callable[[bytes], bytes]:
    """Puts the node's numbers of lines and names of pods in, byte for byte as long as those of the capture."""
    suffix, left = "", number
    for _ in range(4):
        suffix, left = _DIGITS[left % len(_DIGITS)] + suffix, left // len(_DIGITS)
    pods = {pod: pod[:1] + suffix.encode() for pod in PODS}

    def rewrite(text: bytes) -> bytes:
        for old, new in pods.items():
            text = text.replace(old, new)
        return SEQ.sub(lambda m: b"seq=%07d" % (int(m[1]) + number * LINES), text)

    return rewrite


class SimulatedFleet:
    """``recover`` them, then ``judge``. The server is one that takes the environment's keys."""

    def __init__(self, number: int, folder: Path, s3: S3Client, endpoint_url: str) -> None:
        self._s3, self._url = s3, endpoint_url
        for bucket in (BUCKET, RESULTS):
            s3.create_bucket(Bucket=bucket)
        self.nodes = [SimulatedNode(n, folder / f"n{n}", s3) for n in range(number)]
        self._written: set[int] = set().union(*(node.lines for node in self.nodes))
        self._folder = folder

    @property
    def names(self) -> str:
        return ",".join(node.node for node in self.nodes)

    def recover(self, at_once: int, seconds: float = 1e9) -> Iterator[Ended]:
        """Begins no node after so many seconds; ``nodes`` are then those that were reached."""
        end = time.monotonic() + seconds
        reached = []
        with ThreadPoolExecutor(at_once) as pool:
            tasks = pool.map(lambda node: self._recover(node) if time.monotonic() < end else None, self.nodes)
            for node, ended in zip(self.nodes, tasks, strict=True):
                if ended is not None:
                    reached.append(node)
                    yield ended
        self.nodes = reached

    def _recover(self, node: SimulatedNode) -> Ended:
        url = f"--endpoint-url={self._url}"
        return process(
            node.node, self._folder, "fleet", "run", f"--case-to=s3://{RESULTS}/case-1/{node.node}/", url, "--",
            f"--root={node.root}", f"--config={config(node.name)}", url, "--agent=gone",
        )  # fmt: skip

    def report(self, *more: str) -> Ended:
        return process(
            "", self._folder, "fleet", "report", f"s3://{RESULTS}/case-1/", f"--endpoint-url={self._url}", *more
        )

    def missing(self) -> dict[str, int]:
        """How many lines of each node are missing in S3."""
        found = self._found()
        return {node.node: len(node.lines - found.keys()) for node in self.nodes}

    def judge(self) -> tuple[int, int, int]:
        """Lines of ``nodes`` that are missing in S3; lines that are there more than once, and that nobody wrote."""
        wanted: set[int] = set().union(*(node.lines for node in self.nodes))
        found = self._found()
        twice = sum(1 for count in found.values() if count > 1)
        return len(wanted - found.keys()), twice, len(found.keys() - self._written)

    def _found(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for _, body in bodies(self._s3, [BUCKET]):
            for record in body.split(b"\n"):
                found.update({int(number) for number in SEQ.findall(record)})
        return found


def process(node: str, folder: Path, *arguments: str) -> Ended:
    """One command as a process of its own, with its peak of memory."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NODE_NAME": node, "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "flbrecover", *arguments]
    with (folder / f"{node or 'report'}.out").open("w+b") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=folder)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode()
    return Ended(node, child.returncode, said, time.monotonic() - started, usage.ru_maxrss)
