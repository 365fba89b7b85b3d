"""The lines of one log file as the tail input cuts them (``process_content`` and ``flb_tail_file_chunk`` in
plugins/in_tail/tail_file.c), with their spans; streamed, in memory that Buffer_Max_Size bounds.

NUL bytes in front of a line are dropped: Fluent Bit drops those in front of what it reads at a time, which is where
sparse copies and power losses leave them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flbrecover.evidence.log_bytes import LogBytes
from flbrecover.evidence.node import Node
from flbrecover.fluentbit import units
from flbrecover.fluentbit.log_line import LogLine
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import ByteRange, Problem, SourceFile

MAX_LINE = 64 * 1024 * 1024  # whatever Buffer_Max_Size says
MAX_PROBLEMS = 20  # long lines are named one by one up to here, and counted beyond


@dataclass(frozen=True, slots=True)
class LineRules:
    """What an input says of lines. A line fits when it is shorter than ``limit`` bytes (without its newline)."""

    limit: int = 32767
    skip_long: bool = False
    truncate_long: bool = False
    skip_empty: bool = False

    @classmethod
    def of(cls, tail: TailInput) -> LineRules:
        said = tail.section.get("truncate_long_lines") if tail.section else None
        limit = min(tail.buffer_max_size - 1, MAX_LINE)
        try:
            truncate = said is not None and units.boolean(said)
        except ValueError:
            truncate = False
        return cls(max(limit, 1), tail.skip_long_lines, truncate, tail.skip_empty_lines)


class LogLines:
    """Iterate to get lines from ``start`` (where a line begins) up to ``end``; both count uncompressed bytes.

    ``problems`` are filled while iterating. ``stops_at`` is the beginning of the first line that is too long for an
    input that neither skips nor truncates such lines: Fluent Bit never reads beyond it. The lines behind it are given
    nevertheless, and the long one never: no configuration makes a record of it.
    """

    def __init__(self, node: Node, file: SourceFile, rules: LineRules, start: int = 0, end: int | None = None) -> None:
        self._bytes = LogBytes(node, file, start)
        self._path = file.path
        self._rules = rules
        self._start = start
        self._end = end
        self._long_lines = 0
        self.problems: list[Problem] = []
        self.stops_at: int | None = None

    @property
    def complete(self) -> bool:
        """False where the file's end could not be read: what a last record still waits for may be lost."""
        return self._bytes.whole

    def __iter__(self) -> Iterator[LogLine]:
        held: list[bytes] = []  # of a line whose newline has not come yet; never more than the limit in all
        size = 0  # of that line so far, kept or not
        nuls = 0
        start = at = self._start
        for block in self._blocks():
            first, newline, rest = block.partition(b"\n")
            if not size:
                stripped = first.lstrip(b"\0")
                nuls += len(first) - len(stripped)
                first = stripped
            if size < self._rules.limit:
                held.append(first[: self._rules.limit - size])
            size += len(first)
            if not newline:
                at += len(block)
                continue
            end = at + len(block) - len(rest)
            yield from self._line(b"".join(held), size, start, end, nuls, terminated=True)
            lines = rest.split(b"\n")
            last = lines.pop()
            for line in lines:
                start, end = end, end + len(line) + 1
                if len(line) < self._rules.limit and line and line[0]:
                    if line != b"\r" or not self._rules.skip_empty:
                        yield LogLine(line, start, end)
                else:
                    content = line.lstrip(b"\0")
                    zeros = len(line) - len(content)
                    kept = content[: self._rules.limit]
                    yield from self._line(kept, len(content), start, end, zeros, terminated=True)
            start = end
            at += len(block)
            content = last.lstrip(b"\0")
            held, size, nuls = [content[: self._rules.limit]], len(content), len(last) - len(content)
        self.problems.extend(self._bytes.problems)
        if size and self._bytes.whole:
            yield from self._line(b"".join(held), size, start, at, nuls, terminated=False)
        if self._long_lines > MAX_PROBLEMS:
            what = f"{self._long_lines - MAX_PROBLEMS} more lines are longer than Buffer_Max_Size"
            self.problems.append(Problem(self._path, what, unreadable=not self._rules.skip_long))

    def _blocks(self) -> Iterator[bytes]:
        at = self._start
        for block in self._bytes:
            if self._end is not None and at + len(block) >= self._end:
                yield block[: self._end - at]
                return
            yield block
            at += len(block)

    def _line(
        self, content: bytes, size: int, start: int, end: int, nuls: int, *, terminated: bool
    ) -> Iterator[LogLine]:
        """A line of ``size`` bytes of which ``content`` was kept."""
        if size >= self._rules.limit:
            if self._rules.truncate_long:
                yield LogLine(content, start, end, True, True, nuls)  # it is written before its newline comes
            else:
                self._too_long(ByteRange(start, end), size)
        elif not (self._rules.skip_empty and content in (b"", b"\r")):
            yield LogLine(content, start, end, terminated, False, nuls)

    def _too_long(self, where: ByteRange, size: int) -> None:
        self._long_lines += 1
        if not self._rules.skip_long and self.stops_at is None:
            self.stops_at = where.start
        if self._long_lines > MAX_PROBLEMS:
            return
        what = f"a line of {size} bytes is longer than Buffer_Max_Size: "
        what += "Fluent Bit skips it" if self._rules.skip_long else "Fluent Bit stops reading the file there"
        way_out = "" if self._rules.skip_long else "give a configuration with a larger Buffer_Max_Size to recover it"
        self.problems.append(Problem(self._path, what, where, way_out, unreadable=not self._rules.skip_long))
