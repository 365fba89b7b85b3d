"""strftime(3) as glibc does it in the C locale and in UTC, to write a key's time and to read it back.

Fluent Bit calls ``strftime`` of its C library over the whole S3 key (src/aws/flb_aws_util.c, flb_get_s3_key). What is
here does not depend on the locale, time zone or C library of the machine that runs it. What glibc does not take for a
conversion (``%L``, ``%N``, ``%Ed``) stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from flbrecover.errors import ConfigError

Unit = Literal["second", "minute", "hour", "day", "month", "year"]
"""What one step of a conversion's text is. Weeks count as days here: their text changes on a day."""

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MAX_FILL = 1024  # a key is cut before that
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_DIRECTIVE = re.compile(r"%([_\-0^#]*)([0-9]*)([EO]?)(.)", re.DOTALL)
_COMPOSITES = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
    "T": "%H:%M:%S",
    "X": "%H:%M:%S",
    "x": "%m/%d/%y",
}
_NOT_AFTER = {"E": frozenset("AaBbDdeFGgHhIjklMmSUVWw"), "O": frozenset("AaDFcXxY")}


@dataclass(frozen=True, slots=True)
class _Number:
    """A conversion that writes a number: its field, default width, padding, and the unit that changes it."""

    field: str
    width: int
    unit: Unit
    pad: str = "0"


_NUMBERS = {
    "C": _Number("century", 2, "year"),
    "d": _Number("day", 2, "day"),
    "e": _Number("day", 2, "day", "_"),
    "G": _Number("iso_year", 4, "day"),
    "g": _Number("iso_year_of_century", 2, "day"),
    "H": _Number("hour", 2, "hour"),
    "I": _Number("hour12", 2, "hour"),
    "j": _Number("day_of_year", 3, "day"),
    "k": _Number("hour", 2, "hour", "_"),
    "l": _Number("hour12", 2, "hour", "_"),
    "M": _Number("minute", 2, "minute"),
    "m": _Number("month", 2, "month"),
    "S": _Number("second", 2, "second"),
    "s": _Number("epoch", 1, "second", "_"),
    "U": _Number("sunday_week", 2, "day"),
    "u": _Number("iso_weekday", 1, "day"),
    "V": _Number("iso_week", 2, "day"),
    "W": _Number("monday_week", 2, "day"),
    "w": _Number("weekday", 1, "day"),
    "Y": _Number("year", 4, "year"),
    "y": _Number("year_of_century", 2, "year"),
}
_NAMES: Mapping[str, tuple[str, Unit, tuple[str, ...]]] = {
    "A": ("weekday", "day", DAYS),
    "a": ("weekday", "day", tuple(d[:3] for d in DAYS)),
    "B": ("month", "month", MONTHS),
    "b": ("month", "month", tuple(m[:3] for m in MONTHS)),
    "h": ("month", "month", tuple(m[:3] for m in MONTHS)),
    "P": ("afternoon", "hour", ("am", "pm")),
    "p": ("afternoon", "hour", ("AM", "PM")),
}
_NO_HOLES: Mapping[str, str] = {}
_FIRST = {"month": 1}  # the number that a list of names starts with


def values(moment: datetime) -> dict[str, int]:
    """Every field that a conversion can write, for a time in UTC."""
    day_of_year = moment.timetuple().tm_yday - 1
    weekday = moment.isoweekday() % 7
    iso_year, iso_week, iso_weekday = moment.isocalendar()
    epoch = (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)).total_seconds()
    return {
        "year": moment.year,
        "century": moment.year // 100,
        "year_of_century": moment.year % 100,
        "month": moment.month,
        "day": moment.day,
        "day_of_year": day_of_year + 1,
        "hour": moment.hour,
        "hour12": moment.hour % 12 or 12,
        "afternoon": moment.hour // 12,
        "minute": moment.minute,
        "second": moment.second,
        "epoch": int(epoch),
        "weekday": weekday,
        "iso_weekday": iso_weekday,
        "iso_year": iso_year,
        "iso_year_of_century": iso_year % 100,
        "iso_week": iso_week,
        "sunday_week": (day_of_year + 7 - weekday) // 7,
        "monday_week": (day_of_year + 7 - (weekday - 1) % 7) // 7,
    }


@dataclass(frozen=True, slots=True)
class Number:
    """A number in the text: ``pad`` is ``0``, ``_`` (spaces) or ``-`` (none); ``fill`` the width given by hand."""

    field: str
    unit: Unit
    width: int
    pad: str
    fill: int = 0

    @property
    def shortest(self) -> int:
        return self.width

    def sorts_as(self, field: str) -> bool:
        """Whether its texts sort as the numbers of this field do: always of the same width."""
        return self.field == field and self.pad == "0" and self.fill <= self.width

    def render(self, of: Mapping[str, int]) -> str:
        digits = str(of[self.field])
        if self.pad != "-":
            digits = digits.rjust(max(self.width, self.fill), "0" if self.pad == "0" else " ")
        return digits.rjust(self.fill)

    def regex(self) -> str:
        width = max(self.width, self.fill)
        if self.pad == "0" and self.field != "epoch":
            return f"[0-9]{{{width}}}"
        # ten digits first: the seconds of all times that can matter
        digits = (10, 12, 11, *range(9, 0, -1)) if self.field == "epoch" else range(self.width, 0, -1)
        filled = self.fill if self.pad == "-" else width
        return "|".join(f"[ 0]{{{max(filled - n, 0)}}}[0-9]{{{n}}}" for n in digits)

    def read(self, text: str) -> int:
        return int(text)


