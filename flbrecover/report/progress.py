"""Progress on stderr, only on a terminal, for what may take longer than a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Passes items on, with a bar while a person watches."""
    if not sys.stderr.isatty():
        yield from items
        return
    from tqdm import tqdm  # only where it is shown: importing takes longer than most commands

    yield from tqdm(items, desc=what, total=total, unit=unit, file=sys.stderr, leave=False, delay=1.0)
