"""Ctrl-C at a moment that does not tear apart what belongs together."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class InterruptsHeld:
    """A context manager: a Ctrl-C that comes inside takes effect at its end.

    Without it a Ctrl-C can come between any two steps of the main thread: an action is under way already, and nobody
    has noted which. Only for what takes no time; other threads get no Ctrl-C, and nothing is changed there.
    """

    def __enter__(self) -> None:
        self._came = False
        self._held = threading.current_thread() is threading.main_thread()
        if self._held:
            self._before = signal.signal(signal.SIGINT, self._note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held:
            signal.signal(signal.SIGINT, self._before)
        if self._came:
            signal.raise_signal(signal.SIGINT)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self._came = True
