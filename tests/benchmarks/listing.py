"""(2) Listing 20,000 objects: ours against ``s5cmd ls`` and ``rclone lsf``."""

from __future__ import annotations

import random
import string
import sys
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

from .bench import CONFIG, Bench, problem
from .measure import Run
from .node import write_config
from .table import Row

GOAL = 0.9
TAGS, HOURS, EACH = 20, 10, 100
OBJECTS = TAGS * HOURS * EACH
BUCKET = f"listing-{OBJECTS}"

FUNCTION = """
import sys, time
from flbrecover.bucket.listing import objects
from flbrecover.demo.seaweedfs import ADMIN
from flbrecover.bucket.client import connect_with_keys
url, bucket = sys.argv[1:]
s3 = connect_with_keys(url, ADMIN.access_key, ADMIN.secret_key)
began = time.perf_counter()
print(sum(1 for _ in objects(s3, bucket, ["logs/"])), time.perf_counter() - began)
"""


def measure(bench: Bench) -> list[Row]:
    root, since = made(bench)
    url = bench.server.url
    command, function, s5cmd, rclone = bench.best(
        partial(bench.ours, "objects", "--root", root, "--config", CONFIG, "--endpoint-url", url, "--since", since,
                "--json"),
        partial(bench.run, "flbrecover.bucket.listing", [sys.executable, "-c", FUNCTION, url, BUCKET]),
        partial(bench.run, "s5cmd ls", [bench.peers.s5cmd, "ls", f"s3://{BUCKET}/*"]),
        partial(bench.run, "rclone lsf", [bench.peers.rclone, "lsf", "-R", "--files-only", "--fast-list",
                                          f"weed:{BUCKET}"]),
    )  # fmt: skip
    listed = command.output.count(b'{"type":"object"') or sum(r["type"] == "object" for r in command.records())
    wrong = (
        _wrong("flbrecover objects", command, listed)
        or _wrong("listing", function, int(function.output.split()[0] or -1) if function.output else -1)
        or _wrong("s5cmd", s5cmd, s5cmd.output.count(b"\n"))
        or _wrong("rclone", rclone, rclone.output.count(b"\n"))
    )
    inside = float(function.output.split()[1]) if function.output else function.seconds
    what = f"list {OBJECTS:,} objects"
    return [
        _row(f"{what}: the listing alone, without the start of Python", inside, "s5cmd ls", s5cmd, GOAL, wrong),
        _row(f"{what}: `objects --json`", command.seconds, "s5cmd ls", s5cmd, GOAL, wrong),
        _row(f"{what}: `objects --json`", command.seconds, "rclone lsf", rclone, None, wrong),
    ]


def _row(what: str, ours: float, name: str, peer: Run, goal: float | None, wrong: str) -> Row:
    speed = peer.seconds / ours
    return Row("2", what, f"{ours:.2f} s", f"{name} {peer.seconds:.2f} s", f"{speed:.2f} of its speed",
               f"≥ {goal}" if goal else "", speed >= goal if goal else None, wrong)  # fmt: skip


def _wrong(who: str, done: Run, listed: int) -> str:
    if said := problem(done):
        return f"{who}: {said}"
    return "" if listed == OBJECTS else f"{who}: {listed:,} objects, not {OBJECTS:,}"


def made(bench: Bench) -> tuple[Path, str]:
    """The node's root and the window's start; bucket and node are made where they do not stand there yet."""
    home = bench.data / "worlds" / BUCKET
    if not (home / "since").is_file():
        bench.say(f"making {OBJECTS:,} objects")
        start = datetime.fromtimestamp((int(time.time()) // 3600 - HOURS - 1) * 3600, timezone.utc)
        chance = random.Random(BUCKET)
        staging = bench.scratch("listing")
        for tag in range(TAGS):
            for hour in range(HOURS):
                at = (start + timedelta(hours=hour)).strftime("%Y/%m/%d/%H")
                folder = staging / "logs" / f"app.var.log.app.cart-{tag}.log" / at
                folder.mkdir(parents=True)
                for number in range(EACH):
                    unique = "".join(chance.choices(string.ascii_letters + string.digits, k=8))
                    (folder / f"{unique}.gz").write_bytes(b"x" * number)
        bench.server.fresh_bucket(BUCKET)
        bench.server.upload(staging, BUCKET)
        bench.scratch("listing")
        write_config(home / "node", BUCKET)
        (home / "since").write_text(start.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return home / "node", (home / "since").read_text()
