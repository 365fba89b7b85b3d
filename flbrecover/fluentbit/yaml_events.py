"""The nodes of a YAML text, from PyYAML's events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import yaml_nodes as y


def nodes_of(text: str, path: str, aliases: bool) -> Iterator[y.Node]:
    """The node of each document. Arguments and errors are those of :func:`yaml_nodes.documents`."""
    reader = _Reader(_events(text, path), path, aliases)
    for event in reader.events:
        if isinstance(event, yaml.DocumentStartEvent):
            yield reader.node(next(reader.events), 0)


def _events(text: str, path: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else None
        raise ConfigError(f"not YAML: {e.problem}", path=path, line=line) from e
    except UnicodeEncodeError as e:  # a stray byte, carried by surrogateescape
        raise ConfigError("not UTF-8", path=path, line=text.count("\n", 0, _stray(text)) + 1) from e
    except (yaml.YAMLError, UnicodeError) as e:
        raise ConfigError(f"not YAML: {str(e).splitlines()[0]}", path=path) from e


def _stray(text: str) -> int:
    """Where the first byte stands that is no UTF-8."""
    return next((i for i, c in enumerate(text) if "\ud800" <= c <= "\udfff"), 0)


class _Reader:
    def __init__(self, events: Iterator[Any], path: str, aliases: bool) -> None:
        self.events = events
        self.path = path
        self.nodes = 0
        self._aliases = aliases
        self._anchors: dict[str, tuple[y.Node, int]] = {}  # with how many nodes it is

    def node(self, event: Any, depth: int) -> y.Node:
        line, before = event.start_mark.line + 1, self.nodes
        named = self._anchors.get(str(event.anchor)) if isinstance(event, yaml.AliasEvent) else None
        self.nodes += named[1] if named else 1
        if self.nodes > y.MAX_NODES:
            raise ConfigError(f"more than {y.MAX_NODES} values", path=self.path, line=line)
        if depth > y.MAX_DEPTH:
            raise ConfigError(f"nested more than {y.MAX_DEPTH} deep", path=self.path, line=line)
        if named:
            return named[0]
        node = self._new(event, line, depth)
        if self._aliases and event.anchor is not None:  # known only behind its end: no node contains itself
            self._anchors[event.anchor] = node, self.nodes - before
        return node

    def _new(self, event: Any, line: int, depth: int) -> y.Node:
        if isinstance(event, yaml.ScalarEvent):
            return y.Scalar(event.value, line, event.style == "|")
        if isinstance(event, yaml.SequenceStartEvent):
            sequence = y.Sequence(line)
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                sequence.items.append(self.node(event, depth + 1))
            return sequence
        if isinstance(event, yaml.MappingStartEvent):
            mapping = y.Mapping(line)
            while not isinstance(event := next(self.events), yaml.MappingEndEvent):
                key = self.node(event, depth + 1)
                if not isinstance(key, y.Scalar):
                    raise ConfigError("a key that is not plain text", path=self.path, line=key.line)
                mapping.pairs.append((key, self.node(next(self.events), depth + 1)))
            return mapping
        raise ConfigError("an alias (*name): Fluent Bit does not take them", path=self.path, line=line)
