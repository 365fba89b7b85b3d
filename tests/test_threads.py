"""Threads that start or raise."""

from __future__ import annotations

from pathlib import Path

import pytest

from flbrecover import threads
from flbrecover.threads import Pool


def test_without_room_no_thread_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pool(1) as pool:
        assert pool.submit(pow, 2, 3).result() == 8
        monkeypatch.setattr(threads, "ROOM", 1 << 62)  # more than there can be
        with pytest.raises(MemoryError):
            pool.submit(pow, 2, 3)


def test_the_room_is_given_back() -> None:
    def pages() -> str:
        return Path("/proc/self/statm").read_text().split()[0]

    threads.need_room()
    before = pages()
    for _ in range(10):
        threads.need_room()
    assert pages() == before
