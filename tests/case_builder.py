"""Case folders for tests of the report, from numbers alone: as large and as hostile as asked for.

What they hold is as docs/json-output.md and plan.json say, but for what a test breaks on purpose.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flbrecover.model import ByteRange
from flbrecover.reconcile.plan import Piece, Plan, PutRecords, Relied, to_json
from flbrecover.report.jsonl import iso, line

START = 1_795_433_946 * 10**9  # 2026-11-23 12:19:06 UTC
MINUTE = 60 * 10**9


@dataclass
class Tag:
    """A tag that writes ``per_bin`` records a minute, of which those of the minutes ``missing`` did not reach S3.
    ``recovered`` of these minutes are stored after the recovery."""

    name: str
    minutes: int = 120
    per_bin: int = 50
    missing: range = range(0)
    recovered: range = range(0)
    objects: int = 4
    start: int = START

    @property
    def log(self) -> str:
        return f"/var/log/containers/{self.name}.log"

    @property
    def buffer(self) -> str:
        return f"/var/log/s3/temp/bucket/{self.name}"

    def states(self, *, now: bool) -> dict[str, int]:
        lost = [m for m in self.missing if not (now and m in self.recovered)]
        states = {"stored": (self.minutes - len(lost)) * self.per_bin, "buffered": len(lost) * self.per_bin}
        return {state: n for state, n in states.items() if n}


@dataclass
class CaseBuilder:
    """What a case holds. Files that are switched off are not written."""

    tags: list[Tag]
    output: str = "s3.0"
    bucket: str = "bucket"
    before: bool = True
    after: bool = True
    plan: bool = True
    db: bool = True
    outcome: str = "written"
    retired: bool = False
    problems: list[dict[str, Any]] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    command: str = "flbrecover recover --root /host --agent gone"

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        plan = self._plan()
        if self.before:
            with (folder / "before.jsonl").open("w") as file:
                file.writelines(self._lines(plan, now=False))
        if self.after:
            with (folder / "after.jsonl").open("w") as file:
                file.writelines(self._lines(plan, now=True))
        if self.plan:
            (folder / "plan.json").write_text(to_json(plan))
        if self.db:
            self._database(folder / "case.db", plan)
        return folder

    def _plan(self) -> Plan:
        actions = [
            PutRecords(
                number, 0, self.bucket, tag.name, f"logs/{tag.name}/recovered.gz",
                (Piece(tag.buffer, "buffer", (ByteRange(0, 9000),), len(tag.recovered) * tag.per_bin),),
                len(tag.recovered) * tag.per_bin, 9000, hashlib.sha256(str(number).encode()).hexdigest(), tag.start,
                tag.start, "no object holds any of it",
            )
            for number, tag in enumerate((t for t in self.tags if t.recovered), 1)
        ]  # fmt: skip
        evidence = tuple(Relied(a.pieces[0].path, 9000, a.sha256) for a in actions)
        sources = ("buffers", "uploads", "lost", "unread")
        return Plan("flbrecover 0.1.0", START, "gone", sources, None, None, (), evidence, tuple(actions))

    def _lines(self, plan: Plan, *, now: bool) -> Iterator[str]:
        common = {"output": self.output}
        total: dict[str, int] = {}
        for tag in self.tags:
            states = tag.states(now=now)
            counts = {"records": sum(states.values()), "states": states}
            for state, number in states.items():
                total[state] = total.get(state, 0) + number
            yield line("tag", {**common, "bucket": self.bucket, "tag": tag.name, **counts})
            yield line("log_state", {
                **common, "path": tag.log, "log": tag.log, "tag": tag.name, "read_to": 9000, "read_proof": "row",
                **counts,
            })  # fmt: skip
            if tag.missing:
                yield line("buffer_state", {
                    **common, "path": tag.buffer, "kind": "data", "tag": tag.name, **self._of_buffer(tag, now),
                    "copies": 0, "stored_in": {}, "first_time": iso(tag.start), "last_time": iso(tag.start),
                })  # fmt: skip
            yield from self._objects(tag, now)
            yield line("coverage", self._coverage(tag, now))
        for fields in self.gone:
            yield line("gone", fields)
        yield line("plan", {
            "id": plan.id, "agent": "gone", "sources": list(plan.sources), "actions": len(plan.actions), "left": {},
        })  # fmt: skip
        for note in self.notes:
            yield line("note", {"text": note})
        for fields in self.problems:
            yield line("problem", fields)
        missing = total.get("buffered", 0)
        yield line("summary", {"records": sum(total.values()), "states": total, "missing": missing})
        if now:
            yield line("verdict", {
                "missing": missing, "stored": total.get("stored", 0), "records": sum(total.values()), "left": {},
                "gone": 0,
            })  # fmt: skip

    def _of_buffer(self, tag: Tag, now: bool) -> dict[str, Any]:
        back = len(tag.recovered) * tag.per_bin if now else 0
        states = {"buffered": len(tag.missing) * tag.per_bin - back, "stored": back}
        return {"records": sum(states.values()), "states": {s: n for s, n in states.items() if n}}

    def _objects(self, tag: Tag, now: bool) -> Iterator[str]:
        keys = [f"logs/{tag.name}/{number:06}.gz" for number in range(tag.objects)]
        if now and tag.recovered:
            keys.append(f"logs/{tag.name}/recovered.gz")
        for key in keys:
            yield line("object_state", {
                "output": self.output, "bucket": self.bucket, "key": key, "tags": [tag.name], "records": 10,
                "first_time": iso(tag.start), "last_time": iso(tag.start + MINUTE), "readable": True, "size": 9000,
                "etag": "0" * 32, "key_time": iso(tag.start), "last_modified": iso(tag.start),
            })  # fmt: skip

    def _coverage(self, tag: Tag, now: bool) -> dict[str, Any]:
        lost = {m for m in tag.missing if not (now and m in tag.recovered)}
        minutes = range(tag.minutes)
        return {
            "output": self.output, "tag": tag.name, "bin_ns": MINUTE, "start": iso(tag.start // MINUTE * MINUTE),
            "bins": list(minutes),
            "lanes": {
                "source": [tag.per_bin] * tag.minutes,
                "buffers": [tag.per_bin if m in tag.missing else 0 for m in minutes],
                "stored": [0 if m in lost else tag.per_bin for m in minutes],
                "buffered": [tag.per_bin if m in lost else 0 for m in minutes],
                "objects": [1 if m % 30 == 0 else 0 for m in minutes],
            },
            "estimated": 0, "untimed": 0,
        }  # fmt: skip

    def _database(self, path: Path, plan: Plan) -> None:
        """As recover/case_db.py lays it out."""
        db = sqlite3.connect(path)
        db.executescript("""
            CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
            CREATE TABLE runs (id INTEGER PRIMARY KEY, command TEXT, tool TEXT, hostname TEXT, root TEXT, python TEXT,
                               os TEXT, pid INTEGER, started_ns INTEGER, ended_ns INTEGER, exit_code INTEGER);
            CREATE TABLE journal (id INTEGER PRIMARY KEY, run INTEGER, at_ns INTEGER, action INTEGER, event TEXT,
                                  content TEXT, outcome TEXT, key TEXT, etag TEXT, detail TEXT);
            CREATE TABLE manifest (run INTEGER, moment TEXT, path TEXT, kind TEXT, size INTEGER, mtime_ns INTEGER,
                                   sha256 TEXT, PRIMARY KEY (run, moment, path));
            CREATE TABLE retired (id INTEGER PRIMARY KEY, at_ns INTEGER, state TEXT, path TEXT, records INTEGER,
                                  size INTEGER, sha256 TEXT);
            PRAGMA user_version = 1;
        """)
        ended = START + 5 * MINUTE if self.after else None
        db.execute(
            "INSERT INTO runs VALUES (1, ?, 'flbrecover 0.1.0', 'node-1', '/host', '3.12.1', 'Linux', 7, ?, ?, ?)",
            (self.command, START, ended, 0 if self.after else None),
        )
        for action in plan.actions:
            db.execute(
                "INSERT INTO journal (run, at_ns, action, event) VALUES (1, ?, ?, 'started')", (START, action.number)
            )
            if self.outcome != "started":
                db.execute(
                    "INSERT INTO journal (run, at_ns, action, event, outcome, key, etag, detail) "
                    "VALUES (1, ?, ?, 'result', ?, ?, '', '')",
                    (START, action.number, self.outcome, action.key.encode("utf-8", "surrogateescape")),
                )
        for tag in self.tags:
            stored = tag.log.encode("utf-8", "surrogateescape")
            db.execute(
                "INSERT INTO manifest VALUES (1, 'before', ?, 'file', 9000, ?, ?)",
                (stored, START, hashlib.sha256(stored).hexdigest()),
            )
        for action in plan.actions if self.retired else ():
            db.execute(
                "INSERT INTO retired (at_ns, state, path, records, size, sha256) VALUES (?, 'retired', ?, 9, 9000, ?)",
                (START, action.pieces[0].path, action.sha256),
            )
        db.commit()
        db.close()


def large(tags: int = 5000, objects: int = 100_000) -> CaseBuilder:
    """Many tags, some of them with gaps; a few that were not recovered."""
    made = []
    for number in range(tags):
        name = f"kube.var.log.containers.app-{number % 97}-{number:05}_team-{number % 13}_main-{number:064x}.log"
        missing = range(40 + number % 20, 60 + number % 37) if number % 11 == 0 else range(0)
        recovered = missing[: len(missing) // 2] if number % 55 == 0 else missing
        made.append(Tag(name, 110 + number % 10, 5 + number % 90, missing, recovered, objects // tags))
    return CaseBuilder(made)


def drop(path: Path, kind: str) -> None:
    """Takes all lines of a type out of a file."""
    lines = [text for text in path.read_text().splitlines(keepends=True) if json.loads(text)["type"] != kind]
    path.write_text("".join(lines))
