"""The old ``Multiline On`` with ``Parser_Firstline``: a line that this parser takes begins a record.

A line that continues is appended to the last field of the record after a newline, or, where one of the ``Parser_N``
takes it, gives the record more fields. Source: in_tail/tail_multiline.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flbrecover.fluentbit.log_line import LineJoiner, LogLine, Made, Remark, Report
from flbrecover.fluentbit.multiline import MAX_JOINED, TOO_LONG
from flbrecover.fluentbit.parsers import ParserFunction
from flbrecover.fluentbit.values import Fields
from flbrecover.model import ByteRange


class FirstLineJoiner(LineJoiner):
    """``plain`` makes the record of a line that belongs to no other; ``path`` is the Path_Key pair that comes first."""

    def __init__(
        self,
        first_line: ParserFunction,
        others: Sequence[ParserFunction],
        plain: Callable[[LogLine], Made],
        path: Fields,
        report: Report,
    ) -> None:
        self._first_line = first_line
        self._others = others
        self._plain = plain
        self._path = path
        self._report = report
        self._maps: list[tuple[Fields, list[bytes]]] = []  # each with the lines that continue its last field
        self._size = 0
        self._time_ns: int | None = None
        self._takes_lines = False
        self._start = self._end = 0
        self._terminated = True

    def feed(self, line: LogLine) -> list[Made]:
        parsed = self._first_line(line.text)
        if parsed is not None:
            made = self.finish()
            fields = parsed.fields
            self._maps = [(fields, [])]
            self._size = 0
            self._time_ns = parsed.time_ns
            self._takes_lines = bool(fields) and isinstance(fields[-1][1], bytes)
            self._start = line.start
            self._note(line)
            return made
        for other in self._others:
            more = other(line.text)
            if more is not None:
                if self._maps:  # without a first line it is lost there
                    self._maps.append((more.fields, []))
                    self._note(line)
                return self._checked()
        if not self._maps or not self._takes_lines:
            return [self._plain(line)]
        self._maps[-1][1].append(line.text)
        self._note(line)
        return self._checked()

    def finish(self) -> list[Made]:
        """The record that waits for more lines; also what happens before a record that is not joined."""
        maps, self._maps = self._maps, []
        out = list(self._path)
        for fields, lines in maps:
            out += fields
            if fields and isinstance(last := fields[-1][1], bytes):
                if b"" in (last, *lines):
                    return []  # an empty text there is an error of the encoder, which loses the record
                out[-1] = (fields[-1][0], b"\n".join([last, *lines]))
        if not any(fields for fields, _ in maps):
            return []
        return [Made(tuple(out), self._time_ns, self._start, self._end, True, self._terminated)]

    def waiting(self) -> list[int]:
        return [self._start] if self._maps else []

    def _note(self, line: LogLine) -> None:
        self._size += len(line.content)
        self._end = line.end
        self._terminated = line.terminated

    def _checked(self) -> list[Made]:
        if self._size < MAX_JOINED:
            return []
        self._report(Remark(TOO_LONG, ByteRange(self._start, self._end)))
        return self.finish()
