"""A private copy of a SQLite database with what its journal holds, so that opening it cannot change the evidence.

Opened in place, SQLite merges and deletes the ``-wal``, leaves a ``-shm``, or (``immutable=1``) misses the newest
rows. The ``-shm`` is only an index of the ``-wal`` and SQLite makes it anew, so it is not copied.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import xxhash

from flbrecover.errors import EvidenceError, FlbrecoverError
from flbrecover.evidence.node import Node
from flbrecover.model import FileFacts

MAX_BYTES = 4 << 30  # of each file; a tail DB with a million files has some hundred megabytes
_SUFFIXES = ("", "-wal", "-journal")
_ATTEMPTS = 5
_PAUSE_S = 0.1
_BLOCK = 1 << 20
# The last 8 bytes of a rollback journal that names a super-journal (sqlite.org/fileformat2.html, pager.c).
_SUPER_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"


@contextmanager
def snapshot(node: Node, db_path: str) -> Iterator[Path]:
    """Copy the database at ``db_path`` with its ``-wal`` and ``-journal`` to scratch; gives the copy's path.

    All files of the copy are from one moment: what changed while it was copied is copied again, a few times. The
    folder is readable by this user only and removed afterwards. The originals are opened for reading and nothing else.

    Raises EvidenceError where the originals cannot be read, keep changing, are larger than :data:`MAX_BYTES`, or come
    with a journal that would make SQLite touch other files. Raises FlbrecoverError where scratch cannot be written.
    """
    with _scratch_folder() as folder:
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE_S * attempt)
            if _copy(node, db_path, folder):
                break
        else:
            raise EvidenceError(f"{db_path}: changed while it was copied, {_ATTEMPTS} times: something writes to it")
        yield folder / "copy.db"


def scratch_error(folder: Path | str, why: str) -> FlbrecoverError:
    """The error for a scratch folder that cannot be written, with the way out."""
    return FlbrecoverError(f"scratch folder {folder}: {why}; set TMPDIR to a folder with free space")


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="flbrecover-")  # mkdtemp: mode 0700
    except OSError as e:
        raise scratch_error(os.environ.get("TMPDIR", "/tmp"), e.strerror or str(e)) from e
    with folder as name:
        yield Path(name)


def _copy(node: Node, db_path: str, folder: Path) -> bool:
    """One attempt. False where a file changed between the first look and the second reading."""
    real = node.resolve(db_path)  # SQLite looks for the -wal beside the file, not beside a symlink to it
    before = _facts_of_all(node, db_path, real)
    copied = {s: _read(node, f, folder / f"copy.db{s}") for s, f in before.items()}
    for suffix in set(_SUFFIXES) - set(copied):
        (folder / f"copy.db{suffix}").unlink(missing_ok=True)  # from an earlier attempt
    # Times of files are coarse: a second reading is what shows a change within one tick of the kernel's clock.
    again = {s: _read(node, f, None) for s, f in before.items()}
    if None in copied.values() or again != copied or _facts_of_all(node, db_path, real) != before:
        return False
    if _names_a_super_journal(folder / "copy.db-journal"):
        raise EvidenceError(f"{real}-journal: names a file for SQLite to delete, which no tail DB does; not opened")
    return True


def _facts_of_all(node: Node, db_path: str, real: str) -> dict[str, FileFacts]:
    found = {"": node.facts(db_path)}
    found.update({s: facts for s in _SUFFIXES[1:] if (facts := _facts_of_journal(node, real + s))})
    for facts in found.values():
        if facts.size > MAX_BYTES:
            raise EvidenceError(f"{facts.path}: {facts.size} bytes are more than a tail DB can have")
    return found


def _facts_of_journal(node: Node, path: str) -> FileFacts | None:
    """None where there is none, or none any more: SQLite deletes a ``-journal`` at every commit."""
    if not node.is_file(path):
        return None
    try:
        return node.facts(path)
    except EvidenceError:
        if node.exists(path):
            raise
        return None


def _read(node: Node, facts: FileFacts, target: Path | None) -> str | None:
    """The hash of the first ``facts.size`` bytes, written to ``target`` if given. None where there are fewer now."""
    try:
        source = node.open(facts.path)
    except EvidenceError:
        if node.exists(facts.path):
            raise
        return None
    digest = xxhash.xxh3_128()
    left = facts.size
    with source, _writer(target) as write:
        while left:
            try:
                block = source.read(min(_BLOCK, left))
            except OSError as e:
                raise EvidenceError(f"{facts.path}: {e.strerror}") from e
            if not block:
                return None
            digest.update(block)
            left -= len(block)
            write(block)
    return digest.hexdigest()


@contextmanager
def _writer(target: Path | None) -> Iterator[Callable[[bytes], None]]:
    if target is None:
        yield _keep_nothing
        return

    def write(block: bytes) -> None:
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError as e:
            raise scratch_error(target.parent, e.strerror or str(e)) from e

    try:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise scratch_error(target.parent, e.strerror or str(e)) from e
    try:
        yield write
    finally:
        os.close(fd)


def _keep_nothing(_block: bytes) -> None:
    return


def _names_a_super_journal(journal: Path) -> bool:
    """After a rollback SQLite deletes the super-journal that a journal names: any file of this machine."""
    if not journal.exists():
        return False
    with journal.open("rb") as f:
        f.seek(max(0, journal.stat().st_size - len(_SUPER_JOURNAL)))
        return f.read() == _SUPER_JOURNAL
