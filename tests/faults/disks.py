"""Disks that are full or broken, for real: a small tmpfs, and a file system on an image that lost its end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small(place: Path, size: str) -> Iterator[Path]:
    """A tmpfs of this size at ``place``."""
    place.mkdir()
    _need(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place)])
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def broken(folder: Path, files: Path) -> Iterator[Path]:
    """A read-only file system with a copy of ``files`` in it, of which names can be read and contents cannot: reading
    them gives EIO."""
    image, place = folder / "disk.img", folder / "broken"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    _need(["mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=0", str(image)])
    _need(["mount", "-o", "loop", str(image), str(place)])
    try:
        (place / "first").write_bytes(bytes(6 << 20))  # the names lie before it, what follows behind it
        shutil.copytree(files, place / "node", symlinks=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    _need(["mount", "-o", "loop,ro", str(image), str(place)])
    try:
        for path in place.rglob("*"):  # names and attributes come from memory from now on
            path.lstat()
        with image.open("r+b") as file:
            file.truncate(4 << 20)
        yield place / "node"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _need(command: list[str]) -> None:
    """Runs what only root on a machine of its own may do; elsewhere the tests of test_bad_input, with a limit on the
    size of files, are what there is."""
    done = subprocess.run(command, capture_output=True, text=True, check=False) if shutil.which(command[0]) else None
    if done is None or done.returncode:
        pytest.skip(f"{command[0]} is not allowed here: {done.stderr.strip() if done else 'not installed'}")
