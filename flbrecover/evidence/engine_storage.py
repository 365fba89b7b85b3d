"""The engine's ``storage.path``: chunks that wait for their outputs, and those that an output has rejected.

Layout: ``<storage.path>/<input>.<n>/<pid>-<sec>.<nsec>.flb``. Rejected chunks (``rejected/`` unless
``storage.rejected.path`` says otherwise) are copies without metadata; their names begin with the tag, in which ``/``,
``\\`` and ``:`` have become ``_``. Source: src/flb_input_chunk.c and ``flb_storage_quarantine_chunk`` in
src/flb_storage.c.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from flbrecover.errors import EvidenceError
from flbrecover.evidence.chunk_reader import data_end, find, is_folder, list_folder, problem_of, read_head
from flbrecover.evidence.node import Node
from flbrecover.fluentbit import chunk_file, engine_chunk
from flbrecover.fluentbit.engine_chunk import EVENT_START, Metadata
from flbrecover.model import BufferFile, ByteRange, FileFacts, Problem, TagProof

REJECTED = "rejected"
_SUFFIX = ".flb"
_REJECTED_NAME = re.compile(r"(.+)_(-?[0-9]{1,10})_(.+)_(?:0x[0-9a-f]{1,16}|\(nil\))\.flb\Z", re.DOTALL)
_LONGEST_SAFE_TAG = 127
_UNSAFE = str.maketrans("/\\:", "___")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """``meta`` is None where it is lost."""

    facts: FileFacts
    meta: Metadata | None
    content: ByteRange
    slack: ByteRange
    begins_with_map: bool
    problems: tuple[Problem, ...]


def scan(
    node: Node, home: str, *, tags: Collection[str] = (), given_tag: str | None = None
) -> tuple[list[BufferFile], list[Problem]]:
    """All chunks of log events below ``home``, a configured ``storage.path``, and what is wrong outside of them.

    Chunks of metrics and traces are named in a problem and left alone. ``tags`` are the candidates for the tag of a
    rejected chunk; ``given_tag`` is the user's ``--tag``, for chunks whose tag nothing else tells.
    """
    problems: list[Problem] = []
    buffers = []
    for stream, path in _files(node, home, problems):
        chunk = _read(node, path)
        if isinstance(chunk, Problem):
            problems.append(chunk)
            continue
        name = path.rpartition("/")[2]
        rejected = (chunk.meta is None or not chunk.meta.tag) and _REJECTED_NAME.match(name) is not None
        others = _other_events(chunk)
        if others:
            problems.append(Problem(path, f"a chunk of {others}; left alone", unreadable=False))
            continue
        if rejected:
            tag, proof, more = _tag_of_rejected(chunk, name, tags, given_tag)
        else:
            tag, proof, more = _tag(chunk, given_tag)
        buffers.append(
            BufferFile(
                chunk.facts,
                home,
                "rejected" if rejected or stream == REJECTED else "engine",
                stream,
                None,
                tag,
                proof,
                engine_chunk.created_ns(name),
                chunk.content,
                chunk.slack,
                (*chunk.problems, *more),
            )
        )
    return buffers, problems


def _files(node: Node, home: str, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """Stream and path of every chunk. What else lies there is counted and left alone."""
    for stream in list_folder(node, home, problems, option="--storage-path"):
        if not is_folder(node, stream, problems):
            continue
        paths = list_folder(node, stream, problems)
        others = [path for path in paths if not path.endswith(_SUFFIX)]
        if others:
            what = f"{len(others)} of {len(paths)} files are no chunks of the engine; left alone"
            problems.append(Problem(stream, what, unreadable=False))
        for path in paths:
            if path.endswith(_SUFFIX):
                yield stream.rpartition("/")[2], path


def _other_events(chunk: _Chunk) -> str:
    """What the chunk holds if that is not log events."""
    event_type = chunk.meta.event_type if chunk.meta else "logs"
    if event_type == "logs":  # rejected chunks do not say their type, but only log events come as lists
        return "metrics or traces" if chunk.begins_with_map else ""
    return "events of an unknown type" if event_type == "unknown" else event_type


def _read(node: Node, path: str) -> _Chunk | Problem:
    try:
        facts = node.facts(path)
    except EvidenceError as e:
        return Problem(path, f"cannot be read: {e}")
    if not node.is_file(path):
        return Problem(path, "is no regular file; left alone", unreadable=False)
    try:
        with node.open(path) as file:
            return _examine(file, facts)
    except (EvidenceError, OSError) as e:
        return problem_of(facts, e)


def _examine(file: BinaryIO, facts: FileFacts) -> _Chunk:
    head = read_head(file)
    header = chunk_file.parse_header(head, facts.size)
    if header.magic_ok and header.meta is not None:
        meta = engine_chunk.parse_metadata(header.meta)
        if header.content.length and head[header.content.start] != _LIST_OF_TWO and meta.event_type == "logs":
            found = _with_metadata(file, facts, head, header.content)
            if found and (found.content.start < header.content.start or _is_plausible(found.meta)):
                return found
        if not header.length_known:
            header = chunk_file.trimmed(header, data_end(file, header.content))
        claimed = header.content_length or 0
        missing = ByteRange(facts.size, header.content.start + claimed)
        damaged = missing if claimed <= chunk_file.MOST_CONTENT else _HEADER
        problems = [Problem(facts.path, text, damaged) for text in header.problems]
        if meta.routed:
            what = "its records go to the outputs that it names, whatever their Match says"
            problems.append(Problem(facts.path, what, unreadable=False))
        first = head[header.content.start : header.content.start + 1]
        return _Chunk(facts, meta, header.content, header.slack, _is_map(first), tuple(problems))
    if facts.size < chunk_file.META_AT:
        problem = Problem(facts.path, header.problems[0], ByteRange(0, facts.size))
        return _Chunk(facts, None, header.content, header.slack, False, (problem,))
    found = _with_metadata(file, facts, head, ByteRange(facts.size, facts.size))
    if found and _is_plausible(found.meta):
        return found
    start = _first_event(file, ByteRange(0, facts.size))
    what = "the header is lost, and what stood here with it"
    if start is None:
        start = facts.size
        zeros = data_end(file, ByteRange(0, facts.size)) == 0
        what = "the file holds zeros only" if zeros else "the file is no Chunk I/O file and holds no event"
    end = data_end(file, ByteRange(start, facts.size))
    problem = Problem(facts.path, what, ByteRange(0, start))
    return _Chunk(facts, None, ByteRange(start, end), ByteRange(end, facts.size), False, (problem,))


def _with_metadata(file: BinaryIO, facts: FileFacts, head: bytes, stated: ByteRange) -> _Chunk | None:
    """A chunk whose header is damaged but whose metadata is not: it ends where the first event begins. ``stated`` is
    the content that the header claims; its end is kept."""
    if head[chunk_file.META_AT : chunk_file.META_AT + 2] != engine_chunk.META_MAGIC:
        return None
    start = _first_event(file, ByteRange(chunk_file.META_AT, len(head)))
    if start is None:
        return None
    end = stated.end if stated.length else facts.size
    end = data_end(file, ByteRange(start, max(end, start)))
    what = "the header is damaged; the tag is taken to end where the first event begins"
    problem = Problem(facts.path, what, _HEADER)
    meta = engine_chunk.parse_metadata(head[chunk_file.META_AT : start])
    return _Chunk(facts, meta, ByteRange(start, end), ByteRange(end, facts.size), False, (problem,))


def _is_plausible(meta: Metadata | None) -> bool:
    """Whether a tag is text: where the first event itself is damaged, its bytes would be taken for the tag's end."""
    try:
        tag = meta.tag.decode("utf-8") if meta else ""
    except UnicodeDecodeError:
        return False
    return tag != "" and tag.isprintable()


