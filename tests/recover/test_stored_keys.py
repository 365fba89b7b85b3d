"""Gaps: what is one and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit.key_format import KeyFields
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import SECOND_NS
from flbrecover.recover.stored_keys import KeysOfTag, longest_without_gap, time_shown_by


@pytest.mark.parametrize(
    ("upload_timeout_s", "seconds"),
    [
        (600, 600 + 60 + 60),  # the timer runs every 60 s at most
        (300, 300 + 50 + 60),  # a sixth of upload_timeout
        (5, 5 + 6 + 60),  # every 6 s at least
    ],
)
def test_how_long_objects_lie_apart_while_records_come_in(upload_timeout_s: int, seconds: int) -> None:
    output = S3Output(number=0, bucket="b", upload_timeout_s=upload_timeout_s)
    assert longest_without_gap(output) == seconds * SECOND_NS


@pytest.mark.parametrize(
    ("span_s", "shown_by"), [(1, "key time"), (60, "key time"), (600, "key time"), (3600, "last modified")]
)
def test_a_coarse_key_time_shows_no_gaps(span_s: int, shown_by: str) -> None:
    output = S3Output(number=0, bucket="b")
    assert time_shown_by(output, KeyFields("t", (), 0, span_s * SECOND_NS)) == shown_by
    assert time_shown_by(output, KeyFields("t", (), None, None)) == "last modified"


@settings(max_examples=100)
@given(st.lists(st.integers(0, 10**18), max_size=30), st.integers(1, 10**17))
def test_gaps_are_where_neighbours_lie_apart_in_whatever_order_they_are_listed(times: list[int], longest: int) -> None:
    tag = KeysOfTag("t", "key time")
    tag.times.extend(times)
    gaps = tag.gaps(longest)
    inside = [t for gap in gaps for t in times if gap.start_ns < t < gap.end_ns]
    assert inside == []
    assert all(gap.end_ns - gap.start_ns > longest for gap in gaps)
    assert all(gap.start_ns in times and gap.end_ns in times for gap in gaps)
    if times:
        covered = max(times) - min(times) - sum(gap.end_ns - gap.start_ns for gap in gaps)
        assert covered <= longest * (len(times) - 1 - len(gaps))
