"""``--help`` is quick and complete, and docs/cli.md is what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import flbrecover

from flbrecover import __version__
from flbrecover.cli import COMMANDS
from flbrecover.cli.reference import reference

ROOT = Path(__file__).parent.parent.parent
SLOW = (
    "boto3", "botocore", "yaml", "sqlite3", "zstandard", "tqdm", "xxhash", "regex", "msgpack", "msgspec",
    "json.decoder", "jinja2",
)  # fmt: skip


def test_the_page_is_what_the_commands_say() -> None:
    """Not so? python -m flbrecover.cli.reference > docs/cli.md"""
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page.split() == reference().split()  # line breaks are click's


def test_help_names_every_command() -> None:
    ended = flbrecover("--help")
    assert ended.code == 0
    listed = ended.text.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed if line[2] != " "] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    ended = flbrecover(command, "--help")
    assert ended.code == 0 and ended.err == ""
    assert ended.text.startswith(f"Usage: flbrecover {command} ")


def test_version() -> None:
    assert flbrecover("--version").text == f"flbrecover, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in ("diff", "tail", "demo", "report"))])
def test_help_imports_nothing_slow(arguments: list[str]) -> None:
    code = (
        "import sys; from flbrecover.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert set(SLOW) & set(ended.stderr.split()) == set()
