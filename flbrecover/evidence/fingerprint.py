"""What proves that a file of the evidence is the same before and after: its bytes, its inode, owner, mode and times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``sha256`` is of the first ``hashed`` bytes; ``size`` is that of the whole file."""

    path: str
    size: int
    mtime_ns: int
    device: int
    inode: int
    mode: int
    uid: int
    gid: int
    hashed: int
    sha256: str


def fingerprint(node: Node, path: str, most: int | None = None) -> Fingerprint:
    """Of a file, read once in blocks; ``most``: only so many of its first bytes. Raises EvidenceError."""
    hasher = hashlib.sha256()
    done = 0
    with node.open(path) as file:
        try:
            st = node.lstat(PurePosixPath(node.resolve(path)).parts[1:])
        except OSError as e:
            raise EvidenceError(f"{path}: {e.strerror}") from e
        limit = st.st_size if most is None else min(most, st.st_size)
        try:
            while done < limit and (block := file.read(min(BLOCK, limit - done))):
                hasher.update(block)
                done += len(block)
        except OSError as e:
            raise EvidenceError(f"{path}: {e.strerror}") from e
    return Fingerprint(
        path, st.st_size, st.st_mtime_ns, st.st_dev, st.st_ino, st.st_mode, st.st_uid, st.st_gid, done,
        hasher.hexdigest(),
    )  # fmt: skip
