"""``flbrecover collect``: the evidence of a node in one file."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flbrecover.cli import options as o
from flbrecover.cli.job import Job
from flbrecover.cli.values import moment
from flbrecover.errors import FlbrecoverError, UsageError
from flbrecover.recover.whole_file import part_of, whole_file

if TYPE_CHECKING:
    from flbrecover.evidence.bundle_writer import Total
    from flbrecover.evidence.watched_node import WatchedNode
    from flbrecover.model import Problem
    from flbrecover.recover.collecting import Bounds, Choice


@dataclass(frozen=True)
class _WatchedJob(Job):
    """A job whose node remembers what is asked of it."""

    @cached_property
    def node(self) -> WatchedNode:
        from flbrecover.evidence.bundle import existing_root
        from flbrecover.evidence.watched_node import WatchedNode

        root = existing_root(self.given.get("root") or "/")
        if root.is_file():
            raise UsageError(f"--root {root}: is a file; collect needs the node's own file system")
        return WatchedNode(root)


@dataclass(frozen=True)
class _MaskedJob(Job):
    """The same job once more, now that the node gives out the configuration without its secrets."""

    watched: WatchedNode

    @cached_property
    def node(self) -> WatchedNode:
        return self.watched


@click.command(name="collect")
@o.options(o.NODE, o.INPUT, o.STORAGE, o.OUTPUT, o.ENDPOINT, o.ENCRYPTION)
@click.option("-o", "--out", metavar="FILE", help="The bundle (default: flbrecover-HOST-TIME.tar.zst here; -: stdout).")
@click.option("--to", metavar="URL", help="Send the bundle to s3://BUCKET/KEY instead of writing a file.")
@click.option("--max-size", metavar="SIZE", help="Evidence to take at most, uncompressed: buffers, then newest logs.")
@click.option("--since", metavar="TIME", help="Leave out logs last written before: 2026-11-23T11:00:00Z, or 3h.")
@o.options(o.JSON)
def command(
    out: str | None, to: str | None, max_size: str | None, since: str | None, as_json: bool, **given: Any
) -> int:
    """Pack the node's evidence into one file: tail DBs, buffers, logs with their rotated files, the configuration
    without its secrets, and what the kernel says of running Fluent Bits. Changes nothing on the node.

    Every command takes the file as --root and gives the same answer as on the node. What was left out or could not be
    read is listed in it, and said by every command that reads it. Exit codes: 0, 4 when some evidence could not be
    read or was left out, 1 failure.
    """
    from flbrecover import __version__
    from flbrecover.cli import unset
    from flbrecover.evidence.bundle_writer import BundleWriter
    from flbrecover.recover import collecting
    from flbrecover.report.progress import progress

    if out is not None and to is not None:
        raise UsageError("--out and --to: choose one")
    bounds = _bounds(max_size, since)
    job = _WatchedJob(given)
    if not job.pipeline.inputs:
        job.need_outputs()
    job.need_known(unset.LOGS, unset.BUFFERS)
    configuration = list(job.node.opened)
    survey = job.survey
    masked, problems = collecting.masked_configuration(job.node, configuration)
    problems += _unchanged(job)
    chosen = collecting.choose(job.node, survey, configuration, bounds)
    chosen.problems += problems
    running = [agent.pid for agent in survey.agents]
    lines = [*masked, *collecting.process_lines(job.node, running)]
    with _destination(job, out, to, chosen) as (write, where):
        writer = BundleWriter(write, tool=f"flbrecover {__version__}", collected_ns=time.time_ns())
        total = collecting.write(writer, job.node, survey, chosen, lines, config=given.get("config"), watch=progress)
    found = [*survey.problems, *chosen.problems]
    _say(where, total, chosen, found, masked=len(masked), as_json=as_json)
    left_out = any(entry.why for entry in chosen.entries.values())
    return 4 if left_out or any(p.unreadable for p in found) else 0


def _bounds(max_size: str | None, since: str | None) -> Bounds:
    from flbrecover.fluentbit.units import size
    from flbrecover.recover.collecting import Bounds

    try:
        max_bytes = None if max_size is None else size(max_size)
    except ValueError as e:
        raise UsageError(f"--max-size {max_size}: not a size; write 500M or 20G") from e
    return Bounds(max_bytes, max_size or "", moment(since, "--since", time.time_ns()), since or "")


def _unchanged(job: _WatchedJob) -> list[Problem]:
    """The configuration without its secrets has to mean the same to a recovery."""
    from flbrecover.model import Problem

    if job.loaded is None:
        return []
    try:
        again = _MaskedJob(job.given, job.node).pipeline
        same = replace(again, sections=()) == replace(job.pipeline, sections=())  # these hold the secrets themselves
    except FlbrecoverError:
        same = False
    what = "does not mean the same without its secrets: on the bundle give the original with its options by hand"
    return [] if same else [Problem(job.loaded.files[0].path, what)]


Write = Callable[[bytes], object]


@contextmanager
def _destination(job: _WatchedJob, out: str | None, to: str | None, chosen: Choice) -> Iterator[tuple[Write, str]]:
    """Where the bundle's bytes go, and what that is called. Where it fails nothing is left there."""
    if to is not None:
        with _s3(job, to) as sending:
            yield sending.write, to
            sending.finish()
    elif out == "-":
        if sys.stdout.isatty():
            raise UsageError("--out -: standard output is a terminal; send it into a file")
        yield sys.stdout.buffer.write, "standard output"
        sys.stdout.buffer.flush()
    else:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        with _file(job, Path(out or f"flbrecover-{socket.gethostname()}-{stamp}.tar.zst"), chosen) as write:
            yield write


