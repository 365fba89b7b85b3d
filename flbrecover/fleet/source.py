"""Where the results of a fleet lie: a folder of S3 or of this machine, ``NODE/RUN/FILE`` below it. Nodes come one at a
time; what is not of that shape is counted and left out."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Protocol

from flbrecover.bucket.client import S3
from flbrecover.bucket.listing import objects
from flbrecover.bucket.reading import open_body
from flbrecover.errors import FlbrecoverError, UsageError
from flbrecover.fleet import facts as f
from flbrecover.fleet import names
from flbrecover.fleet.facts import FileSum
from flbrecover.fleet.names import Folder

LARGEST = 4 << 30  # bytes of one file of a run
MOST_RUNS = 100  # of one node that are looked at, the last ones
_BLOCK = 1 << 20
_NAMES = {f.STARTED, f.FACTS, *f.FILES}


@dataclass(slots=True)
class NodeFolder:
    """What lies in the folder of a node: the sizes of the files of each run. ``strays`` are other things."""

    node: str
    runs: dict[str, dict[str, int]] = field(default_factory=dict)
    strays: int = 0

    def add(self, run: str, name: str, size: int) -> None:
        if name not in _NAMES or not f.is_attempt(run):
            self.strays += 1
            return
        self.runs.setdefault(run, {})[name] = size
        if len(self.runs) > MOST_RUNS:
            self.strays += len(self.runs.pop(min(self.runs)))  # a run's name begins with its time


@dataclass(slots=True)
class Strays:
    """Things that lie in no folder of a node."""

    number: int = 0
    first: str = ""

    def add(self, name: str) -> None:
        self.number += 1
        self.first = self.first or name


class Source(Protocol):
    """``nodes`` may raise FlbrecoverError at any time; ``copy`` raises it, or OSError, for a file that cannot be had
    as it was listed."""

    strays: Strays

    def nodes(self) -> Iterator[NodeFolder]: ...

    def copy(self, node: str, run: str, name: str, size: int, to: BinaryIO) -> FileSum: ...


class S3Source:
    """Below a folder of a bucket. A node whose keys are not listed side by side comes more than once."""

    def __init__(self, s3: S3, folder: Folder) -> None:
        self._s3, self._folder, self.strays = s3, folder, Strays()

    def nodes(self) -> Iterator[NodeFolder]:
        for node, files in groupby(self._files(), key=lambda found: found[0]):
            folder = NodeFolder(node)
            for _, run, name, size in files:
                folder.add(run, name, size)
            yield folder

    def _files(self) -> Iterator[tuple[str, str, str, int]]:
        prefix = self._folder.prefix
        for found in objects(self._s3, self._folder.bucket, [prefix]):
            node, _, rest = found.key[len(prefix) :].partition("/")
            run, _, name = rest.partition("/")
            if names.is_node(node) and rest:
                yield node, run, name, found.size
            elif rest or found.size:  # folders may be objects of their own
                self.strays.add(found.key)

    def copy(self, node: str, run: str, name: str, size: int, to: BinaryIO) -> FileSum:
        with open_body(self._s3, self._folder.bucket, f"{self._folder.prefix}{node}/{run}/{name}") as body:
            return _copied(body, size, to)


class LocalSource:
    """Below a folder of this machine, as ``aws s3 sync`` makes it. Symbolic links are not followed."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
        self._folder, self.strays = folder, Strays()

    def nodes(self) -> Iterator[NodeFolder]:
        for entry in _entries(self._folder):
            if not entry.is_dir(follow_symlinks=False) or not names.is_node(entry.name):
                self.strays.add(entry.name)
                continue
            folder = NodeFolder(entry.name)
            for run in _entries(entry.path):
                if not run.is_dir(follow_symlinks=False):
                    folder.strays += 1
                    continue
                for file in _entries(run.path):
                    if file.is_file(follow_symlinks=False):
                        folder.add(run.name, file.name, file.stat(follow_symlinks=False).st_size)
                    else:
                        folder.strays += 1
            yield folder

    def copy(self, node: str, run: str, name: str, size: int, to: BinaryIO) -> FileSum:
        fd = os.open(self._folder / node / run / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise FlbrecoverError(f"{name}: not a regular file")
            return _copied(iter(lambda: file.read(_BLOCK), b""), size, to)


def _entries(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as e:
        raise FlbrecoverError(f"{path}: {e.strerror}") from e


def _copied(blocks: Iterable[bytes], size: int, to: BinaryIO) -> FileSum:
    """Copies what was listed with ``size`` bytes, and no more."""
    if size > LARGEST:
        raise FlbrecoverError(f"{size:,} bytes: larger than any file of a run")
    sha256, taken = hashlib.sha256(), 0
    for block in blocks:
        taken += len(block)
        if taken > size:
            raise FlbrecoverError(f"it grew beyond the {size:,} bytes that were listed")
        sha256.update(block)
        to.write(block)
    return FileSum(taken, sha256.hexdigest())
