"""What a Fluent Bit that comes back will read or send by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import PurePosixPath

from flbrecover.evidence.log_names import is_followed
from flbrecover.evidence.node import Node
from flbrecover.evidence.tail_positions import followed_as_gzip
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import SECOND_NS, SourceFile
from flbrecover.reconcile.states import EntryState
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.states import States
from flbrecover.recover.survey import Survey, may_retire

UNREAD = "unread: Fluent Bit goes on reading there when it comes back"
NO_ROW = "Fluent Bit finds no row that fits the log file and reads all of it when it comes back"


class LeftToAgent:
    """Why missing records are Fluent Bit's to deliver. With ``retire`` it does not find the buffer files that are
    uploaded. It comes back at ``now_ns``, at the earliest."""

    def __init__(self, comparison: Comparison, now_ns: int, *, retire: bool) -> None:
        self._comparison = comparison
        self._now_ns = now_ns
        self._retire = retire
        self._read: dict[int, bool] = {}  # by run: does Fluent Bit read that file of a log, or go on reading it?
        self._anew: dict[int, bool] = {}  # and from its beginning?

    def reason(self, entry: int, state: EntryState) -> str | None:
        """Of one record; None where Fluent Bit will not deliver it."""
        survey = self._comparison.survey
        if state == "lost" and survey.agents:
            return "lost: Fluent Bit is running and may hold them in memory; look again once it has stopped"
        if state == "pending":
            return "pending: Fluent Bit completes its recorded uploads when it starts"
        if state == "unread" and self._is_read(entry):
            return UNREAD
        if state == "buffered" and (sent := self.of_buffer(entry)):
            return sent
        if state in ("buffered", "lost") and self.is_read_anew(entry):
            return f"{state}: {NO_ROW}"
        return None

    def of_buffer(self, entry: int) -> str | None:
        """Why Fluent Bit sends the buffer file of an entry; None where it does not."""
        buffer = self._comparison.holder_of(entry).buffer
        if buffer.problems or buffer.kind in ("quarantine", "rejected"):
            return None
        if self._retire and may_retire(buffer, self._comparison.survey.pipeline):
            return None
        if buffer.kind == "engine":
            return "buffered: Fluent Bit delivers the chunks of its storage.path when it starts"
        return "buffered: Fluent Bit sends the files of its dated folders when it starts"

    def _file(self, entry: int) -> tuple[TailInput, SourceFile]:
        log_run = self._comparison.logs.run_of(self._comparison.ledger.runs.of(entry))
        return self._comparison.survey.input_of(log_run.log), log_run.file

    def is_read_anew(self, entry: int) -> bool:
        """Does Fluent Bit read the log file of an entry from its beginning?"""
        if entry >= len(self._comparison.logs):
            return False
        run = self._comparison.ledger.runs.of(entry)
        if run not in self._anew:
            self._anew[run] = begins_anew(self._comparison.survey, *self._file(entry)) and self._is_read(entry)
        return self._anew[run]

    def _is_read(self, entry: int) -> bool:
        run = self._comparison.ledger.runs.of(entry)
        if run not in self._read:
            self._read[run] = will_be_read(self._comparison.survey, *self._file(entry), self._now_ns)
        return self._read[run]


def read_again(comparison: Comparison, states: States, now_ns: int) -> Iterator[tuple[str, int]]:
    """(path, records) of the files that Fluent Bit reads from their beginning when it comes back, with how many of
    their records S3 has by then: it stores those a second time."""
    left = LeftToAgent(comparison, now_ns, retire=False)
    for run in comparison.logs.runs:
        entries = comparison.ledger.runs.entries(run.run)
        if entries and left.is_read_anew(entries.start):
            counted = states.totals(entries)
            buffered = chain.from_iterable(some for state, some in states.stretches(entries) if state == "buffered")
            sent = sum(1 for entry in buffered if left.of_buffer(entry))
            if records := counted["stored"] + counted["pending"] + sent:
                yield run.file.path, records


def begins_anew(survey: Survey, tail: TailInput, file: SourceFile) -> bool:
    """Does Fluent Bit take no row for that of the file? It goes by the inode; the offset has to lie in the file, and
    the marker, if there is one, to match (``set_file_position`` in plugins/in_tail/tail_file.c); and with
    ``db.compare_filename`` the last part of the row's name has to be that of the *real* file: that of one that was
    found by a symlink is another (``flb_tail_target_file_name_cmp`` in plugins/in_tail/tail_file.h; seen). An input
    with the same DB that starts before this one deletes the rows of files that it does not find."""
    position, facts = file.position, file.facts
    if position is None or position.marker == "mismatch":
        return True
    row = position.row
    if row.inode != facts.inode or row.offset > facts.size:
        return True
    if tail.compare_filename and PurePosixPath(row.name).name != PurePosixPath(facts.real_path).name:
        return True
    earlier = (other for other in survey.pipeline.on_the_db_of(tail) if other.number < tail.number)
    return not all(_finds(survey.node, other, file) for other in earlier)


def will_be_read(survey: Survey, tail: TailInput, file: SourceFile, now_ns: int) -> bool:
    """Does the input's scan find the file, and does Fluent Bit start where it stopped?

    A file is found by the input's ``Path`` alone, a compressed one if its name says so, unless it is too old for
    ``Ignore_Older``, row or not. One with a row goes on at its offset; one that :func:`begins_anew`, or whose offset
    is 0, is read from its beginning only with ``read_from_head``, else from its end.
    """
    if tail.ignore_older_s and now_ns - file.facts.mtime_ns > tail.ignore_older_s * SECOND_NS:
        return False
    if not _finds(survey.node, tail, file):
        return False
    at_its_offset = not begins_anew(survey, tail, file) and file.position is not None and file.position.row.offset > 0
    return at_its_offset or tail.read_from_head


def _finds(node: Node, tail: TailInput, file: SourceFile) -> bool:
    """Does the input's scan find the file? Of compressed ones it does those that it unpacks."""
    names = (name for pattern in tail.paths for name in node.glob(pattern))
    followed = (n for n in names if is_followed(tail, n) and (not file.compressed or followed_as_gzip(n)))
    return any(node.resolve(name) == file.facts.real_path for name in followed)
