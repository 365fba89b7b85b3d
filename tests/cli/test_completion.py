"""Completion, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import flbrecover, one_line

from flbrecover.cli import COMMANDS

ASK = {
    "bash": """
        source <(flbrecover completion bash)
        COMP_WORDS=(flbrecover {words}); COMP_CWORD={last}
        "$(complete -p flbrecover | sed 's/.*-F \\([^ ]*\\).*/\\1/')" flbrecover
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """,
    "zsh": """
        autoload -U compinit && compinit -u -D
        offered() {{ local a; for a; do [[ ${{(tP)a}} == array* ]] && print -rl -- "${{(@P)a}}"; done; true }}
        _describe() {{ offered "$@" }}
        compadd() {{ offered "$@" }}
        eval "$(flbrecover completion zsh)"
        words=(flbrecover {words}); CURRENT=$(({last} + 1))
        "${{_comps[flbrecover]}}"
    """,
    "fish": """
        flbrecover completion fish | source
        complete -C "flbrecover {line}"
    """,
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH on which ``flbrecover`` is this one."""
    script = tmp_path / "bin" / "flbrecover"
    script.parent.mkdir()
    code = "from flbrecover.cli import main; main()"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c \'{code}\' "$@"\n')
    script.chmod(0o755)
    return os.environ | {
        "PATH": f"{script.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", *(s for s in ("zsh", "fish") if shutil.which(s))])
@pytest.mark.parametrize(
    ("words", "wanted", "unwanted"),
    [
        (["rec"], {"recover"}, {"tail"}),
        (["collect", "--max"], {"--max-size"}, {"--out"}),
        (["recover", "--agent", ""], {"gone", "returning"}, {"tail"}),
        (["completion", ""], {"bash", "zsh", "fish"}, {"tail"}),
    ],
)
def test_it_completes(
    shell: str, words: list[str], wanted: set[str], unwanted: set[str], environment: dict[str, str]
) -> None:
    program = ASK[shell].format(words=" ".join(w or "''" for w in words), last=len(words), line=" ".join(words))
    options = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[shell]
    ended = subprocess.run([shell, *options, program], env=environment, capture_output=True, text=True)
    offered = {line.split("\t")[0].split(":")[0].strip() for line in ended.stdout.splitlines()}
    assert wanted <= offered, ended
    assert not unwanted & offered


def test_all_commands_are_offered(environment: dict[str, str]) -> None:
    program = ASK["bash"].format(words="''", last=1)
    ended = subprocess.run(["bash", "--norc", "-c", program], env=environment, capture_output=True, text=True)
    assert set(ended.stdout.split()) == set(COMMANDS), ended


def test_an_unknown_shell() -> None:
    ended = flbrecover("completion", "tcsh")
    assert ended.code == 2 and "tcsh" in one_line(ended)
