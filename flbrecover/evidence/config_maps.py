"""Several configuration files in one place: a Kubernetes ConfigMap manifest, or a folder that a ConfigMap is mounted
to; and which of them is the one that Fluent Bit starts with."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import yaml_nodes as y

YAML_NAMES = (".yaml", ".yml")

_KIND = re.compile(r"""["']?kind["']?\s*:\s*["']?(?:ConfigMap|ConfigMapList|List)\b""")
_CLASSIC = re.compile(r"^(?:\[(?:service|input|filter|output)s?\]|@include )", re.IGNORECASE | re.MULTILINE)
_YAML = re.compile(r"^(?:pipeline|includes)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_INCLUDE = re.compile(r"^@include (.+?)\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """``name`` is ``namespace/name``, or the name alone; ``data`` maps a key to its text."""

    name: str
    data: Mapping[str, str]


def config_maps(text: str, path: str) -> list[ConfigMap] | None:
    """The ConfigMaps of a manifest (YAML or JSON, also several documents or a List); None where the text is none."""
    if not _KIND.search(text):
        return None
    try:
        found = [c for document in y.documents(text, path) for c in _in_object(document)]
    except ConfigError:
        if path.endswith((*YAML_NAMES, ".json")):
            raise
        return None
    return found or None


def starting_files(files: Mapping[str, str]) -> list[str]:
    """The names of the files that look like a whole configuration: they have sections or includes, and no other file
    includes them."""
    whole = [n for n, text in files.items() if (_YAML if n.endswith(YAML_NAMES) else _CLASSIC).search(text)]
    included = {n for by in whole for pattern in _included(by, files[by]) for n in _named(pattern, by, files)}
    return [n for n in whole if n not in included] or whole


def _named(pattern: str, by: str, files: Mapping[str, str]) -> list[str]:
    name = posixpath.basename(pattern)
    return [n for n in files if n != by and (n == name or ("*" in name and fnmatch.fnmatchcase(n, name)))]


def _included(name: str, text: str) -> list[str]:
    if not name.endswith(YAML_NAMES):
        return _INCLUDE.findall(text)
    try:
        documents = y.documents(text, name)
    except ConfigError:
        return []
    lists = (d.get("includes") for d in documents if isinstance(d, y.Mapping))
    return [i.text for found in lists if isinstance(found, y.Sequence) for i in found.items if isinstance(i, y.Scalar)]


def _in_object(node: y.Node) -> list[ConfigMap]:
    if not isinstance(node, y.Mapping):
        return []
    kind, items = _text(node.get("kind")), node.get("items")
    if kind in ("List", "ConfigMapList") and isinstance(items, y.Sequence):
        return [c for item in items.items for c in _in_object(item)]
    data, metadata = node.get("data"), node.get("metadata")
    in_list = kind == "" and isinstance(metadata, y.Mapping)  # items of a ConfigMapList need not say their kind
    if (kind != "ConfigMap" and not in_list) or not isinstance(data, y.Mapping):
        return []
    names = [_text(metadata.get(k)) for k in ("namespace", "name")] if isinstance(metadata, y.Mapping) else []
    texts = {k.text: v.text for k, v in data.pairs if isinstance(v, y.Scalar)}
    return [ConfigMap("/".join(n for n in names if n) or "ConfigMap", texts)]


def _text(node: y.Node | None) -> str:
    return node.text if isinstance(node, y.Scalar) else ""
