"""Fluent Bit's classic configuration syntax: text in, sections out.

Source: src/config_format/flb_cf_fluentbit.c (5.1.1). It is stricter than it looks, and this reader refuses what it
refuses: the first indented line of a file sets the indentation, every other line must repeat it, blank lines and
comments with other blanks included; exactly twice the indentation is accepted (it is meant for groups, and without
one it is the same section); only a space ends a key; an include that is missing or already read is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from flbrecover.errors import ConfigError
from flbrecover.fluentbit.config_text import (
    MAX_FILES,
    WHITE,
    Include,
    ParsedConfig,
    RawSection,
    Variables,
    finish,
    set_variable,
)
from flbrecover.fluentbit.pipeline import Origin, Property, SectionKind
from flbrecover.model import Problem

MARK = "\ufeff"  # what some editors put in front of UTF-8
MAX_DEPTH = 50  # includes within includes; Fluent Bit itself stops at its file limit

# Header names in the order in which they are tried; a header may be cut short ([IN] is [INPUT]).
_HEADERS: tuple[tuple[str, SectionKind | None], ...] = (
    ("service", "service"),
    ("parser", "parser"),
    ("multiline_parser", "multiline_parser"),
    ("stream_processor", None),
    ("plugins", None),
    ("upstream_servers", None),
    ("customs", None),
    ("input", "input"),
    ("inputs", "input"),
    ("filter", "filter"),
    ("filters", "filter"),
    ("output", "output"),
    ("outputs", "output"),
)


def parse(text: str, path: str, *, env: Mapping[str, str], include: Include) -> ParsedConfig:
    """The sections of a classic configuration and of everything that it includes.

    ``path`` is the file's name for messages and for ``include``; ``env`` are the variables from outside. Sections of
    kinds that do not matter here (``[CUSTOM]``, ``[PLUGINS]``, ``[STREAM_TASK]``, ``[UPSTREAM]`` …) are skipped.
    Raises ConfigError with file and line.
    """
    reader = _Reader(env, include)
    reader.file(text, path, 0)
    for name, value, origin in reader.set_commands:
        note = set_variable(reader.variables, name, value, include, origin)
        if note:
            reader.notes.append(note)
    return finish(reader.sections, reader.variables, reader.notes)


class _Reader:
    """What is shared by a file and the files that it includes."""

    def __init__(self, env: Mapping[str, str], include: Include) -> None:
        self.variables = Variables(env)
        self.include = include
        self.sections: list[RawSection] = []
        self.notes: list[Problem] = []
        self.set_commands: list[tuple[str, str, Origin]] = []
        self._read: set[str] = set()

    def file(self, text: str, path: str, depth: int) -> None:
        if path in self._read:
            raise ConfigError("is included twice, or includes itself", path=path)
        if len(self._read) >= MAX_FILES or depth > MAX_DEPTH:
            raise ConfigError(f"more than {MAX_FILES} files, or includes {MAX_DEPTH} deep", path=path)
        self._read.add(path)
        state = _FileState(path, marked=text.startswith(MARK))
        *lines, last = text.split("\n")
        for number, line in enumerate((*(x.removesuffix("\r") for x in lines), last), 1):
            state.line = number
            if "\0" in line:
                raise state.error("a NUL byte: this is not a configuration file")
            if not line or line[0] == "#":
                continue
            if line[0] == "@" and len(line) > 3:
                self._command(line, state, depth)
            elif line[0] == "[":
                self._header(line, state)
            else:
                self._key(line, state)

    def _command(self, line: str, state: _FileState, depth: int) -> None:
        if line[:9].lower() == "@include " and len(line) > 9:
            for path, text in self._included(line[9:], state):
                self.file(text, path, depth + 1)
            return
        command, space, rest = line[1:].partition(" ")
        if not space:
            raise state.error(f"{line[:40]}: a command needs a value after a space")
        if command.strip(WHITE).lower() == "set":
            name, equals, value = rest.strip(WHITE).partition("=")
            if equals:
                self.set_commands.append((name, value, state.origin))

    def _included(self, pattern: str, state: _FileState) -> list[tuple[str, str]]:
        try:
            return self.include(pattern, state.path)
        except ConfigError as e:
            raise state.error(f"@INCLUDE {pattern}: {e}") from e

    def _header(self, line: str, state: _FileState) -> None:
        end = line.find("]")
        if end < 0:
            raise state.error("a section header without its ]")
        kind = _kind(line[1:end])
        state.in_group = False
        state.section = RawSection(kind or "service", state.origin, [])
        if kind is not None:
            self.sections.append(state.section)

    def _key(self, line: str, state: _FileState) -> None:
        content = state.without_indentation(line)
        if not content or content[0] == "#":
            return
        key, space, value = content.partition(" ")
        if not space:
            raise state.error(f"{content[:40]!r}: a key needs a value after a space")
        if content[0] == "[":
            if "]" not in content:
                raise state.error("a group header without its ]")
            if state.section is None:
                raise state.error("a group outside of a section")
            state.in_group = True
            return
        if not value.strip(WHITE):
            raise state.error(f"the key {key} has no value")
        if state.section is None:
            raise state.error(f"the key {key} stands before any section")
        if not state.in_group:
            state.section.properties.append(Property(key.strip(WHITE), value.strip(WHITE), state.origin))


class _FileState:
    """What is remembered from line to line of one file."""

    def __init__(self, path: str, *, marked: bool) -> None:
        self.path = path
        self.marked = marked
        self.line = 0
        self.section: RawSection | None = None
        self.in_group = False
        self._indentation: str | None = None

    @property
    def origin(self) -> Origin:
        return Origin(self.path, self.line)

    def error(self, message: str) -> ConfigError:
        if self.marked:  # it is taken for an indentation, and for that every other line is wrong
            message += "; the file begins with a byte order mark, which Fluent Bit does not know: save it without one"
        return ConfigError(message, path=self.path, line=self.line)

    def without_indentation(self, line: str) -> str:
        """The line behind its indentation. The first such line of a file sets it: its first character, whatever it
        is, and all blanks after it."""
        if self._indentation is None:
            rest = line[1:]
            self._indentation = line[: len(line) - len(rest.lstrip(" \t"))]
            if self._indentation == line:
                return ""
        indentation = self._indentation
        if not line.startswith(indentation):
            same = next((i for i, c in enumerate(indentation) if line[i : i + 1] != c), 0)
            mixed = line[same : same + 1] in (" ", "\t")
            raise self.error(
                "tabs and spaces are mixed in the indentation" if mixed else "less indentation than the lines above"
            )
        content = line[len(indentation) :]
        deeper = len(content) - len(content.lstrip(" \t"))
        if not deeper:
            self.in_group = False
            return content
        if deeper != len(indentation):
            raise self.error("more indentation than the lines above")
        return content[deeper:]


def _kind(name: str) -> SectionKind | None:
    wanted = name.lower()
    for header, kind in _HEADERS:
        if wanted and header.startswith(wanted):
            return kind
    return None
