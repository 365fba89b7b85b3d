"""Where in the node's logs Fluent Bit broke joined records off (:mod:`flbrecover.reconcile.breaks`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from flbrecover.model import ByteRange, Problem, SourceFile, SourceLog
from flbrecover.wording import count


class Broken:
    """The spans of their pieces but for the last ones, by the file of a log. ``records`` is how many records there are;
    ``left_out`` names a file of which some were not looked at."""

    def __init__(self) -> None:
        self._spans: dict[tuple[int, str, str], list[ByteRange]] = {}
        self._records: Counter[str] = Counter()  # by the paths of their files
        self.left_out = ""

    @property
    def records(self) -> int:
        return self._records.total()

    def add(self, log: SourceLog, file: SourceFile, spans: Iterable[ByteRange]) -> None:
        """One more record that was broken off."""
        self._spans.setdefault(_key(log, file), []).extend(spans)
        self._records[file.path] += 1

    def of(self, log: SourceLog, file: SourceFile) -> Sequence[ByteRange]:
        return self._spans.get(_key(log, file), ())

    def notes(self) -> Iterator[Problem]:
        """What the reader of a report should know."""
        for path, records in sorted(self._records.items()):
            what = f"Fluent Bit sent {count(records, 'joined record')} in pieces: its flush timer came before the last "
            what += "line, or it was stopped; each piece counts as a record"
            yield Problem(path, what, unreadable=False)
        if self.left_out:
            what = "too many joined records that are missing stand next to records that are in no log; not all of them"
            yield Problem(self.left_out, f"{what} were looked for in pieces", unreadable=False)

    def near(self, log: SourceLog, file: SourceFile, ranges: Sequence[ByteRange]) -> tuple[ByteRange, ...]:
        """Those that what lies in these ranges, in their order, cannot be read without."""
        if not ranges:
            return ()
        start, end = ranges[0].start, max(r.end for r in ranges)
        near: list[ByteRange] = []
        for span in reversed(self.of(log, file)):  # those of one record are together, in their order
            if (span.end >= start and span.start < end) or (near and span.end == near[-1].start):
                near.append(span)
        return tuple(reversed(near))


def _key(log: SourceLog, file: SourceFile) -> tuple[int, str, str]:
    return log.input_number, log.name, file.path
