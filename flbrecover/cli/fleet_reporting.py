"""Makes the report of a fleet from where its results lie, and writes it whole or not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flbrecover.bucket.client import S3
from flbrecover.cli import show
from flbrecover.cli.reporting import save, to_stdout
from flbrecover.fleet import pages
from flbrecover.fleet.merging import Fleet, merge
from flbrecover.fleet.names import folder
from flbrecover.fleet.source import LocalSource, S3Source, Source
from flbrecover.report import jsonl, problems
from flbrecover.report.progress import progress


def make_report(where: str, asked: list[str] | None, form: str, target: str, connect: Callable[[str], S3]) -> int:
    """Gives the exit code. Raises UsageError where there is nothing to report."""
    source, name = _opened(where, connect)
    fleet = Fleet(name, None if asked is None else len(asked))
    if form == "json":
        made = _json(source, fleet, asked)
    else:
        for _ in progress(merge(source, fleet, asked), "nodes"):
            pass
        made = _page(fleet, form)
    if target == "-":
        to_stdout(sys.stdout, made)
    else:
        save(Path(target), made)
        show.say(f"report: {target}")
    for problem in fleet.problems.rows:
        show.say(f"{'problem' if problem.unreadable else 'note'}: {problems.line(problem)}")
    return fleet.exit_code


def _opened(where: str, connect: Callable[[str], S3]) -> tuple[Source, str]:
    if where.startswith("s3://"):
        place = folder(where, "SOURCE")
        return S3Source(connect(place.bucket), place), str(place)
    path = Path(where)
    return LocalSource(path), path.resolve().name


def _page(fleet: Fleet, form: str) -> Iterator[str]:
    if form == "html":
        return pages.fleet_page(fleet, time.time_ns())
    return (f"{line}\n" for line in pages.fleet_markdown(fleet))


def _json(source: Source, fleet: Fleet, asked: list[str] | None) -> Iterator[str]:
    """A line for each node as it is read, the problems, and one for all."""
    for one in merge(source, fleet, asked):
        yield jsonl.line(*pages.node_json(one))
    for problem in fleet.problems.rows:
        yield jsonl.line("problem", problems.as_json(problem))
    yield jsonl.line(*pages.fleet_json(fleet))
