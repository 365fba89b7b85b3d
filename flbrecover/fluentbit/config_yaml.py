"""Fluent Bit's YAML configuration syntax: text in, sections out.

Source: src/config_format/flb_cf_yaml.c (5.1.1) and, for the older list form ``- tail: {path: ...}``, the same file of
Fluent Bit 1.9 and 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import yaml_nodes as y
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

MAX_DEPTH = 50  # includes within includes
PROCESSORS = "processors"  # the property that names an input's or output's processors, which are not understood
ROUTES = "routes"

_COMPONENTS: Mapping[str, SectionKind] = {"inputs": "input", "filters": "filter", "outputs": "output"}
_SKIPPED = ("customs", "stream_processor", "plugins", "upstream_servers", "extensions")
_SIGNALS = ("logs", "metrics", "traces")
_RULE_KEYS = ("state", "regex", "next_state")


def parse(text: str, path: str, *, env: Mapping[str, str], include: Include) -> ParsedConfig:
    """The sections of a YAML configuration and of everything that it includes.

    A value that is a list gives one property for each of its items. Rules of a multiline parser become the properties
    ``state``, ``regex``, ``next_state``, three for each rule. Processors are not understood: their names are the value
    of a property ``processors``. Raises ConfigError with file and line for what Fluent Bit refuses.
    """
    reader = _Reader(env, include)
    reader.file(text, path, 0)
    return finish(reader.sections, reader.variables, reader.notes)


class _Reader:
    """What is shared by a file and the files that it includes."""

    def __init__(self, env: Mapping[str, str], include: Include) -> None:
        self.variables = Variables(env)
        self.include = include
        self.sections: list[RawSection] = []
        self.notes: list[Problem] = []
        self._read: set[str] = set()
        self._service: Origin | None = None
        self.path = ""

    def file(self, text: str, path: str, depth: int) -> None:
        if path in self._read:
            raise ConfigError("is included twice, or includes itself", path=path)
        if len(self._read) >= MAX_FILES or depth > MAX_DEPTH:
            raise ConfigError(f"more than {MAX_FILES} files, or includes {MAX_DEPTH} deep", path=path)
        self._read.add(path)
        for document in y.documents(text, path):
            for key, value in _mapping(document, path, "a configuration").pairs:
                self.path = path  # an include moves it
                self._section(key, value, depth)

    def _section(self, key: y.Scalar, value: y.Node, depth: int) -> None:
        name = key.text.lower()
        if name == "env":
            self._env(value)
        elif name == "includes":
            for item in self._list(value, "includes"):
                self._include(self._text(item, "an include"), depth)
        elif name == "service":
            self._service_section(key, value)
        elif name == "pipeline":
            self._pipeline(value)
        elif name == "parsers":
            for item in self._list(value, name):
                self.sections.append(self._flat("parser", item))
        elif name == "multiline_parsers":
            for item in self._list(value, name):
                self.sections.append(self._multiline_parser(item))
        elif name not in _SKIPPED:
            self._unknown(key, value)
        elif isinstance(value, y.Scalar):
            raise self._error(key, f"{key.text} takes a list")

    def _unknown(self, key: y.Scalar, value: y.Node) -> None:
        """Fluent Bit takes any other name for a section of plain values, and ignores it."""
        origin = self._origin(key)
        if not isinstance(value, y.Mapping) or not all(isinstance(v, y.Scalar) for _, v in value.pairs):
            raise self._error(key, f"the section {key.text!r} is unknown")
        what = f"line {origin.line}: the section {key.text!r} is unknown, and ignored"
        self.notes.append(Problem(origin.path, what, unreadable=False))

    def _env(self, value: y.Node) -> None:
        if isinstance(value, y.Sequence):
            for item in value.items:
                self._env_item(_mapping(item, self.path, "a variable"))
            return
        for key, node in _mapping(value, self.path, "env").pairs:
            self._set(key.text, self._text(node, key.text)[0], key)

    def _env_item(self, item: y.Mapping) -> None:
        """``- name: X, value: Y`` (or ``uri``), or ``- X: Y``."""
        name, value, uri = "", "", ""
        for key, node in item.pairs:
            text, _ = self._text(node, key.text)
            match key.text.lower():
                case "name":
                    name = text
                case "value":
                    value = text
                case "uri":
                    uri = text
                case "refresh_interval":
                    pass
                case _ if not name:
                    name, value = key.text, text
        if name:
            self._set(name, uri or value, item)

    def _set(self, name: str, value: str, node: y.Node) -> None:
        note = set_variable(self.variables, name, value, self.include, self._origin(node))
        if note:
            self.notes.append(note)

    def _include(self, item: tuple[str, int], depth: int) -> None:
        pattern, line = item
        try:
            found = self.include(pattern, self.path)
        except ConfigError as e:
            raise ConfigError(f"includes {pattern}: {e}", path=self.path, line=line) from e
        including = self.path
        for path, text in found:
            self.file(text, path, depth + 1)
        self.path = including

    def _service_section(self, key: y.Scalar, value: y.Node) -> None:
        if self._service is not None:
            raise self._error(key, f"service is already defined in {self._service.path}:{self._service.line}")
        self._service = self._origin(key)
        section = RawSection("service", self._service, [])
        for k, v in _mapping(value, self.path, "service").pairs:
            if not (isinstance(v, y.Mapping) and k.text.lower() == "telemetry"):
                section.properties += self._unless_blank(k, v)
        self.sections.append(section)

    def _pipeline(self, value: y.Node) -> None:
        for key, components in _mapping(value, self.path, "pipeline").pairs:
            kind = _COMPONENTS.get(key.text.lower())
            if kind is None:
                raise self._error(key, f"pipeline has no {key.text!r}, only inputs, filters and outputs")
            for item in self._list(components, key.text):
                self.sections.append(self._plugin(kind, _mapping(item, self.path, f"an item of {key.text}")))

    def _plugin(self, kind: SectionKind, item: y.Mapping) -> RawSection:
        section = RawSection(kind, self._origin(item), [])
        only = item.pairs[0] if len(item.pairs) == 1 else None
        if only and isinstance(only[1], y.Mapping) and only[0].text not in (PROCESSORS, ROUTES, "telemetry"):
            section.properties.append(Property("name", only[0].text, self._origin(only[0])))
            item = only[1]
        for key, value in item.pairs:
            word = key.text
            if isinstance(value, y.Mapping) and word == PROCESSORS:
                section.properties.append(Property(word, self._processors(value), self._origin(key)))
            elif isinstance(value, y.Mapping | y.Sequence) and word == ROUTES:
                section.properties.append(Property(word, "by condition", self._origin(key)))
            elif isinstance(value, y.Mapping) and word == "telemetry" and kind == "input":
                continue
            elif isinstance(value, y.Sequence) and word != PROCESSORS:
                for one in value.items:
                    text, line = self._text(one, word)
                    section.properties.append(Property(_snake(word), text, Origin(self.path, line)))
            else:
                section.properties.append(self._property(key, value))
        return section

    def _processors(self, value: y.Mapping) -> str:
        found = []
        for signal, steps in value.pairs:
            if signal.text.lower() not in _SIGNALS:
                raise self._error(signal, f"processors has no {signal.text!r}, only {', '.join(_SIGNALS)}")
            for step in self._list(steps, signal.text):
                name = _mapping(step, self.path, "a processor").get("name")
                found.append(f"{signal.text.lower()} {name.text if isinstance(name, y.Scalar) else '?'}")
        return ", ".join(found)

    def _flat(self, kind: SectionKind, item: y.Node) -> RawSection:
        pairs = _mapping(item, self.path, "a parser").pairs
        return RawSection(kind, self._origin(item), [p for k, v in pairs for p in self._unless_blank(k, v)])

    def _multiline_parser(self, item: y.Node) -> RawSection:
        section = RawSection("multiline_parser", self._origin(item), [])
        for key, value in _mapping(item, self.path, "a multiline parser").pairs:
            if key.text != "rules":
                section.properties += self._unless_blank(key, value)
                continue
            for rule in self._list(value, "rules"):
                given = {k.text.lower(): (k, v) for k, v in _mapping(rule, self.path, "a rule").pairs}
                missing = [k for k in _RULE_KEYS if k not in given]
                if missing:
                    raise self._error(rule, f"a rule needs {', '.join(missing)}")
                section.properties.extend(self._property(*given[k]) for k in _RULE_KEYS)
        return section

    def _unless_blank(self, key: y.Scalar, value: y.Node) -> list[Property]:
        """Outside of the pipeline Fluent Bit drops a key whose value is blank."""
        text, _ = self._text(value, key.text)
        return [self._property(key, value)] if not text or text.strip(WHITE) else []

    def _property(self, key: y.Scalar, value: y.Node) -> Property:
        text, _ = self._text(value, key.text)
        if text and not text.strip(WHITE):
            raise self._error(key, f"{key.text} is blank")
        return Property(_snake(key.text), text.strip(WHITE), self._origin(key))

    def _text(self, node: y.Node, what: str) -> tuple[str, int]:
        if not isinstance(node, y.Scalar):
            raise self._error(node, f"{what} takes plain text, not a {_kind_name(node)}")
        return node.text, node.line

    def _list(self, node: y.Node, what: str) -> list[y.Node]:
        if not isinstance(node, y.Sequence):
            raise self._error(node, f"{what} takes a list")
        return node.items

    def _origin(self, node: y.Node) -> Origin:
        return Origin(self.path, node.line)

    def _error(self, node: y.Node, message: str) -> ConfigError:
        return ConfigError(message, path=self.path, line=node.line)


def _mapping(node: y.Node, path: str, what: str) -> y.Mapping:
    if not isinstance(node, y.Mapping):
        raise ConfigError(f"{what} takes keys with values", path=path, line=node.line)
    return node


def _kind_name(node: y.Node) -> str:
    return "list" if isinstance(node, y.Sequence) else "mapping"


def _snake(key: str) -> str:
    """``storeDir`` is ``store_dir``; a key that has an underscore or begins with a capital stays what it is."""
    if not ("a" <= key[:1] <= "z") or "_" in key:
        return key
    return "".join(f"_{c.lower()}" if "A" <= c <= "Z" else c for c in key)
