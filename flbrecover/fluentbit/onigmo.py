"""Fluent Bit's regular expressions (Onigmo, Ruby syntax, UTF-8) as patterns of the package ``regex`` over bytes.

Source: src/flb_regex.c (delimiters and options) and lib/onigmo/doc/RE (the syntax). Every difference is written out in
the pattern, so that a match on the bytes of a record gives Onigmo's spans: ``.`` and ``[^x]`` consume a whole UTF-8
character, or one byte that is none; ``^`` and ``$`` are line anchors; ``\\d \\s \\w \\h`` are ASCII, POSIX brackets and
``\\b`` are not; the option ``m`` lets ``.`` match a newline; plain groups do not capture where a named one exists.
"""

from __future__ import annotations

import functools
import re

import regex

from flbrecover.fluentbit import onigmo_sets as sets
from flbrecover.fluentbit.onigmo_class import CLASS_ESCAPES, ClassReader, escaped_code
from flbrecover.fluentbit.onigmo_flags import Flags

MAX_PATTERN = 65_536
MAX_OUTPUT = 1_000_000
MAX_DEPTH = 60
MAX_REPEAT = 100_000  # ONIG_MAX_REPEAT_NUM

_INTERVAL = re.compile(r"\{(?:(\d+)(,?)(\d*)|,(\d+))\}")
_NAMED = re.compile(r"\(\?(?:<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", re.ASCII)
_OPTIONS = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])")
_CONDITION = re.compile(r"\(\?\((?:<(\w+)>|'(\w+)'|(\d+))\)", re.ASCII)
_BACKREF = re.compile(r"\\k(?:<([^>]*)>|'([^']*)')")
_SAME_GROUP = re.compile(r"\(\?(?:<[=!]|[:=!>])")  # groups that are written alike in both syntaxes
_NUMBERED = re.compile(r"[1-9]\d*", re.ASCII)
_ANCHORS = {"A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "G": r"\A", "K": r"\K"}
_LINE_START = r"^(?<!\n\Z)"
_NOT_INSIDE = rf"(?:(?![\x80-\xbf])|(?!{sets.INSIDE}))"
_LINE_BREAK = r"(?>\r\n|[\n-\r]|\xc2\x85|\xe2\x80[\xa8\xa9])"


@functools.lru_cache(maxsize=512)
def compile(pattern: str) -> regex.Pattern[bytes]:  # noqa: A001 - named as in re and regex
    """The pattern that matches bytes as Fluent Bit does with ``pattern``.

    ``pattern`` is the text as it stands in the configuration, with or without ``/.../imx``. Named groups keep their
    names. Use ``search`` (``match`` for Match_Regex) with a ``timeout``: an expression may be built to never end.
    Raises ValueError that names the construct where Onigmo refuses it or ``regex`` cannot take it.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"longer than {MAX_PATTERN} characters")
    body, options = _delimiters(pattern)
    reader = _Reader(body, named=False)
    translated = reader.whole(options)
    if reader.names:
        reader = _Reader(body, named=True)
        translated = reader.whole(options)
    if reader.may_start_inside:  # Onigmo looks for a match at the beginnings of characters only
        translated = f"{_NOT_INSIDE}(?:{translated})"
    try:
        return regex.compile(translated.encode("ascii"), regex.VERSION0 | regex.MULTILINE)
    except (regex.error, OverflowError) as e:
        raise ValueError(f"the package regex cannot take it: {e}") from e


def _delimiters(pattern: str) -> tuple[str, str]:
    """The expression without ``/.../`` and its options. Options that Fluent Bit does not know leave it untouched."""
    if len(pattern) > 1 and pattern.startswith("/"):
        end = pattern.rfind("/")
        options = pattern[end + 1 :]
        if end > 0 and set(options) <= set("imxo") and set(options) - {"o"}:
            return pattern[1:end], options
        if end == len(pattern) - 1:
            return pattern[1:end], ""
    return pattern, ""


class _Reader:
    """One pass over an expression. ``named`` is known after a first pass: it decides whether ``(...)`` captures."""

    def __init__(self, text: str, *, named: bool) -> None:
        self.text = text
        self.at = 0
        self.named = named
        self.names: set[str] = set()
        self.written = 0
        self.may_start_inside = False

    def whole(self, options: str) -> str:
        flags = Flags("i" in options, "m" in options, "x" in options)
        out = self._alternatives(flags, 0)
        if self.at < len(self.text):
            raise ValueError("unmatched )")
        return out

    def _alternatives(self, flags: Flags, depth: int) -> str:
        """Up to the end of the text or a ``)``, which is left to the caller."""
        if depth > MAX_DEPTH:
            raise ValueError(f"groups nested more than {MAX_DEPTH} deep")
        branches = [self._sequence(flags, depth)]
        while self._take("|"):
            branches.append(self._sequence(flags, depth))
        return "|".join(branches)

    def _sequence(self, flags: Flags, depth: int) -> str:
        out: list[str] = []
        if depth == 0 and not self.text.startswith(("^", r"\A"), self.at):
            self.may_start_inside = True
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if self._skipped(flags):
                continue
            isolated = self._isolated_options(flags)
            if isolated is not None:  # holds up to the end of the group, alternatives included
                out.append(f"(?:{self._alternatives(isolated, depth + 1)})")
                break
            atom = self._atom(flags, depth)
            piece = self._quantified(atom, flags)
            self.written += len(piece)
            if self.written > MAX_OUTPUT:
                raise ValueError("too large when written out for UTF-8")
            out.append(piece)
        return "".join(out)

    def _skipped(self, flags: Flags) -> bool:
        """Comments, and with the option x blanks and ``# ...``."""
        if self.text.startswith("(?#", self.at):
            self.at = self._find(")", self.at + 3) + 1
            return True
        if flags.extended and self.text[self.at] in " \t\n\r\f\v":
            self.at += 1
            return True
        if flags.extended and self.text[self.at] == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
            return True
        return False

    def _isolated_options(self, flags: Flags) -> Flags | None:
        found = _OPTIONS.match(self.text, self.at)
        if not found or found[3] != ")" or not found[0].strip("(?)"):
            return None
        self.at = found.end()
        return flags.changed(found[1], found[2] or "")

    def _atom(self, flags: Flags, depth: int) -> str | sets.CharPattern:
        c = self.text[self.at]
        if c == "(":
            return self._group(flags, depth)
        self.at += 1
        if c == "\\":
            return self._escape(flags)
        if c == "[":
            reader = ClassReader(self.text, self.at, flags.ignore_case)
            found = reader.read()
            self.at = reader.at
            return found
        if c == ".":
            newline = () if flags.dot_all else ((0x0A, 0x0A),)
            return sets.char_pattern(sets.complement(newline), invalid=True)
        if c == "^":
            return _LINE_START
        if c == "$":
            return "$"
        if c in "*+?":
            raise ValueError(f"nothing before {c} to repeat")
        return flags.literal(ord(c))

    def _group(self, flags: Flags, depth: int) -> str:
        found = _NAMED.match(self.text, self.at)
        if found:
            name = found[1] or found[2]
            self.names.add(name)
            return self._closed(found[0], f"(?P<{name}>", flags, depth)
        found = _CONDITION.match(self.text, self.at)
        if found:
            return self._closed(found[0], f"(?({found[1] or found[2] or found[3]})", flags, depth)
        found = _SAME_GROUP.match(self.text, self.at)
        if found:
            return self._closed(found[0], found[0], flags, depth)
        found = _OPTIONS.match(self.text, self.at)
        if found and found[3] == ":":
            return self._closed(found[0], "(?:", flags.changed(found[1], found[2] or ""), depth)
        if self.text.startswith("(?", self.at):
            raise ValueError(f"the group {self.text[self.at : self.at + 8]!r} is not understood")
        return self._closed("(", "(?:" if self.named else "(", flags, depth)

    def _closed(self, opening: str, written: str, flags: Flags, depth: int) -> str:
        self.at += len(opening)
        inner = self._alternatives(flags, depth + 1)
        if not self._take(")"):
            raise ValueError("a group is not closed")
        return f"{written}{inner})"

    def _escape(self, flags: Flags) -> str | sets.CharPattern:
        if self.at >= len(self.text):
            raise ValueError("ends with a backslash")
        c = self.text[self.at]
        if c in _ANCHORS or c in "bBRX":
            self.at += 1
            return self._special(c)
        if c in "kg":
            return self._reference(flags)
        if found := _NUMBERED.match(self.text, self.at):
            if self.named:
                raise ValueError(f"the numbered back reference \\{found[0]} beside named groups")
            if len(found[0]) == 1:
                self.at = found.end()
                return flags.same(rf"(?:\{found[0]})")
        if c in CLASS_ESCAPES:
            reader = ClassReader(self.text, self.at, flags.ignore_case)
            ranges, negated = reader.class_escape()
            self.at = reader.at
            return sets.char_pattern(ranges, invalid=negated)
        code, self.at = escaped_code(self.text, self.at)
        return flags.literal(code)

    def _special(self, c: str) -> str:
        if c == "R":
            return _LINE_BREAK
        if c == "X":
            raise ValueError("\\X")
        if c in "bB":
            word = sets.char_pattern(sets.members(sets.BOUNDARY_WORD), invalid=False)
            before = rf"(?:(?<={word.ascii})|(?<=[\x80-\xbf])(?<={word.wide}))"
            not_before = rf"(?<!{word.ascii})(?:(?<![\x80-\xbf])|(?<!{word.wide}))"
            after, not_after = f"(?={word.one()})", f"(?!{word.one()})"
            if c == "b":
                return f"(?:{before}{not_after}|{not_before}{after})"
            return f"(?:{before}{after}|{not_before}{not_after})"
        return _ANCHORS[c]

    def _reference(self, flags: Flags) -> str:
        if self.text[self.at] == "g":  # Onigmo keeps what the called group captures, regex does not
            raise ValueError("the call of a group \\g")
        found = _BACKREF.match(self.text, self.at - 1)
        if not found:
            raise ValueError(f"\\{self.text[self.at]} without a group")
        self.at = found.end()
        name = found[1] or found[2] or ""
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ValueError(found[0])
        return flags.same(f"(?P={name})")

    def _quantified(self, atom: str | sets.CharPattern, flags: Flags) -> str:
        out: str | None = None
        greedy = True
        while (quantifier := self._quantifier(flags)) is not None:
            least, most, mode = quantifier
            if out is not None and not (greedy and not mode):
                raise ValueError("a quantifier on a lazy or possessive quantifier")
            if out is None and isinstance(atom, sets.CharPattern) and most is None and least in (0, 1):
                out = atom.many(least, mode)
            else:
                base = out if out is not None else atom.one() if isinstance(atom, sets.CharPattern) else atom
                out = f"(?:{base}){_written(least, most)}{mode}"
            greedy = not mode
        if out is not None:
            return out
        return atom.one() if isinstance(atom, sets.CharPattern) else atom

    def _quantifier(self, flags: Flags) -> tuple[int, int | None, str] | None:
        """(least, most, mode) of the quantifier that comes next, which is consumed. An interval cannot be possessive
        in Ruby, and ``{n}`` not lazy: what follows them is another quantifier."""
        while self.at < len(self.text) and self._skipped(flags):
            pass
        c = self.text[self.at : self.at + 1]
        if c and c in "*+?":
            self.at += 1
            mode = self._take("?") or self._take("+")
            return (1 if c == "+" else 0, 1 if c == "?" else None, mode)
        found = _INTERVAL.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        low, comma, high, only_high = found.groups()
        least = int(low or 0)
        most = int(only_high) if only_high else int(high) if high else None if comma else least
        if max(least, most or 0) > MAX_REPEAT or (most is not None and least > most):
            raise ValueError(f"the repetition {found[0]}")
        return least, most, self._take("?") if least != most else ""

    def _take(self, c: str) -> str:
        if self.text.startswith(c, self.at):
            self.at += 1
            return c
        return ""

    def _find(self, c: str, start: int) -> int:
        found = self.text.find(c, start)
        if found < 0:
            raise ValueError("a comment is not closed")
        return found


def _written(least: int, most: int | None) -> str:
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return "?" if (least, most) == (0, 1) else f"{{{least},{most}}}"
