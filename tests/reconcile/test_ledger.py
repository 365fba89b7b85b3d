"""What the ledger tells of many entries at a time is what each of them tells."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile import ledger as of_ledger
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.runs import Run

TIMES = st.lists(st.none() | st.integers(-(10**6), 10**6) | st.integers(-(2**63) + 1, 2**63 - 1), max_size=60)


@pytest.fixture(params=[3, 1 << 16], ids=str)
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_ledger, "_PIECE", request.param)


def ledger_with(times: list[int | None]) -> Ledger:
    ledger = Ledger()
    run = ledger.runs.begin(Run("/var/log/a.log"))
    for time_ns in times:
        ledger.add(run, "a", None, time_ns)
    return ledger


@pytest.mark.usefixtures("piece")
@given(times=TIMES, width=st.sampled_from([1, 7, 1000, 10**9]), data=st.data())
def test_times(times: list[int | None], width: int, data: st.DataObject) -> None:
    ledger = ledger_with(times)
    start = data.draw(st.integers(0, len(times)))
    entries = range(start, data.draw(st.integers(start, len(times))))
    some = [times[entry] for entry in entries]
    known = [time_ns for time_ns in some if time_ns is not None]
    assert ledger.limits(entries) == ((min(known), max(known)) if known else (None, None))
    assert ledger.times(entries, width) == Counter(None if t is None else t // width for t in some)


@given(st.lists(st.tuples(st.sampled_from([NONE, 0, 5]), st.integers(1, 9))))
def test_stored_stretches(runs: list[tuple[int, int]]) -> None:
    numbers = [number for number, times in runs for _ in range(times)]
    ledger = ledger_with([None] * len(numbers))
    for entry, number in enumerate(numbers):
        ledger.stored[entry] = number
    found = [(number, len(entries)) for number, entries in ledger.stored_stretches()]
    assert found == [(number, len(list(same))) for number, same in groupby(numbers)]
