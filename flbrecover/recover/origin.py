"""Where the records of an object that flbrecover wrote came from, as its metadata tell.

The same line may stand in a log again and again, and a line without a time gets a date that is estimated. Nothing in
such a record says which one it is, and its neighbours in the object need not be those of the log. So the object says it
itself: the node, and for each file its inode (a log that is rotated keeps it) and the byte ranges of the records.

That alone proves nothing: a record is on an entry only where its bytes or its fields are those of the entry, too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence

from flbrecover.model import ByteRange
from flbrecover.reconcile.columns import Column
from flbrecover.reconcile.plan import Piece
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.survey import Survey

NODE = "flbrecover-node"
ORIGIN = "flbrecover-origin"
_KINDS = {"log": "", "buffer": "b"}
MOST = 400  # characters: S3 takes 2 KB of metadata in all


class Origins:
    """What is written into the metadata of objects with records of one survey's files."""

    def __init__(self, survey: Survey) -> None:
        identity = survey.node.identity
        self._node = {NODE: identity} if identity else {}  # servers keep no header without a value
        files = [f.facts for log in survey.logs for f in log.files] + [b.facts for b in survey.buffers]
        self._inodes = {facts.path: facts.inode for facts in files}

    def metadata(self, pieces: Sequence[Piece]) -> dict[str, str]:
        """``INODE:START-END,START-END;bINODE:…`` (``b``: a buffer file, which may lie on another device than the logs),
        in the order of the records; what is too long for metadata is cut behind a range. Nothing where a file is not
        among the evidence, or only some lines of a record are uploaded."""
        said = ""
        for piece in pieces:
            inode = self._inodes.get(piece.path)
            if inode is None or piece.partial:  # a range tells nothing of the lines of a record
                break
            for number, span in enumerate(piece.ranges):
                more = f"{span.start}-{span.end}"
                more = f"{said and ';'}{_KINDS[piece.kind]}{inode}:{more}" if number == 0 else f",{more}"
                if len(said) + len(more) > MOST:
                    return {**self._node, ORIGIN: said}
                said += more
        return {**self._node, ORIGIN: said} if said else {}


class OriginEntries:
    """Finds the entries that the records of such an object were uploaded for."""

    def __init__(self, found: Comparison) -> None:
        self._found = found
        self._logs: dict[int, list[range]] = {}
        for run in found.logs.runs:
            self._logs.setdefault(run.file.facts.inode, []).append(found.ledger.runs.entries(run.run))
        self._buffers = {holder.buffer.facts.inode: holder for holder in found.holders}

    def of(self, metadata: Mapping[str, str], tags: Collection[str]) -> Iterator[int]:
        """The entries of an object's records, one by one and in their order, as far as its metadata tell: none for an
        object of another node, or of somebody else."""
        if metadata.get(NODE, "") != self._found.survey.node.identity:
            return
        for kind, inode, span in _read(metadata.get(ORIGIN, "")):
            yield from self._of_log(inode, span, tags) if kind == "log" else self._of_buffer(inode, span)

    def _of_log(self, inode: int, span: ByteRange, tags: Collection[str]) -> Iterator[int]:
        logs, runs = self._found.logs, self._found.ledger.runs
        for entries in self._logs.get(inode, ()):
            some = _within(logs.starts, entries, span)
            if some and runs.tags_of(some) & {*tags}:
                yield from (entry for entry in some if runs.tag_of(entry) in tags)
                return

    def _of_buffer(self, inode: int, span: ByteRange) -> Iterator[int]:
        holder = self._buffers.get(inode)
        if holder is not None:
            rows = range(holder.first, holder.first + len(holder))
            yield from (holder.records.entries[row] for row in _within(holder.records.starts, rows, span))


def _within(starts: Column, rows: range, span: ByteRange) -> range:
    """Those of the rows that begin within a span."""
    first, beyond = (bisect_left(rows, at, key=starts.__getitem__) for at in (span.start, span.end))
    return rows[first:beyond]


def _read(origin: str) -> Iterator[tuple[str, int, ByteRange]]:
    """(kind, inode, byte range) as :meth:`Origins.metadata` wrote them, up to what it did not write."""
    for piece in origin.split(";"):
        file, _, ranges = piece.partition(":")
        inode = file.removeprefix(_KINDS["buffer"])
        kind = "log" if inode == file else "buffer"
        for text in ranges.split(","):
            start, _, end = text.partition("-")
            numbers = (inode, start, end)
            if not all(n.isascii() and n.isdecimal() and len(n) < 20 for n in numbers):
                return
            yield kind, int(inode), ByteRange(int(start), int(end))
