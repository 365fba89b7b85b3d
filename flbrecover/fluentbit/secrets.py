"""Takes secrets out of the text of a configuration, so that it can be sent around.

What a recovery depends on stays as it is: inputs, parsers, filters, keys. A value is a secret by the name of its key
(``HTTP_Passwd``, ``api_key`` …), as a credential header, or by its form (AWS access keys, passwords in URLs). Values
that are nothing but a variable (``${TOKEN}``) say no secret. Lines stay lines: messages go on naming the right ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

MASK = "MASKED"
MAX_YAML = 1 << 18  # characters; a longer text is masked line by line alone

_SECRET = re.compile(
    r"passw|passphrase|secret|token|api[_.-]?key|access[_.-]?key|shared[_.-]?key|private[_.-]?key|license[_.-]?key"
    r"|account[_.-]?key|session[_.-]?key|encryption[_.-]?key|credential|authorization|webhook|connection[_.-]?string"
    r"|cookie|bearer|(?:^|[_.-])(?:sas|dsn|auth)(?:$|[_.-])",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"(?:file|path|dir|ttl|command|_url|tag|field|expir\w*|enabled?|type|role\w*)$", re.IGNORECASE)
_CONTENT = frozenset(  # keys whose values are about records: an odd regular expression is no secret
    ("regex", "exclude", "rule", "match", "match_regex", "format", "record", "add", "set", "rename", "hard_rename")
)
_HEADERS = re.compile(r"headers?", re.IGNORECASE)
_LINE = re.compile(
    r"(?P<before>\s*(?:[#;]\s*)?(?:-\s+)?(?:@set\s+)?[\"']?)(?P<key>[A-Za-z_][\w.\-]*)(?P<between>[\"']?(?:\s*[:=]\s*|\s+))"
    r"(?P<value>\S.*?)(?P<after>,?\s*)$",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"[\"']?\$\{?\w+\}?[\"']?")
_BLOCK = re.compile(r"[|>][+-]?\d*[+-]?(?:\s+#.*)?")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")  # anchor and tag of a YAML value
_FORMS = (
    re.compile(r"\b(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})\b"),
    re.compile(r"://[^/\s:@\"']*:(?P<secret>[^/\s@\"']+)@"),
    re.compile(r"\b(?:Bearer|Basic|Splunk)\s+(?P<secret>[A-Za-z0-9+/._~=\-]{8,})"),
)


@dataclass(frozen=True, slots=True)
class Masked:
    """A secret that was taken out: the line (from 1) and the key, or what gave it away."""

    line: int
    key: str


def is_secret(key: str) -> bool:
    """Whether the value of a key of this name is taken for a secret."""
    return bool(_SECRET.search(key)) and not _NO_SECRET.search(key) and key.lower() not in _CONTENT


def mask(text: str) -> tuple[str, list[Masked]]:
    """The text of a configuration (classic, YAML, or a manifest in YAML or JSON) without its secrets, and what was
    taken out."""
    found: list[Masked] = []
    values = _values_of(text) if len(text) <= MAX_YAML else []
    for value in reversed(values):
        new = _new(value, text[value.start : value.end], found)
        text = text[: value.start] + new + text[value.end :]
    lines = [
        _line(line, number, found) if not values or line.lstrip().startswith("#") else line
        for number, line in enumerate(text.split("\n"), 1)
    ]
    return "\n".join(lines), sorted(found, key=lambda m: m.line)


def mask_value(key: str, value: str) -> str:
    """The value of a key that is no secret by its name, without what is one by its form."""
    return value if key.lower() in _CONTENT else _by_form(value, 0, [])


def mask_argument(argument: str) -> str:
    """One argument of a command line: ``--token=x``, ``http_passwd=x``, a URL with a password."""
    name, equals, value = argument.partition("=")
    if equals and is_secret(name.lstrip("-")) and not _VARIABLE.fullmatch(value):
        return f"{name}={MASK}"
    return _by_form(argument, 0, [])


def _line(line: str, number: int, found: list[Masked]) -> str:
    m = _LINE.fullmatch(line)
    if m is None:
        return _by_form(line, number, found)
    key, value = m["key"], m["value"]
    if _HEADERS.fullmatch(key):
        name, space, rest = value.partition(" ")
        if space and rest.strip() and is_secret(name.strip("\"'")) and not _hidden(rest.strip()):
            found.append(Masked(number, f"{key} {name}"))
            quote = value[-1] if value[0] in "\"'" and value[-1] == value[0] else ""
            return f"{m['before']}{key}{m['between']}{name} {MASK}{quote}{m['after']}"
    elif is_secret(key) and not _hidden(value):
        found.append(Masked(number, key))
        return f"{m['before']}{key}{m['between']}{MASK}{m['after']}"
    elif key.lower() in _CONTENT:
        return line
    return _by_form(line, number, found)


def _hidden(value: str) -> bool:
    plain = _PROPERTIES.sub("", value).strip("\"'")
    if set(plain.split()) == {MASK}:
        return True
    return bool(_VARIABLE.fullmatch(value) or _BLOCK.fullmatch(value)) or value in ("", "{", "[")


def _by_form(line: str, number: int, found: list[Masked]) -> str:
    for form in _FORMS:
        for m in reversed(list(form.finditer(line))):
            if m["secret"] != MASK:
                found.append(Masked(number, "by its form"))
                line = line[: m.start("secret")] + MASK + line[m.end("secret") :]
    return line


@dataclass(frozen=True, slots=True)
class _Value:
    """A scalar of a YAML text: its place, and the key that it belongs to."""

    start: int
    end: int
    line: int
    key: str | None
    text: str
    style: str


def _values_of(text: str) -> list[_Value]:
    """All values of a YAML text; none where it is no YAML, or a single text: single lines are looked at then."""
    try:
        values = list(_values(text))
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    return [] if any(value.key is None for value in values) else values


def _new(value: _Value, raw: str, found: list[Masked]) -> str:
    assert value.key is not None
    properties = _PROPERTIES.match(raw)
    before = properties[0] if properties else ""
    if _HEADERS.fullmatch(value.key):
        name, space, rest = value.text.partition(" ")
        if space and is_secret(name) and not _hidden(rest.strip()):
            found.append(Masked(value.line, f"{value.key} {name}"))
            return _on_as_many_lines(f'{before}"{name} {MASK}"', raw)
    if is_secret(value.key) and value.text and not _hidden(value.text):
        found.append(Masked(value.line, value.key))
        if value.style in ("|", ">"):
            first, *more = raw.split("\n")
            return "\n".join([first, *(_indent(line) + MASK if line.strip() else line for line in more)])
        return _on_as_many_lines(before + MASK, raw)
    if value.style and "\n" in value.text:
        return _text_within(value, raw, before, found)
    return raw if value.key.lower() in _CONTENT else _by_form(raw, value.line, found)


def _text_within(value: _Value, raw: str, before: str, found: list[Masked]) -> str:
    """A value that is a configuration itself, as in a ConfigMap."""
    inner, taken = mask(value.text)
    if not taken:
        return raw
    quoted = value.style in ('"', "'")
    found.extend(Masked(value.line + (0 if quoted else m.line), m.key) for m in taken)
    if quoted:
        return _on_as_many_lines(before + json.dumps(inner), raw)
    first, *lines = raw.split("\n")
    for i, (old, new) in enumerate(zip(value.text.split("\n"), inner.split("\n"), strict=True)):
        if old != new and i < len(lines):
            lines[i] = lines[i].removesuffix(old) + new
    return "\n".join([first, *lines])


def _on_as_many_lines(new: str, raw: str) -> str:
    """What stands for a value that may go over several lines: what comes next stays on its own."""
    return new + "\n" * (raw.count("\n") - new.count("\n"))


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def _values(text: str) -> Iterator[_Value]:
    """Every scalar that is a value, with the key that it belongs to; of a list, the list's key."""
    stack: list[list[str | None]] = []  # of a mapping [key or None, "map"], of a list [key, "list"]
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            inherited = _key(stack)
            _value_done(stack)
            is_map = isinstance(event, yaml.MappingStartEvent)
            stack.append([None, "map"] if is_map else [inherited, "list"])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            stack.pop()
        elif isinstance(event, yaml.ScalarEvent):
            if stack and stack[-1] == [None, "map"]:
                stack[-1][0] = event.value
                continue
            start, end = event.start_mark, event.end_mark
            assert start is not None and end is not None  # only events made by hand have none
            yield _Value(start.index, end.index, start.line + 1, _key(stack), event.value, event.style or "")
            _value_done(stack)
        elif isinstance(event, yaml.AliasEvent):
            _value_done(stack)


def _key(stack: list[list[str | None]]) -> str | None:
    return stack[-1][0] or "" if stack else None


def _value_done(stack: list[list[str | None]]) -> None:
    if stack and stack[-1][1] == "map":
        stack[-1][0] = None
