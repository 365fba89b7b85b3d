from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.fluentbit import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250M", 250_000_000), ("5242880", 5_242_880), ("1k", 1000), ("1KB", 1000), ("10mb", 10_000_000),
        ("1.5G", 1_500_000_000), ("2gb", 2_000_000_000), ("false", 0), ("False", 0), ("0", 0), (" 7", 7), (".5k", 500),
        ("1e3", 1000), ("K", 0), ("12abc34", 12), ("x1", 0), ("-.4", 0),
    ],
)  # fmt: skip
def test_sizes_are_powers_of_1000(text: str, expected: int) -> None:
    assert units.size(text) == expected


@pytest.mark.parametrize("text", ["", "10MiB", "1T", "5 G", "5.", "-1", "-5M", "abc", "9" * 30, "1" * 70, "1MK"])
def test_sizes_that_fluent_bit_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        units.size(text)


@given(st.integers(0, 10**9), st.sampled_from([("", 1), ("k", 10**3), ("Kb", 10**3), ("M", 10**6)]))
def test_a_whole_number_with_a_unit(number: int, unit: tuple[str, int]) -> None:
    assert units.size(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", 600), ("60", 60), ("4s", 4), ("2h", 7200), ("1d", 86400), ("6D", 518_400), ("10M", 600), ("", 0),
        ("abc", 0), ("1.5h", 3600), ("-5", -5), (" 8", 8), ("m", 0), ("5 m", 300),
    ],
)  # fmt: skip
def test_times_in_seconds(text: str, expected: int) -> None:
    assert units.seconds(text) == expected


def test_a_time_beyond_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        units.seconds("99999999d")


@pytest.mark.parametrize("text", ["on", "On", "TRUE", "yes"])
def test_true(text: str) -> None:
    assert units.boolean(text) is True


@pytest.mark.parametrize("text", ["off", "Off", "False", "NO"])
def test_false(text: str) -> None:
    assert units.boolean(text) is False


@pytest.mark.parametrize("text", ["", "1", "0", "enabled", " on"])
def test_neither(text: str) -> None:
    with pytest.raises(ValueError, match="is not on or off"):
        units.boolean(text)
