"""The properties of a ``[FILTER]`` section, and the ways in which Fluent Bit cuts their values into words.

Source: src/flb_filter.c (common properties), src/flb_utils.c (``split``), src/flb_slist.c (``split_tokens``),
src/flb_config_map.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import regex

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import onigmo, parsers, units
from flbrecover.fluentbit.parsers import Parsed
from flbrecover.fluentbit.pipeline import Pipeline, Property, Section
from flbrecover.fluentbit.time_format import tells_year
from flbrecover.fluentbit.values import Constant

_COMMON = frozenset({"name", "match", "match_regex", "alias", "log_level", "log_suppress_interval", "active"})
_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Options:
    """A filter's own properties, its place among all filters and the pipeline that it is in. ``note`` takes a sentence
    for the reader: something of this filter is not followed exactly."""

    section: Section
    pipeline: Pipeline
    place: int
    note: Callable[[str], None]

    def own(self) -> list[Property]:
        """Every property that is not common to all filters, in order."""
        return [p for p in self.section.properties if p.key.lower() not in _COMMON]

    def text(self, key: str) -> str | None:
        return self.section.get(key)

    def flag(self, key: str, default: bool) -> bool:
        """Raises ValueError where the value is neither on nor off."""
        value = self.section.get(key)
        return default if value is None else units.boolean(value)

    def all(self, *keys: str) -> list[str]:
        """The values of a key that may be repeated, of all its spellings one after the other."""
        return [value for key in keys for value in self.section.all(key)]

    def parser(self, name: str) -> ParserFunction | None:
        """The function of a parser of the pipeline; None where there is no parser of this name. Raises ValueError
        for one that cannot be used."""
        parser = self.pipeline.parsers.get(name)
        if parser is None:
            return None
        try:
            parse = parsers.make(parser, near_ns=0)
        except ConfigError as e:
            raise ValueError(str(e)) from e
        says = not parser.time_format or tells_year(parser.time_format)
        return parse if says else _without_time(parse)


ParserFunction = Callable[[bytes], "Parsed | None"]


def _without_time(parse: ParserFunction) -> ParserFunction:
    """A time whose year nobody knows is not a time."""

    def parsed(line: bytes) -> Parsed | None:
        found = parse(line)
        return None if found is None else Parsed(found.fields, None)

    return parsed


def is_active(section: Section) -> bool:
    """``active false`` (or ``0``) switches a filter off (src/flb_filter.c, is_active)."""
    return not any(value.lower() == "false" or value == "0" for value in section.all("active"))


def name_of(text: str) -> bytes:
    """A field name of the configuration as it stands in a record."""
    return text.encode("utf-8", "surrogateescape")


def known_name(text: str) -> bytes:
    """:func:`name_of`, for a name that may have a variable in it. Raises ValueError where that was not resolved."""
    if _VARIABLE.search(text):
        raise ValueError(f"the name {text} is not known; give its variable with --env NAME=VALUE")
    return name_of(text)


def constant(text: str) -> Constant | None:
    """A value of the configuration as it stands in a record; None where a ``${VARIABLE}`` in it was not resolved."""
    return None if _VARIABLE.search(text) else Constant(name_of(text))


def pattern(text: str) -> regex.Pattern[bytes]:
    """Raises ValueError, naming the expression, where it is not understood."""
    try:
        return onigmo.compile(text)
    except ValueError as e:
        raise ValueError(f"the regular expression {text} is not understood: {e}") from e


def words(text: str, most: int, *, quoted: bool = False) -> list[str]:
    """flb_utils_split: words between blanks; after ``most`` of them what is left, as it stands, is the last one.

    With ``quoted`` a word may stand in single or double quotes. Raises ValueError for a quote that is not closed.
    """
    found: list[str] = []
    at = 0
    while at < len(text):
        while text[at : at + 1] == " ":
            at += 1
        if quoted and text[at : at + 1] in ("'", '"'):
            word, at = _quoted_word(text, at)
        else:
            end = text.find(" ", at)
            end = len(text) if end < 0 else end
            word, at = text[at:end], end
        found.append(word)
        at += 1
        if len(found) >= most and at < len(text):
            found.append(text[at:])
            break
    return found


def _quoted_word(text: str, at: int) -> tuple[str, int]:
    """The word in quotes and the place of its closing quote."""
    quote = text[at]
    at += 1
    out: list[str] = []
    while at < len(text) and text[at] != quote:
        if text[at] == "\\" and text[at + 1 : at + 2] in (quote, "\\"):
            at += 1
        out.append(text[at : at + 1])
        at += 1
    if at >= len(text):
        raise ValueError(f"a quote is not closed: {text}")
    return "".join(out), at


def tokens(text: str, most: int) -> list[str]:
    """flb_slist_split_tokens: words between blanks or in double quotes (a quote that is not closed ends with the
    text); after ``most`` of them what is left is the last one."""
    found: list[str] = []
    at = 0
    while True:
        while text[at : at + 1] == " ":
            at += 1
        if text[at : at + 1] == '"':
            end = _closing_quote(text, at + 1)
            word = text[at + 1 : end]
            if end < len(text):
                word = word.replace('\\"', '"')
        else:
            end = text.find(" ", at)
            end = len(text) if end < 0 else end
            word = text[at:end]
        if end >= len(text):
            return [*found, word] if word else found
        found.append(word)
        at = end + 1
        if len(found) >= most:
            rest = text[at:].lstrip(" ")
            return [*found, rest] if rest else found


def _closing_quote(text: str, at: int) -> int:
    """The place of the quote that ends a token; the end of the text where there is none."""
    while True:
        end = text.find('"', at)
        if end < 0:
            return len(text)
        if text[end - 1] != "\\":
            return end
        at = end + 1
