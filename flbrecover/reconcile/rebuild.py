"""Rebuilds a record that is in no buffer, as Fluent Bit would have written it.

The parsed fields come from the log line. What the pipeline adds and the configuration does not state (the
``kubernetes`` map) comes from siblings: copies of records of the same tag, in S3 or in buffers. A field is taken only
where all siblings that were looked at agree; what differs is left out, never invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flbrecover.fluentbit.formats import JSON_LINES, Format
from flbrecover.reconcile.plan import Additions

MOST_SIBLINGS = 1000


class Siblings:
    """Collects, for one tag, what its copies carry besides the fields that the pipeline is known to make."""

    def __init__(self, date_key: str | None, record_format: Format = JSON_LINES) -> None:
        self._date_key = date_key
        self._format = record_format
        self._values: dict[str, str | None] = {}  # name -> raw value; None: differs or is not always there
        self._front: set[str] = set()
        self.seen = 0

    def feed(self, record: bytes, made: Iterable[str]) -> None:
        """One copy; ``made`` are the names that the pipeline makes itself for records of this tag."""
        if self.seen >= MOST_SIBLINGS:
            return
        found = self._format.members(record)
        if found is None or not self._format.shows_all(found):
            return
        own = set(made)
        extra: dict[str, str] = {}
        before = True
        for name, raw in found:
            if name in own:
                before = False
            elif name != self._date_key:
                extra[name] = raw
                if before and not self.seen:
                    self._front.add(name)
        for name in self._values.keys() - extra.keys():
            self._values[name] = None
        for name, raw in extra.items():
            known = self._values.setdefault(name, raw if not self.seen else None)
            if known != raw:
                self._values[name] = None
        self.seen += 1

    def additions(self, may_add: Callable[[bytes], bool] | None = None) -> Additions:
        """What all siblings agree on, of the names that the pipeline may add (None: of all names)."""
        allowed = {n: raw for n, raw in self._values.items() if may_add is None or may_add(self._field(n))}
        agreed = [(name, raw) for name, raw in allowed.items() if raw is not None]
        return Additions(
            front=tuple(x for x in agreed if x[0] in self._front),
            back=tuple(x for x in agreed if x[0] not in self._front),
            missing=tuple(sorted(name for name, raw in allowed.items() if raw is None)),
            siblings=self.seen,
        )

    def _field(self, name: str) -> bytes:
        return self._format.field_of(name).encode("utf-8", "surrogateescape")


def add(rendered: bytes, additions: Additions, date_key: str | None, record_format: Format = JSON_LINES) -> bytes:
    """A rendered record with the additions put in; members that it has already stay as they are."""
    if not additions.front and not additions.back:
        return rendered
    found = record_format.members(rendered)
    if found is None or not record_format.shows_all(found):
        return rendered
    own = {name for name, _ in found}
    front = [x for x in additions.front if x[0] not in own]
    back = [x for x in additions.back if x[0] not in own]
    dated = 1 if found and found[0][0] == date_key else 0
    return record_format.join_members([*found[:dated], *front, *found[dated:], *back])