@dataclass(frozen=True, slots=True)
class Name:
    """A name out of a list: the day of the week, the month, or AM and PM."""

    field: str
    unit: Unit
    names: tuple[str, ...]
    pad: str = "_"
    fill: int = 0

    @property
    def shortest(self) -> int:
        return min(map(len, self.names))

    def render(self, of: Mapping[str, int]) -> str:
        name = self.names[of[self.field] - _FIRST.get(self.field, 0)]
        return name.rjust(self.fill, "0" if self.pad == "0" else " ")

    def regex(self) -> str:
        return f"[ 0]{{0,{self.fill}}}(?:{'|'.join(sorted(self.names, key=len, reverse=True))})"

    def read(self, text: str) -> int:
        return self.names.index(text.lstrip(" 0")) + _FIRST.get(self.field, 0)


Conversion = Number | Name
Token = str | Conversion
"""Text as it stands, or a conversion. Texts next to each other are joined."""


def tokens(text: str, holes: Mapping[str, str] = _NO_HOLES) -> list[Token]:
    """The text cut into what strftime copies and what it converts.

    ``holes`` are characters that stand for text not known yet, with their names. Raises ConfigError for a ``%`` right
    before one of them.
    """
    found: list[Token] = []
    start = 0
    while (at := text.find("%", start)) >= 0:
        _add(found, text[start:at])
        directive = _DIRECTIVE.match(text, at)
        if directive is None:  # nothing follows that could be converted: copied
            break
        if directive[4] in holes:
            before = directive[0][:-1]
            raise ConfigError(f"s3_key_format: {before!r} right before {holes[directive[4]]} cannot be read back")
        for token in _directive(directive):
            if isinstance(token, str):
                _add(found, token)
            else:
                found.append(token)
        start = directive.end()
    _add(found, text[start:] if at < 0 else text[at:])
    return found


def render(parts: list[Token], moment: datetime) -> list[str]:
    """The text of each token at a time in UTC."""
    of = values(moment)
    return [t if isinstance(t, str) else t.render(of) for t in parts]


def _add(found: list[Token], text: str) -> None:
    if not text:
        return
    if found and isinstance(found[-1], str):
        found[-1] += text
    else:
        found.append(text)


def _directive(match: re.Match[str]) -> list[Token]:
    flags, width, modifier, char = match.groups()
    fill = MAX_FILL if len(width) > 4 else min(int(width or 0), MAX_FILL)
    pad = next((f for f in reversed(flags) if f in "_-0"), "")
    upper, swap = "^" in flags, "#" in flags
    if char not in _NOT_AFTER.get(modifier, frozenset()):
        if char in _COMPOSITES:
            return _composite(char, pad, fill, upper)
        if char in _NUMBERS:
            number = _NUMBERS[char]
            return [Number(number.field, number.unit, number.width, pad or number.pad, fill)]
        if char in _NAMES:
            return [_name(char, pad, fill, upper, swap)]
        text = _constant(char, pad, fill, swap)
        if text is not None:
            return [text]
    copied = match[0].upper() if upper or (swap and char in "bh") else match[0]
    return [copied.rjust(fill, "0" if pad == "0" else " ")]


def _composite(char: str, pad: str, fill: int, upper: bool) -> list[Token]:
    parts = tokens(_COMPOSITES[char])
    length = sum(len(p) if isinstance(p, str) else p.shortest for p in parts)  # always the same
    if upper:
        parts = [replace(p, names=tuple(n.upper() for n in p.names)) if isinstance(p, Name) else p for p in parts]
    return [("0" if pad == "0" else " ") * (fill - length), *parts]


def _name(char: str, pad: str, fill: int, upper: bool, swap: bool) -> Name:
    field, unit, names = _NAMES[char]
    if char == "p" and swap:
        names = tuple(n.lower() for n in names)
    elif char != "P" and (upper or swap):
        names = tuple(n.upper() for n in names)
    return Name(field, unit, names, pad or "_", fill)


def _constant(char: str, pad: str, fill: int, swap: bool) -> str | None:
    """Conversions whose text is always the same in UTC."""
    padding = "0" if pad == "0" else " "
    if char == "z":
        return "+".rjust(fill, padding) + Number("offset", "year", 4, pad or "0", fill).render({"offset": 0})
    text = {"%": "%", "n": "\n", "t": "\t", "Z": "gmt" if swap else "GMT"}.get(char)
    return None if text is None else text.rjust(fill, padding)
