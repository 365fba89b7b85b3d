"""The results of fleets for tests, as ``fleet run`` leaves them, from numbers alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from case_builder import START, CaseBuilder, Tag

from flbrecover.fleet.facts import FILES, Facts, FileSum, to_json

FIRST, SECOND, THIRD = (f"20261123T1200{n:02}.000000Z-0000000{n}" for n in (1, 2, 3))


def recovered(name: str = "app") -> CaseBuilder:
    """6,000 records, of which 450 were missing and are back."""
    return CaseBuilder([Tag(name, missing=range(9), recovered=range(9))], db=False)


def partly(name: str = "app") -> CaseBuilder:
    """Of 450 missing records 250 are back."""
    return CaseBuilder([Tag(name, missing=range(9), recovered=range(5))], db=False)


def run(
    fleet: Path, node: str, made: CaseBuilder | None, /, *, name: str = FIRST, code: int = 0, ended: bool = True,
    **said: Any,
) -> Path:  # fmt: skip
    """One run on one node; ``said`` are facts that are to be others than they are."""
    folder = fleet / node / name
    if made is None:
        folder.mkdir(parents=True)
        numbers: dict[str, Any] = {"records": None, "stored": None, "missing": None}
    else:
        made.write(folder)
        states = [tag.states(now=made.after) for tag in made.tags]
        stored, missing = (sum(s.get(state, 0) for s in states) for state in ("stored", "buffered"))
        numbers = {"records": stored + missing, "stored": stored, "missing": missing}
    files = {n: summed(folder / n) for n in FILES if (folder / n).exists()}
    facts: dict[str, Any] = {
        "node": node, "attempt": name, "tool": "flbrecover 0.1.0", "started_ns": START, "ended_ns": START + 10**9,
        "exit_code": code, "buckets": ("bucket",), "files": files, **numbers, **said,
    }  # fmt: skip
    (folder / "started.json").write_text("{}\n")
    if ended:
        (folder / "facts.json").write_text(to_json(Facts(**facts)))
    return folder


def summed(path: Path) -> FileSum:
    return FileSum(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
