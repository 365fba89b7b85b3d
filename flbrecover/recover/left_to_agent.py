"""What a Fluent Bit that comes back will read or send by itself."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.evidence.log_names import is_followed
from flbrecover.evidence.node import Node
from flbrecover.evidence.tail_positions import followed_as_gzip
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import SECOND_NS, SourceFile
from flbrecover.reconcile.states import EntryState
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.survey import may_retire

UNREAD = "unread: Fluent Bit goes on reading there when it comes back"
NO_ROW = "lost: Fluent Bit has no row for the file and reads all of it when it comes back"


class LeftToAgent:
    """Why missing records are Fluent Bit's to deliver. With ``retire`` it does not find the buffer files that are
    uploaded. It comes back at ``now_ns``, at the earliest."""

    def __init__(self, comparison: Comparison, now_ns: int, *, retire: bool) -> None:
        self._comparison = comparison
        self._now_ns = now_ns
        self._retire = retire
        self._read: dict[int, bool] = {}  # by run: does Fluent Bit read that file of a log, or go on reading it?

    def reason(self, entry: int, state: EntryState) -> str | None:
        """Of one record; None where Fluent Bit will not deliver it."""
        survey = self._comparison.survey
        if state == "lost" and survey.agents:
            return "lost: Fluent Bit is running and may hold them in memory; look again once it has stopped"
        if state == "pending":
            return "pending: Fluent Bit completes its recorded uploads when it starts"
        if state == "buffered":
            return self._of_buffer(entry)
        if state == "unread" and self._is_read(entry):
            return UNREAD
        if state == "lost" and not self._has_row(entry) and self._is_read(entry):
            return NO_ROW
        return None

    def _of_buffer(self, entry: int) -> str | None:
        buffer = self._comparison.holder_of(entry).buffer
        if buffer.problems or buffer.kind in ("quarantine", "rejected"):
            return None
        if self._retire and may_retire(buffer, self._comparison.survey.pipeline):
            return None
        if buffer.kind == "engine":
            return "buffered: Fluent Bit delivers the chunks of its storage.path when it starts"
        return "buffered: Fluent Bit sends the files of its dated folders when it starts"

    def _has_row(self, entry: int) -> bool:
        """Where its file has one, a lost record is below the offset: Fluent Bit does not read it again."""
        return self._comparison.logs.run_of(self._comparison.ledger.runs.of(entry)).file.position is not None

    def _is_read(self, entry: int) -> bool:
        run = self._comparison.ledger.runs.of(entry)
        if run not in self._read:
            log_run, survey = self._comparison.logs.run_of(run), self._comparison.survey
            tail = survey.input_of(log_run.log)
            self._read[run] = will_be_read(survey.node, tail, log_run.file, self._now_ns)
        return self._read[run]


def will_be_read(node: Node, tail: TailInput, file: SourceFile, now_ns: int) -> bool:
    """Does the input's scan find the file, and does Fluent Bit start where it stopped?

    A file is found by the input's ``Path`` alone, a compressed one if its name says so, unless it is too old for
    ``Ignore_Older``, row or not. One with a row goes on at its offset; one without a row, or whose offset marker does
    not match, is read from its beginning only with ``read_from_head``.
    """
    if tail.ignore_older_s and now_ns - file.facts.mtime_ns > tail.ignore_older_s * SECOND_NS:
        return False
    if not any(node.resolve(name) == file.facts.real_path for name in _found(node, tail, compressed=file.compressed)):
        return False
    position = file.position
    if position is None or position.marker == "mismatch" or position.row.inode != file.facts.inode:
        return tail.read_from_head
    return True


def _found(node: Node, tail: TailInput, *, compressed: bool) -> Iterator[str]:
    """The names that the input's scan finds; of compressed files those that it unpacks."""
    for pattern in tail.paths:
        for name in node.glob(pattern):
            if is_followed(tail, name) and (not compressed or followed_as_gzip(name)):
                yield name
