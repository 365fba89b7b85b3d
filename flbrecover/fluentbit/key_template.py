"""One way in which a key can be written: from it to list prefixes, and from a key back to its tag and time.

A :class:`Template` is the text of one key in which the time, ``$UUID`` and ``$INDEX`` (and, for any tag, the tag) are
still open. docs/keys.md tells what it accepts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import regex

from flbrecover.fluentbit.key_span import ANY_TIME, UNITS, Span, floor, following, span_of, to_datetime
from flbrecover.fluentbit.key_strftime import Conversion, Number, Unit, render, tokens

MAX_RENDERED = 1023  # bytes that strftime writes into the buffer of 1024, with the leading "/"
PREFIX_BYTES = 900  # a longer prefix may run into the place where strftime cut the key
CUT_FROM = 980  # a key of so many bytes may be one that was cut
LONGEST_WHOLE = CUT_FROM // 4  # characters: a key of no more of them was not cut
MOST_SPANS = 4096  # that a template remembers: keys of one hour have the same
MOST_FOLDERS = 4096  # of which a template remembers what their keys say
MATCH_SECONDS = 1.0  # hostile keys under a format of many adjacent tag parts

# Characters that stand for what is not known yet. They are surrogates that no decoding of bytes gives.
UUID = "\ud800"
INDEX = "\ud801"
NUMBER = "\ud802"  # the second half of a buffer file's name, where it stands for the tag
TAG = "\ud803"
PARTS = tuple(chr(0xD810 + n) for n in range(10))
_PART_GROUPS = [(n, f"part{n}") for n in range(len(PARTS))]
_ANY_LENGTH = frozenset((TAG, *PARTS))
_SILENT = frozenset((UUID, INDEX, NUMBER))  # what stands for them says nothing, and has no "/"
HOLES: Mapping[str, str] = {
    UUID: "$UUID",
    INDEX: "$INDEX",
    NUMBER: "a tag",
    TAG: "$TAG",
    **{char: f"$TAG[{n}]" for n, char in enumerate(PARTS)},
}

SUFFIX = r"-object[0-9A-Za-z]{8}"
RECOVERED_INDEX = r"r[0-9A-Za-z]{8}"
_RAW = regex.compile("[\udc80-\udcff]+")  # bytes that are not UTF-8
_ENDING = regex.compile(f"{SUFFIX}\\Z")
_BIG_ENDIAN = ("year", "month", "day", "hour", "minute", "second")
_LAST_CHARACTER = "\U0010ffff"
_UNITS_LISTED: tuple[Unit, ...] = ("hour", "day", "month", "year")


@dataclass(frozen=True, slots=True)
class KeyFields:
    """What a key says. ``tag_parts`` are the pairs (n, text of ``$TAG[n]``), ``tag`` the whole tag where the key has
    it. ``start_ns`` (included) and ``end_ns`` (excluded) bound the key's own time; None where its format has none."""

    tag: str | None
    tag_parts: tuple[tuple[int, str], ...]
    start_ns: int | None
    end_ns: int | None


