"""Reports of real cases: a captured incident, compared, recovered, interrupted, against a real S3 server."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cases import config, load, unpack
from command import flbrecover
from killing import Launcher

NAME = "kubernetes-cri"
MISSING = "Of 1,135 records in the evidence, 415 were missing from S3 (320 buffered, 95 unread)."


@pytest.fixture
def node(tmp_path: Path, moto) -> tuple[object, ...]:
    """The options that name the node and its S3."""
    root = unpack(NAME, tmp_path)
    load(NAME, moto.client, root)
    return "--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url


def ticket(case: Path) -> str:
    ended = flbrecover("report", case, "--format", "markdown")
    assert (ended.code, ended.err) == (0, "")
    return ended.text


def test_before_and_after_a_recovery(tmp_path: Path, node: tuple[object, ...]) -> None:
    case = tmp_path / "case"
    assert flbrecover("diff", *node, "--agent", "gone", "--case", case).code == 3
    assert ticket(case).startswith(f"**Not recovered yet.** {MISSING} Nothing was recovered so far; a plan of 3 action")
    assert ticket(case).count("| not carried out |") == 3
    assert flbrecover("report", case, "-o", "-").text.count("not carried out") == 3
    assert flbrecover("recover", *node, "--agent", "gone", "--case", case, "--yes").code == 0
    said = ticket(case)
    assert said.startswith(f"**Recovered and proved.** {MISSING} All of them are back")
    assert said.count("| written; 160 records read back |") == 2
    assert said.count("| written; 95 records read back |") == 1
    assert said.count("    flbrecover ") == 2  # the exact commands
    assert re.search(r"\nEvidence: \d+ files, hashed before and after; manifest digest `", said)
    page = flbrecover("report", case, "-o", "-")
    assert page.code == 0
    assert page.text.count('<figure class="timeline"') == 3  # all tags, and each of two
    assert "AKIA" not in page.text


def test_what_is_left_to_a_returning_fluent_bit(tmp_path: Path, node: tuple[object, ...]) -> None:
    case = tmp_path / "case"
    assert flbrecover("recover", *node, "--agent", "returning", "--case", case, "--yes").code == 0
    said = ticket(case)
    assert said.startswith(f"**Recovered as planned, the rest is left alone.** {MISSING} 70 of them are back")
    assert "345 records are still missing (320 buffered, 25 unread), and left alone on purpose" in said
    assert "- 320 records (buffered): Fluent Bit sends the files of its dated folders when it starts" in said


KILLED = {
    "before.jsonl": "**Not known.** What was missing is not known: the case has no before.jsonl.",
    "plan.json": f"**Not recovered yet.** {MISSING} Nothing was recovered so far; there is no plan.",
    "after.jsonl": f"**Interrupted: not proved.** {MISSING} The recovery was interrupted: its journal notes 3 of 3 ",
}
"""What a report says of a recovery that was killed (SIGKILL) right before this file got its name."""


def test_a_recovery_that_is_killed(tmp_path: Path, node: tuple[object, ...], moto) -> None:
    case = tmp_path / "case"
    command = ("recover", *node, "--agent", "gone", "--yes", "--case", case)
    with Launcher() as launcher:
        for file, says in KILLED.items():
            load(NAME, moto.client, Path(str(node[1])))
            assert launcher.run(command, kill_at=1, among=f"os.rename {case / file}").killed
            assert not (case / file).exists()
            said = ticket(case)
            assert said.startswith(says)
            assert "are back" not in said and "read back" not in said
            shutil.rmtree(case)


def test_a_report_leaves_nothing_but_itself(tmp_path: Path, node: tuple[object, ...]) -> None:
    """And what a run that is under way has written is in it."""
    case = tmp_path / "case"
    assert flbrecover("diff", *node, "--agent", "gone", "--case", case).code == 3
    held = {path.name: path.read_bytes() for path in case.iterdir()}
    for form in ("html", "markdown", "json"):
        assert flbrecover("report", case, "--format", form, "-o", "-").code == 0
    assert {path.name: path.read_bytes() for path in case.iterdir()} == held
    with closing(sqlite3.connect(case / "case.db")) as under_way:
        under_way.execute("INSERT INTO runs (command) VALUES ('a second run')")
        under_way.commit()
        assert (case / "case.db-wal").stat().st_size
        runs = flbrecover("report", case, "--format", "json").of_type("run")
    assert [run["command"].split()[0] for run in runs] == ["flbrecover", "a"]
    assert {path.name for path in case.iterdir()} == held.keys()
