"""What a Fluent Bit that comes back will read or send by itself."""

from __future__ import annotations

from flbrecover.model import SourceFile
from flbrecover.reconcile.states import EntryState
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.survey import may_retire

UNREAD = "unread: Fluent Bit goes on reading there when it comes back"


def left_to_agent(comparison: Comparison, entry: int, state: EntryState, *, retire: bool = False) -> str | None:
    """Why the missing record of ``entry`` is Fluent Bit's to deliver; None where it will not do so. With ``retire`` it
    does not find the buffer files that are uploaded."""
    if state == "lost" and comparison.survey.agents:
        return "lost: Fluent Bit is running and may hold them in memory; look again once it has stopped"
    if state == "pending":
        return "pending: Fluent Bit completes its recorded uploads when it starts"
    if state == "buffered":
        buffer = comparison.holder_of(entry).buffer
        if buffer.problems or buffer.kind in ("quarantine", "rejected"):
            return None
        if retire and may_retire(buffer, comparison.survey.pipeline):
            return None
        if buffer.kind == "engine":
            return "buffered: Fluent Bit delivers the chunks of its storage.path when it starts"
        return "buffered: Fluent Bit sends the files of its dated folders when it starts"
    if state == "unread":
        log_run = comparison.logs.run_of(comparison.ledger.runs.of(entry))
        return UNREAD if will_be_read(comparison, log_run.file, log_run.log.input_number) else None
    return None


def will_be_read(comparison: Comparison, file: SourceFile, input_number: int) -> bool:
    """Does the input's scan find the file, and does Fluent Bit start where it stopped?

    A file is found by the input's ``Path`` alone. One with a row goes on at its offset; one without a row, or whose
    offset marker does not match, is read from its beginning only with ``read_from_head``.
    """
    survey = comparison.survey
    tail = next(i for i in survey.pipeline.inputs if i.number == input_number)
    found = {
        survey.node.resolve(path)
        for pattern in tail.paths
        for path in survey.node.glob(pattern)
    }  # fmt: skip
    if file.facts.real_path not in found or file.compressed:
        return False
    position = file.position
    if position is None or position.marker == "mismatch" or position.row.inode != file.facts.inode:
        return tail.read_from_head
    return True
