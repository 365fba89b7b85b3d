"""The captured incidents of ``fixtures/cases``, for tests: a node's root, and what S3 held."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flbrecover.demo import incident

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CASES = Path(__file__).parent.parent / "fixtures" / "cases"
NAMES = tuple(sorted(path.name for path in CASES.iterdir()))


def unpack(name: str, tmp_path: Path) -> Path:
    """The root of the node of a case, below ``tmp_path``."""
    return incident.unpack(CASES / name, tmp_path)


def load(name: str, s3: S3Client, node: Path) -> dict[str, Any]:
    """Puts the buckets, objects and pending uploads of a case into S3; gives what was put there."""
    return incident.load(CASES / name, node, s3)


def facts(name: str) -> dict[str, Any]:
    """``case.json``."""
    return incident.facts(CASES / name)


def config(name: str) -> str:
    """The path of the configuration inside the node."""
    return f"/{facts(name)['config']}"


def footprint(node: Path) -> dict[str, tuple[int, int, int, int, str]]:
    """Mode, inode, size, mtime and hash of everything below a root: what a command must not change."""
    found = {}
    for path in [node, *sorted(node.rglob("*"))]:
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        digest = hashlib.sha256(content).hexdigest()
        found[str(path.relative_to(node))] = (stat.st_mode, stat.st_ino, stat.st_size, stat.st_mtime_ns, digest)
    return found
