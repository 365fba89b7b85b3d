"""The manifest of a bundle: one JSON line for everything that was seen of the node. See docs/formats/bundle.md.

It is read with distrust: whoever made the bundle may have been the one who is investigated.
"""

from __future__ import annotations

import errno
import json
import os
import posixpath
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flbrecover.errors import EvidenceError
from flbrecover.evidence.frames import WAY_OUT

FORMAT = 1
MARKER = "flbrecover-bundle.json"  # the first member of the archive
MANIFEST = "manifest.jsonl"  # the last one
MAX_ENTRIES = 1_000_000
MAX_MANIFEST = 1 << 30  # bytes
MAX_LINE = 1 << 24
_KINDS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK, "other": 0, "unknown": 0}
_NUMBERS = ("device", "inode", "mode", "uid", "gid", "size", "mtime_ns", "ctime_ns", "atime_ns")
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LARGEST = 1 << 64


@dataclass(frozen=True, slots=True)
class Entry:
    """What was seen of one path. ``kind`` "other" is a FIFO, socket or device, "unknown" what could not be looked at.

    ``at`` is where the bytes of a file begin in the uncompressed archive, None where they were not taken; ``why`` says
    then why not, "" for files that no command reads. ``error`` is the errno with which it could not be looked at,
    listed or read. ``target`` is a symlink's. ``listed``: all names of a directory are in the manifest.
    """

    path: str
    kind: str
    device: int = 0
    inode: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    atime_ns: int = 0
    sha256: str | None = None
    at: int | None = None
    why: str = ""
    error: int = 0
    target: str | None = None
    listed: bool = False
    note: str = ""

    @property
    def st_mode(self) -> int:
        return _KINDS[self.kind] | self.mode

    @property
    def st_dev(self) -> int:
        return self.device

    @property
    def st_ino(self) -> int:
        return self.inode

    @property
    def st_uid(self) -> int:
        return self.uid

    @property
    def st_gid(self) -> int:
        return self.gid

    @property
    def st_size(self) -> int:
        return self.size

    @property
    def st_mtime_ns(self) -> int:
        return self.mtime_ns

    def line(self) -> dict[str, Any]:
        """As JSON, without what goes without saying."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {"type": "entry"} | {k: v for k, v in fields.items() if v not in (None, "", False) or k in _NUMBERS}


def of_stat(path: str, st: os.stat_result, **more: Any) -> Entry:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
    kind = more.pop("kind", None) or kinds.get(stat.S_IFMT(st.st_mode), "other")
    return Entry(
        path, kind, st.st_dev, st.st_ino, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_size,
        st.st_mtime_ns, st.st_ctime_ns, st.st_atime_ns, **more,
    )  # fmt: skip


def encode(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def decode(raw: bytes, name: str) -> dict[str, Any]:
    """One line as a JSON object. Raises EvidenceError."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise EvidenceError(f"{name}: its manifest is damaged; {WAY_OUT}") from e
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise EvidenceError(f"{name}: its manifest is damaged; {WAY_OUT}")
    return found


def entry_of(line: Mapping[str, Any], name: str, end: int) -> Entry:
    """The entry of a line; contents must lie before byte ``end`` of the archive. Raises EvidenceError for what no
    manifest of ours can say."""
    fields = {k: v for k, v in line.items() if k in Entry.__dataclass_fields__}
    path = fields.get("path")
    if not isinstance(path, str) or not _is_clean(path):
        raise EvidenceError(f"{name}: its manifest has {str(path)[:200]!r}, which is no path inside a node; refused")
    wrong = EvidenceError(f"{name}: what its manifest says of {path} cannot be; refused")
    if fields.get("kind") not in tuple(_KINDS):  # by comparison: not all of JSON can be hashed
        raise wrong
    numbers = [fields.get(n, 0) for n in _NUMBERS]
    if not all(type(n) is int and -_LARGEST < n < _LARGEST for n in numbers) or fields.get("size", 0) < 0:
        raise wrong
    if not 0 <= fields.get("mode", 0) <= 0o7777 or fields.get("error", 0) not in (0, *errno.errorcode):
        raise wrong
    texts = [fields.get(n) or "" for n in ("why", "note", "target", "sha256")]
    if not all(isinstance(t, str) for t in texts) or type(fields.get("listed", False)) is not bool:
        raise wrong
    at = fields.get("at")
    if at is not None:
        fits = type(at) is int and 0 <= at <= end - fields.get("size", 0)
        if fields["kind"] != "file" or not fits or not _SHA256.fullmatch(fields.get("sha256") or ""):
            raise wrong
    if (fields["kind"] == "symlink") != (fields.get("target") is not None):
        raise wrong
    return Entry(**fields)


def checked(entries: Iterable[Entry], name: str) -> dict[str, Entry]:
    """By path. Raises EvidenceError where a path stands there twice, or below something that is no directory."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.path in found:
            raise EvidenceError(f"{name}: its manifest has {entry.path} twice; refused")
        found[entry.path] = entry
        if len(found) > MAX_ENTRIES:
            raise EvidenceError(f"{name}: its manifest has more than {MAX_ENTRIES} entries; refused")
    if found.get("/", Entry("", "")).kind != "directory":
        raise EvidenceError(f"{name}: its manifest has no root directory; refused")
    for path in found:
        parent = found.get(posixpath.dirname(path))
        if path != "/" and (parent is None or parent.kind not in ("directory", "unknown")):
            raise EvidenceError(f"{name}: its manifest has {path} below something that is no directory; refused")
    return found


def _is_clean(path: str) -> bool:
    if not path.startswith("/") or path.startswith("//") or "\0" in path or len(path) > 1 << 16:
        return False
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return posixpath.normpath(path) == path
