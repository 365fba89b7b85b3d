"""``flbrecover demo``: a whole incident and its recovery on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="demo")
@click.option("--keep", metavar="DIR", type=click.Path(path_type=Path), help="Keep node, S3 data and plan in DIR.")
@click.option(
    "--serve", metavar="DIR", type=click.Path(path_type=Path), help="Start the S3 server on kept data, until Ctrl-C."
)
def command(keep: Path | None, serve: Path | None) -> int:
    """Walk through a captured incident with the real commands, against a real S3 server on loopback: tail, buffers,
    diff, recover, verify. Takes less than a minute, needs no account, and leaves no process and no file behind.

    Needs the extra: pip install 'flbrecover[demo]'.
    """
    from flbrecover.demo import walk
    from flbrecover.errors import UsageError

    if keep is not None and serve is not None:
        raise UsageError("--keep and --serve are two different things: keep first, serve what was kept then")
    if serve is not None:
        walk.serve(click.echo, serve)
    else:
        walk.walk(click.echo, keep)
    return 0
