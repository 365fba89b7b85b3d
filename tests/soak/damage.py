"""Whole commands on incidents of which files or objects are damaged.

    python -m tests.soak.damage --trials 2000

Each trial damages one to three files of the node (buffers, notes of uploads, the tail DB or its rows, logs, the
configuration), their names and times, or bodies of objects, and runs `diff`, `recover`, `recover` again and `report`.
Right is: every command ends with a code of the contract and no exception; the node is as it was, and no object is gone
or another; after a `recover` that ended with 0, 3 or 4 the next one uploads nothing. Prints what was wrong, with what
repeats it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from cases import footprint
from command import Ended, flbrecover
from conftest import Moto  # its import sets the environment of the tests: no real account can be reached
from faults.incidents import BUCKET, CapturedIncident, Incident, SmallIncident

from soak import machine
from soak.mutate import Mutator
from soak.targets import folder_in_memory

CODES = (0, 1, 2, 3, 4)
ODD_NUMBERS = (-1, 0, 1, 2**31, 2**32, 2**53, 2**63 - 1, -(2**63), 0.5, float("inf"))
ODD_TEXTS = ("", "/", "\udc80".encode("utf-8", "surrogateescape"), "x" * 5000, "/var/log/../log", None)
_DIGITS = re.compile(rb"\d+")
_DATE = re.compile(rb"\d{4}-\d\d-\d\d")
_DATES = (b"0001-01-01", b"9999-12-31", b"1969-12-31", b"2038-01-20", b"2106-02-08", b"2026-13-45")
_WORDS = (b"\n", b"}\n{", b'"', b"\\", b"null", b'{"date":', b"$TAG", b"%Y", b"[OUTPUT]\n", b"  ")


def damage(data: bytes, chance: random.Random) -> bytes:
    """Other bytes: numbers and dates changed as often as anything else."""
    kind = chance.random()
    if kind < 0.25 and (dates := list(_DATE.finditer(data))):
        at = chance.choice(dates)
        return data[: at.start()] + chance.choice(_DATES) + data[at.end() :]
    if kind < 0.5 and (numbers := list(_DIGITS.finditer(data))):
        at = chance.choice(numbers)
        size = len(at[0])
        new = chance.choice((b"9" * size, b"0" * size, b"", b"9" * 25, b"-1", b"%d" % chance.getrandbits(40)))
        return data[: at.start()] + new + data[at.end() :]
    return Mutator([data], _WORDS).make(chance) if data else bytes(chance.randrange(100))


def damage_rows(path: Path, chance: random.Random) -> None:
    """Another value in the tail DB."""
    with closing(sqlite3.connect(path)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(in_tail_files)")]
        if not columns:
            return
        column = chance.choice(columns)
        value: Any = chance.choice((*ODD_NUMBERS, *ODD_TEXTS))
        rows = [row[0] for row in db.execute("SELECT rowid FROM in_tail_files")]
        if rows and column != "id":
            db.execute(f"UPDATE in_tail_files SET {column} = ? WHERE rowid = ?", (value, chance.choice(rows)))
        db.commit()


class Trial:
    """One of them. ``said`` is what was wrong."""

    def __init__(self, incident: Incident, s3: Any, chance: random.Random, files: str) -> None:
        self._files = re.compile(files)
        self._incident = incident
        self._s3 = s3
        self._chance = chance
        self.said: list[str] = []
        self.codes: list[int] = []
        self.done: list[str] = []

    def run(self, endpoint_url: str, folder: Path) -> None:
        self._incident.load()
        for _ in range(self._chance.choice((1, 1, 2, 3))):
            self._damage()
        node, before = footprint(self._incident.root), self._objects()
        where = (*self._incident.arguments, "--endpoint-url", endpoint_url, "--agent", "gone")
        self._command("diff", *where, "--json")
        first = self._command("recover", *where, "--yes", "--case", folder / "first")
        there = self._objects()
        if first and first.code in (0, 3, 4):
            self._command("recover", *where, "--yes", "--case", folder / "second")
            if more := self._objects().keys() - there.keys():
                self.said.append(f"a second recover wrote {sorted(more)}")
            if (folder / "first").is_dir():
                self._command("report", folder / "first", "-o", folder / "report.html")
        after = self._objects()
        self.said += [f"{key} is gone or another" for key in before if after.get(key) != before[key]]
        if footprint(self._incident.root) != node:
            self.said.append("the node is another")

    def _command(self, *arguments: object) -> Ended | None:
        try:
            ended = flbrecover(*arguments)
        except Exception:  # noqa: BLE001 - is what is looked for
            self.said.append(f"{arguments[0]}: {traceback.format_exc()}")
            return None
        self.codes.append(ended.code)
        if ended.code not in CODES or "Traceback" in ended.err:
            self.said.append(f"{arguments[0]}: code {ended.code}: {ended.err[-500:]}")
        return ended

    def _objects(self) -> dict[str, str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {o["Key"]: o["ETag"] for page in pages for o in page.get("Contents", [])}

    def _damage(self) -> None:
        root = self._incident.root
        there = sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
        files = [p for p in there if self._files.search(str(p.relative_to(root)))]
        if (not files or self._chance.random() < 0.2) and (keys := sorted(self._objects())):
            key = self._chance.choice(keys)
            body = self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            self._s3.put_object(Bucket=BUCKET, Key=key, Body=damage(body, self._chance))
            self.done.append(f"object {key}")
            return
        path = self._chance.choice(files or there)
        times = path.stat()
        if (kind := self._chance.random()) < 0.25:
            self._damage_name(path, kind)
            return
        if path.suffix == ".db" and self._chance.random() < 0.8:
            with suppress(sqlite3.DatabaseError):  # its bytes are damaged already
                damage_rows(path, self._chance)
        else:
            path.write_bytes(damage(path.read_bytes(), self._chance))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.done.append(str(path.relative_to(self._incident.root)))

    def _damage_name(self, path: Path, kind: float) -> None:
        """Another name, another time, or no file."""
        name = os.fsencode(path.name)
        said = f"{path.relative_to(self._incident.root)}"
        if kind < 0.1:
            new = os.fsdecode(damage(name, self._chance).replace(b"/", b"_").replace(b"\0", b"_")[:200])
            target = path.with_name(new if new not in ("", ".", "..") else "x")
            if not target.exists():
                path.rename(target)
            said += f" -> {target.name!r}"
        elif kind < 0.15:
            path.unlink()
            said += " removed"
        else:
            seconds = self._chance.choice((-1, 0, 1, 2**31, 2**32, 2**33, int(time.time()) + 10**8))
            os.utime(path, (seconds, seconds))
            said += f" of {seconds}"
        self.done.append(said)


def trials(numbers: range, seed: int, name: str, files: str) -> tuple[Counter[str], list[str]]:
    """Runs some; gives how many ended with which codes, and what was wrong."""
    ended: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="damage-", dir=folder_in_memory()) as scratch:
        folder = Path(scratch)
        os.chdir(folder)
        with Moto(folder) as moto:
            for number in numbers:
                place = folder / str(number)
                place.mkdir()
                small = name == "small"
                incident = SmallIncident(place, moto.client) if small else CapturedIncident(name, place, moto.client)
                trial = Trial(incident, moto.client, random.Random(f"{seed}/{number}"), files)
                trial.run(moto.endpoint_url, place)
                ended[", ".join(map(str, trial.codes))] += 1
                if trial.said:
                    again = f"--incident {name} --files '{files}' --seed {seed} --first {number} --trials 1"
                    wrong.append(f"WRONG: {again} ({', '.join(trial.done)}): {'; '.join(trial.said)}")
                    print(wrong[-1], flush=True)
                shutil.rmtree(place)
        os.chdir("/")
    return ended, wrong


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--trials", type=int, default=2000)
    asked.add_argument("--first", type=int, default=0, help="the number of the first trial")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--incident", default="small", help="small, or one of fixtures/cases")
    asked.add_argument("--files", default="", help="only files of the node whose path this expression matches")
    given = asked.parse_args()
    print(machine.facts())
    print(f"seed {given.seed}, incident {given.incident}")
    began = time.monotonic()
    workers = min(os.cpu_count() or 1, given.trials)
    size = -(-given.trials // workers)
    last = given.first + given.trials
    shares = [range(start, min(start + size, last)) for start in range(given.first, last, size)]
    ended: Counter[str] = Counter()
    wrong: list[str] = []
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        same = ([value] * len(shares) for value in (given.seed, given.incident, given.files))
        for codes, said in pool.map(trials, shares, *same):
            ended += codes
            wrong += said
    for codes_of, number in ended.most_common():
        print(f"{number:6} trials: exit codes {codes_of}")
    print(f"{given.trials} trials, {len(wrong)} wrong, in {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
