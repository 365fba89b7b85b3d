"""How fine dates are, and so whether the same bytes are the same record."""

from __future__ import annotations

import pytest

from flbrecover.reconcile.precision import ALWAYS, FINE, MIXED, NEVER, Precision, precision_of, strictest

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1000
FINE_DATES = [n * 1_001 * MICROSECOND + 7000 for n in range(50)]


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ([], ALWAYS),
        ([7 * MICROSECOND], FINE),
        ([None], MIXED),
        ([5 * SECOND], MIXED),
        ([5 * MILLISECOND], MIXED),
        (FINE_DATES, FINE),
        ([*FINE_DATES, 12 * MILLISECOND], FINE),
        ([*FINE_DATES, 12 * MILLISECOND, 13 * MILLISECOND], MIXED),
        ([5 * SECOND] * 40 + [7 * MICROSECOND], MIXED),
    ],
)
def test_of_a_tag(times: list[int | None], found: Precision) -> None:
    assert precision_of(times) == found


@pytest.mark.parametrize(
    ("precision", "telling"),
    [(ALWAYS, "none second millisecond fine"), (FINE, "millisecond fine"), (MIXED, "fine"), (NEVER, "")],
)
def test_of_a_record(precision: Precision, telling: str) -> None:
    dates = {"none": None, "second": 3 * SECOND, "millisecond": 3 * MILLISECOND, "fine": 3 * MICROSECOND}
    assert [name for name, time_ns in dates.items() if precision.tells(time_ns)] == telling.split()


def test_the_strictest_holds_for_an_object_of_several_tags() -> None:
    assert strictest([ALWAYS, FINE, MIXED]) == MIXED
    assert strictest([NEVER, MIXED]) == NEVER
    assert strictest([FINE, ALWAYS]) == FINE
    assert strictest([]) == strictest([ALWAYS]) == ALWAYS
