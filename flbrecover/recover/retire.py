"""Moves buffer files whose every record is proved to be stored out of Fluent Bit's way, and puts them back.

``retired/N.json`` says all about a file and is on the disk before the file moves; ``retired/N.chunk`` is the file. On
one file system moving is a rename; else the file is copied, flushed, compared, and only then removed. Killed at any
point there is the file, or a whole copy of it, or both: :meth:`Retirer.tidy` settles what a killed run has left.

This is the only module that changes the node. The ``case.db`` is told, but not needed.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from flbrecover.errors import EvidenceError, FlbrecoverError
from flbrecover.evidence.node import Node
from flbrecover.model import FileFacts
from flbrecover.recover.case_db import fsync_folder
from flbrecover.recover.case_folder import CaseFolder
from flbrecover.recover.whole_copy import PART, copy_whole, private, sha256_of, untouched

LARGEST_NOTE = 1 << 20
_LEFT = "left "  # + a folder: when its last change was, once its files were moved
_COPY = ".flbrecover"
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class Note:
    """Everything that puts a retired file back. ``path`` is inside the root; ``folder_…`` is the folder that it was in,
    as it was before the run's first file moved."""

    path: str
    records: int
    size: int
    sha256: str
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    folder_mode: int
    folder_uid: int
    folder_gid: int
    folder_atime_ns: int
    folder_mtime_ns: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one file. ``left``: it was not moved, ``detail`` says why."""

    path: str
    outcome: Literal["retired", "put back", "left"]
    records: int
    kept: str = ""
    detail: str = ""


class Retirer:
    """Moves files of one node into one case."""

    def __init__(self, node: Node, case: CaseFolder) -> None:
        self._node = node
        self._case = case
        self._home = case.retired
        self._folders: dict[str, os.stat_result] = {}

    def retire(self, facts: FileFacts, records: int, sha256: str | None) -> Moved:
        """Moves a file that is still what the survey found: ``facts`` and, where known, ``sha256``."""
        try:
            with self._folder_of(facts.path) as (fd, name):
                note = self._note(facts, records, sha256, fd)
                number = self._write_note(note)
                self._move_away(note, number, fd, name)
        except (EvidenceError, _ChangedError) as e:
            return Moved(facts.path, "left", records, detail=str(e).removeprefix(f"{facts.path}: "))
        except OSError as e:
            return Moved(facts.path, "left", records, detail=e.strerror or str(e))
        self._journal(number, note, "retired")
        return Moved(facts.path, "retired", records, str(self._file(number)))

    def end(self) -> None:
        """Once all files are moved: notes the times of their folders, so that an undo sees whether others came."""
        for folder in self._folders:
            self._case.db.say(_LEFT + folder, str(self._folder_time(folder)))

    def undo(self) -> Iterator[Moved]:
        """Puts every file back: bytes, name, owner, mode and times, and the times of its folder where nobody else has
        changed it. What stands in its place now is never overwritten."""
        folders: dict[str, Note] = {}
        for number in filter(lambda number: self._file(number).exists(), self._noted()):
            try:
                note = self._read_note(number)
            except FlbrecoverError as e:
                yield Moved(str(self._file(number)), "left", 0, str(self._file(number)), str(e))
                continue
            folder = str(PurePosixPath(note.path).parent)
            if folder not in folders and self._folder_time(folder) in (None, self._left_time(folder)):
                folders[folder] = note
            try:
                self._put_back(note, number)
            except EvidenceError as e:
                yield Moved(note.path, "left", note.records, str(self._file(number)), str(e))
                continue
            except OSError as e:
                yield Moved(note.path, "left", note.records, str(self._file(number)), e.strerror or str(e))
                continue
            self._journal(number, note, "put back")
            yield Moved(note.path, "put back", note.records)
        for folder, note in folders.items():
            with suppress(OSError, EvidenceError):  # a time that cannot be set back is no harm
                os.utime(self._node.host_path(folder), ns=(note.folder_atime_ns, note.folder_mtime_ns))

    def tidy(self) -> None:
        """Settles what a killed run has left: a copy that is whole takes the place of the original, anything less is
        taken away. A file whose note is damaged is left as it is."""
        if not self._home.is_dir():
            return
        for path in sorted(self._home.glob("*.part")):
            path.unlink()
        for number, note in self._notes():
            is_there = self._is_there(note)
            if not self._file(number).exists():
                if is_there:
                    self._file(number, ".json").unlink()  # it never moved
                continue
            if is_there:
                with self._folder_of(note.path) as (fd, name):
                    os.unlink(name, dir_fd=fd)
                    os.fsync(fd)
            self._journal(number, note, "retired")
        fsync_folder(self._home)

    def paths(self) -> set[str]:
        """The files that the case keeps, by the name that they had, as far as their notes can be read."""
        return {note.path for number, note in self._notes() if self._file(number).exists()}

    # -- away ------------------------------------------------------------------------------------------------------

    def _note(self, facts: FileFacts, records: int, sha256: str | None, fd: int) -> Note:
        folder = self._folders.setdefault(str(PurePosixPath(facts.path).parent), os.fstat(fd))
        if PurePosixPath(facts.real_path).name != PurePosixPath(facts.path).name:
            raise _ChangedError("it is a symbolic link")
        with self._node.open(facts.path) as file:
            st = os.fstat(file.fileno())
            digest = sha256_of(file)
        now = (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns)
        if now != (facts.device, facts.inode, facts.size, facts.mtime_ns) or sha256 not in (None, digest):
            raise _ChangedError("it was changed during the run")
        if st.st_nlink != 1:
            raise _ChangedError("it has a second name on the node")
        return Note(
            facts.path, records, st.st_size, digest, st.st_mode, st.st_uid, st.st_gid, st.st_atime_ns,
            st.st_mtime_ns, folder.st_mode, folder.st_uid, folder.st_gid, folder.st_atime_ns, folder.st_mtime_ns,
        )  # fmt: skip

    def _write_note(self, note: Note) -> int:
        """Writes the note under the next free number."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        fsync_folder(self._home.parent)
        number = max((int(path.stem) for path in self._home.iterdir() if path.stem.isdecimal()), default=0) + 1
        part = self._home / f"{number:06d}.json.part"
        with open(part, "w", encoding="ascii", opener=private) as file:
            json.dump(asdict(note), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._home / f"{number:06d}.json")
        fsync_folder(self._home)
        self._journal(number, note, "moving")
        return number

    def _move_away(self, note: Note, number: int, fd: int, name: str) -> None:
        target = self._file(number)
        try:
            os.rename(name, target, src_dir_fd=fd)
        except OSError as e:
            if e.errno != errno.EXDEV:
                raise
            with self._node.open(note.path) as source:
                copy_whole(source, target, note)
            os.unlink(name, dir_fd=fd)
        fsync_folder(self._home)
        os.fsync(fd)

    # -- back ------------------------------------------------------------------------------------------------------

    def _put_back(self, note: Note, number: int) -> None:
        file = self._file(number)
        with open(file, "rb", opener=untouched) as source:
            if sha256_of(source) != note.sha256:
                raise EvidenceError(f"{file}: not the bytes that were moved aside; it was left there")
            self._make_folder(note)
            with self._folder_of(note.path) as (fd, name):
                for left in (name + _COPY, name + _COPY + PART):  # of a run that was killed
                    with suppress(FileNotFoundError):
                        os.unlink(left, dir_fd=fd)
                if not self._is_there(note):  # else that run has put it there already
                    self._place(file, source, note, fd, name)
                os.utime(name, ns=(note.atime_ns, note.mtime_ns), dir_fd=fd, follow_symlinks=False)
                os.fsync(fd)
        file.unlink()
        self._file(number, ".json").unlink()
        fsync_folder(self._home)

    def _place(self, file: Path, source: BinaryIO, note: Note, fd: int, name: str) -> None:
        """Links or copies the file under its old name, never over another one."""
        try:
            os.link(file, name, dst_dir_fd=fd, follow_symlinks=False)
            return
        except FileExistsError as e:
            raise EvidenceError(f"{note.path}: another file stands there now") from e
        except OSError as e:
            if e.errno not in _NO_LINKS:
                raise
        part = self._node.host_path(str(PurePosixPath(note.path).parent)) / (name + _COPY)
        copy_whole(source, part, note)
        try:
            os.link(part.name, name, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError as e:
            raise EvidenceError(f"{note.path}: another file stands there now") from e
        finally:
            part.unlink()

    def _make_folder(self, note: Note) -> None:
        """Fluent Bit deletes folders that it finds empty when it stops."""
        folder = self._node.host_path(str(PurePosixPath(note.path).parent))
        if folder.is_dir():
            return
        folder.mkdir(parents=True)
        os.chown(folder, note.folder_uid, note.folder_gid)
        os.chmod(folder, note.folder_mode & 0o7777)

    # -- both ------------------------------------------------------------------------------------------------------

    def _is_there(self, note: Note) -> bool:
        """Does the very content stand under its name on the node?"""
        try:
            with self._node.open(note.path) as file:
                return os.fstat(file.fileno()).st_size == note.size and sha256_of(file) == note.sha256
        except EvidenceError:
            return False

    @contextmanager
    def _folder_of(self, path: str) -> Iterator[tuple[int, str]]:
        """The folder of a file, open, and the file's name in it."""
        where = PurePosixPath(path)
        fd = self._node.open_folder(str(where.parent))
        try:
            yield fd, where.name
        finally:
            os.close(fd)

    def _folder_time(self, folder: str) -> int | None:
        """None where there is no such folder."""
        try:
            return self._node.facts(folder).mtime_ns
        except EvidenceError:
            return None

    def _left_time(self, folder: str) -> int | None:
        said = self._case.db.fact(_LEFT + folder)
        return None if said is None else int(said)

    def _notes(self) -> Iterator[tuple[int, Note]]:
        """All notes that can be read; an undo tells of the others."""
        for number in self._noted():
            with suppress(FlbrecoverError):
                yield number, self._read_note(number)

    def _noted(self) -> list[int]:
        """The numbers of all notes."""
        return sorted(int(path.stem) for path in self._home.glob("*.json") if path.stem.isdecimal())

    def _file(self, number: int, suffix: str = ".chunk") -> Path:
        return self._home / f"{number:06d}{suffix}"

    def _read_note(self, number: int) -> Note:
        path = self._file(number, ".json")
        try:
            with open(path, "rb", opener=untouched) as file:
                return Note(**json.loads(file.read(LARGEST_NOTE)))
        except (OSError, ValueError, TypeError) as e:
            raise FlbrecoverError(f"{path}: not the note of a retired file ({e})") from e

    def _journal(self, number: int, note: Note, state: str) -> None:
        row: dict[str, Any] = {"id": number, "at_ns": time.time_ns(), "state": state, **asdict(note)}
        self._case.db.insert("retired", row, replace=True)


class _ChangedError(Exception):
    """A file that is not what was proved to be stored."""
