"""Pending multipart uploads: what the node remembers, what S3 lists, and what can be done with each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from flbrecover.bucket import pending_uploads
from flbrecover.bucket.client import S3
from flbrecover.errors import BucketError
from flbrecover.fluentbit.key_format import KeyFormat, KeyPattern
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import PendingUpload, Problem, RecordedUpload, UploadPart
from flbrecover.recover.candidates import Candidate
from flbrecover.recover.noted_objects import is_of_another_format
from flbrecover.recover.survey import Survey
from flbrecover.recover.window import patterns_of

UploadState = Literal[
    "can be completed", "not needed", "parts missing", "parts refused", "key taken", "already completed", "vanished",
    "not this node's", "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class UploadCase:
    """One multipart upload. ``recorded`` is the node's memory of it, ``listed`` what S3 says (None: nothing).

    ``tags`` are the known tags that its key fits; all of them where that of a noted one is of another key format.
    ``difference`` says how the node's memory and S3 disagree ("" where they agree). ``state`` "can be completed" means:
    its parts are contiguous from 1, none before the last is too small for S3, nothing stands under its key, and no
    other upload is to stand there; "not needed": it could be, and would store again what is stored; "unknown": S3 did
    not say, so its parts may hold records, and it may be completed one day.
    """

    output: S3Output
    key: str
    upload_id: str
    recorded: RecordedUpload | None
    listed: PendingUpload | None
    state: UploadState
    tags: tuple[str, ...]
    difference: str = ""

    @property
    def size(self) -> int:
        """Bytes in its parts, as S3 lists them."""
        return sum(p.size or 0 for p in self.listed.parts) if self.listed else 0


@dataclass(frozen=True, slots=True)
class FoundUploads:
    """The uploads of one output, recorded ones first. ``unanswered``: S3 kept something back that it may say when it is
    asked again. ``refused`` is its answer where it told nothing at all."""

    cases: tuple[UploadCase, ...]
    problems: tuple[Problem, ...]
    unanswered: bool
    refused: BucketError | None


def find_uploads(
    survey: Survey,
    output: S3Output,
    s3: S3,
    tags: Collection[str],
    *,
    former: Collection[str] = (),
    named: Collection[str] = (),
    not_completed: Collection[str] = (),
) -> FoundUploads:
    """All uploads of one output. ``former`` are key formats that it had before, ``named`` upload ids that the user
    takes for this node's, ``not_completed`` those that S3 has refused to complete."""
    key_format = KeyFormat.of(output)
    problems: list[Problem] = []
    patterns, _ = patterns_of(survey.pipeline, output, tags, former)  # the comparison has reported the refused ones
    recorded = survey.uploads_of(output)
    refused: BucketError | None = None
    try:
        listed = {u.upload_id: u for u in _listed(s3, output, key_format)}
    except BucketError as e:
        problems.append(Problem(f"s3://{output.bucket}/", str(e)))
        listed, refused = {}, e
    unanswered = refused is not None
    noted = {p.etag for u in survey.uploads for p in u.parts}
    cases: list[UploadCase] = []
    for memory in recorded:
        problems.extend(memory.problems)
        of_any = is_of_another_format(memory.key, output, patterns)
        fits = tuple(patterns) if of_any else _fits(patterns, memory.key)
        try:
            cases.append(_case(s3, output, memory, listed.pop(memory.upload_id, None), fits))
        except BucketError as e:
            cases.append(UploadCase(output, memory.key, memory.upload_id, memory, None, "unknown", fits))
            problems.append(Problem(f"s3://{output.bucket}/{memory.key}", str(e)))
            unanswered = True
    for upload in listed.values():
        if not (upload.upload_id in named or key_format.pattern_any_tag().match(upload.key)):
            continue
        # Fluent Bit notes parts in the wrong upload's file (seen): a part noted anywhere here was sent from here.
        ours = upload.upload_id in named or (bool(upload.parts) and {p.etag for p in upload.parts} <= noted)
        try:
            state = _state(s3, output, upload.key, upload) if ours else "not this node's"
        except BucketError as e:
            state, unanswered = "unknown", True
            problems.append(Problem(f"s3://{output.bucket}/{upload.key}", str(e)))
        fits = _fits(patterns, upload.key)
        cases.append(UploadCase(output, upload.key, upload.upload_id, None, upload, state, fits))
    if any(case.state != "unknown" for case in cases):
        refused = None  # not to say which uploads there are is not all
    return FoundUploads(tuple(_one_a_key(_without(cases, not_completed))), tuple(problems), unanswered, refused)


