"""Coverage over time: every record is counted once, in the bin of its time, in few bins."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cases import config, load, unpack
from command import flbrecover
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.runs import Run
from flbrecover.report.coverage import MOST_BINS, WIDTHS, Bins, least_width

TIMES = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(1_795_433_946_000_000_000, 1_795_433_946_000_000_000 + 3600 * 10**9),
)


def test_widths_fit_into_each_other() -> None:
    assert all(wide % narrow == 0 for narrow, wide in pairwise(WIDTHS))
    assert WIDTHS[-1] * 4 > 1 << 63  # so that four bins hold all times that there are


@given(st.lists(st.tuples(st.sampled_from("ab"), TIMES, st.integers(1, 5)), max_size=60), st.integers(4, 9))
def test_every_record_is_in_the_bin_of_its_time(added: list[tuple[str, int, int]], most: int) -> None:
    bins = Bins(most)
    for lane, time_ns, number in added:
        bins.add(lane, time_ns, number)
    assert len(bins.counts) <= most
    assert bins.width in WIDTHS
    expected: dict[int, Counter[str]] = {}
    for lane, time_ns, number in added:
        expected.setdefault(time_ns // bins.width, Counter())[lane] += number
    assert bins.counts == expected


def test_one_record_far_off_does_not_widen_the_others() -> None:
    bins = Bins()
    for second in range(100):
        bins.add("source", (1_795_433_946 + second) * 10**9)
    narrow = bins.width
    bins.add("source", 0)
    assert bins.width == narrow


@given(st.lists(st.lists(st.one_of(st.none(), TIMES), max_size=60), min_size=1, max_size=3), st.integers(4, 9))
def test_bins_that_start_wide_end_as_those_that_start_narrow(runs: list[list[int | None]], most: int) -> None:
    ledger = Ledger()
    narrow = Bins(most)
    for times in runs:
        run = ledger.runs.begin(Run("file"))
        for time_ns in times:
            ledger.add(run, "tag", None, time_ns=time_ns)
            if time_ns is not None:
                narrow.add("source", time_ns)
    wide = Bins(most)
    wide.at_least(least_width(ledger, [ledger.runs.entries(run) for run in range(len(runs))], most))
    assert wide.width <= narrow.width
    for time_ns in (time_ns for times in runs for time_ns in times if time_ns is not None):
        wide.add("source", time_ns)
    assert (wide.width, wide.counts) == (narrow.width, narrow.counts)


@pytest.mark.parametrize("name", ["kubernetes-cri", "fluent-bit-1.9", "storage-filesystem", "sigkill-multipart"])
def test_coverage_adds_up_to_the_states_of_every_tag(name: str, tmp_path: Path, moto) -> None:
    root = unpack(name, tmp_path)
    load(name, moto.client, root)
    ended = flbrecover(
        "diff", "--root", root, "--config", config(name), "--endpoint-url", moto.endpoint_url, "--json"
    )  # fmt: skip
    tags = {(line["output"], line["tag"]): line for line in ended.of_type("tag")}
    covered = {(line["output"], line["tag"]): line for line in ended.of_type("coverage")}
    assert covered.keys() == tags.keys()
    for which, line in covered.items():
        totals = {lane: sum(numbers) for lane, numbers in line["lanes"].items()}
        states = {state: n for state, n in totals.items() if state not in ("source", "buffers", "objects")}
        assert states == tags[which]["states"]
        assert line["untimed"] == 0
        assert len(line["bins"]) <= MOST_BINS
        assert totals.get("source", 0) == _records(ended.of_type("log_state"), which)
        assert totals.get("buffers", 0) == _records(ended.of_type("buffer_state"), which)
    objects = ended.of_type("object_state")
    assert sum(line["records"] for line in objects) == sum(line["states"].get("stored", 0) for line in tags.values())
    assert sum(sum(line["lanes"].get("objects", ())) for line in covered.values()) == len(objects)


def _records(lines: list[dict[str, Any]], which: tuple[str, str]) -> int:
    return sum(line["records"] for line in lines if (line["output"], line["tag"]) == which)
