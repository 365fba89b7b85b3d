"""The evidence manifest of a case: what every file of the evidence was when a run began, and whether it still is.

Files are read once in blocks each time; a log is hashed up to the size that it had when it was found, for it may grow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from flbrecover.errors import EvidenceError
from flbrecover.evidence.fingerprint import Fingerprint, fingerprint
from flbrecover.evidence.node import Node
from flbrecover.model import Problem
from flbrecover.recover.case_db import CaseDb
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched

BEFORE, AFTER = "before", "after"
_AGAIN = "run again once nothing writes to it"
_RUNNING = "a running Fluent Bit has changed it meanwhile"


def evidence_files(survey: Survey) -> Iterator[tuple[str, str, int | None]]:
    """(kind, path, how much of it was read; None: all) of every file that was read, each once."""
    node = survey.node
    for db in survey.dbs:
        real = _resolved(node, db.path)
        for path in (db.path, f"{real}-wal", f"{real}-journal"):
            if node.is_file(path):
                yield "db", path, None
    for buffer in survey.buffers:
        yield "buffer", buffer.path, None
    for upload in survey.uploads:
        yield "upload", upload.facts.path, None
    seen: set[tuple[int, int]] = set()
    for facts in (file.facts for log in survey.logs for file in log.files):
        if (facts.device, facts.inode) not in seen:
            seen.add((facts.device, facts.inode))
            yield "log", facts.real_path, facts.size


class Manifest:
    """The manifest of one run."""

    def __init__(self, db: CaseDb, run: int) -> None:
        self._db = db
        self._run = run

    def take(self, survey: Survey, watch: Watch = unwatched) -> None:
        """Notes all files as they are. One that cannot be read is no part of it: reading it will say so."""
        files = list(evidence_files(survey))

        def rows() -> Iterator[dict[str, Any]]:
            for kind, path, most in watch(files, "hashing evidence", len(files)):
                try:
                    yield self._row(BEFORE, kind, fingerprint(survey.node, path, most))
                except EvidenceError:
                    continue

        self._db.insert_all("manifest", rows())

    def sha256_of(self, path: str) -> str | None:
        values = {"run": self._run, "moment": BEFORE, "path": path}
        found = self._db.rows("manifest", "run = :run and moment = :moment and path = :path", values)
        return next((row["sha256"] for row in found), None)

    def check(self, survey: Survey, watch: Watch = unwatched, *, gone: Collection[str] = ()) -> list[Problem]:
        """Notes all files again and gives a problem for each that is not what it was. ``gone`` are those that were
        moved aside on purpose. A log may grow."""
        values = {"run": self._run, "moment": BEFORE}
        before = list(self._db.rows("manifest", "run = :run and moment = :moment", values))
        problems: list[Problem] = []

        def rows() -> Iterator[dict[str, Any]]:
            for row in watch(before, "checking evidence", len(before)):
                if row["path"] in gone:
                    continue
                try:
                    now = fingerprint(survey.node, row["path"], row["hashed"])
                except EvidenceError:
                    problems.append(_vanished(survey, row))
                    continue
                if (what := _difference(row, now)) is not None:
                    problems.append(_problem(survey, row, what))
                yield self._row(AFTER, row["kind"], now)

        self._db.insert_all("manifest", rows())
        return problems

    def _row(self, moment: str, kind: str, found: Fingerprint) -> dict[str, Any]:
        return {"run": self._run, "moment": moment, "kind": kind, **asdict(found)}


def _difference(before: dict[str, Any], now: Fingerprint) -> str | None:
    """What is not as it was, None where nothing is that matters."""
    if before["sha256"] != now.sha256 or before["hashed"] != now.hashed:
        return "its bytes changed"
    if (before["device"], before["inode"]) != (now.device, now.inode):
        return "it was replaced by another file"
    if (before["mode"], before["uid"], before["gid"]) != (now.mode, now.uid, now.gid):
        return "its mode or owner changed"
    if before["kind"] != "log" and (before["size"], before["mtime_ns"]) != (now.size, now.mtime_ns):
        return "its size or time changed"
    return None


def _vanished(survey: Survey, row: dict[str, Any]) -> Problem:
    if row["kind"] == "log" and (name := _renamed(survey.node, row)) is not None:
        return Problem(row["path"], f"was rotated to {name} during the run", unreadable=False)
    return _problem(survey, row, "it vanished")


def _renamed(node: Node, row: dict[str, Any]) -> str | None:
    """Where in its folder a file is now, by its inode."""
    folder = str(PurePosixPath(row["path"]).parent)
    try:
        names = node.names(folder)
    except EvidenceError:
        return None
    for name in names:
        try:
            facts = node.facts(f"{folder}/{name}")
        except EvidenceError:
            continue  # a symlink into nowhere, or a file that is gone by now
        if (facts.device, facts.inode) == (row["device"], row["inode"]):
            return name
    return None


def _problem(survey: Survey, row: dict[str, Any], what: str) -> Problem:
    if row["kind"] in ("db", "upload") and survey.agents:
        return Problem(row["path"], _RUNNING, unreadable=False)
    return Problem(row["path"], f"{what} during the run", way_out=_AGAIN)


def _resolved(node: Node, path: str) -> str:
    try:
        return node.resolve(path)
    except EvidenceError:
        return path
