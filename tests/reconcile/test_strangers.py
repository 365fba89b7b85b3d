"""Strangers beside records of ours: the same date to the microsecond, in the same place, is the same record, however a
version of Fluent Bit has written it."""

from __future__ import annotations

import pytest

from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.match_key import digest_of
from flbrecover.reconcile.placement import Placement
from flbrecover.reconcile.precision import FINE, NEVER, Precision
from flbrecover.reconcile.runs import Run

STEP = 1_003_000  # ns between two records
BEGIN = 10**18 + 5000
TIMES = [BEGIN + n * STEP for n in range(8)]


def place(lines: list[tuple[str, int]], *, timed: bool = True, precision: Precision = FINE) -> tuple[list[int], int]:
    """Where lines of an object go whose log has "0" to "7" at :data:`TIMES`, and how many are strangers."""
    ledger = Ledger()
    run = ledger.runs.begin(Run("app.log", timed=timed))
    for number, time_ns in enumerate(TIMES):
        ledger.add(run, "app", digest_of(str(number).encode()), time_ns if timed else None)
    ledger.index_keys()
    found = [NONE] * len(lines)

    def put(copy: Copy, entry: int) -> None:
        found[copy.index] = entry
        ledger.stored[entry] = 0

    placement = Placement(ledger, put, lambda entry: ledger.stored[entry] != NONE, precision=precision)
    for index, (text, time_ns) in enumerate(lines):
        placement.feed(Copy(index, digest_of(f"{index} {text}".encode()), (digest_of(text.encode()),), time_ns))
    placement.finish()
    return found, placement.strangers


def test_what_begins_and_ends_an_object_in_other_words() -> None:
    lines = ["two", "three", "4", "five", "six"]
    assert place(list(zip(lines, TIMES[2:7], strict=True))) == ([2, 3, 4, 5, 6], 0)


def test_between_two_of_ours_as_far_as_the_dates_go() -> None:
    """One of the log is in another object; what is of another log stands in its place."""
    lines = [("0", TIMES[0]), ("one", TIMES[1]), ("theirs", BEGIN + 7000), ("six", TIMES[6]), ("7", TIMES[7])]
    assert place(lines) == ([0, 1, NONE, 6, 7], 1)


@pytest.mark.parametrize(
    ("lines", "how", "expected"),
    [
        ([("three", TIMES[3] + 1000), ("4", TIMES[4]), ("five", TIMES[5] - 1000)], {}, [NONE, 4, NONE]),  # another date
        ([("three", TIMES[3]), ("theirs", BEGIN + 7000), ("4", TIMES[4])], {}, [NONE, NONE, 4]),  # not next to it
        ([("three", TIMES[3]), ("4", TIMES[4]), ("five", TIMES[5])], {"timed": False}, [NONE, 4, NONE]),  # no date
        ([("three", TIMES[3]), ("4", TIMES[4]), ("five", TIMES[5])], {"precision": NEVER}, [NONE] * 3),  # that of many
    ],
)
def test_what_could_be_another_record_is_one(
    lines: list[tuple[str, int]], how: dict[str, bool | Precision], expected: list[int]
) -> None:
    assert place(lines, **how) == (expected, 2)  # type: ignore[arg-type]


def test_a_copy_of_a_record_that_is_there_is_no_other_record() -> None:
    lines = [("3", TIMES[3]), ("4", TIMES[4]), ("theirs", BEGIN + 7000), ("4", TIMES[4]), ("four", TIMES[4])]
    assert place(lines) == ([3, 4, NONE, 4, NONE], 2)
