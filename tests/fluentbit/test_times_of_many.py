"""Times of many records at once are those of each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.fluentbit.iso_times import times_of_iso
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.record_time import time_of, times_of

DATES = ["2026-11-23T11:39:45.195312Z", "1970-01-01T00:00:00.000000Z", "2024-02-29T23:59:59.999999Z"]
ODD = [
    "2026-13-23T11:39:45.195312Z", "2026-11-23T11:39:45.+95312Z", "2026-11-23 11:39:45.195312Z",
    "2026-11-23T11:39:45.195Z",
]  # fmt: skip
LINES = st.builds(
    lambda date, more: b'{"date":"' + date.encode() + b'"' + more, st.sampled_from(DATES + ODD),
    st.sampled_from([b',"log":"x"}', b"}", b""]),
)  # fmt: skip


@given(
    lines=st.lists(
        LINES | st.sampled_from([b"", b"{}", b'{"log":"x"}', b'{"dato":"2026-11-23T11:39:45.195312Z"}']), max_size=8
    )
)
@pytest.mark.parametrize("style", [RecordStyle(), RecordStyle(json_date_format="epoch"), RecordStyle(log_key="log")])
def test_each_has_its_own(style: RecordStyle, lines: list[bytes]) -> None:
    assert list(times_of(lines, style)) == [time_of(line, style) for line in lines]


@given(dates=st.lists(st.sampled_from(DATES), min_size=1))
def test_of_usual_ones(dates: list[str]) -> None:
    lines = [f'{{"date":"{date}","log":"x"}}'.encode() for date in dates]
    assert list(times_of(lines, RecordStyle())) == [time_of(line, RecordStyle()) for line in lines]
    assert None not in times_of(lines, RecordStyle())


TWO = st.integers(0, 99).map("{:02}".format)
TIME_OF_DAY = st.builds("T{}:{}:{}.{}{}{}Z".format, TWO, TWO, TWO, TWO, TWO, TWO)
DAY = st.builds("{:04}-{}-{}".format, st.sampled_from([0, 1969, 1970, 2026, 2106, 2199, 2200, 2262, 9999]), TWO, TWO)


@given(day=DAY, times=st.lists(TIME_OF_DAY, min_size=1, max_size=40))
def test_of_one_day(day: str, times: list[str]) -> None:
    """Whatever the digits: what is no month has no time, what Fluent Bit cannot write neither, an hour 99 has one."""
    lines = [f'{{"date":"{day}{time}"}}'.encode() for time in times]
    assert list(times_of(lines, RecordStyle())) == [time_of(line, RecordStyle()) for line in lines]


@given(times=st.lists(TIME_OF_DAY, min_size=1, max_size=40))
def test_of_one_day_of_this_age(times: list[str]) -> None:
    lines = [f'{{"date":"2026-11-28{time}","log":"x"}}'.encode() for time in times]
    found = times_of_iso(lines, RecordStyle().opening)
    assert found is not None
    assert list(found) == [time_of(line, RecordStyle()) for line in lines]


@pytest.mark.parametrize("key", ["d0te", "d4te"])
def test_a_name_with_a_digit(key: str) -> None:
    style = RecordStyle(json_date_key=key)
    lines = [f'{{"{name}":"{date}","log":"x"}}'.encode() for name in ("d0te", "d4te", "d5te") for date in DATES]
    shifted = 20 * [
        f'{{"{key}":"1111-11-11T11:11:11.111111Z"}}'.encode()
    ]  # with the name's digit before it a date, too
    for some in (lines, shifted):
        assert list(times_of(some, style)) == [time_of(line, style) for line in some]
