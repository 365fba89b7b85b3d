"""The log files behind a tail input: which belong together, in which order, and up to where Fluent Bit has read.

docs/rotation.md says for every way of rotating what is followed here and what is proved by what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flbrecover.errors import EvidenceError
from flbrecover.evidence.log_content import line_start, scan, uncompressed_size
from flbrecover.evidence.log_files import LogFile, files_of
from flbrecover.evidence.log_folders import FileKey, LogFolders, key_of
from flbrecover.evidence.log_names import NamedLog, is_followed, name_logs
from flbrecover.evidence.node import Node
from flbrecover.evidence.tail_positions import find_marked_bytes, followed_as_gzip, positions
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import ByteRange, Problem, SourceFile, SourceLog, TailPosition, TailRow

__all__ = ["GoneRange", "SourceEvidence", "examine", "logs", "positions"]

_LINE_REACH = 1 << 20  # how far back the start of a line is looked for, at least


@dataclass(frozen=True, slots=True)
class GoneRange:
    """Bytes of a log that Fluent Bit had read, as its row shows, and that no file here holds any more.

    They may have reached S3 or a buffer: only the log can no longer show it. ``where`` counts in the file that had
    ``inode``; ``name`` is the log's name.
    """

    name: str
    inode: int
    where: ByteRange
    proof: str
    tag: str = ""
    input_number: int = 0
    created_s: int = 0  # when the row was made, in seconds since the epoch


@dataclass(frozen=True, slots=True)
class SourceEvidence:
    """The logs of one tail input, what is gone of them, and what could not be read."""

    logs: tuple[SourceLog, ...]
    gone: tuple[GoneRange, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Mark:
    position: TailPosition | None
    read_to: int | None
    proof: str


def logs(node: Node, tail: TailInput, positions: Sequence[TailPosition]) -> tuple[list[SourceLog], list[Problem]]:
    """The logs of :func:`examine`, without what is gone."""
    evidence = examine(node, tail, positions)
    return list(evidence.logs), list(evidence.problems)


def examine(
    node: Node, tail: TailInput, positions: Sequence[TailPosition], others: Sequence[TailInput] = ()
) -> SourceEvidence:
    """Every log that ``tail`` follows or that a row names, with all its files in writing order, oldest first.

    ``positions`` are those of the input's own DB (empty without one); ``others`` are inputs with the same one.
    ``read_to`` of a file is

    - the row's offset where the row's inode or its marker leads to the file. Offsets without a marker come from before
      5.0.3 and may lie within a line: they go back to its start;
    - 0 for a file that is newer than the newest one with a row: Fluent Bit adds a row when it opens a file, so it never
      opened this one. Also for a file that has a row's inode but no longer the bytes that were read;
    - None elsewhere: rows are deleted some seconds after a rotation, and at a start for what is not found.
    """
    folders = LogFolders(node)
    named = name_logs(folders, tail, positions, others)
    owned = {key_of(f): log.name for log in named for f in [*([log.live] if log.live else []), *log.others.values()]}
    found: list[SourceLog] = []
    gone: list[GoneRange] = []
    for log in named:
        files = files_of(folders, log, {key for key, owner in owned.items() if owner != log.name})
        owned.update((key_of(f.facts), log.name) for f in files)
        marks, carried = _marks(folders, tail, log, files)
        gone += _gone(folders, log, files, marks, carried, tail.number)
        if files:
            found.append(SourceLog(tail.number, log.name, log.tag, tuple(_source_file(f, marks) for f in files)))
    return SourceEvidence(tuple(found), tuple(gone), tuple(folders.problems))


def _source_file(file: LogFile, marks: dict[FileKey, _Mark]) -> SourceFile:
    mark = marks[key_of(file.facts)]
    return SourceFile(file.facts, file.gzipped, mark.position, mark.read_to, mark.proof)


def _marks(
    folders: LogFolders, tail: TailInput, log: NamedLog, files: Sequence[LogFile]
) -> tuple[dict[FileKey, _Mark], set[int]]:
    """How far each file was read, and the ids of the rows whose bytes were found in some file."""
    by_key = {key_of(f.facts): f for f in files}
    marks: dict[FileKey, _Mark] = {}
    restarted: dict[FileKey, _Mark] = {}  # says nothing about the files before
    displaced = []
    for position in log.positions:
        key = key_of(position.file) if position.file else None
        if position.fate in ("same file", "rotated"):
            if key in by_key and not position.superseded:
                marks[key] = _mark_of_row(folders, tail, position, by_key[key])
            continue
        displaced.append(position)
        if key in by_key and position.file and position.file.inode == position.row.inode:
            proof = f"row {position.row.row_id} has its inode but read other bytes: truncated or used again"
            restarted[key] = _Mark(position, 0, proof)
    carriers = find_marked_bytes(folders, [p.row for p in displaced], marks.keys() | restarted.keys())
    for position in displaced:
        held = {key_of(f): f for f, _ in carriers.get(position.row.row_id, [])}.keys() & by_key.keys()
        if len(held) == 1:
            proof = f"row {position.row.row_id}: its offset marker is found in this file"
            marks.setdefault(held.pop(), _Mark(position, position.row.offset, proof))
    newest = max((i for i, f in enumerate(files) if key_of(f.facts) in marks), default=-1)
    for i, file in enumerate(files):
        if key_of(file.facts) not in marks:
            without = _mark_without_row(tail, file, files[newest] if 0 <= newest < i else None)
            marks[key_of(file.facts)] = restarted.get(key_of(file.facts), without)
    return marks, set(carriers)


def _mark_of_row(folders: LogFolders, tail: TailInput, position: TailPosition, file: LogFile) -> _Mark:
    row = position.row
    proof = f"row {row.row_id}: its inode" if file.facts.inode == row.inode else f"row {row.row_id}: its offset marker"
    read_to = row.offset
    try:
        if file.gzipped and followed_as_gzip(row.name):
            read_to = uncompressed_size(folders.node, file.facts, row.offset)
            proof += ", which counts compressed bytes: at most to here"
        if row.marker_size == 0 or read_to != row.offset:
            reach = max(tail.buffer_max_size, _LINE_REACH)
            read_to = line_start(folders.node, file.content, read_to, reach)
    except EvidenceError as e:
        folders.problems.append(Problem(file.facts.path, f"cannot be read: {e}"))
    return _Mark(position, read_to, proof)


def _mark_without_row(tail: TailInput, file: LogFile, newest: LogFile | None) -> _Mark:
    if newest is None:
        return _Mark(None, None, "no row")
    if not file.live and is_followed(tail, file.facts.path):
        return _Mark(None, None, "no row; Path matches this name too, so it may have been read again and again")
    return _Mark(None, 0, f"no row, and newer than {newest.facts.path}, which has one: never opened")


def _gone(
    folders: LogFolders,
    log: NamedLog,
    files: Sequence[LogFile],
    marks: dict[FileKey, _Mark],
    carried: set[int],
    input_number: int,
) -> list[GoneRange]:
    """What rows say was read and no file holds. Nothing is claimed that an unmarked file might still hold, or one that
    could not be looked at."""
    found = []
    for position in log.positions:
        row = position.row
        held = position.fate in ("same file", "rotated", "unknown") or row.row_id in carried
        if held or position.superseded or row.offset == 0:
            continue
        sizes = [_size(folders, f) for f in files if marks[key_of(f.facts)].position is None]
        if row.marker_size:  # files that reach the offset were searched: their bytes there are others
            sizes = [s for s in sizes if s < row.offset]
        start = max(sizes, default=0)
        if start < row.offset:
            where, proof = ByteRange(start, row.offset), _proof(row, position, start)
            found.append(GoneRange(log.name, row.inode, where, proof, log.tag, input_number, row.created_s))
    return [] if folders.hides(log.name) else found


def _size(folders: LogFolders, file: LogFile) -> int:
    try:
        return scan(folders.node, file.content, set()).size if file.gzipped else file.facts.size
    except EvidenceError as e:
        folders.problems.append(Problem(file.facts.path, f"cannot be read: {e}"))
        folders.hide(file.facts.path)
        return 0


def _proof(row: TailRow, position: TailPosition, start: int) -> str:
    if position.file is None or position.file.inode != row.inode:
        where = f"inode {row.inode} is in no folder that was looked into"
    else:
        where = f"inode {row.inode} was truncated or used again"
    beside = "no file beside it has these bytes" if start == 0 else f"the other files beside it end at {start}"
    return f"row {row.row_id}: Fluent Bit had read {row.offset} bytes; {where}, {beside}"
