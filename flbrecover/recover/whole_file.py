"""A file that appears under its name whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PART = ".part"


def part_of(path: Path) -> Path:
    """Where the file lies while it is written."""
    return path.with_name(path.name + _PART)


@contextmanager
def whole_file(path: Path, encoding: str | None = None, *, new: bool = False) -> Iterator[Any]:
    """A file to write, of bytes or of text in an encoding, that only its owner can read. At the end of the block it is
    on the disk and gets its name; where the block fails nothing is left. ``new``: what another run left is not written
    over (FileExistsError). Raises OSError."""
    part = part_of(path)
    how = os.O_EXCL if new else os.O_TRUNC
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | how | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") if encoding is None else os.fdopen(fd, "w", encoding=encoding, newline="\n") as file:
            yield file
            file.flush()
            os.fsync(fd)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
