"""Uploads of this node that nobody can complete: their parts may be the only copy of records, and cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flbrecover.model import SECOND_NS, Problem
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.uploads import UploadCase, UploadState
from flbrecover.wording import count

WHY: dict[UploadState, str] = {
    "key taken": "an object stands under its key, or another upload is completed to it",
    "parts missing": "S3 does not list all of its parts",
    "parts refused": "S3 refuses its parts",
    "vanished": "S3 knows neither the upload nor an object under its key",
}
WAY_OUT = "`flbrecover uploads` shows it; docs/how-to/pending-uploads.md says what can be done"


def stuck_uploads(comparison: Comparison, uploads: Iterable[UploadCase]) -> list[Problem]:
    """What cannot be read of the evidence because it lies in parts. Not those whose records the logs show: these are
    stored, or found to be missing, one by one."""
    stuck = [u for u in uploads if u.state in WHY and _parts(u)]
    if not stuck:
        return []
    starts = _log_starts(comparison)
    gone = {of.range.tag for of in comparison.gone if of.missing != 0}
    return [_problem(u) for u in stuck if not _shown(u, starts, gone)]


def _parts(upload: UploadCase) -> int:
    """How many parts it is known to have, or to have had."""
    listed = len(upload.listed.parts) if upload.listed else 0
    return max(listed, len(upload.recorded.parts) if upload.recorded else 0)


def _shown(upload: UploadCase, starts: Mapping[str, int | None], gone: set[str]) -> bool:
    """Do the logs go back to the beginning of the upload, for every tag that its records can have?"""
    if upload.listed is not None:
        began_ns = upload.listed.initiated_ns
    else:
        assert upload.recorded is not None
        began_ns = upload.recorded.facts.mtime_ns
    shown = starts.keys() - gone
    return bool(upload.tags) and all(tag in shown and (starts[tag] or 0) <= began_ns for tag in upload.tags)


def _log_starts(comparison: Comparison) -> dict[str, int | None]:
    """When the first record of each tag was written that a log still has, or when Fluent Bit first saw the log; None
    where neither is known."""
    runs = comparison.ledger.runs
    starts: dict[str, int | None] = {}
    for of in comparison.logs.runs:
        position = of.file.position
        created = None if position is None else position.row.created_s * SECOND_NS
        for tag, entries in runs.by_tag(runs.entries(of.run)):
            known = (starts.get(tag), created, comparison.ledger.limits(entries)[0])
            starts[tag] = min((ns for ns in known if ns is not None), default=None)
    return starts


def _problem(upload: UploadCase) -> Problem:
    url = f"s3://{upload.output.bucket}/{upload.key}"
    where = url if upload.recorded is None else upload.recorded.facts.path
    size = f" ({upload.size:,} bytes)" if upload.size else ""
    held = "may be" if upload.listed else "may have been"
    what = (
        f"the upload of {url} cannot be completed: {WHY[upload.state]}; "
        f"its {count(_parts(upload), 'part')}{size} {held} the only copy of records, and nobody can read them"
    )
    return Problem(where, what, way_out=WAY_OUT)
