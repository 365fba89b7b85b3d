"""What the kernel says of a process, for the record: its ``/proc`` files as plain values, secrets taken out.

Environment variables are never read: they hold credentials.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.evidence.procfs import comm_of, is_agent, pids
from flbrecover.fluentbit.secrets import MASK, is_secret, mask_argument

MAX_FILES = 4096
MAX_BYTES = 1 << 20  # of one file of /proc
_PACKAGE = re.compile(rb"^Package: fluent-bit\n(?:[^\n]+\n)*?Version: ([^\n]{1,100})$", re.MULTILINE)
_MAX_STATUS = 64 << 20


def agent_pids(proc: Path) -> list[int]:
    """The processes that are called like a Fluent Bit."""
    return [pid for pid in pids(proc) if is_agent(comm_of(proc / str(pid)))]


def facts_of(proc: Path, pid: int) -> dict[str, Any] | None:
    """The facts of one process; those that may not be looked at are None. None where it has ended."""
    here = proc / str(pid)
    comm = _read(here / "comm")
    if comm is None:
        return None
    return {
        "pid": pid,
        "comm": _text(comm.rstrip(b"\n")),
        "cmdline": _masked(_read(here / "cmdline")),
        "started_ns": _started_ns(proc, here),
        "exe": _link(here / "exe"),
        "cwd": _link(here / "cwd"),
        "root": _link(here / "root"),
        "version": _version(here / "root"),
        "open_files": _open_files(here / "fd"),
        "mounts": _lines(here / "mountinfo"),
        "limits": _lines(here / "limits"),
    }


def _masked(raw: bytes | None) -> list[str] | None:
    if raw is None:
        return None
    out: list[str] = []
    for argument in raw.rstrip(b"\0").split(b"\0"):
        text = _text(argument)
        named = out and out[-1].startswith("-") and "=" not in out[-1] and is_secret(out[-1].lstrip("-"))
        out.append(MASK if named else mask_argument(text))
    return out


def _started_ns(proc: Path, here: Path) -> int | None:
    stat, system = _read(here / "stat"), _read(proc / "stat")
    if stat is None or system is None:
        return None
    try:
        ticks = int(stat.rpartition(b")")[2].split()[19])  # field 22 of proc(5); the name may hold blanks
        boot = next(int(line.split()[1]) for line in system.splitlines() if line.startswith(b"btime "))
    except (ValueError, IndexError, StopIteration):
        return None
    return boot * 1_000_000_000 + ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _version(root: Path) -> str | None:
    """Of the package that it was installed from; a Fluent Bit of a container image was mostly installed by none."""
    try:
        with Node(root).open("/var/lib/dpkg/status") as f:
            m = _PACKAGE.search(f.read(_MAX_STATUS))
    except (EvidenceError, OSError):
        return None
    return _text(m[1]) if m else None


def _open_files(fds: Path) -> list[str] | None:
    try:
        names = sorted(os.listdir(fds), key=lambda n: (len(n), n))[:MAX_FILES]
    except OSError:
        return None
    return [f"{name} -> {target}" for name in names if (target := _link(fds / name)) is not None]


def _link(path: Path) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _lines(path: Path) -> list[str] | None:
    raw = _read(path)
    return None if raw is None else _text(raw).splitlines()


def _read(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as f:
            return f.read(MAX_BYTES)
    except OSError:
        return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
