"""Sets of characters for :mod:`onigmo`: as ranges of code points, and as patterns over their UTF-8 bytes.

Onigmo reads UTF-8 (src/flb_regex.c asks for ONIG_ENCODING_UTF8) one character at a time; a byte that begins no valid
sequence counts as one character of its own, and so does a sequence cut off by the end of the text. The patterns made
here consume exactly that, on bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import regex

Ranges = tuple[tuple[int, int], ...]
"""Sorted code point ranges, both ends included, that neither touch nor overlap."""

LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)  # not characters in UTF-8
_VALID = (
    r"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    r"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_CUT_OFF = (
    r"(?:[\xc2-\xdf]|\xe0[\xa0-\xbf]?|[\xe1-\xec\xee\xef][\x80-\xbf]?|\xed[\x80-\x9f]?|\xf0(?:[\x90-\xbf][\x80-\xbf]?)?"
    r"|[\xf1-\xf3][\x80-\xbf]{0,2}|\xf4(?:[\x80-\x8f][\x80-\xbf]?)?)\Z"
)
INSIDE = (  # true between two bytes of one character
    r"(?:(?<=[\xc2-\xdf])[\x80-\xbf]|(?<=\xe0)[\xa0-\xbf][\x80-\xbf]|(?<=[\xe1-\xec\xee\xef])[\x80-\xbf]{2}"
    r"|(?<=\xed)[\x80-\x9f][\x80-\xbf]|(?<=\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf]"
    r"|(?<=\xf0)[\x90-\xbf][\x80-\xbf]{2}|(?<=[\xf1-\xf3])[\x80-\xbf]{3}|(?<=\xf4)[\x80-\x8f][\x80-\xbf]{2}"
    r"|(?<=\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2}"
    r"|(?<=(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf])[\x80-\xbf])"
)
_INVALID = rf"(?!{_VALID})(?:{_CUT_OFF}|[\x80-\xff])"

_POSIX = {  # what Onigmo's brackets match in UTF-8, measured; the Unicode version is that of the package regex
    "alnum": r"[\p{Alphabetic}\p{Nd}]",
    "alpha": r"\p{Alphabetic}",
    "ascii": r"[\x00-\x7f]",
    "blank": r"[\p{Zs}\t]",
    "cntrl": r"\p{Cc}",
    "digit": r"\p{Nd}",
    "graph": r"[^\p{Z}\t-\r\x85\p{Cc}\p{Cn}\p{Cs}]",
    "lower": r"\p{Lowercase}",
    "print": r"[^\t-\r\x85\p{Zl}\p{Zp}\p{Cc}\p{Cn}\p{Cs}]",
    "punct": r"[\p{P}$+<=>^`|~]",
    "space": r"[\p{Z}\t-\r\x85]",
    "upper": r"\p{Uppercase}",
    "xdigit": r"[0-9a-fA-F]",
    "word": r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]",
}
BOUNDARY_WORD = r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}²³¹¼½¾]"  # what \b takes for a word character
DIGIT: Ranges = ((0x30, 0x39),)
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20))
HEX: Ranges = ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66))


def union(*sets: Ranges) -> Ranges:
    """Every code point of any of the sets."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(r for s in sets for r in s):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return tuple(out)


def complement(ranges: Ranges) -> Ranges:
    """Every code point that is not in the set."""
    edges = [-1, *(e for r in ranges for e in r), LAST + 1]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((low + 1, high - 1) for low, high in pairs if low + 1 <= high - 1)


def intersection(a: Ranges, b: Ranges) -> Ranges:
    """Every code point of both sets."""
    return complement(union(complement(a), complement(b)))


def posix(name: str) -> Ranges | None:
    """``[:name:]``; None where Onigmo knows no such bracket."""
    expression = _POSIX.get(name)
    return None if expression is None else members(expression)


def unicode_property(name: str) -> Ranges | None:
    """``\\p{name}``; None where the package regex knows no such property."""
    found = posix(name.lower())
    if found is None and name.replace("_", "").isalnum() and name.isascii():
        try:
            found = members(rf"\p{{{name}}}")
        except regex.error:
            return None
    return found


