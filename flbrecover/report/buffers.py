"""The answer of ``buffers``: what lies in every buffer file, and which uploads the node remembers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from flbrecover.model import Problem, Record, RecordedUpload
from flbrecover.recover.buffer_contents import BufferContents
from flbrecover.recover.survey import Survey
from flbrecover.report import jsonl, problems, text
from flbrecover.report.escape import shown


def write_text(out: TextIO, survey: Survey, files: Iterable[BufferContents], notes: Sequence[Problem] = ()) -> bool:
    """What is in the files first, where they lie after it. True where something could not be read."""
    found = list(files)
    folders = ", ".join(home.path for home in survey.homes)
    if found:
        records = sum(file.records for file in found)
        total = f"{text.count(len(found), 'buffer file')} with {text.count(records, 'whole record')}"
        out.write(shown(f"{total} below {folders}") + "\n\n" + content_table(found) + "\n")
        for number, file in enumerate(found, 1):
            out.write("".join(shown(line) + "\n" for line in ["", *place_lines(number, file)]))
    else:
        out.write(shown(f"no buffer files below {folders}") + "\n")
    for upload in survey.uploads:
        out.write("".join(shown(line) + "\n" for line in ["", *upload_lines(upload)]))
    others = [*notes, *outside_of_files(survey)]
    if others:
        out.write("\n")
        problems.write(out, others)
    return failed(found, survey, others)


def content_table(files: Sequence[BufferContents]) -> str:
    """One line a file; ``size`` is that of its records."""
    head = ["#", "kind", "tag", "records", "size", "first record (UTC)", "last record (UTC)", "damage"]
    rows = [
        [
            str(number),
            file.buffer.kind,
            file.buffer.tag or "(unknown)",
            f"{file.records:,}",
            text.size(file.buffer.content.length),
            text.time(file.first_ns)[:19],
            text.time(file.last_ns)[:19],
            "yes" if any(p.unreadable for p in file.problems) else "-",
        ]
        for number, file in enumerate(files, 1)
    ]
    return text.table(head, rows, right=(0, 3, 4), fit=(2,))


def place_lines(number: int, file: BufferContents) -> Iterator[str]:
    """Path and tag, whole and ready to be copied, and what is wrong with the file."""
    buffer = file.buffer
    proof = {
        "header and name": "from its header, confirmed by its name",
        "header": "from its header",
        "name": "found by the hash in its name",
        "given": "given with --tag",
        "unknown": "neither its header nor its name tells it",
    }[buffer.tag_proof]
    yield f"{number}  {buffer.path}"
    yield f"   tag {buffer.tag or '(unknown)'} ({proof})"
    yield f"   created {text.time(buffer.created_ns)}; records in {buffer.content}"
    for problem in file.problems:
        where = f" ({problem.where})" if problem.where else ""
        way_out = f"; {problem.way_out}" if problem.way_out else ""
        yield f"   {'damage' if problem.unreadable else 'note'}{where}: {problem.what}{way_out}"


def upload_lines(upload: RecordedUpload) -> Iterator[str]:
    """A multipart upload that the node has noted."""
    parts = text.count(len(upload.parts), "part")
    yield f"upload  {upload.facts.path}"
    yield f"   s3://{upload.bucket}/{upload.key}: {parts} noted, upload id {upload.upload_id}; see `flbrecover uploads`"
    for problem in upload.problems:
        yield f"   damage: {problem.what}"


def outside_of_files(survey: Survey) -> list[Problem]:
    """What could not be read below the folders for buffers, besides the files that are listed."""
    tops = {folder.rstrip("/") for home in survey.homes for folder in (home.path, home.configured)}
    listed = {b.path for b in survey.buffers} | {u.facts.path for u in survey.uploads}
    return [
        p
        for p in survey.problems
        if p.path not in listed and any(p.path.rstrip("/") == top or p.path.startswith(f"{top}/") for top in tops)
    ]


def failed(files: Iterable[BufferContents], survey: Survey, others: Iterable[Problem]) -> bool:
    of_files = [p for file in files for p in file.problems]
    of_uploads = [p for upload in survey.uploads for p in upload.problems]
    return any(p.unreadable for p in (*of_files, *of_uploads, *others))


def write_json(out: TextIO, survey: Survey, files: Iterable[BufferContents], notes: Sequence[Problem] = ()) -> bool:
    """JSON lines of the types buffer, recorded_upload and problem, each as soon as its file is read."""
    bad = False
    for file in files:
        jsonl.write(out, "buffer", _file_json(file))
        for problem in file.problems:
            bad = bad or problem.unreadable
            jsonl.write(out, "problem", problems.as_json(problem))
    for upload in survey.uploads:
        jsonl.write(out, "recorded_upload", upload_json(upload))
    others = [*notes, *outside_of_files(survey), *(p for upload in survey.uploads for p in upload.problems)]
    for problem in others:
        jsonl.write(out, "problem", problems.as_json(problem))
    return bad or any(p.unreadable for p in others)


def _file_json(file: BufferContents) -> dict[str, Any]:
    buffer = file.buffer
    return {
        "path": buffer.path, "kind": buffer.kind, "home": buffer.home, "bucket": buffer.bucket,
        "stream": buffer.stream, "tag": buffer.tag, "tag_proof": buffer.tag_proof,
        "created": jsonl.iso(buffer.created_ns), "size": buffer.facts.size, "bytes": buffer.content.length,
        "content": [buffer.content.start, buffer.content.end], "records": file.records,
        "first_time": jsonl.iso(file.first_ns), "last_time": jsonl.iso(file.last_ns),
        "damaged": any(p.unreadable for p in file.problems),
    }  # fmt: skip


def upload_json(upload: RecordedUpload) -> dict[str, Any]:
    """The fields of a ``recorded_upload`` line."""
    return {
        "path": upload.facts.path, "bucket": upload.bucket, "key": upload.key, "upload_id": upload.upload_id,
        "parts": [{"number": p.number, "etag": p.etag} for p in upload.parts],
    }  # fmt: skip


def write_records(out: TextIO, records: Iterable[Record]) -> None:
    """Records as they are, one a line; escaped where ``out`` is a terminal."""
    if out.isatty():
        for record in records:
            out.write(shown(record.data.decode("utf-8", "surrogateescape")) + "\n")
        return
    out.flush()
    for record in records:
        out.buffer.write(record.data + b"\n")
    out.buffer.flush()
