"""``[...]`` and character escapes of Onigmo's syntax: see :mod:`onigmo`."""

from __future__ import annotations

import re

from flbrecover.fluentbit import onigmo_sets as sets
from flbrecover.fluentbit.onigmo_sets import Ranges

MAX_DEPTH = 20
CLASS_ESCAPES = "dDwWsShHpP"

_TYPES = {"d": sets.DIGIT, "w": sets.WORD, "s": sets.SPACE, "h": sets.HEX}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7, "e": 27}
_POSIX = re.compile(r"\[:(\^?)([a-z]{1,10}):\]")
_PROPERTY = re.compile(r"[pP]\{(\^?)([\w ]{1,60})\}", re.ASCII)
_CODE = re.compile(r"x\{([0-9a-fA-F]{1,8})\}|x([0-9a-fA-F]{0,2})|u([0-9a-fA-F]{4})|([0-7]{1,3})")
_CONTROL = re.compile(r"(?:c|C-)([\x20-\x7e])")


def escaped_code(text: str, at: int) -> tuple[int, int]:
    """The code point that an escape stands for and the place after it; ``at`` is the place after the backslash.

    A letter without a meaning stands for itself. Raises ValueError for bytes of 0x80 and more written one by one
    (``\\xc3``), which mean parts of a character.
    """
    if at >= len(text):
        raise ValueError("ends with a backslash")
    c = text[at]
    if c in _CONTROLS:
        return _CONTROLS[c], at + 1
    if found := _CODE.match(text, at):
        wide, byte, four, octal = found.groups()
        code = int(wide or four or byte or "0", 16) if octal is None else int(octal, 8)
        one_byte = wide is None and four is None
        if code > sets.LAST or 0xD800 <= code <= 0xDFFF or (one_byte and code > 0x7F):
            raise ValueError(f"the escape \\{found[0]}")
        return code, found.end()
    if found := _CONTROL.match(text, at):
        return ord(found[1]) & 0x9F, found.end()
    if c in "cCMu":
        raise ValueError(f"the escape \\{text[at : at + 4]}")
    return ord(c), at + 1


class ClassReader:
    """Reads one class of ``text``; ``at`` is the place after its ``[`` and, at the end, the place after its ``]``."""

    def __init__(self, text: str, at: int, ignore_case: bool) -> None:
        self.text = text
        self.at = at
        self.ignore_case = ignore_case

    def read(self) -> sets.CharPattern:
        ranges, negated = self._bracket(0)
        return sets.char_pattern(ranges, invalid=negated)

    def class_escape(self) -> tuple[Ranges, bool]:
        """``\\d``, ``\\W``, ``\\p{Alpha}`` …: its set, and whether it was written as the negation of one."""
        c = self.text[self.at]
        if c in "pP":
            found = _PROPERTY.match(self.text, self.at)
            known = sets.unicode_property(found[2].replace(" ", "_")) if found else None
            if found is None or known is None:
                raise ValueError(f"the property \\{self.text[self.at : self.at + 12]}")
            self.at = found.end()
            negated = (c == "P") != bool(found[1])
            return (sets.complement(known) if negated else known), negated
        self.at += 1
        ranges = _TYPES[c.lower()]
        return (sets.complement(ranges), True) if c.isupper() else (ranges, False)

    def _bracket(self, depth: int) -> tuple[Ranges, bool]:
        if depth > MAX_DEPTH:
            raise ValueError(f"character classes nested more than {MAX_DEPTH} deep")
        negated = self._take("^")
        both: Ranges | None = None  # what stands left of the last &&
        parts: list[Ranges] = []
        if self.text.startswith("]", self.at):
            if "]" not in self.text[self.at + 1 :]:
                raise ValueError("the empty character class []")
            parts.append(self._from_char())
        while not self._take("]"):
            if self.at >= len(self.text):
                raise ValueError("a character class is not closed")
            if self._take("&&"):
                here = self._cased(parts)
                both = here if both is None else sets.intersection(both, here)
                parts = []
            else:
                parts.append(self._part(depth))
        here = self._cased(parts)
        ranges = here if both is None else sets.intersection(both, here)
        return (sets.complement(ranges) if negated else ranges), bool(negated)

    def _part(self, depth: int) -> Ranges:
        if found := _POSIX.match(self.text, self.at):
            known = sets.posix(found[2])
            if known is None:
                raise ValueError(f"the bracket {found[0]}")
            self.at = found.end()
            return self._no_range(sets.complement(known) if found[1] else known)
        if self._take("["):
            return self._bracket(depth + 1)[0]
        if self.text[self.at] == "\\" and self.text[self.at + 1 : self.at + 2] in tuple(CLASS_ESCAPES):
            self.at += 1
            return self._no_range(self.class_escape()[0])
        return self._from_char()

    def _no_range(self, ranges: Ranges) -> Ranges:
        if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            raise ValueError("a range from a whole class of characters")
        return ranges

    def _from_char(self) -> Ranges:
        """One character, or a range that begins with it."""
        low = self._char()
        if self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
            after = self.text[self.at + 1 : self.at + 3]
            if after == "&&":
                return ((low, low),)
            if after[0] == "[" or (after[0] == "\\" and after[1:] in tuple(CLASS_ESCAPES)):
                raise ValueError(f"a range up to {after}")
            self.at += 1
            high = self._char()
            if high < low:
                raise ValueError(f"a range that runs backwards: {chr(low)}-{chr(high)}")
            return ((low, high),)
        return ((low, low),)

    def _char(self) -> int:
        c = self.text[self.at]
        self.at += 1
        if c != "\\":
            return ord(c)
        if self.text.startswith("b", self.at):
            self.at += 1
            return 8
        code, self.at = escaped_code(self.text, self.at)
        return code

    def _cased(self, parts: list[Ranges]) -> Ranges:
        ranges = sets.union(*parts)
        return sets.both_cases(ranges) if self.ignore_case else ranges

    def _take(self, c: str) -> str:
        if self.text.startswith(c, self.at):
            self.at += len(c)
            return c
        return ""