def _s3(job: _WatchedJob, to: str) -> Any:
    from flbrecover.bucket.sending import Sending, bucket_and_key
    from flbrecover.fluentbit.pipeline import S3Output

    bucket, key = bucket_and_key(to)
    known = next((output for output in job.pipeline.outputs if output.bucket == bucket), None)
    return Sending(job.connect(known or S3Output(-1, bucket)), bucket, key)


@contextmanager
def _file(job: _WatchedJob, path: Path, chosen: Choice) -> Iterator[tuple[Write, str]]:
    """A new file, readable by this user only; never among the evidence."""
    from flbrecover.evidence.bundle_writer import DestinationError

    places = {os.path.dirname(item.path) for item in chosen.items} | {home.path for home in job.survey.homes}
    if os.path.realpath(path.parent) in {os.path.realpath(f"{job.node.root}/{place}") for place in places}:
        raise UsageError(f"--out {path}: lies among the evidence; choose another folder")
    if os.path.isdir(path):
        raise UsageError(f"--out {path}: is a folder; name a file")
    if os.path.lexists(path):
        raise UsageError(f"--out {path}: is there already")
    until_whole = ExitStack()
    try:
        file = until_whole.enter_context(whole_file(path, new=True))
    except FileExistsError as e:
        part = part_of(path)
        way_out = f"{part} is left from a run that was killed; remove it, if no other collect is writing it"
        raise UsageError(f"--out {path}: {way_out}") from e
    except OSError as e:
        raise UsageError(f"--out {path}: {e.strerror}") from e
    try:
        with until_whole:
            yield file.write, str(path)
    except (DestinationError, OSError) as e:  # the end writes, too: what the file still holds in memory
        why = e.strerror if isinstance(e, OSError) else e
        raise FlbrecoverError(f"--out {path}: {why}; choose a place with more space, or --max-size") from e


def _say(where: str, total: Total, chosen: Choice, found: list[Problem], *, masked: int, as_json: bool) -> None:
    from flbrecover.cli.show import count, say
    from flbrecover.report import jsonl, problems, text

    out = sys.stderr if where == "standard output" else sys.stdout
    left = [entry for entry in chosen.entries.values() if entry.why]
    if as_json:
        for entry in left:
            jsonl.write(out, "left_out", {"path": entry.path, "size": entry.size, "why": entry.why})
        for problem in found:
            jsonl.write(out, "problem", problems.as_json(problem))
        said = {"bundle": where, "size": total.packed, "sha256": total.sha256, "files": total.files}
        jsonl.write(out, "collected", {**said, "bytes": total.bytes, "masked": masked, "left_out": len(left)})
        return
    problems.write(sys.stderr, found)
    for entry in left:
        say(f"left out: {entry.path} ({text.size(entry.size)}): {entry.why}")
    if masked:
        say(f"{count(masked, 'secret')} of the configuration masked; the manifest says which")
    out.write(f"{where}: {count(total.files, 'file')}, {text.size(total.bytes)}, packed {text.size(total.packed)}\n")
    out.write(f"SHA-256 {total.sha256}\n")
