"""``Docker_Mode On``: joins the JSON lines that Docker split, before the input's parser sees them.

Of a split message the last line stays, with the text of all of them under ``log``. Source: in_tail/tail_dockermode.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flbrecover.fluentbit import json_fields
from flbrecover.fluentbit.log_line import LineJoiner, LogLine, Made, Remark, Report
from flbrecover.fluentbit.multiline import MAX_JOINED, TOO_LONG
from flbrecover.fluentbit.parsers import ParserFunction
from flbrecover.fluentbit.unescape import escaped
from flbrecover.model import ByteRange

# Unrolled: a quote that is not closed takes linear time.
_TOKEN = re.compile(rb'"(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"|[{}\[\]:,]', re.DOTALL)

MakeRecord = Callable[[bytes, bytes, LogLine], list[Made]]
"""From the line for the parser, the line for a record without one, and its place, to at most one record."""


class DockerModeJoiner(LineJoiner):
    """``first_line`` is ``Docker_Mode_Parser``: a complete line is then a record when the next first line comes."""

    def __init__(self, make: MakeRecord, first_line: ParserFunction | None, report: Report) -> None:
        self._make = make
        self._first_line = first_line
        self._report = report
        self._texts: list[bytes] = []
        self._size = 0
        self._last: LogLine | None = None
        self._start = 0
        self._complete = True
        self._saw_first_line = False
        self._resumed = False

    def feed(self, line: LogLine) -> list[Made]:
        made: list[Made] = []
        text = line.text
        if self._first_line is not None:
            is_first = self._first_line(text) is not None
            self._saw_first_line = self._saw_first_line or is_first
            if self._complete and (is_first or not self._saw_first_line):
                made += self.finish()
        log = _log_text(text)
        if log is None:
            return [*made, *self.finish(), *self._make(text, line.content, line)]
        if self._last is None:
            self._start = line.start
        self._last = line
        self._texts.append(text[log.start : log.end])
        self._size += log.length
        self._complete = escaped(text[log.start : log.end]).endswith(b"\n")
        if self._complete and self._first_line is None:
            return [*made, *self.finish()]
        if self._size >= MAX_JOINED:
            self._report(Remark(TOO_LONG, ByteRange(self._start, line.end)))
            return [*made, *self.finish()]
        return made

    def finish(self) -> list[Made]:
        if self._last is None:
            return []
        line, texts = self._last, self._texts
        self._last, self._texts, self._size = None, [], 0
        text = line.text
        log = _log_text(text) or ByteRange(len(text), len(text))
        joined = text[: log.start] + b"".join(texts) + text[log.end :]
        return self._make(joined, joined, line._replace(start=self._start))

    def waiting(self) -> list[int]:
        return [] if self._last is None else [self._start]

    def resume(self) -> None:
        self._resumed = True

    @property
    def guessed(self) -> bool:
        """It remembers whether there has been a first line."""
        return self._resumed and self._first_line is not None and not self._saw_first_line


def _log_text(line: bytes) -> ByteRange | None:
    """Where the raw text of the member ``log`` lies in a JSON object; None for a line that is not one, or has none."""
    if line[:1] != b"{" or json_fields.read(line) is None:
        return None
    depth = 0
    name: bytes | None = None  # the member whose value comes next
    last: bytes | None = None
    for token in _TOKEN.finditer(line):
        found = token[0]
        if found in (b"{", b"["):
            if name == b"log" and depth == 1:
                return None
            depth += 1
        elif found in (b"}", b"]"):
            depth -= 1
            if not depth:
                return None  # what follows the object is no part of it
        elif depth == 1 and found == b":":
            name = last
        elif depth == 1 and found == b",":
            if name == b"log":
                return None  # its value is a number or the like
            name = None
        elif depth == 1:
            if name == b"log":
                return ByteRange(token.start("text"), token.end("text"))
            last = token["text"]
    return None
