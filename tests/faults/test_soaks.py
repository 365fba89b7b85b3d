"""The long trials run, and find nothing in the few trials that they get here (docs/reliability.md has many)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("kills --trials 6 --workers 1", r"\n6 trials in "),
        ("fuzz --kind note --kind database --count 300", r"\ndatabase +300 +0 "),
        ("damage --trials 6", r"\n6 trials, 0 wrong, in "),
        ("s3_faults --fault SlowDown --every 20", r"\n[1-9]\d* trials, 0 wrong, in "),
    ],
)
def test_a_soak_command(command: str, says: str, tmp_path: Path) -> None:
    name, *options = command.split()
    more = ("--failures", str(tmp_path)) if name == "fuzz" else ()
    ended = subprocess.run(
        [sys.executable, "-m", f"tests.soak.{name}", *options, *more],
        cwd=HERE, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(says, ended.stdout) and "WRONG" not in ended.stdout
