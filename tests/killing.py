"""Runs ``flbrecover`` in processes of their own that are killed (SIGKILL) at a chosen instant.

A *point* is an instant at which something is about to happen that others can see: an HTTP request is sent, a statement
of a SQLite database is carried out, a file is opened for writing, renamed, linked or removed, a folder is made. Points
are counted through the interpreter's own audit events and SQLite's trace, so the product knows nothing of it. A run
that is not killed tells how many points it has; ``kill_at=n`` kills the next one just before point ``n``. Where threads
run, some runs have more points than others: ``among`` counts only those with that text, which is the same in each run.

    with Launcher() as launcher:
        points = launcher.run(arguments).points
        launcher.run(arguments, kill_at=len(points) // 2)

One process imports everything once and forks for each run, so a run costs little more than its work.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__)
EVENTS = {"http.client.send", "os.rename", "os.link", "os.remove", "os.mkdir", "os.utime", "os.chmod", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Run:
    """How a run ended. ``code`` is its exit code, or minus the signal that ended it; ``points`` what it passed."""

    code: int
    out: bytes
    err: str
    points: tuple[str, ...]

    def lines(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.out.splitlines()) if line["type"] == kind]

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Launcher:
    """Starts runs. ``start`` and ``wait`` keep several under way at once."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(os.environ) | dict(environment or {})

    def __enter__(self) -> Launcher:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment, text=True,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def run(
        self,
        arguments: Sequence[object],
        *,
        kill_at: int = 0,
        among: str = "",
        by: int = signal.SIGKILL,
        cwd: Path | None = None,
        memory: int = 0,
    ) -> Run:
        (ended,) = self.together([arguments], kill_at=kill_at, among=among, by=by, cwd=cwd, memory=memory)
        return ended

    def together(
        self,
        commands: Sequence[Sequence[object]],
        *,
        kill_at: int = 0,
        among: str = "",
        by: int = signal.SIGKILL,
        cwd: Path | None = None,
        memory: int = 0,
    ) -> list[Run]:
        """Starts several commands at the same moment; ``kill_at`` is for the first one alone, ``by`` the signal. With
        SIGINT the statements of SQLite are no points. ``memory``: bytes of addresses that a run gets beyond those that
        it begins with; 0 for no limit."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="killing-") as folder:
            jobs = [
                {"arguments": [str(a) for a in command], "kill_at": 0 if number else kill_at,
                 "among": among, "by": by, "memory": memory,
                 "files": f"{folder}/{number}", "cwd": str(cwd or Path.cwd())}
                for number, command in enumerate(commands)
            ]  # fmt: skip
            self._process.stdin.write(json.dumps(jobs) + "\n")
            self._process.stdin.flush()
            codes = json.loads(self._process.stdout.readline())
            return [
                Run(
                    code,
                    Path(job["files"] + ".out").read_bytes(),
                    Path(job["files"] + ".err").read_text(errors="replace"),
                    tuple(Path(job["files"] + ".points").read_text().splitlines()),
                )
                for job, code in zip(jobs, codes, strict=True)
            ]


class Points:
    """Counts points, notes them in a file, and kills the process at the chosen one."""

    def __init__(self, kill_at: int, by: int, file: str, among: str = "") -> None:
        self._kill_at = kill_at
        self._among = among
        self._by = by
        self._fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        self._count = 0
        self._lock = threading.Lock()

    def watch(self) -> None:
        sys.addaudithook(self._on_event)
        if self._by != signal.SIGINT:  # SQLite swallows what is raised in its trace, a Ctrl-C with it
            self._sqlite_connect = sqlite3.connect
            sqlite3.connect = self._connect  # type: ignore[assignment]

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            what = repr(arguments[1][:40]) if event == "http.client.send" else str(arguments[0])
            self._pass(f"{event} {what}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
            self._pass(f"open {arguments[0]}")

    def _connect(self, *arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = self._sqlite_connect(*arguments, **named)
        connection.set_trace_callback(lambda sql: self._pass(f"sql {sql[:90]}"))
        return connection

    def _pass(self, what: str) -> None:
        with self._lock:
            self._count += self._among in what
            if self._count == self._kill_at and self._among in what:
                os.kill(os.getpid(), self._by)
            os.write(self._fd, (what.encode("ascii", "backslashreplace").replace(b"\n", b" ")) + b"\n")


def _child(job: dict[str, Any]) -> None:
    from flbrecover.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background of a shell
    os.chdir(job["cwd"])
    for fd, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(job["files"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    Points(job["kill_at"], job["by"], job["files"] + ".points", job["among"]).watch()
    if job["memory"]:
        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + job["memory"],) * 2)
    main(job["arguments"])


def _fork(job: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _child(job)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 1
    except BaseException as e:  # noqa: BLE001 - a child must not come back as a second launcher
        sys.stderr.write(f"{e!r}\n")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Reads lists of runs, one list a line; starts each list at once and answers with the exit codes."""
    import flbrecover.bucket.client
    import flbrecover.cli.apply
    import flbrecover.cli.applying
    import flbrecover.cli.case
    import flbrecover.cli.diff
    import flbrecover.cli.recover
    import flbrecover.recover.analysis  # noqa: F401 - so that each run need not

    for line in sys.stdin:
        pids = [_fork(job) for job in json.loads(line)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
