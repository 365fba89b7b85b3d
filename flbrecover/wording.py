"""Words that every part of the package says alike."""

from __future__ import annotations


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 record``, ``2 records``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def are(number: int) -> str:
    """``is`` for one, ``are`` for others."""
    return "is" if number == 1 else "are"
