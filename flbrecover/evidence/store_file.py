"""One file under ``store_dir``: whose records it holds and where they lie, also when its header is damaged.

The file's name is a hash of its tag, so it proves a tag, finds it among candidates, and even shows where the tag ends
when the header that says so is gone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.evidence.chunk_reader import blocks, data_end, data_start, problem_of, read_head
from flbrecover.evidence.node import Node
from flbrecover.fluentbit import chunk_file, file_name
from flbrecover.fluentbit.chunk_file import Header
from flbrecover.fluentbit.file_name import FileName
from flbrecover.fluentbit.json_whole import is_object
from flbrecover.fluentbit.record_split import DOCUMENT, LineSplitter, Piece
from flbrecover.model import ByteRange, FileFacts, Problem, TagProof


@dataclass(frozen=True, slots=True)
class StoreFile:
    """``meta`` is the tag (or an upload's name) as it stands in the file, None where it cannot be taken from there;
    ``doubted`` is what stands there when the file's name contradicts it."""

    facts: FileFacts
    name: FileName | None
    meta: bytes | None
    doubted: bytes | None
    content: ByteRange
    slack: ByteRange
    problems: tuple[Problem, ...]

    @property
    def created_ns(self) -> int | None:
        return None if self.name is None else file_name.created_ns(self.name, self.facts.mtime_ns)


def examine(node: Node, path: str) -> StoreFile | Problem:
    """Read as much of a file as it takes to say what it is. A Problem where it is no file of the store at all, or
    cannot be read; never raises for what is wrong with it."""
    try:
        facts = node.facts(path)
    except EvidenceError as e:
        return Problem(path, f"cannot be read: {e}")
    if not node.is_file(path):
        return Problem(path, "is no regular file; left alone", unreadable=False)
    name = file_name.parse(path.rpartition("/")[2])
    try:
        with node.open(path) as file:
            head = read_head(file)
            if name is None and head[:2] != chunk_file.MAGIC:
                return Problem(path, "is no file that the s3 output writes; left alone", unreadable=False)
            return _examine(file, facts, name, head)
    except (EvidenceError, OSError) as e:
        return problem_of(facts, e)


def find_tag(
    found: StoreFile, candidates: Collection[str], given: str | None
) -> tuple[str | None, TagProof, tuple[Problem, ...]]:
    """The tag of a data file, how it is proved, and the problem where it cannot be found."""
    if found.meta:
        return _text(found.meta), "header" if found.name is None else "header and name", ()
    if found.name is not None:
        for tag in (*candidates, *([] if given is None else [given])):
            if file_name.confirms(found.name, tag.encode("utf-8", "surrogateescape")):
                return tag, "name", ()
        if given is not None and found.doubted == given.encode("utf-8", "surrogateescape"):
            return given, "given", ()
        what = "its tag is not known: the hash in the file name fits no tag that the evidence shows"
        if found.doubted:
            what = "its tag is not known: the one in the header does not fit the hash in the file name"
    elif given is not None:
        return given, "given", ()
    else:
        what = "its tag is not known: neither its header nor its name tells it"
    if not found.content.length and not (found.problems and found.slack.length):
        return None, "unknown", ()  # there is nothing in it that would need a tag
    return None, "unknown", (Problem(found.facts.path, what, found.content, "give it with --tag TAG"),)


def _examine(file: BinaryIO, facts: FileFacts, name: FileName | None, head: bytes) -> StoreFile:
    header = chunk_file.parse_header(head, facts.size)
    problems = [Problem(facts.path, text, _damaged(header, facts.size)) for text in header.problems]
    if facts.size < chunk_file.META_AT:
        return StoreFile(facts, name, None, None, header.content, header.slack, tuple(problems))
    intact = header.magic_ok and header.meta is not None
    if intact and header.meta and (name is None or file_name.confirms(name, header.meta)):
        return _made(file, facts, name, header.meta, None, header, problems)
    length = None if name is None else file_name.find_tag(name, head[chunk_file.META_AT :])
    if length is not None:
        header = _with_start(header, chunk_file.META_AT + length, facts.size)
        problems = [Problem(facts.path, "the header is damaged; the file name shows where the tag ends", _HEADER)]
        return _made(file, facts, name, head[chunk_file.META_AT : header.content.start], None, header, problems)
    if intact:
        return _made(file, facts, name, None, header.meta or None, header, problems)
    start, what = _first_record(file, facts.size)
    problem = Problem(facts.path, what, ByteRange(0, start), "what is whole behind it is read")
    end = data_end(file, ByteRange(start, facts.size))
    return StoreFile(facts, name, None, None, ByteRange(start, end), ByteRange(end, facts.size), (problem,))


def _made(
    file: BinaryIO,
    facts: FileFacts,
    name: FileName | None,
    meta: bytes | None,
    doubted: bytes | None,
    header: Header,
    problems: list[Problem],
) -> StoreFile:
    if not header.length_known:
        header = chunk_file.trimmed(header, data_end(file, header.content))
    return StoreFile(facts, name, meta, doubted, header.content, header.slack, tuple(problems))


def _with_start(header: Header, start: int, size: int) -> Header:
    """The header for a content that begins elsewhere than it says; its length is taken where it fits the file."""
    claimed = header.content_length or 0
    known = header.magic_ok and 0 < claimed <= size - start
    end = start + claimed if known else size
    return Header(
        header.magic_ok, header.crc, claimed, None, ByteRange(start, end), ByteRange(end, size), length_known=known
    )


def _first_record(file: BinaryIO, size: int) -> tuple[int, str]:
    """Where the first record begins that can be taken for whole, in a file without a header, and what became of what
    is before it.

    Behind zeros any line will do, but the first: it may have lost its beginning, unless it is a whole JSON object.
    Behind other bytes only such an object shows that there are records at all.
    """
    begin = data_start(file, ByteRange(0, size))
    if begin == size:
        return size, "the file holds zeros only"
    lines = LineSplitter(begin)
    for _, block in blocks(file, ByteRange(begin, size)):
        for line in lines.feed(block):
            if isinstance(line, Piece) and is_object(line.data):
                return line.start, _LOST_HEADER
            if begin:
                return line.span.end + 1, _LOST_HEADER
    for line in lines.rest():
        document = line.data.find(DOCUMENT) if isinstance(line, Piece) else -1
        if begin or document >= 0:
            return line.span.start + max(document, 0), _LOST_HEADER
    return size, "the file is no Chunk I/O file and holds no record"


_HEADER = ByteRange(0, chunk_file.META_AT)
_LOST_HEADER = "the header is lost, and what stood here with it"


def _damaged(header: Header, size: int) -> ByteRange:
    claimed = header.content_length
    if header.magic_ok and header.meta is not None and claimed is not None and claimed <= chunk_file.MOST_CONTENT:
        return ByteRange(size, header.content.start + claimed)
    return ByteRange(0, min(size, chunk_file.META_AT))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
