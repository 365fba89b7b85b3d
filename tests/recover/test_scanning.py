"""Scanning objects is only a quicker way to the same answer: made incidents of every kind, once with and once without.

What is random is the incident; each is decided by its seed alone.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from made_node import MadeNode, body

from flbrecover.model import Record
from flbrecover.recover import place_objects, scan_objects
from flbrecover.recover.rules import Rules

KEPT = ("tag", "buffer_state", "log_state", "stretch", "action", "summary")


class Incident:
    """Records of which pieces are in objects and buffers, with repeated lines, records of others, odd spellings; and
    the log of them, where there still is one."""

    def __init__(self, seed: int, folder: Path, server, bucket: str, *, log: bool) -> None:
        self.random = random.Random(seed)
        self.node = MadeNode(folder, bucket, server.endpoint_url, cri=self.random.random() < 0.5)
        self.s3 = server.client
        self.s3.create_bucket(Bucket=bucket)
        self.more = self.random.choice([{}, {}, {"kubernetes": {"pod": "app-1", "log": "x"}}])
        if log and seed % 3 == 0:  # the configuration sets a field that older objects have otherwise, or not at all
            self.more = {"version": "2", **self.more}
            config = self.node.root / "etc/fluent-bit/fluent-bit.conf"
            constant = "[FILTER]\n    Name record_modifier\n    Match *\n    Record version 2\n"
            config.write_text(config.read_text() + constant)
        texts = [self.text(n) for n in range(self.random.randint(20, 400))]
        if log:
            self.node.write_log(self.node.line(n, text) for n, text in enumerate(texts))
        records = [self.node.record(n, text, **self.more) for n, text in enumerate(texts)]
        self.in_objects = 0  # of what there is evidence of
        points = sorted(self.random.randint(0, len(records)) for _ in range(self.random.randint(2, 6)))
        pieces = [records[a:b] for a, b in zip([0, *points], points, strict=False)]
        for number, piece in enumerate(pieces):
            where = self.random.choice(["object", "object", "buffer", "both", "nowhere"])
            if where in ("buffer", "both") and piece:
                self.node.write_buffer(piece, number=number)
            if where in ("object", "both"):
                if "version" in self.more and where == "object":
                    older = self.random.choice([b'"version":"2"', b'"version":"1"', b'"other":"x"'])
                    piece = [record.replace(b'"version":"2"', older) for record in piece]
                self.put(f"own{number}", self.disguised(piece), known=log or where == "both")
        if not log:
            self.node.write_buffer(records[:1], number=len(pieces))

    def text(self, number: int) -> str:
        kind = self.random.random()
        if kind < 0.2:
            return self.random.choice(["beat", "still waiting", "GET /health 200"])
        if kind < 0.3:
            return f'number {number} with "quotes", a \\ and a /'
        return f"caf\u00e9 {number}" if kind < 0.33 else f"line number {number} of the application"

    def disguised(self, records: list[bytes]) -> list[bytes]:
        """The records among others, some spelled as another version would have."""
        found = []
        for record in records:
            if self.random.random() < 0.05:
                found.append(self.node.record(self.random.randint(0, 400), f"foreign {self.random.random()}"))
            if self.random.random() < 0.03:
                record = record.replace(b"/", b"\\/").replace(b"line", b"lin\\u0065")
            found.append(record)
        return found

    def put(self, name: str, records: list[bytes], *, known: bool) -> None:
        split = self.random.randint(0, len(records))
        whole = self.random.random() < 0.6
        self.in_objects += len(records) if known else 0
        kept = records if whole else records[split:]
        self.s3.put_object(Bucket=self.node.bucket, Key=self.node.key(name), Body=body(kept))

    def answer(self, *more: object) -> list[dict[str, object]]:
        ended = self.node.run("diff", "--agent", "gone", "--json", *more)
        assert ended.code in (0, 3), ended.err
        lines = [line for line in ended.lines if line["type"] in KEPT]
        return [{k: v for k, v in line.items() if k not in ("proof", "plan")} for line in lines]


@pytest.mark.parametrize(("seed", "log"), [(seed, seed < 12) for seed in range(16)])
def test_the_same_answer(seed: int, log: bool, tmp_path: Path, moto, monkeypatch: pytest.MonkeyPatch) -> None:
    incident = Incident(seed, tmp_path / "node", moto, f"scanning-{seed}", log=log)
    monkeypatch.setattr(scan_objects, "WORTH_A_WORKER", 1 << 62)
    scanned = incident.answer()
    spilled = incident.answer("--max-memory", "1M")
    full = incident.answer("--proof", "full")
    monkeypatch.setattr(scan_objects, "WORTH_A_WORKER", 0)
    by_two = incident.answer()
    monkeypatch.setattr(Rules, "cut_of", lambda *_: None)
    placed = incident.answer("--proof", "full")
    stored = sum(line["states"].get("stored", 0) for line in placed if line["type"] == "tag")
    assert bool(stored) == bool(incident.in_objects)
    assert full == placed
    assert scanned == placed
    assert by_two == placed
    assert spilled == placed


def test_scanning_is_what_happens(tmp_path: Path, moto, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above means something: hardly a record of these objects is taken apart."""
    node = MadeNode(tmp_path / "node", "scanning", moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket="scanning")
    texts = [f'line number {n} of "the application"' for n in range(1000)]
    node.write_log(node.line(n, text) for n, text in enumerate(texts))
    records = [node.record(n, text) for n, text in enumerate(texts)]
    strangers = [node.record(n, f'line number {n} of "another" application') for n in range(1000)]
    moto.client.put_object(Bucket="scanning", Key=node.key("own"), Body=body([*records[:700], *strangers]))
    fed: list[int] = []
    feed = place_objects._OneObject._feed

    def noted(one: place_objects._OneObject, index: int, record: Record, only: int) -> None:
        fed.append(index)
        feed(one, index, record, only)

    monkeypatch.setattr(place_objects._OneObject, "_feed", noted)
    ended = node.run("diff", "--agent", "gone", "--json")
    assert ended.one("summary")["states"] == {"lost": 300, "stored": 700}
    assert fed == [0]
