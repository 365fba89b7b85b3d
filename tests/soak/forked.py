"""Runs of ``flbrecover`` in processes of their own that start at once: forked from one that has imported everything.

The server is forked before this process has threads, and has none itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

Prepare = Callable[[dict[str, Any]], None]
"""Called in a new process before ``flbrecover`` begins, with what the caller of :meth:`Forks.start` gave."""


@dataclass(frozen=True)
class Exited:
    """``code`` is negative where a signal ended the process."""

    code: int
    said: str


class Forks:
    """A context manager. ``folder`` gets what the processes say."""

    def __init__(self, folder: Path, prepare: Prepare) -> None:
        self._folder = folder
        self._prepare = prepare

    def __enter__(self) -> Forks:
        to_server, from_server = os.pipe(), os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(to_server[1])
            os.close(from_server[0])
            with contextlib.suppress(KeyboardInterrupt):
                self._serve(os.fdopen(to_server[0], "r"), os.fdopen(from_server[1], "w", buffering=1))
            os._exit(0)
        os.close(to_server[0])
        os.close(from_server[1])
        self._to, self._from = os.fdopen(to_server[1], "w", buffering=1), os.fdopen(from_server[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._to.close()
        self._from.close()
        os.waitpid(self._pid, 0)

    def start(self, arguments: list[str], given: dict[str, Any]) -> int:
        """Starts a process and gives its id."""
        self._to.write(json.dumps({"arguments": arguments, "given": given}) + "\n")
        return int(self._from.readline())

    def wait(self) -> Exited:
        """Waits for the end of the process started last."""
        status = int(self._from.readline())
        return Exited(os.waitstatus_to_exitcode(status), (self._folder / "said").read_text(errors="replace"))

    def _serve(self, requests: io.TextIOBase, answers: io.TextIOBase) -> None:
        import boto3

        import flbrecover.cli.analysing
        import flbrecover.cli.applying
        import flbrecover.cli.recover
        import flbrecover.cli.show  # noqa: F401

        boto3.session.Session().client("s3", region_name="us-east-1")  # reads botocore's data once for all
        for line in requests:
            asked = json.loads(line)
            pid = os.fork()
            if pid == 0:
                self._run(asked["arguments"], asked["given"])
            answers.write(f"{pid}\n")
            answers.write(f"{os.waitpid(pid, 0)[1]}\n")

    def _run(self, arguments: list[str], given: dict[str, Any]) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        said = os.open(self._folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for fd in (1, 2):
            os.dup2(said, fd)
        sys.stdin, sys.stdout, sys.stderr = io.StringIO(), os.fdopen(1, "w"), os.fdopen(2, "w")
        code = 99
        try:
            from flbrecover.cli import main

            self._prepare(given)
            main(arguments)
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 98
        except BaseException:  # noqa: BLE001 - a child must not come back as a second server
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
