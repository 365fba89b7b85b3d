"""A file that appears under its name whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from flbrecover.errors import FlbrecoverError
from flbrecover.recover.case_folder import open_case
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
