"""From a key format to list prefixes, and from a key back to its tag and time.

A :class:`Template` is the text of one key in which the time, ``$UUID`` and ``$INDEX`` (and, for any tag, the tag) are
still open. docs/keys.md tells what it accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import regex

from flbrecover.fluentbit.key_span import ANY_TIME, UNITS, Span, floor, following, span_of, to_datetime
from flbrecover.fluentbit.key_strftime import Conversion, Number, Unit, render, tokens

MOST_PREFIXES = 100
MAX_RENDERED = 1023  # bytes that strftime writes into the buffer of 1024, with the leading "/"
PREFIX_BYTES = 900  # a longer prefix may run into the place where strftime cut the key
CUT_FROM = 980  # a key of so many bytes may be one that was cut
MOST_SPANS = 4096  # that a template remembers: keys of one hour have the same
MATCH_SECONDS = 1.0  # hostile keys under a format of many adjacent tag parts

# Characters that stand for what is not known yet. They are surrogates that no decoding of bytes gives.
UUID = "\ud800"
INDEX = "\ud801"
NUMBER = "\ud802"  # the second half of a buffer file's name, where it stands for the tag
TAG = "\ud803"
PARTS = tuple(chr(0xD810 + n) for n in range(10))
_PART_GROUPS = [(n, f"part{n}") for n in range(len(PARTS))]
_ANY_LENGTH = frozenset((TAG, *PARTS))
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

    def match(self, key: str) -> Mapping[str, str] | None:
        """The texts of what was open in the template, by group name; empty for a key that strftime cut."""
        try:
            found = self._fullmatch(key)
            if found is None and len(_bytes(key)) >= CUT_FROM:
                found = self._cut.fullmatch(_ENDING.sub("", key), partial=True, timeout=MATCH_SECONDS)
                return None if found is None else {}
        except TimeoutError:
            return None
        return None if found is None else {k: v for k, v in found.groupdict().items() if v is not None}

    def span(self, groups: Mapping[str, str]) -> Span | None:
        """The time span of a match, None where its times contradict each other."""
        texts = tuple([groups.get(name) for name in self._conversions.values()])
        if texts not in self._spans:
            if len(self._spans) >= MOST_SPANS:
                self._spans.clear()
            self._spans[texts] = self._span(groups)
        return self._spans[texts]

    def _span(self, groups: Mapping[str, str]) -> Span | None:
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


class KeyPattern:
    """The keys that an output can write: for one tag, or (``tag`` None) for any."""

    def __init__(
        self, templates: Iterable[Template], tag: str | None = None, tag_parts: tuple[tuple[int, str], ...] = ()
    ) -> None:
        self._templates = tuple(templates)
        self._tag = tag
        self._tag_parts = tag_parts

    @property
    def static_prefixes(self) -> frozenset[str]:
        """What keys begin with whatever their time, by the ways in which they can be written."""
        return frozenset(t.static_prefix for t in self._templates)

    def prefixes(self, start_ns: int | None, end_ns: int | None, *, limit: int = MOST_PREFIXES) -> list[str]:
        """S3 list prefixes under which every key with a time from start to end (both included) lies, sorted.

        ``limit`` bounds how many time partitions are named one by one; a longer span gets coarser ones. A bound of
        None names no time at all. No prefix starts with another one.
        """
        found = sorted(p for t in self._templates for p in t.prefixes(start_ns, end_ns, limit))
        kept: list[str] = []
        for prefix in found:
            if not kept or not prefix.startswith(kept[-1]):
                kept.append(prefix)
        return kept

    def ranges(self, start_ns: int | None, end_ns: int | None, *, limit: int) -> list[tuple[str, str, str | None]]:
        """The prefixes, each with the first key that can be wanted and one that is beyond all of them (None: no bound),
        by bytes."""
        prefixes = self.prefixes(start_ns, end_ns, limit=limit)
        if start_ns is None or end_ns is None:
            return [(prefix, "", None) for prefix in prefixes]
        bounds = [t.bounds(start_ns, end_ns) for t in self._templates]
        found: list[tuple[str, str, str | None]] = []
        for prefix in prefixes:
            own = [b for b, t in zip(bounds, self._templates, strict=True) if t.may_be_under(prefix)]
            known = [b for b in own if b is not None]
            first = min((f if f.startswith(prefix) else "" for f, _ in known), default="")
            last = max((b for _, b in known if b.startswith(prefix)), default=None)
            bounded = len(known) == len(own)
            by_all = bounded and all(b.startswith(prefix) for _, b in known)
            found.append((prefix, first if bounded else "", last if by_all else None))
        return found

    def match(self, key: str) -> KeyFields | None:
        """What the key says, None where the output cannot have written it."""
        for template in self._templates:
            groups = template.match(key)
            span = None if groups is None else template.span(groups)
            if groups is None or span is None:
                continue
            parts = self._tag_parts or tuple([(n, groups[name]) for n, name in _PART_GROUPS if name in groups])
            return KeyFields(self._tag or groups.get("tag"), parts, span.start_ns, span.end_ns)
        return None


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
