"""``flbrecover completion SHELL``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script of a shell.

    bash: `flbrecover completion bash > ~/.local/share/bash-completion/completions/flbrecover`; zsh: `eval "$(flbrecover
    completion zsh)"` in ~/.zshrc, behind compinit; fish: `flbrecover completion fish >
    ~/.config/fish/completions/flbrecover.fish`. Exit code 0.
    """
    from click.shell_completion import get_completion_class

    from flbrecover.cli import cli

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(cli, {}, "flbrecover", "_FLBRECOVER_COMPLETE").source())
    return 0
