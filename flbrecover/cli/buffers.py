"""``flbrecover buffers``: what lies in store_dir and storage.path; ``buffers cat FILE`` prints a file's records."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from flbrecover.cli import options as o
from flbrecover.cli.job import Job

if TYPE_CHECKING:
    from flbrecover.fluentbit.pipeline import Pipeline

STYLE = (*o.OWNER, *o.RENDERING)  # whose a file is, and how the records of engine chunks are written


@click.group(name="buffers", invoke_without_command=True, subcommand_metavar="[cat FILE]")
@o.options(o.NODE, o.STORAGE, STYLE, o.JSON)
@click.pass_context
def command(context: click.Context, /, as_json: bool, **given: Any) -> int:
    """Show every buffer file that Fluent Bit left: tag, creation time, records, bytes, first and last record time,
    damage. Engine chunks of storage.path too. S3 is not asked.

    Without a configuration, --store-dir or --storage-path is enough. Exit codes: 0, or 4 when some evidence could not
    be read.
    """
    if context.invoked_subcommand is not None:
        said = ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT
        context.obj = {name: v for name, v in given.items() if context.get_parameter_source(name) in said}
        return 0
    from flbrecover.cli import unset
    from flbrecover.recover.buffer_contents import contents
    from flbrecover.report import buffers
    from flbrecover.report.progress import progress

    job = Job(with_a_bucket(given))
    job.need_storage()
    job.need_known(unset.BUFFERS)
    write = buffers.write_json if as_json else buffers.write_text
    failed = write(sys.stdout, job.survey, contents(job.survey, progress), job.notes)
    return 4 if failed else 0


@command.command(name="cat", short_help="Print the records of a buffer file to stdout.")
@click.argument("file", metavar="FILE")
@o.options(o.NODE, o.STORAGE[-1:], STYLE)
@click.pass_context
def cat(context: click.Context, /, file: str, **given: Any) -> int:
    """Print the whole records of a buffer file to stdout, as they are; those of an engine chunk as the s3 output would
    write them. What is damaged is left out and named on stderr.

    FILE is a path inside the root; it need not be where the configuration says. On a terminal control characters are
    escaped. Exit codes: 0, or 4 when some of it could not be read.
    """
    from flbrecover.recover.buffer_contents import look_at, records_of
    from flbrecover.report import problems
    from flbrecover.report.buffers import write_records

    job = Job({**given, **context.obj})
    buffer = look_at(job.node, file, given["tag"])
    records = records_of(job.node, buffer, pipeline_of(job))
    write_records(sys.stdout, records)
    found = list(dict.fromkeys((*buffer.problems, *records.problems)))
    problems.write(sys.stderr, found)
    return 4 if any(p.unreadable for p in found) else 0


def with_a_bucket(given: dict[str, Any]) -> dict[str, Any]:
    """Options by hand without --bucket: folders say the buckets themselves, and S3 is not asked."""
    by_hand = given["config"] is None and given["store_dir"] is not None
    return {**given, "bucket": "(not given)"} if by_hand and given["bucket"] is None else given


def pipeline_of(job: Job) -> Pipeline:
    """The configuration, if there is one: only how records are written depends on it."""
    from flbrecover.cli.show import say
    from flbrecover.errors import ConfigError
    from flbrecover.fluentbit.pipeline import Pipeline, Service

    try:
        return job.pipeline
    except ConfigError as e:
        if job.given["config"] is not None:
            raise
        say(f"note: {e}; taken as written with the s3 output's defaults")
        return Pipeline(Service(), (), (), ())