def _without(cases: Iterable[UploadCase], refused: Collection[str]) -> Iterator[UploadCase]:
    """The cases, where S3 has refused some of them since its answers looked well."""
    for case in cases:
        of_parts = case.state == "can be completed" and case.upload_id in refused
        yield replace(case, state="parts refused") if of_parts else case


def _one_a_key(cases: Iterable[UploadCase]) -> Iterator[UploadCase]:
    """The cases, of which only one a key can be completed: the largest, and the first where they are alike."""
    some = list(cases)
    largest: dict[str, UploadCase] = {}
    for case in some:
        if case.state == "can be completed" and (case.key not in largest or case.size > largest[case.key].size):
            largest[case.key] = case
    for case in some:
        second = case.state == "can be completed" and largest[case.key] is not case
        yield replace(case, state="key taken") if second else case


def _case(
    s3: S3, output: S3Output, memory: RecordedUpload, upload: PendingUpload | None, fits: tuple[str, ...]
) -> UploadCase:
    """An upload that the node has noted. Lists differ in what they show, so S3 is asked for the upload itself too."""
    if upload is None:
        parts = pending_uploads.parts(s3, output.bucket, memory.key, memory.upload_id)
        if parts is not None:
            upload = PendingUpload(output.bucket, memory.key, memory.upload_id, memory.facts.mtime_ns, parts)
    state = _state(s3, output, memory.key, upload)
    difference = _difference(memory.parts, upload.parts) if upload else ""
    return UploadCase(output, memory.key, memory.upload_id, memory, upload, state, fits, difference)


def _listed(s3: S3, output: S3Output, key_format: KeyFormat) -> Iterable[PendingUpload]:
    return pending_uploads.list_uploads(s3, output.bucket, key_format.static_prefix)


def _state(s3: S3, output: S3Output, key: str, upload: PendingUpload | None) -> UploadState:
    stands = pending_uploads.head(s3, output.bucket, key)
    if upload is None:
        return "already completed" if stands else "vanished"
    if stands is not None:
        same = bool(upload.parts) and stands.etag == pending_uploads.etag_of_parts(upload.parts)
        return "already completed" if same else "key taken"
    numbers = [p.number for p in upload.parts]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        return "parts missing"
    small = any(p.size is not None and p.size < pending_uploads.LEAST_PART for p in upload.parts[:-1])
    return "parts refused" if small else "can be completed"


def sent_again(upload: UploadCase, candidates: Iterable[Candidate]) -> int:
    """How many of its last parts were sent once more as whole objects: the node never heard that S3 has them. Not its
    first part, and none that the node did note: Fluent Bit would complete the upload with those."""
    if upload.recorded is None or upload.listed is None:
        return 0
    noted = {part.etag for part in upload.recorded.parts}
    last: list[UploadPart] = []
    for part in reversed(upload.listed.parts[1:]):
        if part.etag in noted:
            break
        last.append(part)
    if not last:
        return 0
    stored = {c.object.etag for c in candidates if not set(c.tags).isdisjoint(upload.tags)}
    as_objects = [not stored.isdisjoint((part.etag, pending_uploads.etag_of_parts([part]))) for part in last]
    return as_objects.index(False) if False in as_objects else len(as_objects)


def _fits(patterns: Mapping[str, KeyPattern], key: str) -> tuple[str, ...]:
    return tuple(tag for tag, pattern in patterns.items() if pattern.match(key))


def _difference(recorded: Iterable[UploadPart], listed: Iterable[UploadPart]) -> str:
    """How the node's list of parts differs from that of S3, in words."""
    ours, theirs = {p.number: p.etag for p in recorded}, {p.number: p.etag for p in listed}
    said = []
    if more := sorted(theirs.keys() - ours.keys()):
        said.append(f"S3 lists part {_numbers(more)} that the node did not note")
    if less := sorted(ours.keys() - theirs.keys()):
        said.append(f"the node noted part {_numbers(less)} that S3 does not list")
    if other := sorted(n for n in ours.keys() & theirs.keys() if ours[n] != theirs[n]):
        said.append(f"part {_numbers(other)} has another ETag in S3")
    return "; ".join(said)


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
