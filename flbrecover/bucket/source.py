"""The bytes of a body with a look ahead."""

from __future__ import annotations

from collections.abc import Iterable

BLOCK = 1024 * 1024  # most bytes of content given out at once, of formats that let us choose


class Source:
    """The bytes of a body with a look ahead. ``taken`` counts those that were taken."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._ahead = b""
        self._at = 0
        self.taken = 0

    def peek(self, size: int) -> bytes:
        """At most ``size`` bytes of what comes next; fewer only at the end."""
        while len(self._ahead) - self._at < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._ahead, self._at = self._ahead[self._at :] + chunk, 0
        return self._ahead[self._at : self._at + size]

    def take(self, most: int = BLOCK) -> bytes:
        """Some of the next bytes, at most ``most``; none at the end."""
        if not self.peek(1):
            return b""
        chunk = self._ahead[self._at : self._at + most]
        self._at += len(chunk)
        self.taken += len(chunk)
        return chunk

    def give_back(self, rest: bytes) -> None:
        """Puts back the end of what was taken last."""
        self._at -= len(rest)
        self.taken -= len(rest)
