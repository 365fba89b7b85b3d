"""One node of a fleet: what its recovery said goes to S3, into a folder of this run alone, ``facts.json`` last.

A pod that is started again has another run, with a folder of its own: nothing is overwritten, and a run that was cut
off is one without ``facts.json``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from flbrecover import __version__
from flbrecover.bucket.client import S3
from flbrecover.bucket.writing import put
from flbrecover.fleet import facts as f
from flbrecover.fleet.facts import Facts, FileSum
from flbrecover.fleet.names import Folder
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.report import jsonl
from flbrecover.report.case_data import CaseData, open_case
from flbrecover.report.case_data_rows import Fields, SideName

TOOL = f"flbrecover {__version__}"
_BLOCK = 1 << 20


class NodeRun:
    """Raises BucketError where S3 does not take what is to be kept: ``begin`` does so before anything else is done."""

    def __init__(self, s3: S3, to: Folder, node: str, attempt: str, clock: Callable[[], int]) -> None:
        self._s3, self._to, self._node, self._attempt, self._clock = s3, to.below(attempt), node, attempt, clock
        self._started_ns = clock()

    @property
    def folder(self) -> Folder:
        return self._to

    def begin(self) -> None:
        said = {
            "version": f.VERSION, "node": self._node, "attempt": self._attempt, "tool": TOOL,
            "started": jsonl.iso(self._started_ns),
        }  # fmt: skip
        self._put(f.STARTED, io.BytesIO(jsonl.line("fleet_started", said).encode("ascii")))

    def end(self, case: Path, exit_code: int) -> Facts:
        """Keeps what the case folder holds; it may be empty."""
        sums = {}
        for name in f.FILES:
            path = case / name
            if path.is_file():
                with path.open("rb") as body:
                    sums[name] = _sum(body)
                    self._put(name, body)
        records, stored, missing, buckets = _numbers(case) if any(n in sums for n in f.LINES) else (None,) * 3 + ((),)
        facts = Facts(
            self._node, self._attempt, TOOL, self._started_ns, self._clock(), exit_code, records, stored, missing,
            buckets, sums,
        )  # fmt: skip
        self._put(f.FACTS, io.BytesIO(f.to_json(facts).encode("ascii")))
        return facts

    def _put(self, name: str, body: BinaryIO) -> None:
        output = S3Output(-1, self._to.bucket, content_type="application/json")
        put(self._s3, output, self._to.prefix + name, body, {})


Numbers = tuple[int | None, int | None, int | None, tuple[str, ...]]


def _numbers(case: Path) -> Numbers:
    """Of the latest comparison of a case."""
    buckets: set[str] = set()

    def see(_side: SideName, line: Fields) -> None:
        if line["type"] == "tag" and len(buckets) < f.MOST_BUCKETS:
            buckets.add(line["bucket"])

    return numbers(open_case(case, see), buckets)


def numbers(case: CaseData, buckets: set[str]) -> Numbers:
    """Records, stored, missing of the latest comparison, and the buckets of its tags."""
    latest = case.latest
    said = latest.summary if latest is not None else None
    if said is None:
        return None, None, None, tuple(sorted(buckets))
    return said["records"], said["states"].get("stored", 0), said["missing"], tuple(sorted(buckets))


def _sum(body: BinaryIO) -> FileSum:
    sha256, size = hashlib.sha256(), 0
    while block := body.read(_BLOCK):
        sha256.update(block)
        size += len(block)
    return FileSum(size, sha256.hexdigest())
