"""What the ledger tells of many entries at a time is what each of them tells."""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile import ledger as of_ledger
from flbrecover.reconcile.batch import Batch
from flbrecover.reconcile.columns import NO_TIME, NONE
from flbrecover.reconcile.held_records import Halves
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.match_key import digest_of
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


DATED = st.tuples(st.none() | st.integers(0, 5), st.sampled_from("ab"))


@given(files=st.lists(st.lists(DATED, min_size=1, max_size=3), max_size=6), dated=st.booleans())
def test_what_is_known_to_be_new_is_new(files: list[list[tuple[int | None, str]]], dated: bool) -> None:
    """A record without a date has the bytes of another one whatever the dates beside it say."""
    ledger = Ledger()
    held: list[tuple[int | None, str]] = []
    for number, records in enumerate(files):
        ledger.begin_file()
        count = len(records)
        batch = Batch(
            array("q", range(count)), array("q", range(count)),
            Halves.of(digest_of(f"{date}/{text}".encode()) for date, text in records),
            array("q", [NO_TIME if date is None else date for date, _ in records]), array("Q", bytes(8 * count)),
        )  # fmt: skip
        new = len(set(records)) == count and not set(records) & set(held)
        assert ledger.knows_none_of("a", batch, dated=dated) == new
        if new:
            ledger.hold_new(ledger.runs.begin(Run(f"/buffer/{number}")), "a", batch)
            held += records


@given(st.lists(st.tuples(st.sampled_from([NONE, 0, 5]), st.integers(1, 9))))
def test_stored_stretches(runs: list[tuple[int, int]]) -> None:
    numbers = [number for number, times in runs for _ in range(times)]
    ledger = ledger_with([None] * len(numbers))
    for entry, number in enumerate(numbers):
        ledger.stored[entry] = number
    found = [(number, len(entries)) for number, entries in ledger.stored_stretches()]
    assert found == [(number, len(list(same))) for number, same in groupby(numbers)]
