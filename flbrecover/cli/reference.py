"""The reference of all commands, from their own ``--help``: ``python -m flbrecover.cli.reference > docs/cli.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from flbrecover.cli import cli

WIDTH = 110
INTRODUCTION = """\
# Commands

Made by `python -m flbrecover.cli.reference > docs/cli.md` from what each command says with `--help`.

Paths of evidence (`--config`, `--db`, `--store-dir` …) are paths *inside* `--root`: with `--root /host` the node's
`/var/log` is `/var/log`, not `/host/var/log`, and symlinks are followed within the root. Values that are given here win
over those of the configuration. Credentials come from the usual AWS chain: see [iam.md](iam.md). Results go to stdout,
all else to stderr; with `--json` results are [JSON lines](json-output.md). [Exit codes](exit-codes.md) are the same
for all commands.
"""


def reference() -> str:
    """The page, as Markdown."""
    return INTRODUCTION + "".join(_section(path, command) for path, command in _commands("flbrecover", cli))


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(f"{path} {name}", inner)


def _section(path: str, command: click.Command) -> str:
    context = click.Context(
        command, info_name=path, max_content_width=WIDTH, terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )
    return f"\n## {path}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
