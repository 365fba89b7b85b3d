"""Uploads of this node that nobody can complete: their parts may be the only copy of records, and cannot be read. And
those that nobody should complete: what the logs show of their time is stored already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from flbrecover.model import SECOND_NS, Problem
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.states import States
from flbrecover.recover.uploads import UploadCase, UploadState
from flbrecover.recover.window import due_ns
from flbrecover.wording import count

WHY: dict[UploadState, str] = {
    "key taken": "an object stands under its key, or another upload is completed to it",
    "parts missing": "S3 does not list all of its parts",
    "parts refused": "S3 refuses its parts",
    "vanished": "S3 knows neither the upload nor an object under its key",
}
WAY_OUT = "`flbrecover uploads` shows it; docs/how-to/pending-uploads.md says what can be done"


def spared(
    comparison: Comparison, states: States, uploads: Sequence[UploadCase], named: Collection[str]
) -> tuple[tuple[UploadCase, ...], list[Problem]]:
    """The uploads, and notes of them. Those are "not needed" whose tags have logs that go back to their beginning, and
    no record that may be in parts only: they would store again what another object or a buffer file has. What the user
    has ``named`` is completed all the same."""
    if not any(u.state == "can be completed" for u in uploads):
        return tuple(uploads), []
    starts, gone, missing = _log_starts(comparison), _gone(comparison), _missing(comparison, states)
    cases, notes = [], []
    for upload in uploads:
        is_known = all(starts.get(tag) is not None for tag in upload.tags) and _shown(upload, starts, gone)
        if upload.state != "can be completed" or not is_known or not missing.isdisjoint(upload.tags):
            cases.append(upload)
        elif upload.upload_id in named:
            cases.append(upload)
            what = (
                f"the upload of {_url(upload)} was named with --upload-id: completed, it stores once more what the "
                "logs show of its time, which is there already"
            )
            notes.append(Problem(_where(upload), what, unreadable=False))
        else:
            cases.append(replace(upload, state="not needed"))
    return tuple(cases), notes


def stuck_uploads(comparison: Comparison, uploads: Iterable[UploadCase]) -> list[Problem]:
    """What cannot be read of the evidence because it lies in parts. Not those whose records the logs show: these are
    stored, or found to be missing, one by one."""
    stuck = [u for u in uploads if u.state in WHY and _parts(u)]
    spare = [u for u in uploads if u.state == "not needed"]
    if not stuck and not spare:
        return []
    starts, gone = _log_starts(comparison), _gone(comparison)
    of_stuck = [_problem(u) for u in stuck if not _shown(u, starts, gone)]
    return [*of_stuck, *(_not_needed(u, shown_before=_shown(u, starts, gone, due_ns(u.output))) for u in spare)]


def _gone(comparison: Comparison) -> set[str]:
    return {of.range.tag for of in comparison.gone if of.missing != 0}


def _missing(comparison: Comparison, states: States) -> set[str]:
    """The tags with records of logs that may be in parts, as no object and no buffer file has them."""
    runs = comparison.ledger.runs
    found: set[str] = set()
    for of in comparison.logs.runs:
        for tag, entries in runs.by_tag(runs.entries(of.run)):
            totals = states.totals(entries)
            if any(totals[state] for state in ("pending", "lost", "maybe filtered", "not looked for")):
                found.add(tag)
    return found


def _parts(upload: UploadCase) -> int:
    """How many parts it is known to have, or to have had."""
    listed = len(upload.listed.parts) if upload.listed else 0
    return max(listed, len(upload.recorded.parts) if upload.recorded else 0)


def _shown(upload: UploadCase, starts: Mapping[str, int | None], gone: set[str], before_ns: int = 0) -> bool:
    """Do the logs go back to the beginning of the upload, or so long before it, for every tag that its records can
    have?"""
    if upload.listed is not None:
        began_ns = upload.listed.initiated_ns
    else:
        assert upload.recorded is not None
        began_ns = upload.recorded.facts.mtime_ns
    shown = starts.keys() - gone
    return bool(upload.tags) and all(tag in shown and (starts[tag] or 0) <= began_ns - before_ns for tag in upload.tags)


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


def _not_needed(upload: UploadCase, *, shown_before: bool) -> Problem:
    """``shown_before``: no record can be in its parts that the logs do not show."""
    what = f"the upload of {_url(upload)} is left alone: what the logs show of its time is stored or buffered already"
    older = "" if shown_before else "; its parts may hold older records than the logs"
    way_out = f"abort it, or complete it all the same with --upload-id {upload.upload_id}"
    return Problem(_where(upload), what + older, way_out=way_out, unreadable=not shown_before)


def _url(upload: UploadCase) -> str:
    return f"s3://{upload.output.bucket}/{upload.key}"


def _where(upload: UploadCase) -> str:
    return _url(upload) if upload.recorded is None else upload.recorded.facts.path


def _problem(upload: UploadCase) -> Problem:
    size = f" ({upload.size:,} bytes)" if upload.size else ""
    held = "may be" if upload.listed else "may have been"
    what = (
        f"the upload of {_url(upload)} cannot be completed: {WHY[upload.state]}; "
        f"its {count(_parts(upload), 'part')}{size} {held} the only copy of records, and nobody can read them"
    )
    return Problem(_where(upload), what, way_out=WAY_OUT)