@functools.lru_cache(maxsize=64)
def members(expression: str) -> Ranges:
    """The code points that a one-character expression of the package regex matches."""
    everything = "".join(map(chr, (*range(_SURROGATES[0]), *range(_SURROGATES[1] + 1, LAST + 1))))
    found = (m[0] for m in regex.finditer(f"(?:{expression})+", everything))
    return union(tuple((ord(t[0]), ord(t[-1])) for t in found))


def both_cases(ranges: Ranges) -> Ranges:
    """With the other case of every letter. Large sets (properties) stay as they are: they have both cases or ask
    for one. Foldings to several characters (``ß`` and ``ss``) are not followed."""
    if sum(high - low for low, high in ranges) > 4096:
        return ranges
    letters = {chr(c) for low, high in ranges for c in range(low, high + 1)}
    folded = {other for c in letters for other in (c.lower(), c.upper()) if len(other) == 1}
    return union(ranges, tuple((ord(c), ord(c)) for c in folded))


@dataclass(frozen=True, slots=True)
class CharPattern:
    """One character, as a pattern over bytes: ``ascii`` is a bracket, ``wide`` alternatives; either may be empty."""

    ascii: str
    wide: str

    def one(self) -> str:
        if self.ascii and self.wide:
            return f"(?>{self.ascii}|{self.wide})"
        return self.ascii or (f"(?>{self.wide})" if self.wide else "(?!)")

    def many(self, least: int, mode: str) -> str:
        """At least 0 or 1 of them. ``mode`` is empty, ``?`` (lazy) or ``+`` (possessive).

        Runs of ASCII are matched by one bracket, which the engine does fast; the order in which lengths are tried is
        that of the plain loop.
        """
        first = self.one() if least else ""
        if not self.wide or not self.ascii:
            return f"{self.one()}{'+' if least else '*'}{mode}"
        lazy = "?" if mode == "?" else ""
        run = f"{self.ascii}*{lazy}"
        loop = f"{first}{run}(?:(?>{self.wide}){run})*{lazy}"
        return f"(?>{loop})" if mode == "+" else f"(?:{loop})"


@functools.lru_cache(maxsize=256)
def char_pattern(ranges: Ranges, invalid: bool) -> CharPattern:
    """The pattern of one character of the set; with ``invalid`` also of one byte that is no UTF-8."""
    narrow = intersection(ranges, ((0, 0x7F),))
    ascii_part = "".join(_byte_range(low, high) for low, high in narrow)
    high = intersection(ranges, union(((0x80, _SURROGATES[0] - 1),), ((_SURROGATES[1] + 1, LAST),)))
    if high == ((0x80, _SURROGATES[0] - 1), (_SURROGATES[1] + 1, LAST)):
        wide = [_VALID]
    else:
        wide = _by_lead(high)
    if invalid:
        wide.append(_INVALID)
    return CharPattern(f"[{ascii_part}]" if ascii_part else "", "|".join(wide))


def _by_lead(ranges: Ranges) -> list[str]:
    tails: dict[str, list[str]] = {}
    for low, high in ranges:
        for lead, *rest in _sequences(low, high):
            tails.setdefault(_bracket(*lead), []).append("".join(_bracket(*r) for r in rest))
    return [f"{lead}(?:{'|'.join(rest)})" for lead, rest in tails.items()]


def _sequences(low: int, high: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """A range of code points as sequences of byte ranges (the classic splitting at the UTF-8 length borders)."""
    for border in (0x7FF, 0xFFFF):
        if low <= border < high:
            yield from _sequences(low, border)
            yield from _sequences(border + 1, high)
            return
    for shift in (6, 12, 18):
        mask = (1 << shift) - 1
        if low >> shift != high >> shift:
            if low & mask:
                yield from _sequences(low, low | mask)
                yield from _sequences((low | mask) + 1, high)
                return
            if high & mask != mask:
                yield from _sequences(low, (high & ~mask) - 1)
                yield from _sequences(high & ~mask, high)
                return
    yield tuple(zip(chr(low).encode(), chr(high).encode(), strict=True))


def _bracket(low: int, high: int) -> str:
    return rf"\x{low:02x}" if low == high else f"[{_byte_range(low, high)}]"


def _byte_range(low: int, high: int) -> str:
    return rf"\x{low:02x}" if low == high else rf"\x{low:02x}-\x{high:02x}"
