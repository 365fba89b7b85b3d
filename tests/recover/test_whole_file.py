"""A file that appears under its name whole, or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from faults import disks

from flbrecover.errors import FlbrecoverError
from flbrecover.recover.case_folder import open_case
from flbrecover.recover.whole_copy import copy_whole
from flbrecover.recover.whole_file import part_of, whole_file


def test_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path, "utf-8") as file:
        file.write("é\n")
        assert not path.exists()
    assert path.read_bytes() == "é\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not part_of(path).exists()


def test_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])


def test_what_another_run_left_is_kept_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    part_of(path).write_bytes(b"half")
    with pytest.raises(FileExistsError), whole_file(path, new=True):
        pass
    assert part_of(path).read_bytes() == b"half"
    with whole_file(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"


def test_no_link_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    part_of(path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), whole_file(path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_case_keeps_nothing_half_written(tmp_path: Path) -> None:
    folder = open_case(tmp_path / "case")
    with pytest.raises(FlbrecoverError, match="No space left"), folder.writing("after.jsonl") as file:
        file.write("x")
        raise OSError(28, "No space left on device")
    folder.close()
    assert not list((tmp_path / "case").glob("after*"))


def copied(path: Path, target: Path, sha256: str) -> None:
    st = path.stat()
    original = SimpleNamespace(
        sha256=sha256, mode=0o640, uid=st.st_uid, gid=st.st_gid, atime_ns=st.st_atime_ns, mtime_ns=7
    )
    with path.open("rb") as source:
        copy_whole(source, target, original)


def test_a_copy_is_whole_or_nothing_is_left_of_it(tmp_path: Path) -> None:
    path, target = tmp_path / "file", tmp_path / "folder/copy"
    path.write_bytes(b"x")
    target.parent.mkdir()
    with pytest.raises(OSError, match="other bytes"):
        copied(path, target, hashlib.sha256(b"y").hexdigest())
    assert list(target.parent.iterdir()) == []
    copied(path, target, hashlib.sha256(b"x").hexdigest())
    assert (os.listdir(target.parent), target.stat().st_mtime_ns) == (["copy"], 7)


def test_nothing_is_left_of_a_copy_on_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    with disks.small(tmp_path / "disk", "64k") as disk:
        with pytest.raises(OSError, match="No space left"):
            copied(path, disk / "copy", hashlib.sha256(path.read_bytes()).hexdigest())
        assert list(disk.iterdir()) == []
