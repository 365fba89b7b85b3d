"""The command line: a thin module a command. Modules are imported when their command is called, so that ``--help``
is fast."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence

import click

from flbrecover import __version__
from flbrecover.cli import streams
from flbrecover.errors import FlbrecoverError

COMMANDS = {
    "tail": "Show the tail DB's rows against the files: position, unread bytes, rotation.",
    "buffers": "Show buffer files: tag, creation time, records, damage.",
    "objects": "Show what S3 holds for the outputs in the window, and gaps in time.",
    "uploads": "Show pending multipart uploads, local and in the bucket.",
    "diff": "Show the state of every record; --plan FILE saves the plan.",
    "recover": "Put what is missing into S3, once, and prove it.",
    "apply": "Carry a saved plan out, or go on with one that was interrupted.",
    "verify": "Read S3 again and prove every record of a plan.",
    "audit": "Say what a configuration will lose or store twice, and what to change.",
    "report": "Make a page for a post-mortem from a case folder.",
    "collect": "Pack the node's evidence into one file that every command takes as --root.",
    "fleet": "Recover many nodes with Kubernetes, and report them as one.",
    "retire": "Put buffer files that a recovery has moved aside back.",
    "completion": "Print the completion script of bash, zsh or fish.",
    "demo": "Show a whole incident and its recovery on this machine, no account needed.",
}

YOUNG = 100_000  # objects between two looks for cycles, of which we make few: at 700 they take a tenth of a listing
SCARCE = 64 << 20  # bytes of addresses that are left
OUT_OF_MEMORY = (
    "out of memory; what was done is safe, the same command goes on from here: give it more "
    "(the limit of the container, ulimit -v), or ask for less (--jobs 1, a smaller --max-memory)"
)
NOWHERE = "the current folder is not there any more; go to one that is, or name every path from the root (/…)"


class Commands(click.Group):
    """Finds a command's module by its name, without importing the others."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"flbrecover.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="flbrecover")
def cli() -> None:
    """Account for every record that Fluent Bit should have put into S3 from this node, and put back what is missing,
    once. Nothing on the node is changed.

    Start with `flbrecover diff`: it only reads. Exit codes: 0 nothing missing, 1 failure, 2 usage, 3 records missing,
    4 some evidence could not be read, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with the contract's exit code."""
    streams.prepare()
    gc.set_threshold(YOUNG)
    try:
        code = _code(None if arguments is None else list(arguments))
        sys.stdout.flush()
    except streams.OutputError as e:
        streams.give_up(e)
        code = 1
    sys.exit(code)


def _code(arguments: list[str] | None) -> int:
    """Runs the command line; gives the exit code. Raises OutputError where nothing can be said."""
    try:
        result = cli.main(arguments, "flbrecover", standalone_mode=False)
        sys.stdout.flush()  # in here a Ctrl-C is one, too
    except FlbrecoverError as e:
        from flbrecover.report.escape import shown

        click.echo(f"flbrecover: {shown(str(e))}", err=True)
        return e.exit_code
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.ClickException as e:
        e.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("flbrecover: interrupted; what was done is safe, the same command goes on from here", err=True)
        return 130
    except streams.OutputError:
        raise
    except FileNotFoundError:
        if _is_somewhere():
            raise
        click.echo(f"flbrecover: {NOWHERE}", err=True)
        return 2
    except Exception as e:
        if _is_out_of_memory(e):
            click.echo(f"flbrecover: {OUT_OF_MEMORY}", err=True)
        elif _is_memory_scarce():  # what libraries make of it has many names; it is told, for it may be another thing
            click.echo(f"flbrecover: {OUT_OF_MEMORY}; the last error: {' '.join(str(e).split())[:300]}", err=True)
        else:
            raise
        return 1
    return result if isinstance(result, int) else 0


def _is_somewhere() -> bool:
    """Is the current folder there? Without it no relative path means anything."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _is_out_of_memory(e: Exception) -> bool:
    """Memory that the system did not give, as Python, the kernel, threads and OpenSSL say it. A SystemError of these
    words is C code that got none and has not said so."""
    said = str(e)
    silent = isinstance(e, SystemError) and ("without exception set" in said or "without setting an exception" in said)
    return (
        silent
        or isinstance(e, MemoryError)
        or getattr(e, "errno", None) == errno.ENOMEM
        or any(words in said for words in ("can't start new thread", "malloc failure"))
    )


def _is_memory_scarce() -> bool:
    """Has this process nearly all addresses that it may have (``ulimit -v``)?"""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
    except (ImportError, OSError, ValueError, MemoryError):
        return False
    return most != resource.RLIM_INFINITY and most - pages * resource.getpagesize() < SCARCE
