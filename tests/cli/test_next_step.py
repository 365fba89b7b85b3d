"""The command that comes next can be typed as it is shown."""

from __future__ import annotations

import shlex
from pathlib import Path

from cases import config, load, unpack
from command import flbrecover, one_line

NAME = "kubernetes-cri"


def test_what_is_shown_can_be_typed(moto, tmp_path: Path) -> None:
    """Blanks are quoted; what of the call no plan holds is said again."""
    root = unpack(NAME, tmp_path / "a node")
    load(NAME, moto.client, root)
    where = ("--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url, "--region", "eu-west-1")
    more = ("--no-assume-role", "--agent", "gone", "--plan", "my plan.json")
    shown = flbrecover("diff", *where, *more)
    command = shlex.split(shown.err.splitlines()[-1].partition("carry it out with: ")[2])
    assert command == [
        "flbrecover", "apply", "my plan.json", "--root", str(root), "--endpoint-url", moto.endpoint_url,
        "--region", "eu-west-1", "--no-assume-role",
    ]  # fmt: skip
    assert flbrecover(*command[1:], "--yes").code == 0


def test_a_case_without_a_plan(moto, tmp_path: Path) -> None:
    root = unpack(NAME, tmp_path)
    load(NAME, moto.client, root)
    where = ("--root", root, "--endpoint-url", moto.endpoint_url)
    flbrecover("diff", *where, "--config", config(NAME), "--case", "case")
    said = one_line(flbrecover("apply", "case", *where))
    wanted = f"flbrecover recover --case case --root {root} --endpoint-url {moto.endpoint_url}"
    assert said == f"flbrecover: case: this case has no plan yet; make one with `{wanted}`"
