"""Standard input, output and error: there in any case, able to write any text, and told apart from every other file
where they take no more."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NAMES = {1: "standard output", 2: "standard error"}


class OutputError(Exception):
    """Standard output or error takes no more. No OSError and none of our family: nobody on its way up may take it for a
    file of the evidence or for an answer of S3. What is under way ends as after Ctrl-C: noted, and safe."""

    def __init__(self, fd: int, reason: OSError) -> None:
        super().__init__(f"{NAMES[fd]}: {reason.strerror}")
        self.fd = fd
        self.has_no_reader = reason.errno == errno.EPIPE  # `| head`


class _Output(io.FileIO):
    """The bytes of standard output or error: all of them, or OutputError."""

    def write(self, data: ReadableBuffer, /) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                written = super().write(rest)
                if written is None:
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                rest = rest[written:]
        except OSError as e:
            raise OutputError(self.fileno(), e) from e
        return size


def prepare() -> None:
    """Closed streams (``>&-``) become /dev/null, in this order, so that each gets its own number. Streams that somebody
    has put in their place, and those that are prepared already, stay."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - until the end of the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    elif sys.stdout is sys.__stdout__:
        sys.stdout = _checked(sys.stdout, 1)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    elif sys.stderr is sys.__stderr__:
        sys.stderr = _checked(sys.stderr, 2)


def _checked(stream: object, fd: int) -> TextIO:
    """The same stream, with OutputError; what its encoding cannot say (``LC_ALL=POSIX``) is escaped."""
    assert isinstance(stream, io.TextIOWrapper)
    stream.flush()
    raw = _Output(fd, "wb", closefd=False)
    is_unbuffered = isinstance(stream.buffer, io.RawIOBase)  # PYTHONUNBUFFERED
    return io.TextIOWrapper(
        raw if is_unbuffered else io.BufferedWriter(raw),  # as Python itself does
        stream.encoding,
        "backslashreplace",
        "\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def give_up(error: OutputError) -> None:
    """Says what a person has to know, if anybody is there. What is still in a buffer goes nowhere, so that the end of
    the process has nothing to complain of."""
    _silence(error.fd)
    if error.has_no_reader:
        return
    try:
        sys.stderr.write(f"flbrecover: {error}\n")
        sys.stderr.flush()
    except OutputError as e:
        _silence(e.fd)


def _silence(fd: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
