"""Threads that start or raise.

CPython's ``Thread.start`` waits for the first step of the new thread, without an end. One that finds no memory for
that step dies silently, and whoever started it hangs. So it is tried first whether there is room.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

ROOM = 16 << 20  # bytes: 8 MB for a stack, as Linux has it, and as much for what the thread does first


def need_room() -> None:
    """Raises MemoryError where there is no memory left for one more thread."""
    try:
        mmap.mmap(-1, ROOM).close()
    except OSError as e:
        raise MemoryError from e


class Pool(ThreadPoolExecutor):
    """:meth:`submit` raises MemoryError where a thread would find no memory."""

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        need_room()
        return super().submit(fn, *args, **kwargs)
