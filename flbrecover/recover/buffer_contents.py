"""What each buffer file holds, one at a time: S3 has no part in this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from flbrecover.errors import EvidenceError
from flbrecover.evidence import engine_storage, store_dir
from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.evidence.node import Node
from flbrecover.evidence.store_file import examine, find_tag
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import Pipeline
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import BufferFile, Problem
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched


@dataclass(frozen=True, slots=True)
class BufferContents:
    """One buffer file, read to its end. ``first_ns`` and ``last_ns`` bound the records' own times."""

    buffer: BufferFile
    records: int
    first_ns: int | None
    last_ns: int | None
    problems: tuple[Problem, ...]


def contents(survey: Survey, watch: Watch = unwatched) -> Iterator[BufferContents]:
    """Every buffer file of a survey. Memory does not grow with the size of a file."""
    for buffer in watch(survey.buffers, "reading buffers", len(survey.buffers)):
        yield _read(buffer, records_of(survey.node, buffer, survey.pipeline))


def records_of(node: Node, buffer: BufferFile, pipeline: Pipeline) -> BufferRecords:
    """The records of one buffer file in the style of the output that would have sent it."""
    return BufferRecords(node, buffer, style_of(buffer, pipeline))


def style_of(buffer: BufferFile, pipeline: Pipeline) -> RecordStyle:
    """The style of the first output that the file can belong to; the s3 output's defaults where there is none."""
    for output in pipeline.outputs:
        of_bucket = buffer.bucket is None or buffer.bucket == output.bucket
        if of_bucket and (buffer.tag is None or matches(output.route, buffer.tag)):
            return RecordStyle.of(output, pipeline.service)
    return RecordStyle(escape_unicode=pipeline.service.escape_unicode)


def look_at(node: Node, path: str, given_tag: str | None) -> BufferFile:
    """One file, wherever it lies: a copy of a buffer file is one as well. Raises EvidenceError for what is none."""
    path = str(PurePosixPath("/", path))
    folders = [*PurePosixPath(path).parents, PurePosixPath("/"), PurePosixPath("/"), PurePosixPath("/")]
    node.facts(path)
    if path.endswith(".flb"):
        chunks, problems = engine_storage.scan(node, str(folders[1]), given_tag=given_tag)
        for chunk in chunks:
            if chunk.path == path:
                return chunk
        raise EvidenceError(next((f"{path}: {p.what}" for p in problems if p.path == path), f"{path}: no engine chunk"))
    found = examine(node, path)
    if isinstance(found, Problem):
        raise EvidenceError(f"{path}: {found.what}")
    tag, proof, problems_of_tag = find_tag(found, (), given_tag)
    stream = folders[0].name
    return BufferFile(
        found.facts,
        str(folders[2]),
        "quarantine" if stream == store_dir.QUARANTINE else "data",
        stream,
        folders[1].name,
        tag,
        proof,
        found.created_ns,
        found.content,
        found.slack,
        (*found.problems, *problems_of_tag),
    )


def _read(buffer: BufferFile, records: BufferRecords) -> BufferContents:
    count = 0
    first: int | None = None
    last: int | None = None
    for record in records:
        count += 1
        if record.time_ns is not None:
            first = record.time_ns if first is None else min(first, record.time_ns)
            last = record.time_ns if last is None else max(last, record.time_ns)
    problems = tuple(dict.fromkeys((*buffer.problems, *records.problems)))
    return BufferContents(buffer, count, first, last, problems)
