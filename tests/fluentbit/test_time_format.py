"""Times as Fluent Bit's parsers read them; many of the values are those of its own tests (tests/internal/parser.c)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit import time_format
from flbrecover.fluentbit.strptime import BrokenTime, strptime

NEAR = 1_795_434_000_000_000_000  # 2026-11-23T11:40:00Z
S = 1_000_000_000


@pytest.mark.parametrize(
    ("fmt", "text", "seconds", "ns", "offset"),
    [
        ("%m/%d/%Y %H:%M:%S %z", "07/17/2017 20:17:03 +0000", 1500322623, 0, 0),
        ("%m/%d/%Y %H:%M:%S %z", "07/18/2017 01:47:03 +0530", 1500322623, 0, 0),
        ("%m/%d/%Y %H:%M:%S.%L %z", "07/17/2017 22:17:03.1 +02:00", 1500322623, 100_000_000, 0),
        ("%m/%d/%Y %H:%M:%S,%L %z", "07/17/2017 22:17:03,1 +02:00", 1500322623, 100_000_000, 0),
        ("%m/%d/%Y %H:%M:%S:%L %z", "07/17/2017 22:17:03:1 +02:00", 1500322623, 100_000_000, 0),
        ("%m/%d/%Y %H:%M:%S", "07/18/2017 05:17:03", 1500322623, 0, 32400),
        ("%m/%d/%Y %H:%M:%SZ", "07/17/2017 20:17:03Z", 1500322623, 0, 0),
        ("%m/%d/%Y %H:%M:%S.%LZ", "07/17/2017 20:17:03.1234Z", 1500322623, 123_400_000, 0),
        ("%a %b %d %H:%M:%S.%L %Y", "Fri Jul 17 20:17:03.1234 2017", 1500322623, 123_400_000, 0),
        ("%Y-%m-%dT%H:%M:%S.%L%z", "2017-07-17T20:17:03.123456789Z", 1500322623, 123456789, 0),
        ("%Y-%m-%dT%H:%M:%S.%L%z", "2017-07-17T13:17:03.5-07:00", 1500322623, 500_000_000, 0),
        ("%Y-%m-%dT%H:%M:%S.%L", "2017-07-17T20:17:03.5 and what follows", 1500322623, 500_000_000, 0),
        ("%s", "1500322623", 1500322623, 0, 0),
        ("%s.%L", "1500322623.25", 1500322623, 250_000_000, 0),
        ("%d/%b/%Y:%H:%M:%S %z", "17/Jul/2017:20:17:03 +0000", 1500322623, 0, 0),
        ("%d/%B/%y %I:%M:%S %p", "17/july/17 08:17:03 pm", 1500322623, 0, 0),
        ("%FT%T%z", "2017-07-17T20:17:03UTC", 1500322623, 0, 0),
        ("%D %R", "07/17/17 20:17", 1500322620, 0, 0),
        ("%Y %j %H:%M:%S", "2017 198 20:17:03", 1500322623, 0, 0),
        ("%Y-%m-%d %H:%M:%S %Z", "2017-07-17 15:17:03 CDT", 1500322623, 0, 0),
        ("%Y-%m-%d %H:%M:%S %z", "2017-07-17 13:17:03 PDT", 1500322623, 0, 0),
        ("%Y-%m-%d  %H:%M:%S", "2017-07-17 \t 20:17:03", 1500322623, 0, 0),
        ("%EY-%Om-%Od %H:%M:%S", "2017-07-17 20:17:03", 1500322623, 0, 0),
        ("%e %b %Y %k:%M:%S", " 7 Jul 2017 1:02:03", 1499389323, 0, 0),
        ("%%%Y-%m-%d", "%1970-01-02", 86400, 0, 0),
        ("%Y-%m-%d", "2016-02-30", 1456790400, 0, 0),  # runs on into March, as in C
    ],
)
def test_formats(fmt, text, seconds, ns, offset):
    assert time_format.compile(fmt, near_ns=NEAR, offset_s=offset)(text.encode()) == seconds * S + ns


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        ("%Y-%m-%d", "2017-13-01"),
        ("%Y-%m-%d", "2017-00-01"),
        ("%Y-%m-%d %H", "2017-01-01 24"),
        ("%Y-%m-%d", "2017-1"),
        ("%Y-%m-%d", ""),
        ("%Y-%m-%d", "x2017-01-01"),
        ("%Y-%m-%dT%H:%M:%S.%L%z", "2017-07-17T20:17:03Z"),
        ("%Y-%m-%dT%H:%M:%S.%L%z", "2017-07-17T20:17:03.Z"),
        ("%Y-%m-%dT%H:%M:%S.%L%z", "2017-07-17T20:17:03.1234567891Z"),  # %L takes nine digits, and 1Z is no zone
        ("%Y-%m-%dT%H:%M:%S%z", "2017-07-17T20:17:03+1"),
        ("%Y-%m-%dT%H:%M:%S%z", "2017-07-17T20:17:03+0x00"),
        ("%Y %Q", "2017 1"),
        ("%Y %", "2017 1"),
        ("%Y %EH", "2017 1"),
        ("%s", "9999999999999999999"),
        ("%I:%M %p %Y", "13:00 AM 2017"),
        ("%Y-%m-%d", "2017-07\x00-17"),
    ],
)
def test_what_is_no_time(fmt, text):
    assert time_format.compile(fmt, near_ns=NEAR)(text.encode()) is None


def test_a_number_stops_where_it_would_become_too_large():
    tm = BrokenTime()
    assert strptime(b"45", b"%d", tm) == 1
    assert tm.day == 4


def test_the_year_that_is_missing_is_the_one_before_the_file_ended():
    read = time_format.compile("%b %d %H:%M:%S", near_ns=NEAR)
    assert read(b"Nov 23 11:39:00") == 1_795_433_940 * S
    assert read(b"Dec 31 23:59:59") == 1_767_225_599 * S  # 2025: the file is of November 2026
    assert read(b"Nov 24 08:00:00") == 1_795_507_200 * S  # a clock that is a little ahead


def test_without_a_date_the_day_is_that_of_the_file():
    assert time_format.compile("%H:%M:%S", near_ns=NEAR)(b"01:02:03") == (1_795_392_000 + 3723) * S


@pytest.mark.parametrize(("text", "seconds"), [("Z", 0), ("+0200", 7200), ("-06:00", -21600), ("+05:30x", 19800)])
def test_time_offset(text, seconds):
    assert time_format.offset_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0000", "+00:90", "--600", "", "+2"])
def test_time_offset_that_fluent_bit_refuses(text):
    with pytest.raises(ValueError, match="not an offset"):
        time_format.offset_seconds(text)


def test_time_zone_by_name():
    read = time_format.compile("%Y-%m-%d %H:%M:%S", near_ns=NEAR, zone="Europe/Berlin")
    assert read(b"2017-07-17 22:17:03") == 1500322623 * S
    assert read(b"2017-01-17 21:17:03") == 1484684223 * S
    assert time_format.compile("%Y-%m-%d %H:%M:%S%z", near_ns=0, zone="Europe/Berlin")(b"2017-07-17 20:17:03Z") == (
        1500322623 * S
    )
    with pytest.raises(ValueError, match="not known"):
        time_format.compile("%Y", near_ns=NEAR, zone="Mars/Olympus")


def test_not_strict_goes_on_with_what_was_read():
    read = time_format.compile("%Y-%m-%d %H:%M:%S", near_ns=NEAR, strict=False)
    assert read(b"2017-07-17 20:17:xx") == 1500322620 * S
    assert read(b"2017-07-17") == 1500249600 * S


def test_a_zone_before_the_fraction_is_forgotten():
    read = time_format.compile("%Y-%m-%d %H:%M:%S %z .%L", near_ns=NEAR)
    assert read(b"2017-07-17 20:17:03 +0200 .5") == 1500322623 * S + 500_000_000


def test_a_fraction_that_was_read_before_a_mismatch_is_told():
    read = time_format.compile("%Y-%m-%dT%H:%M:%S.%L%z", near_ns=NEAR)
    assert read.read(b"2017-07-17T20:17:03.25?") == (None, 250_000_000)


@settings(max_examples=100)
@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2105, 1, 1)),
    st.integers(1, 9),
    st.sampled_from([0, 90, -330, 840]),
    st.booleans(),
)
def test_rfc3339_round_trip(when, digits, minutes, colon):
    zone = timezone(timedelta(minutes=minutes))
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}{':' if colon else ''}{abs(minutes) % 60:02}"
    ns = when.microsecond * 1000 // 10 ** (9 - digits) * 10 ** (9 - digits)
    text = f"{when:%Y-%m-%dT%H:%M:%S}.{ns:09}"[: 20 + digits] + offset
    found = time_format.compile("%Y-%m-%dT%H:%M:%S.%L%z", near_ns=NEAR)(text.encode())
    seconds = int(when.replace(microsecond=0, tzinfo=zone).timestamp())
    # Fluent Bit's double may lose the last nanosecond.
    assert found is not None
    assert seconds * S + ns - found in (0, 1)


@settings(max_examples=100)
@given(
    st.from_regex(
        rb"[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}T[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}\.[0-9eE+]{1,10}(Z|[+-][0-9:]{2,5})"
    ),
)
def test_the_quick_way_reads_as_the_slow_one(text):
    quick = time_format.compile("%Y-%m-%dT%H:%M:%S.%L%z", near_ns=NEAR)
    slow = time_format.compile("%EY-%m-%dT%H:%M:%S.%L%z", near_ns=NEAR)
    assert quick.read(text) == slow.read(text)


@settings(max_examples=100)
@given(st.text(alphabet="%YmdHMSLzZsbBaejpIkEOyCFDTRrcxXnt -:./x", max_size=20), st.binary(max_size=40))
def test_any_format_and_text_is_read_or_refused(fmt, text):
    for strict in (True, False):
        found = time_format.compile(fmt, near_ns=NEAR, strict=strict)(text)
        assert found is None or isinstance(found, int)
