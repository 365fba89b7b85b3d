"""Tables that fit a terminal, and text that cannot reach it."""

from __future__ import annotations

from typing import get_args

import pytest

from flbrecover.recover.done import Outcome
from flbrecover.report import text


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (11_469, "11.2 KiB"), (5 << 40, "5.0 TiB"), (None, "?")],
)
def test_size(number: int | None, said: str) -> None:
    assert text.size(number) == said


@pytest.mark.parametrize(
    ("time_ns", "said"),
    [
        (None, "-"),
        (1_795_433_979_484_116_751, "2026-11-23 11:39:39.484Z"),
        (-1, "1969-12-31 23:59:59.999Z"),
        (10**30, f"{10**30}ns"),  # no date of any calendar
    ],
)
def test_time(time_ns: int | None, said: str) -> None:
    assert text.time(time_ns) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (671, "11m 11s"), (7261, "2h 1m"), (90_000, "1d 1h"), (-5, "0s")],
)
def test_duration(seconds: int, said: str) -> None:
    assert text.duration(seconds * 1_000_000_000) == said


def test_count() -> None:
    assert [text.count(n, "record") for n in (0, 1, 1234)] == ["0 records", "1 record", "1,234 records"]


def test_what_is_too_long_loses_its_middle_and_a_container_its_id_first() -> None:
    assert text.shorten("/var/log/app.log", 16) == "/var/log/app.log"
    assert text.shorten("/var/log/application.log", 11) == "/var/…n.log"
    assert text.shorten(f"web-1_ns_web-{'0123456789abcdef' * 4}.log", 30) == "web-1_ns_web-012345….log"


def test_a_table_gives_way_column_by_column() -> None:
    rows = [["1", "k" * 50, "w" * 30]]
    lines = text.table(["#", "key", "why"], rows, right=(0,), fit=(1, 2)).splitlines()
    assert [len(line) for line in lines[1:]] == [60]
    assert lines[1].endswith("w" * 30)
    assert lines[1].startswith("1  kkk")
    lines = text.table(["#", "key", "why"], [["1", "k" * 50, "w" * 70]], fit=(1, 2)).splitlines()
    assert len(lines[1]) == 60 and lines[1].count("…") == 2


def test_a_table_that_fits_is_left_alone() -> None:
    assert text.table(["a", "long head"], [["x", "1"], ["yy", "22"]], right=(1,)) == (
        "a   long head\nx           1\nyy         22"
    )


def test_cells_are_escaped_before_they_are_measured() -> None:
    (line,) = text.table(["name"], [["a\x1b[31mb\nc\u202e"]]).splitlines()[1:]
    assert line == "a\\x1b[31mb\\x0ac\\u202e"


def test_what_is_left_alone_names_a_state_beside_the_number() -> None:
    assert text.left_alone("buffered: Fluent Bit sends it", 1500) == "1,500 records (buffered): Fluent Bit sends it"
    assert text.left_alone("S3 did not give out a: b", 1) == "1 record: S3 did not give out a: b"
    assert text.left_alone("unread", 2) == "2 records: unread"


def test_every_outcome_of_an_action_has_words() -> None:
    assert set(get_args(Outcome)) | {"started"} == set(text.OUTCOMES)
