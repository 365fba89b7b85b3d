"""What the two configuration syntaxes share: includes, variables, sections.

Sources: src/flb_env.c (variables), src/config_format/flb_config_format.c (kinds of sections).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flbrecover.errors import ConfigError
from flbrecover.fluentbit.pipeline import Origin, Property, Section, SectionKind
from flbrecover.model import Problem

MAX_FILES = 1000  # FLB_CF_FILE_NUM_LIMIT
MAX_NAME = 4096  # longest ${...}
MAX_VALUE = 8 * 1024 * 1024
WHITE = " \t\n\v\f\r"  # what isspace() takes in the C locale

Include = Callable[[str, str], list[tuple[str, str]]]
"""``include(pattern, including_path)`` gives (path, text) of every file that an include names, in reading order. It
raises ConfigError where there is none. A pattern with ``*`` is a glob, ``file://PATH`` the file of a variable's value,
anything else one path."""

# Values that Fluent Bit does not look for variables in: src/flb_parser.c and src/flb_parser_decoder.c take them raw.
_RAW_KEYS: Mapping[SectionKind, tuple[str, ...]] = {
    "multiline_parser": ("rule", "state", "regex", "next_state"),
    "parser": ("decode_field", "decode_field_as"),
}
_CONSTANTS = ("record", "add", "add_if_not_present", "set")  # keys of filters that give a field its value


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """A configuration with its includes: sections in file order, variables put in.

    ``variables`` are those that the configuration itself sets. ``undefined`` names the variables that were used and
    not set: they are empty then, but for fields that filters add. ``notes`` are what is ignored or not understood.
    """

    sections: tuple[Section, ...]
    variables: Mapping[str, str]
    undefined: tuple[str, ...]
    notes: tuple[Problem, ...] = ()


class Variables:
    """``${NAME}`` and ``${NAME:-default}``. What the configuration sets wins over ``env``, as in Fluent Bit."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.own: dict[str, str] = {}

    def put_into(self, p: Property, kind: SectionKind) -> Property:
        """The property with its variables put in. A field whose value nobody knows is not an empty one: what stays as
        it is written tells the filter to leave it open."""
        unset: dict[str, None] = {}
        value = self.expand(p.value, p.origin, unset, keep_unset=is_constant(p, kind))
        return Property(p.key, value, p.origin, tuple(unset))

    def set(self, name: str, value: str) -> None:
        self.own[name] = value

    def expand(self, value: str, origin: Origin, unset: dict[str, None], *, keep_unset: bool = False) -> str:
        """The value with its variables put in. One that nothing sets is empty, as it is for Fluent Bit, or stays as it
        is written; its name is added to ``unset``.

        The end of a name is looked for from the place reached so far, so a ``}`` before the next ``${`` ends the
        search, and the text up to it is lost; a ``${`` that is never closed takes the rest of the value with it.
        """
        out: list[str] = []
        at, size, end = 0, 0, -1
        replaced = False
        while at < len(value) and (start := value.find("${", at)) >= 0:
            end = value.find("}", at)
            if end < 0 or not 0 < end - start - 2 < MAX_NAME:
                break
            found = self._value(value[start + 2 : end], unset)
            if found is None:
                found = value[start : end + 1] if keep_unset else ""
            piece = value[at:start] + found
            size += len(piece)
            if size > MAX_VALUE:
                raise ConfigError("a value grows too large", path=origin.path, line=origin.line)
            out.append(piece)
            replaced = True
            at = end + 1
        if not replaced:
            return value
        return "".join(out) + (value[end + 1 :] if end >= 0 else "")

    def _value(self, inner: str, unset: dict[str, None]) -> str | None:
        """None where nothing sets it, and it has no default."""
        name, separator, default = inner.partition(":-")
        if ":" in name:  # only a default right after the first colon counts
            name, separator, default = inner, "", ""
        found = self.own.get(name, "") or (self._env.get(name, "") if name not in self.own else "")
        if not found and separator:
            return default
        if name not in self.own and name not in self._env:
            unset[name] = None
            return None
        return found


def is_constant(p: Property, kind: SectionKind) -> bool:
    """Does the key of a section of this kind give a field its value, the same in every record?"""
    return kind == "filter" and p.key.lower() in _CONSTANTS


@dataclass(slots=True)
class RawSection:
    """A section while it is read: values without their variables put in."""

    kind: SectionKind
    origin: Origin
    properties: list[Property]


def finish(raw: list[RawSection], variables: Variables, notes: list[Problem]) -> ParsedConfig:
    """Variables are put in when everything is read: one that is set further down holds further up, too."""
    sections = tuple(
        Section(s.kind, tuple(_expanded(p, s.kind, variables) for p in s.properties), s.origin) for s in raw
    )
    undefined = dict.fromkeys(name for s in sections for p in s.properties for name in p.unset)
    return ParsedConfig(sections, dict(variables.own), tuple(undefined), tuple(notes))


def _expanded(p: Property, kind: SectionKind, variables: Variables) -> Property:
    if p.key.lower() in _RAW_KEYS.get(kind, ()):
        return p
    return variables.put_into(p, kind)


def set_variable(variables: Variables, name: str, value: str, include: Include, origin: Origin) -> Problem | None:
    """``@SET`` or ``env``: a value ``file://PATH`` is that file's text without its last line end. Returns a note where
    the file is not there: the variable is undefined then."""
    if value.startswith("file://") and len(value) > len("file://"):
        try:
            value = include(value, origin.path)[0][1]
        except ConfigError as e:
            return Problem(origin.path, f"the variable {name} is not known: {e}", unreadable=False)
        value = value[:-1] if value.endswith(("\n", "\r")) else value
    variables.set(name, value)
    return None
