"""``flbrecover retire --undo CASE``: put buffer files that were moved aside back."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import click

from flbrecover.cli import options as o


@click.command(name="retire")
@click.option(
    "--undo", "case_dir", required=True, metavar="CASE", type=click.Path(exists=True, file_okay=False),
    help="The case folder that a recovery with --retire has left.",
)  # fmt: skip
@o.options(o.NODE[:1], o.JSON)
def command(case_dir: str, root: str, as_json: bool) -> int:
    """Put buffer files that `recover --retire` moved into a case back, byte for byte, with name, owner, mode and times.
    What stands in their place now is not overwritten.

    Exit codes: 0 all put back, 1 some could not be put back.
    """
    from flbrecover.cli import show
    from flbrecover.cli.analysing import running_error
    from flbrecover.cli.case import opened
    from flbrecover.cli.planned import PlannedJob
    from flbrecover.evidence import processes
    from flbrecover.recover.retire import Retirer
    from flbrecover.recover.survey import running_agents

    job = PlannedJob.load(case_dir, {"root": root})
    with opened(job, Path(case_dir)) as case:
        retirer = Retirer(job.node, case.folder)
        folders = {str(PurePosixPath(path).parent) for path in retirer.paths()}
        agents, _ = running_agents(job.node, job.pipeline)
        agents += processes.agents(job.node, dbs=(), store_dirs=folders, storage_paths=())[0]
        if agents:
            raise running_error(agents[0], "stop it first: it would send the files that are put back")
        outcomes = []
        for moved in retirer.undo():
            outcomes.append(moved.outcome)
            show.moved(sys.stdout, moved, as_json=as_json)
        if not outcomes:
            show.say("note: the case keeps no files")
        return case.ended(1 if "left" in outcomes else 0)
