"""A machine that gives no more memory: one line, nothing twice, and with memory it goes on.

(A process that the kernel kills for it is one that is killed: tests/recover/test_killed.py.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import footprint
from command import Ended
from faults.incidents import WHOLE, SmallIncident
from faults.trials import told
from killing import Launcher
from servers import Server

MIB = 1 << 20


@pytest.mark.parametrize("sizes", [(1, 8, 20, 28), (36, 44, 52, 60, 76)])
def test_no_more_memory(small: SmallIncident, moto: Server, tmp_path: Path, sizes: tuple[int, ...]) -> None:
    """Wherever the memory ends: while the configuration is read, for a thread, for a TLS context, while uploading."""
    small.load()
    before = footprint(small.root)
    where = (*small.arguments, "--endpoint-url", moto.endpoint_url, "--agent", "gone", "--yes")
    ran_out = 0
    with Launcher() as launcher:
        for size in sizes:
            small.load()
            before = footprint(small.root)
            command = ("recover", *where, "--case", tmp_path / f"case-{size}")
            ended = launcher.run(command, cwd=tmp_path, memory=size * MIB)
            judged = small.judge()
            if ended.code:
                ran_out += "flbrecover: out of memory; what was done is safe" in ended.err
                assert not told(Ended(ended.code, ended.out, ended.err)), ended
                assert (judged.twice, judged.removed) == ((), ())
                again = launcher.run(command, cwd=tmp_path)
                assert again.code == 0, again
            assert small.judge() == WHOLE and footprint(small.root) == before
    assert ran_out
