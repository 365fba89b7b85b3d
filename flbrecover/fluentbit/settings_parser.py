"""``[PARSER]`` and ``[MULTILINE_PARSER]``. Source: src/flb_parser.c, src/flb_parser_decoder.c, src/flb_slist.c.

Unknown keys are ignored, as Fluent Bit does; regular expressions are not compiled here: one that Python cannot take is
the problem of the input that uses it.
"""

from __future__ import annotations

from typing import NoReturn

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import units
from flbrecover.fluentbit.pipeline import MultilineParser, MultilineRule, Parser, Section

_FORMATS = ("json", "regex", "ltsv", "logfmt")
_TYPES = ("integer", "bool", "float", "hex", "string")
_DECODERS = ("json", "escaped", "escaped_utf8", "mysql_quoted")
_MULTILINE_TYPES = {"regex": "regex", "endswith": "endswith", "equal": "equal", "eq": "equal"}


def parser(section: Section) -> Parser:
    """A parser as its section defines it. Raises ConfigError, with file and line, for what Fluent Bit refuses."""
    name = _needed(section, "name", "a parser")
    what = f"the parser {name}"
    written = _needed(section, "format", what)
    if written.lower() not in _FORMATS:
        _refuse(section, f"the format {written[:60]!r} of {what} is none of {', '.join(_FORMATS)}")
    expression = _text(section, "regex")
    if written.lower() == "regex" and expression is None:
        _refuse(section, f"{what} needs a Regex")
    time_format, time_zone = _text(section, "time_format"), _text(section, "time_zone")
    offset, system = _text(section, "time_offset"), _flag(section, "time_system_timezone", False)
    if time_zone is not None and (time_format is None or system or offset is not None):
        _refuse(section, f"Time_Zone of {what} needs a Time_Format and goes with no other offset")
    return Parser(
        name=name,
        format=written.lower(),
        regex=expression,
        time_key=_text(section, "time_key"),
        time_format=time_format,
        time_offset=offset,
        time_keep=_flag(section, "time_keep", False),
        time_strict=_flag(section, "time_strict", True),
        time_system_timezone=system,
        skip_empty_values=_flag(section, "skip_empty_values", True),
        types=_types(_text(section, "types") or ""),
        decoders=_decoders(section, what),
        time_zone=time_zone,
        logfmt_no_bare_keys=_flag(section, "logfmt_no_bare_keys", False),
        origin=section.origin,
    )


def multiline_parser(section: Section) -> MultilineParser:
    """A multiline parser as its section defines it. Raises ConfigError for what Fluent Bit refuses."""
    name = _needed(section, "name", "a multiline parser")
    what = f"the multiline parser {name}"
    kind = _MULTILINE_TYPES.get(_needed(section, "type", what).lower())
    if kind is None:
        _refuse(section, f"the type of {what} is none of {', '.join(_MULTILINE_TYPES)}")
    rules = _rules(section, what) if kind == "regex" else ()
    return MultilineParser(
        name=name,
        type=kind,
        rules=rules,
        parser=_text(section, "parser"),
        key_content=_text(section, "key_content"),
        key_pattern=_text(section, "key_pattern"),
        key_group=_text(section, "key_group"),
        match_string=_text(section, "match_string"),
        negate=_flag(section, "negate", False),
        origin=section.origin,
    )


def tokens(text: str, most: int) -> list[str]:
    """Words separated by blanks, ``"..."`` with ``\\"`` inside kept together; what follows ``most`` words is one
    more. A quote is taken for escaped when a backslash stands before it, whatever stands before that."""
    out: list[str] = []
    at = 0
    while at < len(text):
        at = _after_blanks(text, at)
        if len(out) == most:
            return [*out, text[at:]] if at < len(text) else out
        quoted = text.startswith('"', at)
        start = at + 1 if quoted else at
        end = text.find('"' if quoted else " ", start)
        while quoted and end > 0 and text[end - 1] == "\\":
            end = text.find('"', end + 1)
        if end < 0:  # the last word; an open quote keeps its escapes
            return [*out, text[start:]] if start < len(text) else out
        word = text[start:end]
        out.append(word.replace('\\"', '"') if quoted else word)
        at = end + 1
    return out


def _after_blanks(text: str, at: int) -> int:
    while text.startswith(" ", at):
        at += 1
    return at


def _rules(section: Section, what: str) -> tuple[MultilineRule, ...]:
    """From YAML first (state, regex, next_state), then ``rule "from" "/regex/" "to"``."""
    triples = zip(section.all("state"), section.all("regex"), section.all("next_state"), strict=False)
    written: list[list[str]] = [list(t) for t in triples]
    written += [tokens(value, 3) for value in section.all("rule")]
    rules = []
    for words in written:
        states = tuple(s.strip(" ") for s in words[0].split(",") if s.strip(" ")) if words else ()
        if len(words) < 2 or not states:
            _refuse(section, f"a rule of {what} needs a state and a regular expression")
        rules.append(MultilineRule(states, words[1], words[2] if len(words) > 2 else ""))
    if not rules or "start_state" not in rules[0].from_states:
        _refuse(section, f"the first rule of {what} must be for start_state")
    return tuple(rules)


def _types(text: str) -> dict[str, str]:
    """``a:integer b:float``; a type of another name is a string."""
    out: dict[str, str] = {}
    for word in text.split(" "):
        name, colon, kind = word.partition(":")
        if colon:
            out.setdefault(name, kind.lower() if kind.lower() in _TYPES else "string")
    return out


def _decoders(section: Section, what: str) -> tuple[tuple[str, str], ...]:
    out = []
    for p in section.properties:
        if p.key.lower() in ("decode_field", "decode_field_as"):
            words = p.value.split()
            if len(words) < 2 or words[0].lower() not in _DECODERS:
                message = f"{p.key} of {what} needs one of {', '.join(_DECODERS)} and a field"
                raise ConfigError(message, path=p.origin.path, line=p.origin.line or None)
            out.append((p.key.lower(), p.value))
    return tuple(out)


def _text(section: Section, key: str) -> str | None:
    """The first value that is there, as Fluent Bit looks parsers' keys up; an empty one is none."""
    found = section.all(key)
    return (found[0] or None) if found else None


def _needed(section: Section, key: str, what: str) -> str:
    value = _text(section, key)
    if value is None:
        _refuse(section, f"{what} needs a {key.capitalize()}")
    return value


def _flag(section: Section, key: str, default: bool) -> bool:
    """A word that Fluent Bit does not know is -1 for it, which counts as true."""
    value = _text(section, key)
    return default if value is None else value.lower() not in units.FALSE


def _refuse(section: Section, message: str) -> NoReturn:
    raise ConfigError(message, path=section.origin.path, line=section.origin.line or None)
