"""Fluent Bit's own strptime: which part of a text a time format accepts, and what it sets.

It is not Python's: numbers may have fewer digits, what follows the format is ignored, zone names have offsets, and
what was read before a mismatch stays set (a parser with ``Time_Strict off`` goes on with that). Source:
src/flb_strptime.c.
"""

from __future__ import annotations

from dataclasses import dataclass

_SPACE = b" \t\n\v\f\r"
_DIGITS = b"0123456789"
_HOUR = 3600
_DAYS = (b"Sunday", b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday")
_MONTHS = (
    b"January", b"February", b"March", b"April", b"May", b"June", b"July", b"August", b"September", b"October",
    b"November", b"December",
)  # fmt: skip
_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WHOLE_FORMATS = {  # in the C locale, which Fluent Bit never leaves
    "c": b"%a %b %e %H:%M:%S %Y",
    "D": b"%m/%d/%y",
    "F": b"%Y-%m-%d",
    "R": b"%H:%M",
    "r": b"%I:%M:%S %p",
    "T": b"%H:%M:%S",
    "X": b"%H:%M:%S",
    "x": b"%m/%d/%y",
}
_NUMBERS = {  # directive: (lowest, highest, what it sets)
    "C": (0, 99, "century"), "d": (1, 31, "day"), "e": (1, 31, "day"), "H": (0, 23, "hour"), "k": (0, 23, "hour"),
    "I": (1, 12, "hour"), "l": (1, 12, "hour"), "j": (1, 366, "day_of_year"), "M": (0, 59, "minute"),
    "m": (1, 12, "month"), "S": (0, 60, "second"), "U": (0, 53, ""), "W": (0, 53, ""), "w": (0, 6, ""),
    "u": (1, 7, ""), "g": (0, 99, ""), "V": (0, 53, ""), "Y": (0, 9999, "year"), "y": (0, 99, "short_year"),
}  # fmt: skip
_ALTERNATIVES = {f"E{c}" for c in "cXxCYy"} | {f"O{c}" for c in "deHkIlMmSUWwy"}  # accepted, without a meaning
_ZONES: dict[bytes, float] = {  # %Z, in hours; the single letters are military zones
    b"GMT": 0, b"UTC": 0, b"UT": 0, b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6,
    b"PST": -8, b"PDT": -7, b"AKST": -9, b"AKDT": -8, b"HST": -10, b"HADT": -9, b"AST": -4, b"ADT": -3, b"NST": -3.5,
    b"NDT": -2.5, b"WET": 0, b"WEST": 1, b"CET": 1, b"CEST": 2, b"EET": 2, b"EEST": 3, b"MSK": 3, b"ART": -3,
    b"BRT": -3, b"BRST": -2, b"CLT": -4, b"CLST": -3, b"AEST": 10, b"AEDT": 11, b"ACST": 9.5, b"ACDT": 10.5,
    b"AWST": 8, b"NZST": 12, b"NZDT": 13, b"JST": 9, b"KST": 9, b"SGT": 8, b"IST": 5.5, b"GST": 4, b"ICT": 7,
    b"WIB": 7, b"WITA": 8, b"WIT": 9, b"MYT": 8, b"BDT": 6, b"NPT": 5.75, b"WAT": 1, b"CAT": 2, b"EAT": 3,
    b"SAST": 2, b"Z": 0,
}  # fmt: skip
_ZONES |= {bytes([65 + n]): n + 1 for n in range(9)}  # A .. I
_ZONES |= {bytes([75 + n]): n + 10 for n in range(3)}  # K .. M
_ZONES |= {bytes([78 + n]): -1 - n for n in range(12)}  # N .. Y
_AMERICAN = {b"EST": -5, b"CST": -6, b"MST": -7, b"PST": -8, b"EDT": -4, b"CDT": -5, b"MDT": -6, b"PDT": -7}


@dataclass(slots=True)
class BrokenTime:
    """C's ``struct tm`` with its zero start: ``month`` counts from 0, ``day`` 0 means not set."""

    year: int = 1900
    month: int = 0
    day: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    gmtoff: int = 0

    def seconds(self) -> int:
        """Seconds since the epoch of the date and time as if it were UTC; days past a month's end run on."""
        year, month = self.year + self.month // 12, self.month % 12
        days = days_before(year, month) + self.day - 1
        return days * 86400 + self.hour * _HOUR + self.minute * 60 + self.second


def days_before(year: int, month: int) -> int:
    """Days from the epoch to the first day of a month (0 is January) in the Gregorian calendar."""
    y = year - (month < 2)
    shifted = (month + 10) % 12  # the year begins in March
    era, of_era = divmod(y, 400)
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + (153 * shifted + 2) // 5 - 719468


def strptime(text: bytes, time_format: bytes, tm: BrokenTime, *, at: int = 0) -> int | None:
    """Reads ``text`` from ``at`` on into ``tm``; gives where it stopped, or None on a mismatch. ``tm.gmtoff`` starts
    again at 0 in each call."""
    tm.gmtoff = 0
    return _Scan(text, tm).run(time_format, at)


class _Scan:
    """One call of strptime with what it remembers between directives."""

    def __init__(self, text: bytes, tm: BrokenTime) -> None:
        self.text = text
        self.tm = tm
        self.set: set[str] = set()
        self.century = 1900
        self.short_year: int | None = None
        self.day_of_year = 0

    def run(self, time_format: bytes, at: int) -> int | None:
        fmt = time_format.decode("latin-1")
        i = 0
        while i < len(fmt):
            c = fmt[i]
            i += 1
            if c in " \t\n\v\f\r":
                at = self._skip_space(at)
                continue
            if at >= len(self.text):
                return None
            if c != "%":
                found: int | None = at + 1 if self.text[at] == ord(c) else None
            elif i >= len(fmt):
                return None
            else:
                if fmt[i : i + 2] in _ALTERNATIVES:
                    i += 1
                found = self._directive(fmt[i], at)
                i += 1
            if found is None:
                return None
            at = found
        self._finish()
        return at

    def _directive(self, c: str, at: int) -> int | None:
        if c in _NUMBERS:
            return self._number(c, at)
        if c in _WHOLE_FORMATS:
            return self.run(_WHOLE_FORMATS[c], at)
        if c in "Aa":
            return self._name(_DAYS, at)[1]
        if c in "Bbh":
            month, end = self._name(_MONTHS, at)
            if end is not None:
                self.tm.month = month
                self.set.add("month")
            return end
        if c == "p":
            return self._am_pm(at)
        if c == "s":
            return self._epoch(at)
        if c == "Z":
            return self._zone_name(at)
        if c == "z":
            return self._offset(self._skip_space(at))
        if c in "nt":
            return self._skip_space(at)
        if c == "G":
            at += 1
            while at < len(self.text) and self.text[at] in _DIGITS:
                at += 1
            return at
        return at + 1 if c == "%" and self.text[at] == 0x25 else None

    def _skip_space(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in _SPACE:
            at += 1
        return at

    def _number(self, c: str, at: int) -> int | None:
        low, high, what = _NUMBERS[c]
        if c == "e" and self.text[at] in _SPACE:
            at += 1
        value, end = _digits(self.text, at, high)
        if end is None or not low <= value <= high:
            return None
        if what == "century":
            self.century = value * 100
        elif what == "short_year":
            self.short_year = value
        elif what == "day_of_year":
            self.day_of_year = value - 1
        elif what:
            if what == "year":
                self.short_year = None
            setattr(self.tm, what, value - 1 if what == "month" else value)
        self.set.add(what)
        return end

    def _name(self, names: tuple[bytes, ...], at: int) -> tuple[int, int | None]:
        rest = self.text[at : at + 9].lower()
        for i, name in enumerate(names):
            for spelling in (name.lower(), name[:3].lower()):
                if rest.startswith(spelling):
                    return i, at + len(spelling)
        return 0, None

    def _am_pm(self, at: int) -> int | None:
        half = self.text[at : at + 2].upper()
        if half not in (b"AM", b"PM") or self.tm.hour > 12:
            return None
        self.tm.hour = self.tm.hour % 12 + (12 if half == b"PM" else 0)
        return at + 2

    def _epoch(self, at: int) -> int | None:
        end = at
        while end < len(self.text) and end - at < 19 and self.text[end] in _DIGITS:
            end += 1
        if end == at or int(self.text[at:end]) >= 2**63 // 10:  # the reader's own guard against an overflow
            return None
        self.tm.year, self.tm.month, self.tm.day = 1970, 0, 1
        self.tm.hour = self.tm.minute = 0
        self.tm.second = int(self.text[at:end])
        self.tm.gmtoff = 0
        self.set |= {"year", "month", "day"}
        return end

    def _zone_name(self, at: int) -> int | None:
        end = at
        while end < len(self.text) and end - at < 5 and self.text[end : end + 1].isalnum():
            end += 1
        hours = _ZONES.get(self.text[at:end].upper())
        if hours is None:
            if self.text[at : at + 3] not in (b"GMT", b"UTC"):
                return None  # names of the container's own time zone are not known here
            hours, end = 0, at + 3
        self.tm.gmtoff = int(hours * _HOUR)
        return end

    def _offset(self, at: int) -> int | None:
        """``Z``, ``UT``, ``UTC``, ``GMT``, ``+hhmm``, ``+hh:mm``, ``+hh`` and the American zone names."""
        text = self.text
        if text[at : at + 3] in (b"UTC", b"GMT"):
            self.tm.gmtoff = 0
            return at + 3
        if text[at : at + 2] == b"UT":
            self.tm.gmtoff = 0
            return at + 2
        if text[at : at + 1] == b"Z":
            self.tm.gmtoff = 0
            return at + 1
        if text[at : at + 1] not in (b"+", b"-"):
            hours = _AMERICAN.get(text[at : at + 3].upper())
            if hours is None:
                return None
            self.tm.gmtoff = hours * _HOUR
            return at + 3
        sign = -1 if text[at] == 0x2D else 1
        hour = text[at + 1 : at + 3]
        if len(hour) < 2 or not hour.isdigit():
            return None
        offset = int(hour) * _HOUR
        at += 3
        if text[at : at + 1] == b":":
            at += 1
        if text[at : at + 1].isdigit():
            minute = text[at : at + 2]
            if len(minute) < 2 or not minute.isdigit():
                return None
            offset += int(minute) * 60
            at += 2
        self.tm.gmtoff = sign * offset
        return at

    def _finish(self) -> None:
        """A two digit year and a day of the year are worked out at the end of each (inner) format."""
        tm = self.tm
        if self.short_year is not None:
            base = self.century if self.century != 1900 else 2000 if self.short_year <= 68 else 1900
            tm.year = base + self.short_year
            self.set.add("year")
        if not {"year", "day_of_year"} <= self.set or {"month", "day"} <= self.set:
            return
        month, days = 0, self.day_of_year
        leap = tm.year % 4 == 0 and (tm.year % 100 != 0 or tm.year % 400 == 0)
        lengths = [n + (leap and i == 1) for i, n in enumerate(_MONTH_LENGTHS)]
        if "month" not in self.set:
            while month < 12 and days >= lengths[month]:
                days -= lengths[month]
                month += 1
            tm.month = month
        if "day" not in self.set:
            tm.day = days + 1


def _digits(text: bytes, at: int, high: int) -> tuple[int, int | None]:
    """A number that could still be at most ``high`` with one digit more is read on; so ``%d`` of ``45`` is 4."""
    value, limit = 0, high
    start = at
    while at < len(text) and text[at] in _DIGITS:
        value = value * 10 + text[at] - 48
        at += 1
        limit //= 10
        if value * 10 > high or not limit:
            break
    return value, at if at > start else None
