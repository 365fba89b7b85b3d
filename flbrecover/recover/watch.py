"""How long work lets itself be watched: the caller passes something that shows progress, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Watch(Protocol):
    """Passes ``items`` on while it shows that ``what`` goes on; ``total`` is how many there will be, if known."""

    def __call__(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]: ...


def unwatched(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:  # noqa: ARG001
    yield from items
