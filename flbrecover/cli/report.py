"""``flbrecover report``: a page, a ticket or the data of a case."""

from __future__ import annotations

import sys

import click


@click.command(name="report")
@click.argument("case_dir", metavar="CASE", type=click.Path(file_okay=False))
@click.option(
    "--format", "form", type=click.Choice(["html", "markdown", "json"]), default="html", show_default=True,
    help="A page for a post-mortem, a short form for a ticket, or all data as JSON lines.",
)  # fmt: skip
@click.option(
    "-o", "--output", "target", metavar="FILE",
    help="Write to FILE; - is stdout. Default: report.html in the case folder, stdout for markdown and json.",
)  # fmt: skip
def command(case_dir: str, form: str, target: str | None) -> int:
    """Make a report of CASE, a folder that `flbrecover recover` (or `diff --case`) left behind.

    The page is one file that needs nothing else: no network, no scripts from elsewhere. It is made from the case folder
    alone; neither the node nor S3 is looked at.

    Exit codes: 0 made, 2 no case folder, 4 made, but part of the case could not be read.
    """
    from pathlib import Path

    from flbrecover.cli import reporting

    return reporting.report(Path(case_dir), form, target, sys.stdout)
