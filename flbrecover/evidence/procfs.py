"""The processes of a procfs, wherever it lies, and which of them are called like a Fluent Bit."""

from __future__ import annotations

import os
from pathlib import Path

_NAMES = ("fluent-bit", "flb-", "td-agent-bit")


def pids(proc: Path) -> list[int]:
    """In the order of their numbers; none where it cannot be listed."""
    try:
        return sorted(int(name) for name in os.listdir(proc) if name.isascii() and name.isdecimal())
    except OSError:
        return []


def comm_of(process: Path) -> str:
    """The kernel's name for a process; "" where it has ended or may not be looked at."""
    try:
        with open(process / "comm", "rb") as f:
            return f.read(64).rstrip(b"\n").decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def is_agent(comm: str) -> bool:
    """Whether a process of this name may be a Fluent Bit, or what starts it (``fluent-bit-watcher``): who asks has to
    look at what it holds."""
    return comm.startswith(_NAMES)
