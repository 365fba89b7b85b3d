"""``--retire``: buffer files that S3 has whole are moved into the case, out of Fluent Bit's way."""

from __future__ import annotations

import os
import sys
from pathlib import PurePosixPath

from flbrecover.cli import show
from flbrecover.cli.analysing import running_error
from flbrecover.cli.case import Case
from flbrecover.cli.job import Job
from flbrecover.errors import EvidenceError, UsageError
from flbrecover.recover.analysis import Analysis
from flbrecover.recover.retirable import retirable
from flbrecover.recover.retire import Retirer
from flbrecover.recover.survey import running_agents


def check_retire(job: Job, *, retire: bool, planned: bool) -> None:
    """Before anything is uploaded: can the buffer files be moved? A plan that counts on it is refused without it:
    Fluent Bit would send again what was uploaded."""
    if planned and not retire:
        raise UsageError("the plan was made with --retire: its buffer files have to be moved aside; say --retire again")
    if not retire:
        return
    for folder in sorted({str(PurePosixPath(buffer.path).parent) for buffer in job.survey.buffers}):
        try:
            is_writable = os.access(job.node.host_path(folder), os.W_OK | os.X_OK)
        except EvidenceError as e:
            raise UsageError(f"--retire: {e}") from e
        if not is_writable:
            raise UsageError(f"--retire: {folder} cannot be written; mount it writable and run as its owner or root")


def retire_stored(job: Job, after: Analysis, case: Case, *, as_json: bool) -> int:
    """Moves the files aside. Gives how many had to be left, though S3 has them."""
    agents, _ = running_agents(job.node, job.pipeline)
    if agents:
        raise running_error(agents[0], "nothing was moved aside; stop it and say --retire again")
    retirer = Retirer(job.node, case.folder)
    retirer.tidy()
    left = 0
    for buffer, records in retirable(after):
        moved = retirer.retire(buffer.facts, records, case.manifest.sha256_of(buffer.path))
        left += moved.outcome == "left"
        show.moved(sys.stdout, moved, as_json=as_json)
    retirer.end()
    return left
