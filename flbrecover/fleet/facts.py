"""``facts.json``: what a run on a node says of itself, and the last thing that it writes. Folders without it are of
runs that did not end."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from flbrecover.recover.case_folder import AFTER, BEFORE, PLAN
from flbrecover.report import jsonl

VERSION = 1
STARTED, FACTS = "started.json", "facts.json"
LINES = (BEFORE, AFTER)
FILES = (*LINES, PLAN)
LARGEST_FACTS = 1 << 20
MOST_BUCKETS = 100

_ATTEMPT = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileSum:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One run on one node. ``records``, ``stored`` and ``missing`` are those of its latest comparison, None where it
    has none; ``buckets`` those of its outputs. Times are ns since the epoch."""

    node: str
    attempt: str
    tool: str
    started_ns: int
    ended_ns: int
    exit_code: int
    records: int | None
    stored: int | None
    missing: int | None
    buckets: tuple[str, ...]
    files: Mapping[str, FileSum]


def new_attempt() -> str:
    """A name for a run: its start (UTC, to the microsecond) and a random part. Later ones sort behind earlier ones, of
    which there can be several in one second: a pod that ends at once is started again at once."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"


def is_attempt(name: str) -> bool:
    return _ATTEMPT.fullmatch(name) is not None


def to_json(facts: Facts) -> str:
    return jsonl.line("fleet_facts", {
        "version": VERSION, "node": facts.node, "attempt": facts.attempt, "tool": facts.tool,
        "started": jsonl.iso(facts.started_ns), "ended": jsonl.iso(facts.ended_ns), "exit_code": facts.exit_code,
        "records": facts.records, "stored": facts.stored, "missing": facts.missing, "buckets": list(facts.buckets),
        "files": {name: {"size": one.size, "sha256": one.sha256} for name, one in facts.files.items()},
    })  # fmt: skip


def from_json(raw: bytes) -> Facts:
    """Raises ValueError, which says what is wrong."""
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise ValueError("not JSON, or cut short") from e
    if not isinstance(said, dict) or said.get("type") != "fleet_facts":
        raise ValueError("not the facts of a run")
    version = said.get("version")
    if version != VERSION:
        raise ValueError(f"of another flbrecover (version {str(version)[:20]}, this one reads {VERSION})")
    try:
        return _facts(said)
    except (KeyError, TypeError, AttributeError) as e:
        raise ValueError(f"a field is missing or of the wrong kind ({str(e)[:60]})") from e


def _facts(said: Mapping[str, Any]) -> Facts:
    started, ended = jsonl.ns(said["started"]), jsonl.ns(said["ended"])
    if started is None or ended is None:
        raise TypeError("started, ended")
    buckets = tuple(_text(b) for b in said["buckets"][:MOST_BUCKETS])
    files = {name: FileSum(_count(one["size"]), _sha(one["sha256"])) for name, one in said["files"].items()}
    records, stored, missing = (None if said[n] is None else _count(said[n]) for n in ("records", "stored", "missing"))
    node, attempt, tool = (_text(said[n]) for n in ("node", "attempt", "tool"))
    code = _count(said["exit_code"])
    return Facts(node, attempt, tool, started, ended, code, records, stored, missing, buckets, files)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise TypeError("number")
    return value


def _sha(value: Any) -> str:
    if not _SHA256.fullmatch(_text(value)):
        raise TypeError("sha256")
    return str(value)
