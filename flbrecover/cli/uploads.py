"""``flbrecover uploads``: pending multipart uploads, local and in the bucket."""

from __future__ import annotations

import sys
from typing import Any

import click

from flbrecover.cli import options as o
from flbrecover.cli.job import Job


@click.command(name="uploads")
@o.options(o.NODE, o.STORAGE[:1], o.OWNER, o.KEY_FORMAT, o.ROLE, o.ENDPOINT, o.COMPARE[-1:], o.JSON)
def command(upload_ids: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Show pending multipart uploads: those that the node has noted, matched with those that S3 lists, and whether each
    can be completed. Changes nothing; `flbrecover recover` completes this node's.

    Exit codes: 0, 1 when S3 could not be asked, 4 when some evidence could not be read.
    """
    from flbrecover.cli import unset
    from flbrecover.cli.analysing import not_pending
    from flbrecover.errors import BucketError
    from flbrecover.model import Problem
    from flbrecover.recover.stored_keys import tags_of
    from flbrecover.recover.uploads import UploadCase, find_uploads
    from flbrecover.report import uploads as report

    job = Job(given)
    job.need_outputs()
    job.need_known(unset.LOGS, unset.TAGS, unset.BUFFERS, unset.OBJECTS)
    survey = job.survey
    by_hand = job.loaded is None and not given["store_dir"]
    cases: list[UploadCase] = []
    found: list[Problem] = [*job.notes, *report.of_uploads(survey, by_hand=by_hand)]
    refused: list[BucketError] = []
    unanswered = False
    for output in job.pipeline.outputs:
        try:
            uploads = find_uploads(survey, output, job.connect(output), tags_of(survey), named=upload_ids)
        except BucketError as e:  # there is no way to S3, or it did not say more of what it listed
            refused.append(e)
            found.append(Problem(f"s3://{output.bucket}/", str(e)))
            continue
        refused += [uploads.refused] if uploads.refused else []
        unanswered = unanswered or uploads.unanswered
        cases += uploads.cases
        found += uploads.problems
    found += not_pending(upload_ids, cases) if not refused and not unanswered else []
    write = report.write_json if as_json else report.write_text
    write(sys.stdout, survey, cases, list(dict.fromkeys(found)))
    if len(refused) == len(job.pipeline.outputs):
        raise refused[0]
    return 4 if any(p.unreadable for p in found) else 0
