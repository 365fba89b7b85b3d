"""Sections through JSON, for a plan that carries the configuration it was made with.

Only what a recovery needs is kept: the service, tail inputs, filters, s3 outputs, parsers. Of any other input or
output only the name is left, so that the others keep their numbers; keys that hold a secret are left out, and what is
one by its form (a password in a URL) is masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from flbrecover.errors import ConfigError
from flbrecover.fluentbit.pipeline import Origin, Property, Section, SectionKind
from flbrecover.fluentbit.secrets import is_secret, mask_value

_KEPT_PLUGIN = {"input": "tail", "output": "s3"}
_PARSERS = ("parser", "multiline_parser")
_LOGIN = ("oauth2", "authorization_endpoint")
_WORDS = ("username", "_user", "token", "secret")  # a plan needs none of these, be they secrets or not
_KINDS = get_args(SectionKind)


def sections_to_json(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Plain values for ``json.dumps``; :func:`sections_from_json` reads them back to what matters of the sections."""
    return [
        {
            "kind": s.kind,
            "path": s.origin.path,
            "line": s.origin.line,
            "properties": [[p.key, mask_value(p.key, p.value), p.origin.path, p.origin.line] for p in _kept(s)],
        }
        for s in sections
    ]


def sections_from_json(values: object) -> list[Section]:
    """The sections again. Raises ConfigError where the values are not what :func:`sections_to_json` gives."""
    return [_section(v) for v in _list(values)]


def _kept(section: Section) -> Iterable[Property]:
    if section.kind in _PARSERS:
        return section.properties
    wanted = _KEPT_PLUGIN.get(section.kind)
    if wanted is not None and (section.all("name") or [""])[0].lower() != wanted:
        return [p for p in section.properties if p.key.lower() == "name"]
    known = (p for p in section.properties if p.value or not p.unset)  # an unset variable is none when it is read back
    return [p for p in known if not _is_left_out(p.key)]


def _is_left_out(key: str) -> bool:
    word = key.lower()
    return word.startswith(_LOGIN) or any(part in word for part in _WORDS) or is_secret(key)


def _section(value: object) -> Section:
    if not isinstance(value, dict) or value.get("kind") not in _KINDS:
        raise ConfigError("the plan's configuration has a section of an unknown kind")
    properties = tuple(_property(p) for p in _list(value.get("properties")))
    return Section(value["kind"], properties, _origin(value.get("path"), value.get("line")))


def _property(value: object) -> Property:
    fields = _list(value)
    if len(fields) != 4 or not isinstance(fields[0], str) or not isinstance(fields[1], str):
        raise ConfigError("the plan's configuration has a key that is not key, value, path, line")
    return Property(fields[0], fields[1], _origin(fields[2], fields[3]))


def _origin(path: object, line: object) -> Origin:
    if not isinstance(path, str) or not isinstance(line, int) or isinstance(line, bool):
        raise ConfigError("the plan's configuration has a key without path and line")
    return Origin(path, line)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError("the plan's configuration is not a list of sections")
    return value
