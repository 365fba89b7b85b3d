"""What is mounted for a process: ``/proc/PID/mountinfo`` (proc_pid_mountinfo(5)), and where that lies on the node."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_SIZE = 8 * 1024 * 1024
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mounted:
    """A line of mountinfo: ``root`` is the folder of the file system that is mounted at ``point``."""

    device: str  # major:minor
    root: str
    point: str
    read_only: bool
    fstype: str


def of_process(process: Path) -> list[Mounted]:
    """The mounts of a process, in the order in which they were made. Raises OSError where it may not be looked at."""
    with open(process / "mountinfo", "rb") as f:
        text = f.read(MAX_SIZE).decode("utf-8", "surrogateescape")
    found = []
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        words, types = fields.split(" "), rest.split(" ")
        if len(words) >= 6 and types[0]:
            read_only = "ro" in words[5].split(",")
            found.append(Mounted(words[2], _plain(words[3]), _plain(words[4]), read_only, types[0]))
    return found


def at(mounts: Sequence[Mounted], path: str) -> tuple[Mounted, str] | None:
    """The mount that a path lies on, and the path within its file system. Of two at one point the later one counts."""
    fitting = [(len(m.point), i) for i, m in enumerate(mounts) if _below(path, m.point)]
    if not fitting:
        return None
    mount = mounts[max(fitting)[1]]
    return mount, posixpath.normpath(posixpath.join(mount.root, posixpath.relpath(path, mount.point)))


def on_the_node(mounts: Sequence[Mounted], device: str, inside: str) -> str | None:
    """The path on the node of a folder within a file system; None where the node has not mounted that part of it."""
    fitting = [m for m in mounts if m.device == device and _below(inside, m.root)]
    if not fitting:
        return None
    mount = max(fitting, key=lambda m: (len(m.root), -len(m.point)))
    return posixpath.normpath(posixpath.join(mount.point, posixpath.relpath(inside, mount.root)))


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
