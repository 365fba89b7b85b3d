"""The times of many records at once, where each begins with its date in ISO 8601 as Fluent Bit writes it.

A large number holds one value for each record, in *lanes* of as many bytes each: one addition or multiplication of it
is one of all of them. What lanes hold in between may flow over into the next one; the result must not.
"""

from __future__ import annotations

import calendar
import sys
from array import array
from collections.abc import Sequence

from flbrecover.model import SECOND_NS

_DATE = b'"0000-00-00T00:00:00.000000Z"'
_DIGITS = 20  # of a date
_PAIRS = _DIGITS // 2  # YY YY mm dd HH MM SS and three of microseconds
_DAY = 4  # pairs of it that tell the day
_WEIGHTS_NS = (3600 * SECOND_NS, 60 * SECOND_NS, SECOND_NS, 10_000_000, 100_000, 1000)  # of the other pairs
_NO_DIGITS = bytes(char for char in range(256) if not 48 <= char <= 57)
_DIGITS_AS_ZERO = bytes(char if char in _NO_DIGITS else 48 for char in range(256))
_NUMBER = 8  # bytes of a time
_YEARS = range(1970, 2200)  # their ns since the epoch are such a number


def times_of_iso(records: Sequence[bytes], opening: bytes) -> array[int] | None:
    """The times (ns since the epoch) of records that all begin with ``opening`` and a date, and all of one day, UTC;
    None where they do not, or where it is no day of this age."""
    if not records or opening.translate(None, _NO_DIGITS):  # a digit of the name would look like one of the date
        return None
    width = len(opening) + len(_DATE)
    heads = b"".join([record[:width] for record in records])
    if heads.translate(_DIGITS_AS_ZERO) != (opening + _DATE) * len(records):
        return None
    pairs = _pairs(heads.translate(None, _NO_DIGITS))
    day = _day_ns(pairs)
    if day is None:
        return None
    total = int.from_bytes(day.to_bytes(_NUMBER, "little") * len(records), "little")
    for at, weight in enumerate(_WEIGHTS_NS, _DAY):
        total += _spread(pairs[at::_PAIRS]) * weight
    times = array("q", total.to_bytes(_NUMBER * len(records), "little"))
    if sys.byteorder == "big":
        times.byteswap()
    return times


def _pairs(digits: bytes) -> bytes:
    """A byte for every two digits: their value."""
    size = len(digits) // 2
    tens, ones = int.from_bytes(digits[0::2], "little"), int.from_bytes(digits[1::2], "little")
    zeros = int.from_bytes(b"0" * size, "little")
    return (tens * 10 + ones - zeros * 11).to_bytes(size, "little")


def _day_ns(pairs: bytes) -> int | None:
    """When the day began that all dates are of; None where they are of several, or of none."""
    first = pairs[:_DAY]
    if any(pairs[at::_PAIRS].strip(first[at : at + 1]) for at in range(_DAY)):
        return None
    year, month, day = 100 * first[0] + first[1], first[2], first[3]
    if not (year in _YEARS and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    return calendar.timegm((year, month, day, 0, 0, 0)) * SECOND_NS


def _spread(values: bytes) -> int:
    """Single bytes, each in the lane of a time."""
    lanes = bytearray(_NUMBER * len(values))
    lanes[0::_NUMBER] = values
    return int.from_bytes(lanes, "little")
