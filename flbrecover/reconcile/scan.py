"""A quick first look at the lines of an object: which are surely none of ours, and which follow each other just as
entries of the ledger do.

Placement takes a record apart, which costs ten times what decompressing it does. Most records need no such thing: a
line whose *own* part (what every copy of a record has: neither a date that only the copy has, nor what siblings add) is
on no entry is a stranger; and where an entry is found, its neighbours mostly follow it, which comparing hashes of many
lines at once shows. What is neither is handed over as it is. Nothing is decided here that placement would not decide.
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO

import xxhash

from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.spelling import spelled_out, whole_bytes
from flbrecover.reconcile.edges import Edges
from flbrecover.reconcile.follow import following
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.own_parts import OwnParts
from flbrecover.reconcile.segments import Follow, Lines, Segment, Strangers
from flbrecover.reconcile.sorted_index import KeySet

AT_ONCE = 512  # lines that a probe looks at together
MOST_HELD = 10_000  # lines that are kept until it is known whether they fill a gap
_hash = xxhash.xxh3_64_intdigest


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the own part of a line lies: from ``head`` up to the last ``marker`` (the name of the first member that
    siblings add), or up to the closing brace where there is none; ``whole``: all of the line, with its newline, and
    characters for their halves, or with ``any_spelling`` for their escapes, too."""

    head: int = 0
    marker: bytes = b""
    whole: bool = False
    any_spelling: bool = False

    def own(self, line: bytes) -> int:
        """The hash of the own part."""
        if self.whole:
            return _hash(self._spelled(line) + b"\n")
        return _hash(line[self.head : line.rfind(self.marker) if self.marker else -1])

    def owns(self, lines: Iterable[bytes]) -> array[int]:
        """:meth:`own` of each line."""
        if self.whole:
            return array("Q", map(_hash, [self._spelled(line) + b"\n" for line in lines]))
        head, marker = self.head, self.marker
        if marker:
            return array("Q", [_hash(line[head : line.rfind(marker)]) for line in lines])
        return array("Q", [_hash(line[head:-1]) for line in lines])

    def owns_in(self, text: bytes) -> Sequence[int]:
        """:meth:`own` of each line of a text, each of which ends with its newline."""
        if self.whole:  # no line is held longer than it takes: a quarter of the time
            return list(map(_hash, BytesIO(self._spelled(text))))
        return self.owns(text[:-1].split(b"\n"))

    def _spelled(self, text: bytes) -> bytes:
        return spelled_out(text) if self.any_spelling else whole_bytes(text)


class Probe:
    """Tells that a stored JSON line is a copy of no log line, by the value of ``name``, one of the fields that they are
    compared by; ``field`` is that name as it is written, with its quotes. ``known`` has the hashes of all values; it
    may be shared.

    It says nothing (False) of lines that could spell that value in another way than we do, and nothing at all once it
    is :meth:`blind`.
    """

    def __init__(self, name: str, field: bytes, known: KeySet) -> None:
        self._name = name
        self._known = known
        self._blind = False
        self._begin = field + b':"'
        self._value = re.compile(re.escape(self._begin) + rb'([^"]*)"')
        self._value_of_line = re.compile(self._value.pattern + rb"[^\n]*")

    def hash_of(self, members: Members) -> int:
        """What is known of a record of a log, as it would be written: to be added to ``known``. 0 where it has no
        text in that field: the probe is to be :meth:`blind`."""
        raw = [raw for name, raw in members if name == self._name]
        if len(raw) != 1 or not raw[0].startswith('"'):
            return 0
        return _hash(_without_escapes(raw[0][1:-1].encode("utf-8", "surrogateescape")))

    def blind(self) -> None:
        """From now on it tells nothing."""
        self._blind = True

    def suspects(self, lines: Sequence[bytes]) -> list[int]:
        """The places of the lines that may be a record that was added."""
        found = self._values(lines)
        if found is None:
            return [n for n, line in enumerate(lines) if not self.is_strange(line)]
        return self._known.hits(array("Q", map(_hash, found)))

    def is_strange(self, line: bytes) -> bool:
        """Surely no record that was added?"""
        line = _without_escapes(line)
        if self._blind or _spells_freely(line):
            return False
        found = self._value.findall(line)
        return bool(found) and not self._known.hits(array("Q", map(_hash, found)))

    def _values(self, lines: Sequence[bytes]) -> list[bytes] | None:
        """The value of each line, in a fifth of the time; None where they have to be looked at one by one."""
        text = _without_escapes(b"\n".join(lines))
        if self._blind or _spells_freely(text) or text.count(self._begin) != len(lines):
            return None
        found = self._value_of_line.findall(text)  # at most one a line
        return found if len(found) == len(lines) else None


def _without_escapes(text: bytes) -> bytes:
    """Without what makes the end of a value hard to find: what follows are different values still, but for a few."""
    return text.replace(rb"\\", b"\0\0").replace(rb"\"", b"\0\0")


def _spells_freely(text: bytes) -> bool:
    """May a value in a text :func:`_without_escapes` be spelled in another way than we do?"""
    escapes = b"\\" in text and (rb"\u" in text or rb"\/" in text)
    return escapes or b"\x7f" in text or not text.isascii()