class Template:
    """One way in which a key can be written. ``text`` is the format with the tag put in and holes for the rest.

    Raises ConfigError, naming the construct, where a key could not be read back.
    """

    def __init__(self, text: str, tag_delimiters: str) -> None:
        self._parts = [piece for token in tokens(text, HOLES) for piece in _split(token)]
        self._conversions: dict[Conversion, str] = {}  # each with the name of its group
        self._no_delimiter = f"[^/{regex.escape(tag_delimiters)}]"
        seen: set[str] = set()
        pattern = "".join(self._regex(part, seen) for part in self._parts)
        self._cut = regex.compile(pattern, regex.DOTALL)
        whole = f"{pattern}(?:{SUFFIX})?"
        # With one part of any length no key can take long: it needs no limit, and a tenth of the time.
        quick = len(seen & _ANY_LENGTH) < 2
        self._fullmatch = (
            re.compile(whole, re.DOTALL).fullmatch
            if quick
            else partial(regex.compile(whole, regex.DOTALL).fullmatch, timeout=MATCH_SECONDS)
        )
        self._spans: dict[tuple[str | None, ...], Span | None] = {}  # by the texts of the conversions
        self._leaf = self._leaf_match()
        self._of_folder: dict[str, KeyFields | None] = {}

    @property
    def static_prefix(self) -> str:
        """What every key of the template starts with."""
        first = self._parts[0] if self._parts else ""
        return _list_prefix(first if isinstance(first, str) and first not in HOLES else "")

    def may_be_under(self, prefix: str) -> bool:
        """Whether keys of the template can have this list prefix."""
        return prefix.startswith(self.static_prefix) or self.static_prefix.startswith(prefix)

    def prefixes(self, start_ns: int | None, end_ns: int | None, limit: int) -> set[str]:
        """At most ``limit`` prefixes that all keys with a time from start to end begin with."""
        if start_ns is not None and end_ns is not None:
            for unit in _UNITS_LISTED:
                found = self._of_unit(to_datetime(start_ns), to_datetime(end_ns), unit, limit)
                if found is not None:
                    return found
        return {self.static_prefix}

    def bounds(self, start_ns: int, end_ns: int) -> tuple[str, str] | None:
        """Two texts between which (the first included) every key with a time from start to end sorts by its bytes;
        None where keys do not sort by time: their year comes first, then month, day and so on, each of fixed width."""
        head: list[str | Conversion] = []
        units = 0
        for part in self._parts:
            if part in HOLES:
                break
            if not isinstance(part, str):
                if not (isinstance(part, Number) and units < len(_BIG_ENDIAN) and part.sorts_as(_BIG_ENDIAN[units])):
                    break
                units += 1
            head.append(part)
        if not units:
            return None
        first, last = (_list_prefix("".join(render(head, to_datetime(time)))) for time in (start_ns, end_ns))
        return first, last + _LAST_CHARACTER

    def fields(self, key: str) -> KeyFields | None:
        """What the key says; None where it is no key of the template, or its times contradict each other."""
        if self._leaf is None or len(key) > LONGEST_WHOLE:
            return self._fields(key)
        folder, _, leaf = key.rpartition("/")
        if self._leaf(leaf) is None:
            return None
        if folder not in self._of_folder:
            if len(self._of_folder) >= MOST_FOLDERS:
                self._of_folder.clear()
            self._of_folder[folder] = self._fields(key)
        return self._of_folder[folder]

    def _fields(self, key: str) -> KeyFields | None:
        groups = self._match(key)
        span = None if groups is None else self._span(groups)
        if groups is None or span is None:
            return None
        parts = tuple([(n, groups[name]) for n, name in _PART_GROUPS if name in groups])
        return KeyFields(groups.get("tag"), parts, span.start_ns, span.end_ns)

    def _match(self, key: str) -> Mapping[str, str] | None:
        """The texts of what was open in the template, by group name; empty for a key that strftime cut."""
        try:
            found = self._fullmatch(key)
            if found is None and len(_bytes(key)) >= CUT_FROM:
                found = self._cut.fullmatch(_ENDING.sub("", key), partial=True, timeout=MATCH_SECONDS)
                return None if found is None else {}
        except TimeoutError:
            return None
        return None if found is None else {k: v for k, v in found.groupdict().items() if v is not None}

    def _span(self, groups: Mapping[str, str]) -> Span | None:
        """The time span of a match, None where its times contradict each other."""
        texts = tuple([groups.get(name) for name in self._conversions.values()])
        if texts not in self._spans:
            if len(self._spans) >= MOST_SPANS:
                self._spans.clear()
            self._spans[texts] = self._read_span(groups)
        return self._spans[texts]

    def _read_span(self, groups: Mapping[str, str]) -> Span | None:
        fields: dict[str, int] = {}
        for conversion, name in self._conversions.items():
            if name not in groups:
                return ANY_TIME
            value = conversion.read(groups[name])
            if fields.setdefault(conversion.field, value) != value:
                return None
        return span_of(fields)

    def _of_unit(self, start: datetime, end: datetime, unit: Unit, limit: int) -> set[str] | None:
        """Prefixes with a time down to this unit, None where the template has none or they would be too many."""
        head = []
        found_unit = False
        for part in self._parts:
            if part in HOLES or (isinstance(part, Number) and part.field == "epoch"):
                break
            if not isinstance(part, str):
                if UNITS.index(part.unit) < UNITS.index(unit):
                    break
                found_unit = found_unit or part.unit == unit
            head.append(part)
        if not found_unit:
            return None
        prefixes = set()
        moment = floor(min(start, end), unit)
        for _ in range(limit):
            prefixes.add(_list_prefix("".join(render(head, moment))))
            try:
                moment = following(moment, unit)
            except (OverflowError, ValueError):
                return prefixes
            if moment > end:
                return prefixes
        return None

    def _leaf_match(self) -> Callable[[str], re.Match[str] | None] | None:
        """What tells whether a text can stand behind the last "/" of a key, where that says nothing of tag and time:
        all keys of one folder say the same then. None where it may say something."""
        texts = [n for n, part in enumerate(self._parts) if isinstance(part, str) and "/" in part]
        if not texts:
            return None
        at = texts[-1]
        head, leaf = self._parts[:at], self._parts[at + 1 :]
        if any(not isinstance(part, str) or (part in HOLES and (part not in _SILENT or part in head)) for part in leaf):
            return None
        first = str(self._parts[at]).rpartition("/")[2]
        seen: set[str] = set()
        pattern = "".join(self._regex(part, seen) for part in (first, *leaf))
        return re.compile(f"{pattern}(?:{SUFFIX})?", re.DOTALL).fullmatch

    def _regex(self, part: str | Conversion, seen: set[str]) -> str:
        if isinstance(part, str):
            return self._hole(part, seen) if part in HOLES else _literal(part)
        if part in self._conversions:
            return f"(?P={self._conversions[part]})"
        name = self._conversions[part] = f"time{len(self._conversions)}"
        return f"(?P<{name}>{part.regex()})"

    def _hole(self, hole: str, seen: set[str]) -> str:
        again = hole in seen
        seen.add(hole)
        if hole in PARTS:
            # Fluent Bit leaves "[n]" behind the whole tag where the tag has no part n.
            n = PARTS.index(hole)
            part = f"(?P=part{n})" if again else f"(?P<part{n}>{self._no_delimiter}+)"
            return f"(?:{part}|{self._hole(TAG, seen)}\\[{n}\\])"
        name, expression = {
            UUID: ("uuid", "[0-9A-Za-z]{8}"),
            INDEX: ("index", f"(?:[0-9]{{1,20}}|{RECOVERED_INDEX})"),
            NUMBER: ("number", "[0-9]{1,20}"),
            TAG: ("tag", ".+?"),
        }[hole]
        return f"(?P={name})" if again else f"(?P<{name}>{expression})"


def _split(token: str | Conversion) -> list[str | Conversion]:
    """A text cut at its holes."""
    if not isinstance(token, str):
        return [token]
    pieces: list[str | Conversion] = []
    text = ""
    for char in token:
        if char in HOLES:
            pieces += [text, char] if text else [char]
            text = ""
        else:
            text += char
    return [*pieces, text] if text else pieces


def _literal(text: str) -> str:
    """A text as a regular expression. Bytes that are not UTF-8 come back from S3 as U+FFFD, if at all."""
    return "[\udc80-\udcff\ufffd]+".join(regex.escape(t) for t in _RAW.split(text))


def _list_prefix(text: str) -> str:
    """As much of a text as S3 can be asked for."""
    return _bytes(_RAW.split(text, 1)[0])[:PREFIX_BYTES].decode("utf-8", "ignore")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
