"""A line of a log and what the tail input makes of lines, before the record has its tag."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from typing import NamedTuple

from flbrecover.fluentbit.values import Fields
from flbrecover.model import ByteRange


class Remark(NamedTuple):
    """Something that was not done as Fluent Bit would have done it. ``where`` is None where it is about the whole
    configuration; ``unreadable`` says that records may be missing or wrong because of it."""

    what: str
    where: ByteRange | None = None
    unreadable: bool = True


Report = Callable[[Remark], None]


class LogLine(NamedTuple):
    """``content`` is what lies between the newlines, without ``nuls`` leading NUL bytes; ``start`` and ``end`` are the
    span with those and the newline. ``terminated`` is False for a last line without one; ``cut`` is True where only
    the beginning of a too long line is there (``Truncate_Long_Lines``)."""

    content: bytes
    start: int
    end: int
    terminated: bool = True
    cut: bool = False
    nuls: int = 0

    @property
    def text(self) -> bytes:
        """The content without the carriage return of a CRLF. A line of nothing else keeps it (in_tail/tail_file.c)."""
        content = self.content
        return content[:-1] if content[-1:] == b"\r" and len(content) > 1 else content


class Made(NamedTuple):
    """A record before the tag: see :class:`flbrecover.fluentbit.values.SourceRecord`."""

    fields: Fields
    time_ns: int | None
    start: int
    end: int
    parsed: bool = True
    terminated: bool = True


Breaks = Mapping[int, Collection[int]]
"""Before the line at which place Fluent Bit broke records off, and where those began."""


def breaks_of(broken: Iterable[ByteRange]) -> Breaks:
    """Of the spans of records that were broken off."""
    found: dict[int, set[int]] = {}
    for span in broken:
        found.setdefault(span.end, set()).add(span.start)
    return found


class LineJoiner:
    """Base of what joins lines into records. ``feed`` gives the records that a line completes (the line's own is the
    last), ``finish`` what was still waiting for more at the end of the file."""

    def feed(self, line: LogLine) -> list[Made]:
        raise NotImplementedError

    def finish(self) -> list[Made]:
        return []

    def break_off(self, starts: Container[int]) -> list[Made]:
        """The records that wait for more lines and began at one of these places, as they are. What comes next begins
        new ones, as it does after Fluent Bit's flush timer."""
        return self.finish() if any(start in starts for start in self.waiting()) else []

    def waiting(self) -> list[int]:
        """Where the records that wait for more lines begin."""
        return []

    def resume(self) -> None:
        """Says that the lines to come are not the file's first ones; call it before the first of them."""

    @property
    def guessed(self) -> bool:
        """Whether, since :meth:`resume`, a line came whose record depends on lines before that."""
        return False
