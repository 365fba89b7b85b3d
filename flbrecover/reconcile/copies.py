"""A record of a buffer file or an object, as placement takes it."""

from __future__ import annotations

from collections.abc import Callable

from flbrecover.reconcile.columns import NONE


class Copy:
    """One record of the sequence. ``keys`` are its match keys (several where it could be of several logs), or what
    makes them: a record is taken apart only if it has to be. ``own`` is the hash of what all copies of it have in
    common (0: not known). ``data`` is the record itself, where it may be asked for. ``only`` is the entry that is held
    with its bytes if any is (NONE: not known)."""

    __slots__ = ("_keys", "data", "digest", "index", "only", "own", "time_ns")

    def __init__(
        self,
        index: int,
        digest: bytes,
        keys: tuple[bytes, ...] | Callable[[], tuple[bytes, ...]],
        time_ns: int | None,
        own: int = 0,
        data: bytes = b"",
    ) -> None:
        self.index = index
        self.digest = digest
        self._keys = keys
        self.time_ns = time_ns
        self.own = own
        self.data = data
        self.only = NONE

    @property
    def keys(self) -> tuple[bytes, ...]:
        if not isinstance(self._keys, tuple):
            self._keys = self._keys()
        return self._keys
