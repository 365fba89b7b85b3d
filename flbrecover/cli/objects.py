"""``flbrecover objects``: what S3 holds, told from its keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from flbrecover.cli import options as o
from flbrecover.cli import values
from flbrecover.cli.job import Job

if TYPE_CHECKING:
    from flbrecover.fluentbit.pipeline import S3Output


@click.command(name="objects")
@o.options(o.NODE, o.OWNER, o.KEY_FORMAT, o.ROLE, o.ENDPOINT, o.WINDOW)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only objects of this tag; may be repeated.")
@click.option("--this-node", is_flag=True, help="Only tags that the node's evidence shows: quick in a shared bucket.")
@o.options(o.JSON)
def command(tags: tuple[str, ...], this_node: bool, as_json: bool, **given: Any) -> int:
    """Show what S3 holds for the outputs in the window, read through their key format: tag, key time, last modified,
    size; keys that do not fit are counted; gaps in time are shown. Lists only, reads no object.

    Without --since the window starts at the first trace in the node's evidence. Exit codes: 0, 1 when S3 could not be
    asked, 4 when some evidence could not be read.
    """
    from flbrecover.cli import unset
    from flbrecover.errors import BucketError
    from flbrecover.model import Problem
    from flbrecover.recover.stored_keys import StoredKeys, of_tags, window_of
    from flbrecover.report import jsonl, objects, problems
    from flbrecover.report.progress import progress

    job = Job(given)
    job.need_outputs()
    job.need_known(unset.OBJECTS)
    window = values.window_of(given)
    of_node = this_node or window.start_ns is None
    if of_node:
        job.need_known(unset.LOGS, unset.TAGS, unset.BUFFERS)
    survey = job.survey if of_node else None
    if survey is not None:
        window = window_of(survey, window)
    wanted = of_tags(tags, survey if this_node else None)
    write = objects.write_json if as_json else objects.write_text
    found = [*job.notes, *(survey.problems if survey else ())]
    refused: list[tuple[S3Output, BucketError]] = []
    for output in job.pipeline.outputs:
        try:
            keys = StoredKeys(job.connect(output), output, window, wanted)
            write(sys.stdout, output, window, keys, progress)
        except BucketError as e:
            refused.append((output, e))
    failure = refused[0][1] if len(refused) == len(job.pipeline.outputs) else None
    found += [Problem(f"s3://{output.bucket}/", str(e)) for output, e in refused if e is not failure]
    if as_json:
        for problem in dict.fromkeys(found):
            jsonl.write(sys.stdout, "problem", problems.as_json(problem))
    else:
        problems.write(sys.stderr, dict.fromkeys(found))
    if failure is not None:
        raise failure
    return 4 if any(p.unreadable for p in found) else 0