def _first_event(file: BinaryIO, where: ByteRange) -> int | None:
    """Where the first event in a range begins. The older form is a part of the newer one, and is taken only where the
    newer one does not occur."""
    start = find(file, where, EVENT_START)
    return find(file, where, EVENT_START[1:]) if start is None else start


def _tag(chunk: _Chunk, given: str | None) -> tuple[str | None, TagProof, tuple[Problem, ...]]:
    if chunk.meta and chunk.meta.tag:
        return chunk.meta.tag.decode("utf-8", "surrogateescape"), "header", ()
    if given is not None:
        return given, "given", ()
    what = "its tag is not known: its header does not tell it"
    return None, "unknown", _unknown(chunk, what)


def _tag_of_rejected(
    chunk: _Chunk, name: str, tags: Collection[str], given: str | None
) -> tuple[str | None, TagProof, tuple[Problem, ...]]:
    fitting = [tag for tag in dict.fromkeys(tags) if _is_name_of(name, tag)]
    if len(fitting) == 1:
        return fitting[0], "name", ()
    if given is not None and (_is_name_of(name, given) or not fitting):
        return given, "given", ()
    if fitting:
        return None, "unknown", _unknown(chunk, f"its tag is not known: {len(fitting)} tags fit its name")
    found = _REJECTED_NAME.match(name)
    safe = found[1] if found else ""
    if not 0 < len(safe) < _LONGEST_SAFE_TAG:
        return None, "unknown", _unknown(chunk, "its tag is not known: the name holds only its beginning")
    if "_" not in safe:
        return safe, "name", ()
    what = "its tag is taken from its name, where each _ may have been one of / \\ :"
    return safe, "name", (Problem(chunk.facts.path, what, way_out="say otherwise with --tag TAG", unreadable=False),)


def _is_name_of(name: str, tag: str) -> bool:
    safe = tag.translate(_UNSAFE)[:_LONGEST_SAFE_TAG]
    return name.startswith(safe + "_") and _REJECTED_NAME.match("x" + name[len(safe) :]) is not None


def _unknown(chunk: _Chunk, what: str) -> tuple[Problem, ...]:
    if not chunk.content.length:
        return ()  # there is nothing in it that would need a tag
    return (Problem(chunk.facts.path, what, chunk.content, "give it with --tag TAG"),)


def _is_map(first: bytes) -> bool:
    return first != b"" and (0x80 <= first[0] <= 0x8F or first[0] in (0xDE, 0xDF))


_HEADER = ByteRange(0, chunk_file.META_AT)
_LIST_OF_TWO = EVENT_START[0]
