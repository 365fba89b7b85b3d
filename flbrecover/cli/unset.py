"""Variables that nothing sets, where they decide everything: a call that needs such a key is refused.

Taken as empty, a Path finds no log, and a tag or key format has everything stored a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flbrecover.errors import ConfigError
from flbrecover.fluentbit.filters.options import is_active
from flbrecover.fluentbit.pipeline import Section, SectionKind


@dataclass(frozen=True, slots=True)
class Need:
    """Keys that a call cannot do without, in lower case, by the kind of their section."""

    keys: Mapping[SectionKind, tuple[str, ...]]


LOGS = Need({"input": ("path", "exclude_path", "db")})
BUFFERS = Need({"service": ("storage.path",), "output": ("bucket", "store_dir")})
OBJECTS = Need({"output": ("bucket", "s3_key_format", "s3_key_format_tag_delimiters")})
TAGS = Need({"input": ("tag", "tag_regex")})
RECORDS = Need(
    {
        "input": ("parser", "multiline.parser", "parser_firstline", "key"),
        "filter": ("match", "match_regex", "regex", "exclude", "rule", "condition"),
        "output": ("match", "match_regex", "format", "log_key", "json_date_key", "json_date_format", "compression"),
    }
)
ALL = (LOGS, BUFFERS, OBJECTS, TAGS, RECORDS)

_PLUGINS: Mapping[SectionKind, str] = {"input": "tail", "output": "s3"}


def check(
    sections: Sequence[Section], needs: Sequence[Need], options: Mapping[tuple[str, str], str], output: str | None
) -> None:
    """Raises ConfigError where a key of ``needs`` has a variable that nothing sets. ``options`` tells the option that
    gives a key's value by hand, by kind and key; ``output`` is the one s3 output that counts (None: all)."""
    number = -1
    for section in sections:
        number += section.kind == "output"
        if not _counts(section, number, output):
            continue
        wanted = {key for need in needs for key in need.keys.get(section.kind, ())}
        for p in section.properties:
            if p.unset and p.key.lower() in wanted:
                by_hand = options.get((section.kind, p.key.lower()))
                way_out = f"give it with --env {p.unset[0]}=VALUE" + (f", or say {by_hand}" if by_hand else "")
                message = f"{p.key} needs the variable ${{{p.unset[0]}}}, which is not set; {way_out}"
                raise ConfigError(message, path=p.origin.path, line=p.origin.line or None)


def _counts(section: Section, number: int, output: str | None) -> bool:
    """Is it a section that a recovery reads? ``number``: of outputs, its place among them."""
    plugin = _PLUGINS.get(section.kind)
    if plugin is not None and (section.get("name") or "").lower() != plugin:
        return False
    if section.kind == "filter":
        return is_active(section)
    return section.kind != "output" or output is None or output == (section.get("alias") or f"s3.{number}")
