"""Estimated dates lie between what is known, in order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flbrecover.model import FileFacts, SourceFile, SourceLog, TailPosition, TailRow
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.runs import Run
from flbrecover.recover.estimate import Estimator
from flbrecover.recover.log_entries import LogRun

SECOND = 1_000_000_000


def a_run(times: list[int | None], *, created_s: int | None, mtime_s: int) -> tuple[Any, LogRun]:
    """A comparison with one log whose entries have these times (in seconds)."""
    ledger = Ledger()
    run = ledger.runs.begin(Run("app.log"))
    for at in times:
        entry = ledger.add(run, "app", None)
        ledger.learn_time(entry, None if at is None else at * SECOND)
    facts = FileFacts("/app.log", "/app.log", 1, 1, 100, mtime_s * SECOND)
    position = None
    if created_s is not None:
        row = TailRow(1, "/app.log", 50, 1, created_s, False, 0, 0)
        position = TailPosition(row, "/db", "same file", facts, "unset", 50)
    file = SourceFile(facts, False, position, 50, "")
    log = SourceLog(0, "/app.log", "app", (file,))
    return SimpleNamespace(ledger=ledger), LogRun(run, log, file)


def dates(times: list[int | None], **known: Any) -> list[float]:
    comparison, run = a_run(times, **known)
    estimator = Estimator(comparison)
    found = [estimator.of(run, entry) for entry in range(len(times))]
    for start in range(len(times)):
        some = range(start, len(times) - start // 2)
        assert [*estimator.untimed(run, some)] == [found[entry] for entry in some if times[entry] is None]
    return [time_ns / SECOND for time_ns in found]


def test_between_neighbours_that_are_known() -> None:
    assert dates([10, None, None, None, 14], created_s=5, mtime_s=99) == [10, 11, 12, 13, 14]


def test_before_the_first_from_when_the_file_was_seen_after_the_last_to_its_last_write() -> None:
    assert dates([None, 10, None], created_s=6, mtime_s=14) == [8, 10, 12]


def test_a_file_that_nobody_saw_has_only_its_last_write() -> None:
    assert dates([None, None], created_s=None, mtime_s=14) == [14, 14]


def test_the_spans_of_a_plan_give_the_same_dates() -> None:
    times: list[int | None] = [None, 10, None, None, None, 20, None]
    comparison, run = a_run(times, created_s=0, mtime_s=30)
    estimator = Estimator(comparison)
    wanted = [2, 3, 4, 6]  # entry 0 is not asked for
    spans = list(estimator.dates(run, wanted))
    assert [n.records for n in spans] == [3, 1]
    assert [s.of(i) for s in spans for i in range(s.records)] == [estimator.of(run, e) for e in wanted]


def test_a_part_of_a_span_keeps_its_own_dates() -> None:
    comparison, run = a_run([0, None, None, None, 4], created_s=0, mtime_s=9)
    estimator = Estimator(comparison)
    (span,) = estimator.dates(run, [2, 3])
    assert [span.of(0), span.of(1)] == [2 * SECOND, 3 * SECOND]
