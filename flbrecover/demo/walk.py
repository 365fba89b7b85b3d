"""The demo: a captured incident, a real S3 server, and the real commands with their real output.

Every command runs as a process of its own, as a person would run it. What was unpacked and stored is removed at the
end, however it ends, unless it is to be kept.
"""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from flbrecover.demo import incident
from flbrecover.demo.seaweedfs import SeaweedFS, credentials
from flbrecover.errors import FlbrecoverError, UsageError

if TYPE_CHECKING:
    from flbrecover.bucket.client import S3

Say = Callable[[str], None]
SEQ = re.compile(rb"seq=(\d{7})")
PLAN = "plan.json"
CASE = "case"


@dataclass(frozen=True, slots=True)
class Step:
    """One command: what it is to show, its arguments, and the exit code that it must end with."""

    caption: str
    arguments: tuple[str, ...]
    expected: int = 0


def steps(node: Path, config: str, endpoint_url: str, plan: Path) -> tuple[Step, ...]:
    evidence = ("--root", str(node), "--config", config)
    s3 = (*evidence, "--endpoint-url", endpoint_url)
    return (
        Step("How far had Fluent Bit read the logs?", ("tail", *evidence)),
        Step("What did it leave in its buffers?", ("buffers", *evidence)),
        Step(
            "Where is every record? (exit code 3: some are missing)",
            ("diff", *s3, "--agent", "gone", "--plan", str(plan)),
            expected=3,
        ),
        Step(
            "Put what is missing into S3, once.",
            ("recover", *s3, "--agent", "gone", "--yes", "--case", str(plan.with_name(CASE))),
        ),
        Step(
            "Read S3 again and prove every record of the plan.",
            ("verify", str(plan), "--root", str(node), "--endpoint-url", endpoint_url),
        ),
    )


def walk(say: Say, keep: Path | None) -> None:
    """The whole demo. Raises FlbrecoverError where a command does not do what it should."""
    with _interruptible(), _folder(keep) as folder, _scratch(folder) as scratch, SeaweedFS(folder / "s3") as server:
        s3 = server.connect()
        node = incident.unpack(incident.INCIDENT, folder)
        incident.load(incident.INCIDENT, node, s3.client)
        facts = incident.facts(incident.INCIDENT)
        say(f"A real incident, captured from Fluent Bit {facts['fluent_bit']}: {facts['what_happened']}")
        say(f"The node's file system is below {node}, its bucket in an S3 server (SeaweedFS) at {server.endpoint_url}.")
        for step in steps(node, f"/{facts['config']}", server.endpoint_url, folder / PLAN):
            _run(say, step, scratch)
        say("\n# And counted without flbrecover: each line that the applications wrote, looked for in the bucket.\n")
        say(proof(s3, facts["buckets"]))
        if keep is not None:
            say(kept_text(folder))


def serve(say: Say, folder: Path) -> None:
    """Starts the server again on what an earlier demo kept, until it is interrupted."""
    node = folder / "node"
    if not node.is_dir() or not (folder / "s3").is_dir():
        raise UsageError(f"--serve {folder}: nothing that `flbrecover demo --keep` has kept")
    facts = incident.facts(incident.INCIDENT)
    with _interruptible(), SeaweedFS(folder / "s3") as server:
        say(f"S3 runs at {server.endpoint_url} until Ctrl-C. In another terminal:\n")
        for name, value in credentials().items():
            say(f"export {name}={value}")
        for step in steps(node, f"/{facts['config']}", server.endpoint_url, folder / PLAN):
            say(command_line(step))
        signal.pause()


def proof(s3: S3, buckets: list[str]) -> str:
    """Counts the numbered lines of the incident in the bucket. Raises FlbrecoverError where the count is wrong."""
    found: Counter[int] = Counter()
    for bucket in buckets:
        for page in s3.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for stored in page.get("Contents", []):
                body = s3.client.get_object(Bucket=bucket, Key=stored["Key"])["Body"].read()
                for record in gzip.decompress(body).splitlines():
                    found.update({int(number) for number in SEQ.findall(record)})
    wrote = {line["seq"] for line in incident.truth(incident.INCIDENT)}
    missing, twice = wrote - found.keys(), {number for number, times in found.items() if times > 1}
    there = len(wrote & found.keys())
    text = f"{len(wrote):,} lines written, {there:,} in S3, {len(missing)} missing, {len(twice)} twice."
    if missing or twice or found.keys() - wrote:
        raise FlbrecoverError(f"the demo went wrong: {text}")
    return text


def command_line(step: Step) -> str:
    return shlex.join(["flbrecover", *step.arguments])


def kept_text(folder: Path) -> str:
    return (
        f"\nKept in {folder}: node/ (the evidence), s3/ (the server's data), {PLAN}, {CASE}/ (the recovery).\n"
        "To go on by hand, start the server again; it prints the commands:\n"
        f"{shlex.join(['flbrecover', 'demo', '--serve', str(folder)])}"
    )


def _run(say: Say, step: Step, scratch: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    say(f"\n# {step.caption}\n$ {command_line(step)}\n")
    sys.stdout.flush()
    ended = subprocess.run(
        [sys.executable, "-m", "flbrecover", *step.arguments],
        stdin=subprocess.DEVNULL,
        env=environment | credentials() | {"TMPDIR": str(scratch)},
        check=False,
    )
    if ended.returncode == 130:
        raise KeyboardInterrupt
    if ended.returncode != step.expected:
        what = f"`flbrecover {step.arguments[0]}` ended with exit code {ended.returncode}, not {step.expected}"
        raise FlbrecoverError(f"the demo went wrong: {what}")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A new folder that is gone afterwards, or the one that is to be kept."""
    if keep is not None:
        try:
            keep.mkdir(parents=True, exist_ok=True)
            if any(keep.iterdir()):
                raise UsageError(f"--keep {keep}: a new or an empty folder is wanted")
        except OSError as e:
            raise UsageError(f"--keep {keep}: {e.strerror}") from e
        yield keep.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="flbrecover-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Scratch space for the commands: one that is killed cannot clear up after itself."""
    scratch = folder / "scratch"
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch)


@contextmanager
def _interruptible() -> Iterator[None]:
    """A SIGTERM or SIGHUP ends the demo as Ctrl-C does: everything is cleaned up, and a second one does not disturb."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
