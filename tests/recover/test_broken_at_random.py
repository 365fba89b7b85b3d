"""Made incidents with a Fluent Bit whose flush timer fires, and that is restarted, at any line: whatever of its records
is in objects, in buffers or nowhere, each line is stored once after a recovery."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from recover.test_broken_records import PARSERS, Pieces

from flbrecover.recover import scan_objects
from flbrecover.recover.rules import Rules

KEPT = ("tag", "log_state", "buffer_state", "stretch", "problem")


class AtRandom(Pieces):
    """Lines of two streams (CRI) or of traces (java), as a Fluent Bit makes records of them that cannot wait."""

    def __init__(self, seed: int, folder: Path, server, bucket: str, parser: str) -> None:
        super().__init__(folder, server, bucket, parser)
        self.random = random.Random(seed)
        self.waiting: dict[str, tuple[int, str, str]] = {}  # by stream: its first line's number, its flag, the text
        self.traced = False  # does a line of a trace go on where the one before it ended?
        self.where = self.anywhere()
        for _ in range(self.random.randint(10, 120)):
            chance = self.random.random()
            if chance < 0.06:
                self.flush()
            elif chance < 0.1:
                self.flush()
                self.traced = False
                self.cut()
                self.where = self.anywhere()
            elif chance < 0.13:
                self.where = self.anywhere()
            self.more()
        self.flush()

    def anywhere(self) -> str:
        return self.random.choice(["object", "object", "buffer", "nowhere"])

    def more(self) -> None:
        number = len(self.words)
        if self.node.cri:
            stream, last = self.random.choice(["stdout", "stdout", "stderr"]), self.random.random() < 0.6
            line, text = self.line(number, False, last, stream)
            first, flag, before = self.waiting.get(stream, (number, "F" if last else "P", ""))
            self.waiting[stream] = (first, flag, before + text)
            if last:
                self.flush(stream)
        else:
            first_line = not number or self.random.random() < 0.5
            line, text = self.line(number, first_line, False, "")
            if first_line or not self.traced:
                self.flush()
            self.traced = self.traced or first_line
            first, flag, before = self.waiting.get("", (number, "", ""))
            self.waiting[""] = (first, flag, before + text)
        self.log.append(line)

    def flush(self, *streams: str) -> None:
        for stream in streams or list(self.waiting):
            first, flag, text = self.waiting.pop(stream)
            if self.parser == "java filter":
                text = text.removesuffix("\n")
            own = {"_p": flag, "stream": stream} if self.node.cri else {}
            self.places[self.where][-1].append(self.node.record(first, text, **own))


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("seed", range(6))
def test_each_line_is_stored_once(seed: int, parser: str, tmp_path: Path, moto) -> None:
    AtRandom(seed, tmp_path / "node", moto, f"random-{parser}-{seed}".replace(" ", "-"), parser).recover()


@pytest.mark.parametrize("parser", ["cri", "java"])
@pytest.mark.parametrize("seed", range(100, 104))
def test_scanning_finds_the_same_pieces(
    seed: int, parser: str, tmp_path: Path, moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = AtRandom(seed, tmp_path / "node", moto, f"scanned-{parser}-{seed}", parser)
    made.write()

    def answer() -> list[dict[str, object]]:
        ended = made.node.run("diff", "--agent", "gone", "--json")
        kept = [line for line in ended.lines if line["type"] in KEPT]
        return [{k: v for k, v in line.items() if k != "proof"} for line in kept]

    monkeypatch.setattr(scan_objects, "WORTH_A_WORKER", 1 << 62)
    scanned = answer()
    monkeypatch.setattr(scan_objects, "WORTH_A_WORKER", 0)
    by_two = answer()
    monkeypatch.setattr(Rules, "cut_of", lambda *_: None)
    assert scanned == by_two == answer()
