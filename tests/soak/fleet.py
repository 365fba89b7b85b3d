"""A simulated fleet: captured incidents on many nodes, each recovered by a process of its own against one real server.

    python -m tests.soak.fleet --nodes 200

Every node has lines and pods of its own, so that each record can be judged. All nodes share one bucket, and six of ten
the tags, too. Judged: every line that the applications wrote is in S3 once, one report counts all of them, its exit
code is 0, and 4 where a node is asked for that is not there. Prints what was wrong, and the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import conftest  # noqa: F401  # sets the environment of the tests: no real account can be reached
from fleet.simulated import NAMES, Ended, SimulatedFleet

from flbrecover.demo.seaweedfs import SeaweedFS
from soak import machine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=2, help="nodes that are recovered at once")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no node after so long: judge those reached")
    said = parser.parse_args()
    print(machine.facts())
    with tempfile.TemporaryDirectory(prefix="fleet-") as name:
        folder = Path(name)
        (folder / "weed").mkdir()
        with SeaweedFS(folder / "weed") as weed:
            return trial(said.nodes, said.at_once, said.minutes, folder, weed)


def trial(number: int, at_once: int, minutes: float, folder: Path, weed: SeaweedFS) -> int:
    started = time.monotonic()
    fleet = SimulatedFleet(number, folder, weed.connect().client, weed.endpoint_url)
    lines, before = sum(len(node.lines) for node in fleet.nodes), fleet.missing()
    missing, twice, _ = fleet.judge()
    kinds = len(set(NAMES[:number]))
    print(f"{number} nodes of {kinds} incidents, {lines:,} lines, {missing:,} of them missing in S3, {twice} twice; "
          f"made in {time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
    started, ended = time.monotonic(), list[Ended]()
    for one in fleet.recover(at_once, minutes * 60):
        ended.append(one)
        if one.code:
            print(f"{one.node}: exit code {one.code}: {one.said[-2000:]}")
        if len(ended) % 20 == 0:
            print(f"{len(ended)} nodes, {time.monotonic() - started:.0f} s", flush=True)
    took = time.monotonic() - started
    found = fleet.judge()
    seconds = sorted(one.seconds for one in ended)
    number, lines = len(fleet.nodes), sum(len(node.lines) for node in fleet.nodes)
    missing = sum(before[node.node] for node in fleet.nodes)
    print(f"{number} nodes with {lines:,} lines, of which {missing:,} were missing, recovered in {took:.0f} s, "
          f"{at_once} at once; a node: median {seconds[len(seconds) // 2]:.1f} s, longest {seconds[-1]:.1f} s, "
          f"peak memory {max(one.peak_kib for one in ended) / 1024:.0f} MiB")  # fmt: skip
    print(f"lines missing {found[0]}, twice {found[1]}, written by nobody {found[2]}")
    report = fleet.report(f"--nodes={fleet.names}", "--format=json")
    summary = json.loads(report.said.splitlines()[-1])
    page = fleet.report(f"--nodes={fleet.names}", "-o", str(folder / "page.html"))
    absent = fleet.report(f"--nodes={fleet.names},one-more")
    size = (folder / "page.html").stat().st_size
    print(f"report: exit code {report.code}, {summary['nodes']} nodes, {summary['records']:,} records, "
          f"{summary['were_missing']:,} were missing, {summary['back']:,} back, {summary['missing']:,} missing, "
          f"{report.seconds:.1f} s, peak memory {report.peak_kib / 1024:.0f} MiB; "
          f"the page has {size / 1000:.0f} kB")  # fmt: skip
    print(f"with a node that is not there: exit code {absent.code}")
    right = (
        found == (0, 0, 0)
        and not any(one.code for one in ended)
        and (report.code, page.code, absent.code) == (0, 0, 4)
        and (summary["nodes"], summary["records"], summary["back"]) == (number, lines, missing)
    )
    print("right" if right else "WRONG")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
