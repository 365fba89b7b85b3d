"""Which rows of a case a page shows: the ones that matter most, of however many there are, in little memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flbrecover.reconcile.states import is_missing

Fields = Mapping[str, Any]
SideName = Literal["before", "now"]


class Top:
    """The ``most`` rows with the largest weight, of those that were offered; ``seen`` counts all."""

    def __init__(self, most: int) -> None:
        self.seen = 0
        self._most = most
        self._heap: list[tuple[Any, int, Any]] = []

    def offer(self, weight: Any, row: Any) -> None:
        self.seen += 1
        item = (weight, -self.seen, row)  # of equal ones the first stays
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, item)
        elif item[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, item)

    @property
    def rows(self) -> list[Any]:
        return [row for _, _, row in sorted(self._heap, key=lambda item: item[:2], reverse=True)]

    @property
    def more(self) -> int:
        return self.seen - len(self._heap)


def missing(line: Fields) -> int:
    """How many records of a line S3 should have and does not have."""
    return sum(n for state, n in line["states"].items() if is_missing(state))


def back(before: Fields | None, now: Fields | None) -> int:
    """How many records of a line are stored now that were missing before."""
    if before is None or now is None:
        return 0
    gained: int = now["states"].get("stored", 0) - before["states"].get("stored", 0)
    return max(0, min(gained, missing(before)))


@dataclass(slots=True)
class Row:
    """The same thing before a recovery and now (the same where there was no comparison afterwards). One of both may be
    missing: without ``now`` the comparison afterwards did not find it any more, as a log that was rotated meanwhile,
    and nobody knows what is missing of it now."""

    before: Fields | None = None
    now: Fields | None = None

    @property
    def line(self) -> Fields:
        """As of the latest comparison that has it."""
        line = self.now or self.before
        assert line is not None
        return line

    @property
    def was_missing(self) -> int:
        return missing(self.before) if self.before else 0

    @property
    def missing(self) -> int | None:
        return missing(self.now) if self.now else None

    @property
    def back(self) -> int | None:
        return back(self.before, self.now) if self.now else None


@dataclass(slots=True)
class Rows:
    """Lines of one type that stand in both files: chosen in a first pass over them, filled in a second one."""

    key: Callable[[Fields], Hashable]
    most: int
    _seen: set[int] = field(default_factory=set)  # hashes of keys: two files name most of them twice
    _tops: dict[SideName, Top] = field(default_factory=dict)
    _rows: dict[Hashable, Row] = field(default_factory=dict)

    def choose(self, side: SideName, line: Fields) -> None:
        top = self._tops.setdefault(side, Top(self.most))
        top.offer((missing(line), line["records"]), self.key(line))

    def shows(self, key: Hashable) -> bool:
        """Is this one of the chosen?"""
        if not self._rows:
            self._rows = {key: Row() for top in self._tops.values() for key in top.rows}
        return key in self._rows

    def fill(self, side: SideName, line: Fields) -> None:
        key = self.key(line)
        self._seen.add(hash(key))
        row = self._rows[key] if self.shows(key) else None
        if row is not None:
            setattr(row, side, line)

    def keep_before(self) -> None:
        """No comparison afterwards can be used: now is taken to be as before."""
        for row in self._rows.values():
            row.now = row.before

    @property
    def total(self) -> int:
        """How many stand in either file."""
        return len(self._seen)

    @property
    def rows(self) -> list[Row]:
        """What is still missing first, then what was, then what is large."""
        filled = [row for row in self._rows.values() if row.before or row.now]
        filled.sort(key=lambda r: (-(r.missing or 0), -r.was_missing, -r.line["records"], str(self.key(r.line))))
        return filled[: self.most]

    @property
    def more(self) -> int:
        return self.total - len(self.rows)
