"""Unpacking an incident gives the node that it was: bytes, times, links, and what only the WAL held."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from cases import CASES, NAMES, facts, load, unpack


def archived(name: str) -> tarfile.TarFile:
    raw = (CASES / name / "node.tar.zst").read_bytes()
    return tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(raw).read()))


@pytest.mark.parametrize("name", NAMES)
def test_files_are_as_they_were(name: str, tmp_path: Path) -> None:
    root = unpack(name, tmp_path)
    with archived(name) as archive:
        for member in archive.getmembers():
            path = tmp_path / member.name
            assert path.lstat().st_mtime == pytest.approx(member.mtime, abs=0.001)
            if member.issym():
                assert os.readlink(path) == member.linkname
            elif member.isfile() and ".db" not in path.name:
                file = archive.extractfile(member)
                assert file is not None and path.read_bytes() == file.read()
    assert {p.name for p in tmp_path.iterdir()} == {"node"}
    assert root == tmp_path / "node"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "rotated-unread"])  # its row's inode is gone
def test_rows_have_the_new_inodes_and_the_wal_is_not_merged(name: str, tmp_path: Path) -> None:
    root = unpack(name, tmp_path)
    (db,) = root.rglob("*.db")
    with archived(name) as archive:
        file = archive.extractfile(f"node/{db.relative_to(root)}")
        assert file is not None and db.read_bytes() == file.read()  # what changed is in the -wal alone
    shutil.copytree(db.parent, tmp_path / "copy", symlinks=True)
    with closing(sqlite3.connect(tmp_path / "copy" / db.name)) as con:
        inodes = {inode for (inode,) in con.execute("SELECT inode FROM in_tail_files")}
    there = {path.lstat().st_ino for path in root.rglob("*.log*")}
    assert inodes and inodes <= there
    assert inodes & set(facts(name)["inodes"].values()) - there == set()


def test_notes_of_uploads_follow_the_new_ids(tmp_path: Path, moto) -> None:
    root = unpack("sigkill-multipart", tmp_path)
    (note,) = root.rglob("multipart_upload_metadata/*")
    before = note.read_bytes()
    load("sigkill-multipart", moto.client, root)
    (upload,) = moto.client.list_multipart_uploads(Bucket="my-bucket")["Uploads"]
    after = note.read_bytes()
    assert f"{upload['Key']}\n{upload['UploadId']}".encode() in after
    assert before.count(b"part_number=") == after.count(b"part_number=") == 2
    assert after.partition(b"part_number=")[2] == before.partition(b"part_number=")[2]
