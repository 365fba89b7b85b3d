"""A captured incident: what a real Fluent Bit left on a node and in S3, as a folder of four files.

``case.json`` says what happened and which inode every file of the node had; ``node.tar.zst`` is the node's file
system, ``s3.tar.zst`` the bucket (``index.json`` and ``blobs/N``), ``truth.jsonl.zst`` every line that the
applications wrote, each with a number ``seq=NNNNNNN`` of its own.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import struct
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INCIDENT = Path(__file__).with_name("incident")
"""The one that ``flbrecover demo`` shows."""

_META_LENGTH_AT, _META_AT = 22, 24  # of a Chunk I/O file: docs/formats/chunk-file.md


def facts(incident: Path) -> dict[str, Any]:
    """``case.json``."""
    found = json.loads((incident / "case.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def unpack(incident: Path, target: Path) -> Path:
    """Puts the node's files below ``target`` and gives the node's root, ``target/node``.

    The rows of its tail DBs follow their files to the new inodes: the copy is what the node was.
    """
    with _tar(incident / "node.tar.zst") as archive:
        _extract(archive, target)
    node = target / "node"
    inodes = {
        old: (node / path).stat().st_ino for path, old in facts(incident)["inodes"].items() if (node / path).is_file()
    }
    for db in sorted(node.rglob("*.db")):
        _set_inodes(db, inodes)
    return node


def load(incident: Path, node: Path, s3: S3Client) -> dict[str, Any]:
    """Puts the captured objects and pending uploads into S3 and gives ``index.json``.

    S3 chooses the ids of uploads, so the node's notes of them are changed to the new ones.
    """
    with _tar(incident / "s3.tar.zst") as archive:
        index: dict[str, Any] = json.loads(_bytes(archive, "index.json"))
        for bucket in index["buckets"]:
            s3.create_bucket(Bucket=bucket)
        for stored in index["objects"]:
            s3.put_object(
                Bucket=stored["bucket"], Key=stored["key"], Body=_bytes(archive, f"blobs/{stored['blob']}"),
                Metadata=stored["metadata"], **_headers(stored),
            )  # fmt: skip
        for upload in index["uploads"]:
            of = {"Bucket": upload["bucket"], "Key": upload["key"]}
            upload_id = s3.create_multipart_upload(**of, **_headers(upload))["UploadId"]
            for part in upload["parts"]:
                body = _bytes(archive, f"blobs/{part['blob']}")
                s3.upload_part(**of, UploadId=upload_id, PartNumber=part["number"], Body=body)
            _rename_upload(node, upload["upload_id"].encode(), upload_id.encode())
    return index


def truth(incident: Path) -> Iterator[dict[str, Any]]:
    """Every line that the applications wrote: ``seq``, ``file`` and ``text``."""
    for line in _decompressed(incident / "truth.jsonl.zst").splitlines():
        yield json.loads(line)


def _tar(path: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(_decompressed(path)))


def _decompressed(path: Path) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(path.read_bytes()) as reader:
        return reader.read()


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def _extract(archive: tarfile.TarFile, target: Path) -> None:
    """Folders, files and symlinks (absolute ones too: they are absolute within the node), with their times."""
    members = archive.getmembers()
    for member in members:
        path = target / member.name
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.issym():
            path.symlink_to(member.linkname)
        else:
            path.write_bytes(_bytes(archive, member.name))
    for member in reversed(members):  # a folder's time is that of the last change in it
        time_ns = int(member.mtime * 1_000_000_000)
        os.utime(target / member.name, ns=(time_ns, time_ns), follow_symlinks=False)


def _set_inodes(db: Path, inodes: Mapping[int, int]) -> None:
    """Gives the rows of a tail DB new inodes. What only its ``-wal`` held stays only there: SQLite merges it when the
    last connection closes, so the files are taken from a copy that is still open."""
    with tempfile.TemporaryDirectory(prefix="flbrecover-demo-") as scratch:
        copy = Path(scratch, db.name)
        for suffix in ("", "-wal"):
            if (db.parent / (db.name + suffix)).exists():
                shutil.copy(db.parent / (db.name + suffix), scratch)
        with closing(sqlite3.connect(copy, isolation_level=None)) as con:
            try:
                con.execute("PRAGMA wal_autocheckpoint=0")
                rows = con.execute("SELECT id, inode FROM in_tail_files").fetchall()
                con.executemany(
                    "UPDATE in_tail_files SET inode=? WHERE id=?",
                    [(inodes[inode], row_id) for row_id, inode in rows if inode in inodes],
                )
            except sqlite3.DatabaseError:  # a damaged DB is part of an incident
                return
            for suffix in ("", "-wal", "-shm"):
                changed = Path(scratch, db.name + suffix)
                if changed.exists():
                    _overwrite(db.parent / changed.name, changed.read_bytes())


def _overwrite(path: Path, data: bytes) -> None:
    """Other bytes, but the same times, and those of the folder."""
    times = [(p, p.stat()) for p in (path, path.parent) if p.exists()]
    path.write_bytes(data)
    for at, stat in times:
        os.utime(at, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _rename_upload(node: Path, old: bytes, new: bytes) -> None:
    for path in node.rglob("multipart_upload_metadata/*"):
        raw = path.read_bytes()
        (length,) = struct.unpack_from(">H", raw, _META_LENGTH_AT)
        meta, content = raw[_META_AT : _META_AT + length], raw[_META_AT + length :]
        if meta.endswith(b"\n" + old):
            meta = meta.removesuffix(old) + new
            _overwrite(path, raw[:_META_LENGTH_AT] + struct.pack(">H", len(meta)) + meta + content)


def _headers(stored: Mapping[str, Any]) -> dict[str, Any]:
    named = {"ContentEncoding": stored.get("content_encoding"), "ContentType": stored.get("content_type")}
    return {key: value for key, value in named.items() if value}