@dataclass
class _Block:
    """Lines that are scanned together: their own parts; ``hits``, those whose own parts entries may have, once they are
    asked for; and those that a probe suspects, as far as it ``looked``."""

    text: bytes
    found: Sequence[int]  # the own parts
    probes: Sequence[Probe]
    hits: deque[int] | None = None
    suspects: deque[int] = field(default_factory=deque)
    looked: int = 0

    def __len__(self) -> int:
        return len(self.found)

    @cached_property
    def lines(self) -> list[bytes]:
        return self.text[:-1].split(b"\n")

    def line(self, at: int) -> bytes:
        """One of the lines; the first and the last one are found without the others."""
        if at == 0:
            return self.text[: self.text.index(b"\n")]
        if at == len(self) - 1:
            return self.text[self.text.rfind(b"\n", 0, -1) + 1 : -1]
        return self.lines[at]

    @cached_property
    def owns(self) -> array[int]:
        return array("Q", self.found)

    def suspect(self, at: int, end: int) -> int:
        """The first line from ``at`` on that a probe suspects; ``end`` where there is none before it."""
        self.looked = max(self.looked, at) if self.probes else end
        while True:
            while self.suspects and self.suspects[0] < at:
                self.suspects.popleft()
            if self.suspects and self.suspects[0] < end:
                return self.suspects[0]
            if self.looked >= end:
                return end
            some = self.lines[self.looked : self.looked + AT_ONCE]
            found = {place for probe in self.probes for place in probe.suspects(some)}
            self.suspects.extend(self.looked + place for place in sorted(found))
            self.looked += len(some)


class Scanner:
    """Scans objects of one key format and tag. ``known`` has the own parts of its entries; ``probes`` have to agree on
    what is a stranger; without any, the own part alone tells. ``siblings`` is how many lines of a run are handed over
    for what they carry besides; ``joins`` says that strangers may be pieces of records whose lines our logs join."""

    def __init__(
        self,
        ledger: Ledger,
        cut: Cut,
        known: OwnParts,
        probes: Sequence[Probe],
        siblings: int,
        *,
        joins: bool = False,
    ) -> None:
        self._cut = cut
        self._known = known
        self._probes = probes
        self._siblings = siblings
        self._ledger = ledger
        self._size = len(ledger)
        self._logs = ledger.indexed
        self._edges = Edges() if joins else None

    def scan(self, texts: Iterable[bytes]) -> Iterator[Segment]:
        """Segments that cover all lines, in order; each line ends with its newline."""
        held: list[bytes] = []  # of strangers since the last line that was found, at most MOST_HELD
        strange = index = 0
        found = False  # a line, so far
        after = -1  # the entry that the next line has if it follows the last one that was found
        for text in texts:
            block = _Block(text, self._cut.owns_in(text), self._probes)
            at = 0
            while at < len(block):
                if after >= 0 and not strange:
                    count = self._following(block.owns, at, after)
                    if count:
                        entries = range(after, after + count)
                        some = tuple(block.lines[at : at + min(count, self._siblings)]) if self._siblings else ()
                        self._siblings -= len(some)
                        yield Follow(index + at, entries, block.line(at), block.line(at + count - 1), some)
                        after, at = after + count, at + count
                        continue
                end = self._strangers(block, at)
                if end > at:
                    if after >= 0 and len(held) + end - at <= MOST_HELD:  # before the first find there is no gap
                        held += block.lines[at:end]
                    else:
                        held = []
                    if self._edges:
                        self._edges.add(block, at, end, found_before=found)
                    strange += end - at
                    at = end
                    continue
                entry = self._known.only(block.found[at])
                if strange:
                    yield from self._gap(index + at - strange, strange, held, after, entry)
                    held, strange = [], 0
                yield Lines(index + at, [block.line(at)], entry)
                found = True
                after = entry + 1 if entry >= 0 else -1
                at += 1
            index += len(block)
        if strange and self._edges:
            yield from self._edges.take(index - strange, strange, found_before=found, found_after=False)
        elif strange:
            yield Strangers(index - strange, strange)

    def _gap(self, index: int, count: int, held: list[bytes], after: int, entry: int) -> Iterator[Segment]:
        """Strangers between two lines that were found, where as many entries lie between those, may be these entries
        in another spelling, or else the outer ones pieces of those entries: placement decides."""
        edges = list(self._edges.take(index, count, found_before=True, found_after=True)) if self._edges else []
        if after >= 0 and entry - after == count == len(held):
            yield Lines(index, held)
        elif edges and (after < 0 or entry != after):
            yield from edges
        else:
            yield Strangers(index, count)

    def _strangers(self, block: _Block, at: int) -> int:
        """Behind the strangers that begin at line ``at``."""
        if block.hits is None:
            block.hits = deque(self._known.hits(block.found))
        hits = block.hits
        while hits and hits[0] < at:
            hits.popleft()
        return block.suspect(at, hits[0] if hits else len(block))

    def _following(self, owns: array[int], at: int, entry: int) -> int:
        """How many lines from ``at`` on have the own parts of ``entry`` and those after it."""
        if entry >= self._size or (not self._cut.whole and entry >= self._logs):
            return 0  # what only buffers hold is compared with its date
        return following(self._ledger, owns, at, range(entry, self._ledger.runs.chain(entry - 1).stop))
