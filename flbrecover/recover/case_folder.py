"""A case folder: what one recovery leaves behind for whoever goes on with it, reports it or undoes it.

Only one run at a time uses a case (a lock on its marker file, which the kernel takes away with the process). Files are
readable by their owner alone; each appears under its name whole or not at all. See docs/case-folder.md.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from flbrecover.errors import FlbrecoverError, UsageError
from flbrecover.recover.case_db import NAME, CaseDb, fsync_folder
from flbrecover.recover.case_reading import tool_of
from flbrecover.recover.whole_file import whole_file

MARKER = "flbrecover-case"
MARK = b"flbrecover case, layout 1\n"
PLAN, BEFORE, AFTER, RETIRED = "plan.json", "before.jsonl", "after.jsonl", "retired"
NO_CASE = (
    f"not a case folder: it holds neither {BEFORE} nor {PLAN} nor {NAME}; "
    "`flbrecover recover` and `flbrecover diff --case` make one"
)


class CaseFolder:
    """An open, locked case. ``moved_aside`` is where its damaged database was put, if it had one."""

    def __init__(self, path: Path, lock: int, db: CaseDb, moved_aside: Path | None) -> None:
        self.path = path
        self.db = db
        self.moved_aside = moved_aside
        self._lock = lock

    @property
    def plan_file(self) -> Path:
        return self.path / PLAN

    @property
    def retired(self) -> Path:
        return self.path / RETIRED

    @contextmanager
    def writing(self, name: str) -> Iterator[TextIO]:
        """A new text file of the case: it stands under its name once it is whole and on the disk."""
        target = self.path / name
        try:
            with whole_file(target, "ascii") as file:
                yield file
            fsync_folder(self.path)
        except OSError as e:
            raise FlbrecoverError(f"{target}: {e.strerror}; the case folder needs room (--case)") from e

    def close(self) -> None:
        self.db.close()
        os.close(self._lock)


def default_path(now_ns: int) -> Path:
    """A name in the current folder that is not taken. Raises UsageError where there is no current folder."""
    try:
        here = Path.cwd()
    except OSError as e:
        raise UsageError(f"the current folder: {e.strerror}; say with --case DIR where the case is to be kept") from e
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_ns // 1_000_000_000))
    return here / f"flbrecover-case-{stamp}"


def make_new(path: Path) -> Path:
    """Makes a folder that nobody else has, under this name or one with a number behind it."""
    number = 1
    while True:
        wanted = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            wanted.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
            continue
        except OSError as e:
            raise UsageError(f"{wanted}: {e.strerror}; say with --case DIR where the case is to be kept") from e
        fsync_folder(wanted.parent)
        return wanted


def open_case(path: Path) -> CaseFolder:
    """The case in a folder, which is made if need be. Raises UsageError for one that another run is using and for a
    folder that holds anything else."""
    path = Path(os.path.realpath(path))
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700)
            fsync_folder(path.parent)
        _check(path)
        lock = _locked(path)
        try:
            db, aside = CaseDb.open(path)
        except BaseException:
            os.close(lock)
            raise
    except OSError as e:
        raise UsageError(f"--case {path}: {e.strerror}") from e
    return CaseFolder(path, lock, db, aside)


def is_case(path: Path) -> bool:
    """Is this a folder with a case in it?"""
    return path.is_dir() and (path / MARKER).is_file()


def check_case(path: Path) -> None:
    """Raises UsageError for a folder that is no case, or one that this version cannot read."""
    if not is_case(path):
        torso = f"a case folder without its {MARKER}; copy the whole folder, or name its {PLAN}"
        raise UsageError(f"{path}: {torso if (path / PLAN).exists() else NO_CASE}")
    check_layout(path)


def check_layout(path: Path) -> None:
    """Raises UsageError for a case that another version of flbrecover has made."""
    try:
        if said := _other_layout(path):
            raise UsageError(f"{path}: {said}")
    except OSError as e:
        raise UsageError(f"{path / MARKER}: {e.strerror}") from e


def _other_layout(path: Path) -> str:
    """What is to be said of a case that another version has made; "" for one of ours. Raises OSError."""
    with open(path / MARKER, "rb", opener=_no_follow) as file:
        said = file.read(2 * len(MARK))
    if MARK.startswith(said):  # shorter: its maker was killed in between
        return ""
    theirs, ours = (mark.decode("ascii", "backslashreplace").strip() for mark in (said, MARK))
    what = f"a case of another version of flbrecover ({theirs!r}, this one knows {ours!r})"
    return f"{what}; use {tool_of(path) or 'that version'}"


def _check(path: Path) -> None:
    """Raises UsageError where the folder is not a case of ours and not empty either, or belongs to somebody else."""
    about = path.stat()
    if about.st_uid != os.geteuid():
        raise UsageError(f"--case {path}: belongs to another user; name a folder of your own")
    names = os.listdir(path)
    if MARKER not in names and names:
        raise UsageError(f"--case {path}: holds other files ({sorted(names)[0]}); name a new or an empty folder")
    if MARKER in names and (said := _other_layout(path)):
        raise UsageError(f"--case {path}: {said}, or name another folder")
    if stat.S_IMODE(about.st_mode) != 0o700:
        path.chmod(0o700)


def _locked(path: Path) -> int:
    fd = os.open(path / MARKER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        os.close(fd)
        if e.errno in (errno.EWOULDBLOCK, errno.EACCES):
            what = "another run of flbrecover is using it; wait for that one, or name another folder"
        else:
            what = f"its file system cannot lock files ({e.strerror}); name a folder on a disk of this machine"
        raise UsageError(f"--case {path}: {what}") from e
    if os.fstat(fd).st_size < len(MARK):
        os.pwrite(fd, MARK, 0)
        os.fsync(fd)
        fsync_folder(path)
    return fd


def _no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def check_not_evidence(path: Path, below: Collection[Path], directly_in: Collection[Path]) -> None:
    """Raises UsageError where a case folder would lie in the evidence: anywhere ``below`` a folder of buffers or logs,
    or right in the folder of a tail DB, whose times a new name would change. All paths are those of this machine."""
    real = Path(os.path.realpath(path))
    inside = next((folder for folder in below if real == folder or folder in real.parents), None)
    if inside is None:
        inside = next((folder for folder in directly_in if folder in (real, real.parent)), None)
    if inside is not None:
        raise UsageError(f"{path}: lies in {inside}, which is evidence; say with --case DIR where to keep the case")
