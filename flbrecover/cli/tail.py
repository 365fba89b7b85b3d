"""``flbrecover tail``: what the tail DB says, against the files of today."""

from __future__ import annotations

import sys
from typing import Any

import click

from flbrecover.cli import options as o
from flbrecover.cli.job import Job


@click.command(name="tail")
@o.options(o.NODE, o.INPUT, o.JSON)
def command(as_json: bool, **given: Any) -> int:
    """Show how far Fluent Bit has read every log: each row of the tail DB with the file that it means today, rotated
    siblings, and files that have no row. Reads a copy of the DB; S3 is not asked.

    Without a configuration, --db and --path are enough. Exit codes: 0, or 4 when some evidence could not be read.
    """
    from dataclasses import replace

    from flbrecover.cli import unset
    from flbrecover.recover.survey import survey
    from flbrecover.report import tail

    job = Job(given)
    job.need_inputs()
    job.need_known(unset.LOGS)
    service = replace(job.pipeline.service, storage_path=None)
    found = survey(job.node, replace(job.pipeline, service=service, outputs=()))
    if as_json:
        tail.write_json(sys.stdout, found, job.notes)
    else:
        tail.write_text(sys.stdout, found, job.notes)
    return 4 if any(p.unreadable for p in (*job.notes, *found.problems)) else 0
