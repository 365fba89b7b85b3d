"""What the readers of Chunk I/O files share: reading a file's head, and finding where its zeros end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node, is_hidden
from flbrecover.fluentbit import chunk_file
from flbrecover.model import ByteRange, FileFacts, Problem

BLOCK = 1 << 18
FIRST = 80 << 10  # bytes of the first block: who needs the first records only is quicker; a head has room in it


def blocks(file: BinaryIO, where: ByteRange) -> Iterator[tuple[int, bytes]]:
    """The bytes of a range, each block with its offset; ends early where the file does. Raises OSError."""
    file.seek(where.start)
    at = where.start
    while at < where.end:
        block = file.read(min(FIRST if at == where.start else BLOCK, where.end - at))
        if not block:
            return
        yield at, block
        at += len(block)


def read_head(file: BinaryIO) -> bytes:
    """As many first bytes as :func:`chunk_file.parse_header` needs. Raises OSError."""
    file.seek(0)
    return file.read(chunk_file.HEAD_SIZE)


def data_start(file: BinaryIO, where: ByteRange) -> int:
    """The offset of the first byte of a range that is not zero, or its end. Raises OSError."""
    for at, block in blocks(file, where):
        data = block.lstrip(b"\0")
        if data:
            return at + len(block) - len(data)
    return where.end


def data_end(file: BinaryIO, where: ByteRange) -> int:
    """The offset behind the last byte of a range that is not zero, or its start. Raises OSError."""
    end = where.end
    while end > where.start:
        start = max(end - BLOCK, where.start)
        file.seek(start)
        data = file.read(end - start).rstrip(b"\0")
        if data:
            return start + len(data)
        end = start
    return where.start


def find(file: BinaryIO, where: ByteRange, wanted: bytes) -> int | None:
    """The offset of the first occurrence of a few bytes in a range, None where there is none. Raises OSError."""
    before = b""
    for at, block in blocks(file, where):
        found = (before + block).find(wanted)
        if found >= 0:
            return at - len(before) + found
        before = (before + block)[-len(wanted) + 1 :] if len(wanted) > 1 else b""
    return None


def list_folder(node: Node, path: str, problems: list[Problem], *, option: str = "") -> list[str]:
    """The names in a folder as paths, sorted; a problem and nothing where it cannot be listed. ``option`` names another
    folder where this one is not there."""
    try:
        return [f"{path.rstrip('/')}/{name}" for name in node.names(path)]
    except EvidenceError as e:
        elsewhere = option and isinstance(e.__cause__, FileNotFoundError)
        way_out = f"say where it lies on the node with {option}" if elsewhere else ""
        problems.append(Problem(path, _reason(e, path), way_out=way_out))
        return []


def is_folder(node: Node, path: str, problems: list[Problem], *, else_it: str = "") -> bool:
    """Whether a name is a folder; a problem where nobody may look, and where it is none ``else_it`` as a remark."""
    if node.is_dir(path):
        return True
    try:
        node.facts(path)
    except EvidenceError as e:
        if is_hidden(e):
            problems.append(Problem(path, f"cannot be looked into: {_reason(e, path)}"))
            return False
    if else_it:
        problems.append(Problem(path, else_it, unreadable=False))
    return False


def problem_of(facts: FileFacts, error: Exception) -> Problem:
    """A file that could not be read at all."""
    return Problem(facts.path, f"cannot be read: {_reason(error, facts.path)}", ByteRange(0, facts.size))


def _reason(error: Exception, path: str) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).removeprefix(f"{path}: ")
