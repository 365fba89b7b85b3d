"""The answer of ``uploads``: multipart uploads that were never completed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from flbrecover.evidence.store_dir import UPLOADS
from flbrecover.model import Problem
from flbrecover.recover.survey import Survey
from flbrecover.recover.uploads import UploadCase
from flbrecover.report import jsonl, problems, text
from flbrecover.report.buffers import upload_json, upload_lines
from flbrecover.report.escape import shown

MEANING = {
    "can be completed": "its parts are all there and nothing stands under its key: `flbrecover recover` completes it",
    "parts missing": "S3 does not list all of its parts: completing it would leave a hole, or store nothing",
    "parts refused": "a part before the last one is smaller than the 5 MiB that S3 asks for: it cannot be completed",
    "not needed": "what it was for is stored already: it is left alone",
    "key taken": "an object stands under its key already, or another upload will: it is left alone",
    "already completed": "what it was for stands under its key: nothing to do",
    "vanished": "S3 knows neither the upload nor an object under its key: it was aborted, or expired",
    "unknown": "S3 did not say what became of it: records that its parts may hold are left alone until it does",
    "not this node's": "the node has no note of it: left alone unless named with --upload-id",
}


def of_uploads(survey: Survey, *, by_hand: bool = False) -> list[Problem]:
    """What could not be read of the node's notes: them, and the folders above them. ``by_hand``: nothing says that this
    node has a store_dir, so nothing is wrong where there is none."""
    homes = {home.path.rstrip("/") for home in survey.store_homes}
    above = [
        p for p in survey.problems
        if p.unreadable and (p.path.rstrip("/") in homes or p.path.rpartition("/")[0] in homes)
    ]  # fmt: skip
    if by_hand:
        above = [p for p in above if survey.node.exists(p.path)]
    return [*above, *(p for p in survey.problems if f"/{UPLOADS}" in p.path)]


def write_text(out: TextIO, survey: Survey, cases: Sequence[UploadCase], found: Sequence[Problem]) -> None:
    """A block an upload: there are few, and their ids must be whole to be used."""
    if not cases and not any(p.path.startswith("s3://") for p in found):
        out.write("no pending multipart uploads of these outputs are known to S3\n")
    for number, case in enumerate(cases, 1):
        out.write("".join(shown(line) + "\n" for line in case_lines(number, case)) + "\n")
    known = {case.upload_id for case in cases}
    for upload in survey.uploads:
        if upload.upload_id not in known:
            out.write("".join(shown(line) + "\n" for line in upload_lines(upload)) + "   S3 was not asked about it\n")
    problems.write(out, found)


def case_lines(number: int, case: UploadCase) -> Iterator[str]:
    yield f"{number}  {case.state}: s3://{case.output.bucket}/{case.key}"
    yield f"   {MEANING[case.state]}"
    yield f"   upload id {case.upload_id}"
    if case.listed is not None:
        parts = text.count(len(case.listed.parts), "part")
        yield f"   in S3: {parts}, {text.size(case.size)}, started {text.time(case.listed.initiated_ns)}"
    if case.recorded is not None:
        yield f"   on the node: {text.count(len(case.recorded.parts), 'part')} noted in {case.recorded.facts.path}"
    if case.tags:
        yield f"   its key fits the tag {', '.join(case.tags)}"
    if case.difference:
        yield f"   they differ: {case.difference}"


def write_json(out: TextIO, survey: Survey, cases: Sequence[UploadCase], found: Sequence[Problem]) -> None:
    """JSON lines of the types upload, recorded_upload (those that S3 was not asked about) and problem."""
    for case in cases:
        jsonl.write(out, "upload", case_json(case))
    known = {case.upload_id for case in cases}
    for upload in survey.uploads:
        if upload.upload_id not in known:
            jsonl.write(out, "recorded_upload", upload_json(upload))
    for problem in found:
        jsonl.write(out, "problem", problems.as_json(problem))


def case_json(case: UploadCase) -> dict[str, Any]:
    """The fields of an ``upload`` line."""
    listed = case.listed
    return {
        "output": case.output.name, "bucket": case.output.bucket, "key": case.key, "upload_id": case.upload_id,
        "state": case.state, "tags": list(case.tags), "difference": case.difference, "size": case.size,
        "initiated": None if listed is None else jsonl.iso(listed.initiated_ns),
        "parts": [
            {"number": p.number, "etag": p.etag, "size": p.size} for p in (listed.parts if listed else ())
        ],
        "recorded_in": None if case.recorded is None else case.recorded.facts.path,
    }  # fmt: skip
