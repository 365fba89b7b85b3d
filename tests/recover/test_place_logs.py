"""Log files that a second process reads are placed as those that are read here, and read here where it fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest
from made_node import LOG, MadeNode, body

from flbrecover.model import SourceFile
from flbrecover.recover import place_logs
from flbrecover.recover.log_reader import Peek
from flbrecover.recover.place_logs import LogPlacer
from flbrecover.recover.read_log import LogFacts, Rows

FILTERS = """
[FILTER]
    Name grep
    Match *
    Exclude log ^secret
[FILTER]
    Name rewrite_tag
    Match app.log
    Rule $log ^order orders true
[FILTER]
    Name lua
    Match orders
    script shop.lua
    call keep
"""
FILES = 5
LAST = "/var/log/app.log"  # in the order in which they are read
MISSING = 3  # exit code


@pytest.fixture
def node(tmp_path: Path, moto) -> MadeNode:
    """Four logs, one with an older file: records that a filter drops, that get another tag, that a filter may have
    dropped, and a last line that is not over yet. Objects hold some of the records, a buffer file others."""
    node = MadeNode(tmp_path / "node", "two-log-readers", moto.endpoint_url)
    moto.client.create_bucket(Bucket=node.bucket)
    config = node.root / "etc/fluent-bit/fluent-bit.conf"
    config.write_text(config.read_text().replace(LOG, "/var/log/app*.log") + FILTERS)
    texts = [f"{('line', 'secret', 'order')[n % 7 % 3]} {n} " + 40 * "x" for n in range(12_000)]
    lines = [node.line(n, text) for n, text in enumerate(texts)]
    records = [node.record(n, text) for n, text in enumerate(texts) if "secret" not in text]
    for at, name in enumerate(("app.log.1", "app.log", "app-1.log", "app-2.log", "app-3.log")):
        some = lines[at * 2400 : (at + 1) * 2400]
        (node.root / "var/log" / name).write_text("\n".join(some) + ("" if name == "app-2.log" else "\n"))
    moto.client.put_object(Bucket=node.bucket, Key=node.key("first"), Body=body(records[:3000]))
    moto.client.put_object(Bucket=node.bucket, Key=node.key("late"), Body=body(records[6000:7000]))
    node.write_buffer(records[3000:4000])
    return node


def two_readers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has a worker read from the end on; gives the files that came from it."""
    came: list[str] = []
    add = LogPlacer._add

    def noted(
        placer: LogPlacer, peek: Peek, file: SourceFile, read: Iterable[Rows], facts: LogFacts, ahead: object
    ) -> None:
        add(placer, peek, file, read, facts, ahead)  # type: ignore[arg-type]
        if ahead is None:
            came.append(file.path)

    monkeypatch.setattr(place_logs, "usable_cores", lambda: 2)
    monkeypatch.setattr(place_logs, "WORTH_A_WORKER", 0)
    monkeypatch.setattr(LogPlacer, "_add", noted)
    return came


def test_the_same_answer(node: MadeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_logs, "usable_cores", lambda: 1)
    alone = node.differences(MISSING)
    states = next(line["states"] for line in alone if line["type"] == "summary")
    assert states["stored"] == 3999 and states["buffered"] == 1000 and states["maybe filtered"]
    assert "has no newline yet" in str(alone)  # one of the 4000: whether it is a record is not known
    came = two_readers(monkeypatch)
    assert node.differences(MISSING) == alone
    assert came and came[-1] == LAST


def test_no_process_is_left(node: MadeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may allow no more of them."""
    monkeypatch.setattr(place_logs, "usable_cores", lambda: 1)
    alone = node.differences(MISSING)
    came = two_readers(monkeypatch)
    tried: list[object] = []

    def refused(process: object) -> None:
        tried.append(process)
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(ForkProcess, "start", refused)
    assert node.differences(MISSING) == alone
    assert tried and came == []


def test_a_worker_that_fails_or_is_gone(
    worker_ends: Callable[[], None], node: MadeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_logs, "usable_cores", lambda: 1)
    alone = node.differences(MISSING)
    two_readers(monkeypatch)
    told: list[object] = []
    here, read, of = os.getpid(), LogPlacer.read, place_logs._FromTheEnd.told

    def failing(placer: LogPlacer, peek: Peek, file: SourceFile) -> place_logs.LogFileRows:
        if os.getpid() != here:
            worker_ends()
        return read(placer, peek, file)

    def noted(ahead: place_logs._FromTheEnd, number: int) -> object:
        told.append(of(ahead, number))
        return told[-1]

    monkeypatch.setattr(LogPlacer, "read", failing)
    monkeypatch.setattr(place_logs._FromTheEnd, "told", noted)
    assert node.differences(MISSING) == alone
    assert told == [None] * FILES
