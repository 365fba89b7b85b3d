"""What the tests of the configuration readers share: the recorded answers of Fluent Bit's own, and includes."""

from __future__ import annotations

import fnmatch
import json
import posixpath
from pathlib import Path
from typing import Any

from flbrecover.errors import ConfigError
from flbrecover.fluentbit.config_text import Include, ParsedConfig

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "config" / "recorded.json").read_text(encoding="ascii")
)


def files(**texts: str) -> Include:
    """An include callback over a dictionary; names stand for paths."""

    def include(pattern: str, including: str) -> list[tuple[str, str]]:
        name = posixpath.basename(pattern)
        found = sorted(n for n in texts if fnmatch.fnmatchcase(n, name.replace(".", "_")))
        if not found:
            raise ConfigError("no such file")
        return [(n, texts[n]) for n in found]

    return include


def nothing(pattern: str, including: str) -> list[tuple[str, str]]:
    raise ConfigError(f"unexpected include of {pattern}")


def plain(parsed: ParsedConfig) -> list[tuple[str, list[tuple[str, str]]]]:
    """Kinds with their keys (in lower case) and values; all service sections as one, where the first stands."""
    out: list[tuple[str, list[tuple[str, str]]]] = []
    for section in parsed.sections:
        pairs = [(p.key.lower(), p.value) for p in section.properties if p.key not in ("processors", "routes")]
        first = next((o for o in out if o[0] == "service"), None)
        if section.kind == "service" and first:
            first[1].extend(pairs)
        else:
            out.append((section.kind, pairs))
    return out


def recorded(row: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(kind, [(k.lower(), v) for k, v in pairs]) for kind, pairs in row["sections"]]
