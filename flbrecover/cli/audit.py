"""``flbrecover audit``: what this configuration will lose or store twice, before it does."""

from __future__ import annotations

import sys
from typing import Any, Literal

import click

from flbrecover.cli import options as o
from flbrecover.cli.job import environment
from flbrecover.errors import UsageError

MAX_STDIN = 16 * 1024 * 1024


@click.command(name="audit")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--root", metavar="DIR", callback=o.not_empty,
    help="Audit the Fluent Bit of this node (or bundle) instead of files.",
)  # fmt: skip
@click.option("--config", metavar="FILE", help="With --root: the configuration inside the root (default: looked for).")
@click.option("--env", "env", multiple=True, metavar="KEY=VALUE", help="A variable of the configuration's ${KEY}.")
@click.option("--fluent-bit", "version", metavar="VERSION", help="Fluent Bit's version, where no image says it.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="error",
    show_default=True,
    help="End with exit code 3 when there are findings of this severity or above.",
)
@click.option("--sarif", is_flag=True, help="SARIF 2.1.0 on stdout, for code scanning.")
@o.options(o.JSON)
def command(
    files: tuple[str, ...],
    root: str | None,
    version: str | None,
    fail_on: Literal["error", "warning", "note", "never"],
    sarif: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Say what a Fluent Bit setup will lose or store twice: in which incident, at which line, and what to change.

    FILE is a Fluent Bit configuration (classic or YAML), a Kubernetes manifest (DaemonSet, ConfigMap, List, rendered
    charts), a folder of them, or - for stdin: `helm template CHART | flbrecover audit -`. Give the DaemonSet together
    with its ConfigMap: only both tell where paths lie. With --root the running Fluent Bits of a node are looked at.
    Nothing is changed, S3 is not asked. The rules: docs/audit.md.

    Exit codes: 0; 3 with findings of --fail-on or above; 4 when a file could not be read or judged.
    """
    if bool(files) == (root is not None):
        raise UsageError("give files to audit (- for stdin), or --root DIR for the Fluent Bit of a node")
    if root is None and given["config"] is not None:
        raise UsageError("--config goes with --root; without it, give the configuration as FILE")
    if sarif and as_json:
        raise UsageError("--sarif or --json, not both")
    from flbrecover.audit import assembling, live, versions
    from flbrecover.evidence.bundle import open_root
    from flbrecover.report import audit, audit_json, audit_sarif

    said = versions.parse(version) if version is not None else None
    if version is not None and said is None:
        raise UsageError(f"--fluent-bit {version}: a version is wanted, as 3.1.9")
    env = environment(given["env"], of_this_process=False)
    if root is not None:
        report = live.audit(open_root(root), given["config"], env, version=said)
    else:
        report = assembling.audit(files, env, stdin=_stdin(files), version=said)
    write = audit_sarif.write_sarif if sarif else audit_json.write_json if as_json else audit.write_text
    write(sys.stdout, report)
    return report.exit_code(fail_on)


def _stdin(files: tuple[str, ...]) -> str:
    if "-" not in files:
        return ""
    data = sys.stdin.buffer.read(MAX_STDIN + 1) if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    if len(data) > MAX_STDIN:
        raise UsageError(f"more than {MAX_STDIN} bytes on stdin")
    return data.decode("utf-8", "surrogateescape")
