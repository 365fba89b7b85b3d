"""Makes a node with buffers and logs, and a bucket of objects, of any size: repeatable, on disk once and used again.

A *world* is one incident. Each of its applications (one log, one tag) wrote a row of records in time:

    stored before | buffered: in buffer files | unread: behind the tail offset

The log holds the last ``logs`` bytes of the row. What was stored before stands in the bucket; how much of the buffered
records stands there as well is the world's ``delivered``. Objects of other nodes lie under the same prefixes: the same
tags, the same hours, records of the same look.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from multiprocessing import get_context
from pathlib import Path

from .app import App, Counts, make
from .lines import SECOND_US
from .node import write_config, write_tail_dbs
from .server import BenchmarkServer
from .spec import MB, Spec

WORKERS = 2


@dataclass(frozen=True, slots=True)
class World:
    """A world that stands on disk and in the bucket, and the right answers about it, in records."""

    spec: Spec
    root: Path
    bucket: str
    records: int
    stored: int
    buffered: int
    unread: int
    in_buffers: int
    buffer_files: int
    buffer_bytes: int
    log_bytes: int
    object_count: int
    object_bytes: int
    object_content: int
    base_us: int

    @property
    def since(self) -> str:
        return datetime.fromtimestamp(self.base_us // SECOND_US, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def world(spec: Spec, data: Path, server: BenchmarkServer, say: Callable[[str], None]) -> World:
    """The world of ``spec``: its node below ``data``, its bucket on the server. Made where it does not stand there."""
    root = data / "worlds" / spec.name
    done = root / "world.json"
    if done.is_file():
        facts = json.loads(done.read_text())
        return World(**{**facts, "spec": spec, "root": root / "node"})
    shutil.rmtree(root, ignore_errors=True)
    server.fresh_bucket(spec.name)
    say(f"making {spec.name}: {spec.buffers / MB:,.0f} MB of buffers, {spec.logs / MB:,.0f} MB of logs, "
        f"{spec.objects / MB:,.0f} MB of objects ({spec.delivered})")  # fmt: skip
    began = time.monotonic()
    base_us = (int(time.time()) // 3600 - spec.hours - 2) * 3600 * SECOND_US
    apps = [
        App(spec, number, base_us, root / "node", root / "staging" / str(number), spec.name)
        for number in range(spec.apps)
    ]
    total = Counts()
    with ProcessPoolExecutor(WORKERS, get_context("fork")) as pool:  # says so where a worker is killed
        for app, counts in pool.map(make, apps):
            server.upload(app.staging, spec.name)
            shutil.rmtree(app.staging)
            for name in Counts.__slots__:
                setattr(total, name, getattr(total, name) + getattr(counts, name))
    write_config(root / "node", spec.name, unit=spec.unit, compression=spec.compression, logs=spec.logs > 0)
    if spec.logs:
        write_tail_dbs(apps)
    made = {name: getattr(total, name) for name in Counts.__slots__}
    made |= {"bucket": spec.name, "base_us": base_us}
    done.write_text(json.dumps(made, indent=1))
    took = time.monotonic() - began
    size = (total.buffer_bytes + total.log_bytes + total.object_content) / MB
    say(f"made {size:,.0f} MB in {took:,.0f} s ({size / took:,.0f} MB/s); "
        f"{total.object_count:,} objects, {total.object_bytes / MB:,.0f} MB compressed")  # fmt: skip
    return World(**made, spec=spec, root=root / "node")
