"""A bounded YAML reader that keeps line numbers and reads every scalar as text, as Fluent Bit does.

Aliases are refused unless they are asked for: Fluent Bit does not take them (src/config_format/flb_cf_yaml.c), and they
are how a small file becomes a large one. JSON is read by it, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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

    With ``aliases`` (Kubernetes takes them) an alias is the very node that it names, and counts as all that is in it:
    a walk over the documents has no more than ``MAX_NODES`` steps."""
    from flbrecover.fluentbit.yaml_events import nodes_of  # PyYAML takes a while, and most configurations are classic

    return [node for node in nodes_of(text, path, aliases) if not isinstance(node, Scalar) or node.text]
