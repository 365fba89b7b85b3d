"""Takes joined records of logs apart again: which of their lines is a stranger the record of?

Fluent Bit may have made a record of any lines of it that follow each other. Which ones they can be is told by the text:
each of them has to be in the stranger. What Fluent Bit makes of just these lines is then compared in all that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from flbrecover.errors import EvidenceError
from flbrecover.evidence.source_logs import SpanRecords
from flbrecover.fluentbit.json_members import Members
from flbrecover.fluentbit.values import SourceRecord
from flbrecover.model import ByteRange
from flbrecover.reconcile.breaks import Joined
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.match_key import MatchRule
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.log_reader import LogReader
from flbrecover.recover.rules import Rules

MOST_BYTES = 1 << 20  # of a joined record
MOST_LINES = 2000
MOST_LOOKS = 20_000  # records that are read again in one comparison
MOST_TRIED = 8  # pieces that one stranger is compared with
NEWLINE = rb"\n"  # as JSON has it
KEPT = 64  # records that are kept for the next stranger


class _Rendered(NamedTuple):
    """A record as the output would write it, with its match key, and its members where it has some."""

    key: bytes
    data: bytes
    members: Members | None


Render = Callable[[SourceRecord], _Rendered | None]
"""None where the output does not get just one record, or nothing of it can be compared."""


class JoinedRecords:
    """Gives the joined record of an entry, None for one of a single line. Logs are read again for it, a record at a
    time; ``left_out`` names a file of which some were not, for there are too many."""

    def __init__(self, found: Comparison, reader: LogReader, rules: Rules) -> None:
        self._found = found
        self._reader = reader
        self._rules = rules
        self._kept: dict[int, Joined | None] = {}
        self._looks = 0
        self.left_out = ""

    def __call__(self, entry: int) -> Joined | None:
        if entry not in self._kept:
            if self._looks >= MOST_LOOKS:
                ledger, logs = self._found.ledger, self._found.logs
                self.left_out = self.left_out or logs.run_of(ledger.runs.of(entry)).file.path
                return None
            self._looks += 1
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[entry] = self._read(entry)
        return self._kept[entry]

    def _read(self, entry: int) -> Joined | None:
        ledger, logs = self._found.ledger, self._found.logs
        run, span, tag = logs.run_of(ledger.runs.of(entry)), logs.span(entry), ledger.runs.tag_of(entry)
        rule = self._rules.of_tag.get(tag)
        if rule is None or span.length > MOST_BYTES or not self._reader.joins_lines(run.log):
            return None
        try:
            lines = self._reader.span(run.log, run.file, span)
        except EvidenceError:  # the file is gone or another one now: reading it has told, or will
            return None
        if not 1 < len(lines.starts) <= MOST_LINES:
            return None
        joined = _JoinedLines(
            lines, lambda record: self._render(record, rule, tag), lambda record: self._render(record, rule)
        )
        return joined if joined.is_whole(lambda key: ledger.has_key(entry, key)) else None

    def _render(self, record: SourceRecord, rule: MatchRule, tag: str | None = None) -> _Rendered | None:
        """Without a tag, whichever the record has: a filter may give one to a piece that the whole has not."""
        of_tag = [some for some in self._reader.outcomes(record) if tag is None or some[0].tag == tag]
        if len(of_tag) != 1 or (data := of_tag[0][1]) is None or self._reader.lines(data) != [data]:
            return None
        members = None if rule.plain else of_tag[0][2] or self._reader.members(data)
        key = rule.of_rendered(data, members)
        return None if key is None else _Rendered(key, data, members)


class _JoinedLines:
    """A record of several lines; see :class:`~flbrecover.reconcile.breaks.Joined`."""

    def __init__(self, lines: SpanRecords, render: Render, render_line: Render) -> None:
        self._lines = lines
        self._render = render
        self._render_line = render_line
        self._texts: list[bytes] = []  # of its lines
        self.starts: Sequence[int] = lines.starts

    def is_whole(self, is_entry: Callable[[bytes], bool]) -> bool:
        """Do the lines make the record of the entry, and can its pieces be told? Lines of others are left out then."""
        whole = self._piece(0, len(self.starts))
        if whole is None or not is_entry(whole.key):
            return False
        places = [ByteRange(a, b) for a, b in pairwise(self.starts)]
        made = self._lines.broken_off(places)
        alone = [None if start not in made else self._render_line(made[start]) for start in self.starts]
        name = _content(whole, alone[0])
        if name is None:
            return False
        texts = [b"" if line is None else _text(line, name) for line in alone]
        own = _own_lines(_text(whole, name), texts)
        self._texts = [texts[line] for line in own]
        self.starts = [self.starts[line] for line in own]
        return len(own) > 1

    def end_of(self, first: int, copy: Copy) -> int:
        end = first
        while end < len(self.starts) and self._texts[end] in copy.data:
            end += 1
        likely = range(end, first, -1)[:MOST_TRIED]
        return next((end for end in likely if self._is(copy, first, end)), 0)

    def start_of(self, end: int, copy: Copy) -> int:
        start = end
        while start > 0 and self._texts[start - 1] in copy.data:
            start -= 1
        likely = range(start, end)[:MOST_TRIED]
        return next((start for start in likely if self._is(copy, start, end)), NONE)

    def find(self, copy: Copy) -> range:
        lines = [line for line, text in enumerate(self._texts) if text and text in copy.data]
        if not lines:
            return range(0)
        found = range(lines[0], lines[-1] + 1)
        return found if len(found) < len(self.starts) and self._is(copy, found.start, found.stop) else range(0)

    def _is(self, copy: Copy, first: int, end: int) -> bool:
        piece = self._piece(first, end)
        return piece is not None and piece.key in copy.keys

    def _piece(self, first: int, end: int) -> _Rendered | None:
        """The record of the lines from ``first`` up to ``end``."""
        lines = sorted({0, first, end} - {len(self.starts)})  # behind the last one it ends by itself
        broken = [ByteRange(self.starts[a], self.starts[b]) for a, b in pairwise(lines)]
        made = self._lines.broken_off(broken).get(self.starts[first])
        return None if made is None else self._render(made)


def _content(whole: _Rendered, first: _Rendered | None) -> str | None:
    """The name of the one text that goes on where that of the first line ends ("": there are no names); None where no
    text does, or several do."""
    if first is None or whole.data == first.data:
        return None
    if whole.members is None or first.members is None:
        return ""
    both = zip(whole.members, first.members, strict=False)
    longer = [name for (name, raw), (of, begin) in both if name == of and raw != begin and _goes_on(raw, begin)]
    return longer[0] if len(longer) == 1 and longer[0] else None


def _goes_on(raw: str, begin: str) -> bool:
    return begin.startswith('"') and raw.startswith(begin[:-1])


def _own_lines(whole: bytes, texts: Sequence[bytes]) -> list[int]:
    """Those of the lines whose texts, one after the other, are the text of the record; none where they are not. Lines
    of another stream may lie between them."""
    own, at = [], 0
    for line, text in enumerate(texts):
        begin = at + len(NEWLINE) if whole.startswith(NEWLINE + text, at) else at  # some inputs put it between lines
        if text and whole.startswith(text, begin):
            own.append(line)
            at = begin + len(text)
    return own if at == len(whole) and own and own[0] == 0 else []


def _text(line: _Rendered, name: str | None) -> bytes:
    """The text of a line, as it has to be found in a record that it is in: without its quotes."""
    if line.members is None:
        return line.data
    texts = [raw for _, raw in line.members if raw.startswith('"')]
    raw = next((raw for of, raw in line.members if of == name and raw in texts), max(texts, key=len, default='""'))
    return raw[1:-1].encode("utf-8", "surrogateescape")
