"""A bounded YAML reader that keeps line numbers and reads every scalar as text, as Fluent Bit does.

Aliases are refused unless they are asked for: Fluent Bit does not take them (src/config_format/flb_cf_yaml.c), and they
are how a small file becomes a large one. JSON is read by it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from flbrecover.errors import ConfigError

MAX_NODES = 200_000
MAX_DEPTH = 40


@dataclass(slots=True)
class Scalar:
    """``literal``: written as a block with ``|``, so line ``n`` of the text is line ``line + n`` of the file."""

    text: str
    line: int
    literal: bool = False


@dataclass(slots=True)
class Sequence:
    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Pairs in file order; a key may stand there twice."""

    line: int
    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        """The last value under exactly this key."""
        return next((v for k, v in reversed(self.pairs) if k.text == key), None)


Node = Scalar | Sequence | Mapping


def documents(text: str, path: str, *, aliases: bool = False) -> list[Node]:
    """Every document of a YAML text (empty ones left out). Raises ConfigError with file and line for text that is no
    YAML, for aliases, and for more than ``MAX_NODES`` nodes or ``MAX_DEPTH`` levels.

    With ``aliases`` (Kubernetes takes them) an alias is the very node that it names: who walks such a tree has to
    bound the walk."""
    reader = _Reader(_events(text, path), path, aliases)
    out: list[Node] = []
    for event in reader.events:
        if isinstance(event, yaml.DocumentStartEvent):
            node = reader.node(next(reader.events), 0)
            if not isinstance(node, Scalar) or node.text:
                out.append(node)
    return out


def _events(text: str, path: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else None
        raise ConfigError(f"not YAML: {e.problem}", path=path, line=line) from e
    except (yaml.YAMLError, UnicodeError) as e:
        raise ConfigError(f"not YAML: {str(e).splitlines()[0]}", path=path) from e


class _Reader:
    def __init__(self, events: Iterator[Any], path: str, aliases: bool) -> None:
        self.events = events
        self.path = path
        self.nodes = 0
        self._aliases = aliases
        self._anchors: dict[str, Node] = {}

    def node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ConfigError(f"more than {MAX_NODES} values", path=self.path, line=line)
        if depth > MAX_DEPTH:
            raise ConfigError(f"nested more than {MAX_DEPTH} deep", path=self.path, line=line)
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._anchors:
            return self._anchors[event.anchor]
        node = self._new(event, line, depth)
        if self._aliases and event.anchor is not None:  # known only behind its end: no node contains itself
            self._anchors[event.anchor] = node
        return node

    def _new(self, event: Any, line: int, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, line, event.style == "|")
        if isinstance(event, yaml.SequenceStartEvent):
            sequence = Sequence(line)
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                sequence.items.append(self.node(event, depth + 1))
            return sequence
        if isinstance(event, yaml.MappingStartEvent):
            mapping = Mapping(line)
            while not isinstance(event := next(self.events), yaml.MappingEndEvent):
                key = self.node(event, depth + 1)
                if not isinstance(key, Scalar):
                    raise ConfigError("a key that is not plain text", path=self.path, line=key.line)
                mapping.pairs.append((key, self.node(next(self.events), depth + 1)))
            return mapping
        raise ConfigError("an alias (*name): Fluent Bit does not take them", path=self.path, line=line)
