"""Runs commands and measures them: wall time, CPU time, and the memory of the process and all its workers."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 0.025
KIB = 1024


@dataclass(frozen=True, slots=True)
class Run:
    """One command that ended, or was ended after ``limit`` seconds (``timed_out``).

    ``rss`` and ``pss`` are peaks of the sum over the process and its descendants, in bytes (0: not sampled). Pages that
    processes share count once for each of them in ``rss``, and once in all in ``pss``.
    """

    seconds: float
    cpu_seconds: float
    code: int
    timed_out: bool
    output: bytes
    errors: bytes
    rss: int = 0
    pss: int = 0
    processes: int = 0

    def records(self) -> list[dict[str, Any]]:
        """The JSON lines that the command wrote."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith(b"{")]

    def record(self, kind: str) -> dict[str, Any]:
        """The last JSON line of a type; empty where there is none."""
        return next((r for r in reversed(self.records()) if r.get("type") == kind), {})


def run(
    command: Sequence[str | Path], environment: Mapping[str, str], *, limit: float, memory: bool = False,
    cwd: Path | None = None,
) -> Run:  # fmt: skip
    """Runs a command to its end, at most ``limit`` seconds. Its output is kept in files, so no pipe slows it down."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd,
            start_new_session=True,
        )  # fmt: skip
        sampler = _Sampler(process.pid) if memory else None
        timer = threading.Timer(limit, _end, (process.pid,))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if sampler:
            sampler.stop()
        out.seek(0)
        err.seek(0)
        return Run(
            seconds, usage.ru_utime + usage.ru_stime, process.returncode, seconds >= limit, out.read(), err.read(),
            sampler.rss if sampler else 0, sampler.pss if sampler else 0, sampler.processes if sampler else 0,
        )  # fmt: skip


def _end(pid: int) -> None:
    """Ends a process that we started, with the group that is its own."""
    try:
        os.killpg(pid, 9)
    except ProcessLookupError:
        return


class _Sampler:
    """Looks at a process and its descendants every 25 ms, on a thread."""

    def __init__(self, pid: int) -> None:
        self.rss = self.pss = self.processes = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            pids = list(_tree(self._pid))
            sums = [_memory(pid) for pid in pids]
            self.rss = max(self.rss, sum(rss for rss, _ in sums))
            self.pss = max(self.pss, sum(pss for _, pss in sums))
            self.processes = max(self.processes, len(pids))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for at in found:
        try:
            threads = os.listdir(f"/proc/{at}/task")
        except OSError:
            continue
        for thread in threads:
            try:
                found += map(int, Path(f"/proc/{at}/task/{thread}/children").read_text().split())
            except OSError:
                continue
    return found


def _memory(pid: int) -> tuple[int, int]:
    """(RSS, PSS) of a process in bytes; zeros once it is gone."""
    rss = pss = 0
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name == "Rss":
            rss = int(rest.split()[0]) * KIB
        elif name == "Pss":
            pss = int(rest.split()[0]) * KIB
    return rss, pss
