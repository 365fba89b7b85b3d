"""Runs ``recover`` on a node of a fleet, and keeps what it said."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from flbrecover.bucket.client import S3
from flbrecover.cli import show
from flbrecover.fleet.facts import new_attempt
from flbrecover.fleet.names import Folder
from flbrecover.fleet.running import NodeRun

INTERRUPTED = 130


def recover_and_keep(s3: S3, to: Folder, node: str, options: list[str]) -> int:
    """Gives recover's exit code. Raises BucketError where S3 does not take what is to be kept: before the recovery, or
    after it."""
    from flbrecover.cli import main

    kept = NodeRun(s3, to, node, new_attempt(), time.time_ns)
    kept.begin()
    show.say(f"note: node {node}, results go to {kept.folder}")
    with tempfile.TemporaryDirectory(prefix="flbrecover-fleet-") as scratch:
        case = Path(scratch, "case")
        try:
            main(["recover", *options, "--yes", "--json", "--case", str(case)])
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        else:
            code = 1
        sys.stdout.flush()
        if code == INTERRUPTED:
            return code  # as if it had been killed: a run that did not end
        kept.end(case, code)
    show.say(f"note: recover ended with {code}; all of it is kept in {kept.folder}")
    return code
