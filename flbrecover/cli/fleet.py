"""``flbrecover fleet``: recover many nodes with Kubernetes, and report them as one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from flbrecover.cli import options as o

if TYPE_CHECKING:
    from flbrecover.bucket.client import S3

RECOVER = click.argument("recover_options", metavar="-- RECOVER_OPTIONS", nargs=-1, type=click.UNPROCESSED)
WAY = o.ENDPOINT[:3]  # endpoint, region, profile
NODES = (
    click.option("--nodes", metavar="NAMES", help="The nodes: a,b,c."),
    click.option("--nodes-file", metavar="FILE", help="The nodes, one a line; as `kubectl get nodes -o name`."),
)


@click.group(name="fleet")
def command() -> None:
    """Recover many nodes of one incident, and report them as one.

    `manifest` makes a Kubernetes manifest with a Job for each node, `run` is what such a Job runs, and `report` makes
    one page and one exit code of what they left in S3.
    """


@command.command(name="manifest", short_help="Make a Kubernetes manifest that recovers every chosen node.")
@o.options(NODES)
@click.option("--case-to", required=True, metavar="URL", help="s3://BUCKET/PREFIX/CASE/: where the results go.")
@click.option("--image", required=True, metavar="NAME", help="The image of flbrecover.")
@click.option("--namespace", default="logging", show_default=True, metavar="NAME")
@click.option("--service-account", "account", metavar="NAME", help="One that is there (default: `flbrecover` is made).")
@click.option("--role-arn", metavar="ARN", help="The IAM role of the account that is made (EKS).")
@click.option("--secret", metavar="NAME", help="A Secret with AWS_ACCESS_KEY_ID …, as environment of the pods.")
@click.option("--memory", default="256Mi", show_default=True, metavar="SIZE", help="Memory of each pod.")
@o.options(WAY[:2])
@click.option("-o", "--output", "target", metavar="FILE", default="-", help="Write to FILE (default: stdout).")
@RECOVER
def manifest(
    nodes: str | None, nodes_file: str | None, case_to: str, target: str, recover_options: tuple[str, ...],
    endpoint_url: str | None, region: str | None, **said: Any,
) -> int:  # fmt: skip
    """Make a manifest for `kubectl apply`: a Job for each node, pinned to it, that recovers it and sends what it found
    to s3://BUCKET/PREFIX/CASE/NODE/. Nothing is asked of a cluster.

    RECOVER_OPTIONS are those of `flbrecover recover`; --agent is needed, --root is /host, and nobody is asked.

    Exit codes: 0 made, 1 cannot be written, 2 names or options that cannot be used.
    """
    from pathlib import Path

    from flbrecover.cli.reporting import save
    from flbrecover.fleet import manifest as m
    from flbrecover.fleet.names import case_folder, node_list

    way = [f"--{name}={value}" for name, value in (("endpoint-url", endpoint_url), ("region", region)) if value]
    recover = ([] if _gives_root(recover_options) else [f"--root={m.HOST}"]) + [*recover_options]
    _check_recover([*recover, *way])
    wanted = m.Wanted(
        node_list(nodes, nodes_file), case_folder(case_to, "--case-to"), recover=[*recover, *way], run=way, **said
    )
    m.check(wanted)
    pieces = m.manifest(wanted)
    if target == "-":
        sys.stdout.writelines(pieces)
    else:
        save(Path(target), pieces)
    return 0


@command.command(name="run", short_help="Recover this node, and send what was found to S3.")
@click.option("--case-to", required=True, metavar="URL", help="s3://BUCKET/PREFIX/CASE/NODE/: where the result goes.")
@click.option("--node", required=True, envvar="NODE_NAME", metavar="NAME", help="This node (default: $NODE_NAME).")
@o.options(WAY)
@RECOVER
def run(case_to: str, node: str, recover_options: tuple[str, ...], **given: Any) -> int:
    """Run `flbrecover recover RECOVER_OPTIONS --yes --json` and send its comparisons and its plan to a folder of this
    run below s3://BUCKET/PREFIX/CASE/NODE/, `facts.json` last. The options before -- are for that folder.

    A run that is started again has a folder of its own; what is missing is stored once all the same. Exit codes: those
    of recover; 1 also where the result cannot be kept.
    """
    from flbrecover.cli.fleet_running import recover_and_keep
    from flbrecover.errors import UsageError
    from flbrecover.fleet.names import folder, is_node

    to = folder(case_to, "--case-to")
    if not is_node(node):
        raise UsageError(f"--node {node}: no name of a node: lower case letters, digits, - and .")
    if to.name != node:
        raise UsageError(f"--case-to {case_to}: its last part is not this node ({node})")
    _check_recover(recover_options)
    return recover_and_keep(_connect(to.bucket, given), to, node, list(recover_options))


@command.command(name="report", short_help="Merge the results of all nodes into one page and one exit code.")
@click.argument("source", metavar="SOURCE")
@o.options(NODES)
@click.option(
    "--format", "form", type=click.Choice(["html", "markdown", "json"]), default="html", show_default=True,
    help="A page, a short form for a ticket, or a JSON line for each node and one for all.",
)  # fmt: skip
@click.option("-o", "--output", "target", metavar="FILE", default="-", help="Write to FILE (default: stdout).")
@o.options(WAY)
def report(source: str, nodes: str | None, nodes_file: str | None, form: str, target: str, **given: Any) -> int:
    """Merge what the nodes left in SOURCE, s3://BUCKET/PREFIX/CASE/ or a folder with a copy of it, into one report.
    With --nodes or --nodes-file a node without a result is named.

    Exit codes, the first that fits: 4 the result of a node is missing, not whole or contradicts itself, or a node could
    not read some evidence; 3 records of a node are still missing; 1 the run of a node failed, or the report could not
    be made; 0 every node has all that was to be recovered in S3.
    """
    from flbrecover.cli.fleet_reporting import make_report
    from flbrecover.fleet.names import node_list

    asked = None if nodes is None and nodes_file is None else node_list(nodes, nodes_file)
    return make_report(source, asked, form, target, lambda bucket: _connect(bucket, given))


def _connect(bucket: str, given: dict[str, Any]) -> S3:
    from flbrecover.bucket.client import connect
    from flbrecover.fluentbit.pipeline import S3Output

    said = {name: given[name] for name in ("endpoint_url", "region", "profile")}
    return connect(S3Output(-1, bucket), **said)


def _gives_root(options: tuple[str, ...]) -> bool:
    return any(word.partition("=")[0] == "--root" for word in options)


def _check_recover(options: Any) -> None:
    """Raises UsageError for options that recover does not know, that it would have to ask for, or that only a run by
    hand can have."""
    from flbrecover.cli.recover import command as recover
    from flbrecover.errors import UsageError

    context = recover.make_context("recover", list(options), parent=click.get_current_context().find_root())
    if context.params["agent"] is None:
        raise UsageError("after --, --agent gone or --agent returning is needed: will Fluent Bit come back there?")
    for name, option in (("case_dir", "--case"), ("retire", "--retire")):
        if context.params[name]:
            raise UsageError(f"{option}: cannot be used for a fleet; the pod and its case folder are gone afterwards")
