"""A server as a child process on loopback that ends with this process, whatever ends this process."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flbrecover.errors import FlbrecoverError

FIRST_PORT, LAST_PORT = 24_000, 32_000  # above weed's own 23646, below what Linux gives out by itself
STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class Child:
    """A running program. Its output goes to the end of the file ``log``; it sees no AWS setting of ours."""

    def __init__(self, command: Sequence[str], *, log: Path, more_environment: Mapping[str, str]) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**{k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, **more_environment},
                cwd=log.parent,
                start_new_session=True,  # Ctrl-C is for us: the server stops when we are done with it
                preexec_fn=_die_with_parent(),
            )
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends it, by force where it does not listen. Safe to call twice."""
        atexit.unregister(self.stop)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_ports(count: int) -> int:
    """The first of ``count`` free ports in a row. Another process may still take one before it is used."""
    bases = list(range(FIRST_PORT, LAST_PORT - count, count))
    random.shuffle(bases)
    for base in bases:
        if all(_is_free(port) for port in range(base, base + count)):
            return base
    raise FlbrecoverError(f"no {count} free ports in a row between {FIRST_PORT} and {LAST_PORT}")


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> Callable[[], None] | None:
    """What asks Linux, in the child, for a SIGKILL when this process is gone (atexit does not see a SIGKILL)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return ask
