"""A file of the evidence, copied whole: bytes, mode, owner and times; on the disk, compared, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from flbrecover.recover.case_db import fsync_folder

BLOCK = 1 << 20
PART = ".part"


class Original(Protocol):
    """What a copy has to have."""

    @property
    def sha256(self) -> str: ...
    @property
    def mode(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def atime_ns(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...


def copy_whole(source: BinaryIO, target: Path, original: Original) -> None:
    """A whole copy under its name, with mode, owner and times, on the disk; or nothing, and OSError."""
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    source.seek(0)
    try:
        with open(part, "wb", opener=private) as file:
            while block := source.read(BLOCK):
                file.write(block)
            file.flush()
            with suppress(PermissionError):  # not root: it stays ours
                os.fchown(file.fileno(), original.uid, original.gid)
            os.fchmod(file.fileno(), original.mode & 0o7777)
            os.utime(file.fileno(), ns=(original.atime_ns, original.mtime_ns))
            os.fsync(file.fileno())
        with open(part, "rb", opener=untouched) as file:
            if sha256_of(file) != original.sha256:
                raise OSError(errno.EIO, "the copy has other bytes than the file")
        part.replace(target)
    except BaseException:
        with suppress(OSError):  # the error that is on its way says what happened
            part.unlink()
        raise
    fsync_folder(target.parent)


def sha256_of(file: BinaryIO) -> str:
    hasher = hashlib.sha256()
    file.seek(0)
    while block := file.read(BLOCK):
        hasher.update(block)
    return hasher.hexdigest()


def private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def untouched(path: str, flags: int) -> int:
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # O_NOATIME is for the owner and root alone
        return os.open(path, flags)
