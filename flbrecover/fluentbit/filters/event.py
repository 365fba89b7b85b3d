"""One record on its way through the filters, with what is not known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

import regex

from flbrecover.fluentbit.filters.names import ANY_NAME, NO_NAMES, Names
from flbrecover.fluentbit.record_accessor import MISSING, Accessor, Found, KeyPath, Missing, last, walk
from flbrecover.fluentbit.values import Fields, SourceRecord, Value

Fate = Literal["kept", "dropped", "maybe dropped"]

SEARCH_TIMEOUT_S = 2.0  # an expression that takes longer on one value counts as "nobody knows"


class Unknown:
    """The type of :data:`UNKNOWN`: the configuration does not tell what is there, or whether anything is."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Event(NamedTuple):
    """``open`` are the names of which nothing is known: neither whether the record has such a field nor its value;
    what ``fields`` says of them is a guess. ``hints`` say what an open field holds *if it is there* (of a map: the
    members that are known). ``varying`` are open names whose value differs from record to record. ``emitter`` is the
    place of the filter that put the record into the pipeline again (-1: it came from its input), ``hops`` how often
    that happened; ``again`` marks a record that is just being put in, ``joined`` one that the first filter, which is
    ``multiline``, has made already, and ``joined_by`` is the place of that filter once it was passed."""

    tag: str
    fields: Fields
    time_ns: int | None
    open: Names = NO_NAMES
    hints: Fields = ()
    varying: frozenset[bytes] = frozenset()
    fate: Fate = "kept"
    by: str = ""
    whole_log: bool = False
    emitter: int = -1
    hops: int = 0
    again: bool = False
    joined: bool = False
    joined_by: int = -1

    @staticmethod
    def of(record: SourceRecord) -> Event:
        return Event(record.tag, record.fields, record.time_ns, joined=record.joined)

    @property
    def tag_bytes(self) -> bytes:
        return self.tag.encode("utf-8", "surrogateescape")

    def has(self, name: bytes) -> bool | None:
        """Is there such a field? None: nobody knows."""
        if name in self.open:
            return None
        return any(key == name for key, _ in self.fields)

    def find(self, path: KeyPath) -> Found | Unknown:
        """The value at a path, MISSING, or UNKNOWN where the field is open and no hint tells."""
        if path.root not in self.open:
            return path.find(self.fields)
        return self._hint(path)

    def find_pair(self, path: KeyPath) -> Found | Unknown:
        """As :meth:`find`, for filters that do not find array elements."""
        if path.root not in self.open:
            return path.find_pair(self.fields)
        return self._hint(path)

    def _hint(self, path: KeyPath) -> Found | Unknown:
        hint = last(self.hints, path.root)
        if isinstance(hint, Missing):
            return UNKNOWN
        found = walk(hint, path.steps) if isinstance(hint, tuple) else hint
        return UNKNOWN if isinstance(found, Missing) else found

    def translate(self, template: Accessor, groups: tuple[bytes | None, ...]) -> bytes | None:
        """A tag template filled in; None where a part of it is not known."""
        unknown: list[KeyPath] = []

        def find(path: KeyPath) -> Found:
            found = self.find(path)
            if isinstance(found, Unknown):
                unknown.append(path)
                return MISSING
            return found

        text = template.translate(self.tag_bytes, find, groups)
        return None if unknown else text

    def with_fields(self, fields: Iterable[tuple[bytes, Value]]) -> Event:
        return self._replace(fields=tuple(fields))

    def opened(self, *names: bytes) -> Event:
        """Nothing is known of these names from here on."""
        return self._replace(open=self.open.plus(*names), hints=tuple(h for h in self.hints if h[0] not in names))

    def closed(self, *names: bytes) -> Event:
        """What ``fields`` says of these names holds from here on."""
        if not self.open:
            return self
        return self._replace(
            open=self.open.minus(*names),
            hints=tuple(h for h in self.hints if h[0] not in names),
            varying=self.varying.difference(names),
        )

    def dropped(self, by: str) -> Event:
        """A filter drops it, so it reaches no output."""
        return self._replace(fate="dropped", by=by, whole_log=False)

    def maybe_dropped(self, by: str, *, whole_log: bool = False) -> Event:
        """A filter may drop it; what decides by record is remembered rather than what decides for a whole log."""
        if self.fate != "kept" and not (self.whole_log and not whole_log):
            return self
        return self._replace(fate="maybe dropped", by=by, whole_log=whole_log)

    def blurred(self) -> Event:
        """Any field may be another now; those that there were stay as a guess."""
        return self._replace(open=ANY_NAME, hints=())


Step = Callable[[Event], tuple[Event, ...]]
"""What one filter does: usually one event; none of them marked ``again`` more than once, one that goes on at most."""


def either(unchanged: Event, changed: Event) -> Event:
    """A filter did it or did not: what differs between the two is not known."""
    names = {name for name, _ in (*unchanged.fields, *changed.fields)}
    differing = [n for n in names if _values(unchanged.fields, n) != _values(changed.fields, n)]
    return unchanged._replace(
        open=unchanged.open.union(changed.open).plus(*differing),
        hints=tuple(h for h in unchanged.hints if h in changed.hints),
        varying=unchanged.varying | changed.varying,
    )


def _values(fields: Fields, name: bytes) -> list[Value]:
    return [value for key, value in fields if key == name]


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """All true; None where one is not known and none is false."""
    known = True
    for verdict in verdicts:
        if verdict is False:
            return False
        known = known and verdict is not None
    return True if known else None


def inverse(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict


def search(pattern: regex.Pattern[bytes], data: bytes) -> regex.Match[bytes] | Unknown | None:
    """``pattern.search`` in bounded time; UNKNOWN where it takes too long."""
    try:
        return pattern.search(data, timeout=SEARCH_TIMEOUT_S)
    except TimeoutError:
        return UNKNOWN


def matches(pattern: regex.Pattern[bytes], data: bytes) -> bool | None:
    """Whether the pattern is found; None where it takes too long to say."""
    found = search(pattern, data)
    return None if isinstance(found, Unknown) else found is not None
