"""Fluent Bit's configuration as it lies on the node: found, read with everything it includes, one list of sections.

See docs/configuration.md for what is read and where it is looked for.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from flbrecover.errors import ConfigError
from flbrecover.evidence import config_places
from flbrecover.evidence.config_maps import YAML_NAMES, ConfigMap, config_maps, starting_files
from flbrecover.evidence.config_texts import Includes, Texts
from flbrecover.evidence.node import Node
from flbrecover.fluentbit import config_classic, config_yaml
from flbrecover.fluentbit.config_text import ParsedConfig, is_constant
from flbrecover.fluentbit.interpret import interpret
from flbrecover.fluentbit.parsers_shipped import SHIPPED
from flbrecover.fluentbit.pipeline import Pipeline, Section
from flbrecover.model import FileFacts, Problem

_PARSER_KINDS = ("parser", "multiline_parser")
_MAX_NAMED = 12  # in one message


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """``files`` are those that were read, the main one first; ``searched`` the places that were looked at when no
    path was given; ``notes`` what a reader should know of the configuration; ``undefined`` the variables that it uses
    and nothing sets; ``missing`` the includes that were passed over because they are not there (:func:`read_keys`)."""

    sections: tuple[Section, ...]
    files: tuple[FileFacts, ...]
    searched: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = ()
    undefined: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def pipeline(self) -> Pipeline:
        """What the sections mean. Raises ConfigError for what Fluent Bit would refuse."""
        return interpret(self.sections)


def load(node: Node, path: str | None, env: Mapping[str, str]) -> LoadedConfig:
    """The configuration at ``path`` inside the root; with None, the one with an s3 output at the usual places.

    ``path`` is a classic or YAML file, a folder that a ConfigMap is mounted to, or a ConfigMap manifest, whose key may
    be given as ``FILE#key`` (``FILE#namespace/name/key``). ``env`` are the variables for ``${NAME}``. Raises
    ConfigError, one line, where there is no configuration, or several and none is named.
    """
    if path is None:
        return _search(node, env)
    path = posixpath.normpath(f"/{path.lstrip('/')}")
    key: str | None = None
    if not node.exists(path) and "#" in path:
        path, _, key = path.partition("#")
    if not node.exists(path):
        raise ConfigError(f"no such file or folder inside the root {node.root}", path=path)
    return _only(_read(node, path, key, env), path)


def read_keys(node: Node, main: str, data: Mapping[str, str], env: Mapping[str, str]) -> LoadedConfig:
    """The configuration that starts with the key ``main`` (``FILE#key``) of ``data``: what a container finds in the
    ConfigMaps that it mounts. What it includes and none of the keys is, is named in ``missing`` and passed over. Raises
    ConfigError for what Fluent Bit refuses."""
    return _parse(Texts(node), main, data[main.rpartition("#")[2]], data, env, partial=True)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One configuration that a place holds; ``error`` where it cannot be read."""

    name: str
    loaded: LoadedConfig | None
    error: ConfigError | None = None

    def has_s3(self) -> bool:
        return self.loaded is not None and any(_is_plugin(s, "output", "s3") for s in self.loaded.sections)

    def __str__(self) -> str:
        if self.loaded is None:
            return f"{self.name} (cannot be read: {self.error})"
        outputs = ", ".join(sorted({s.get("name") or "?" for s in self.loaded.sections if s.kind == "output"}))
        return f"{self.name} (outputs: {outputs or 'none'})"


def _search(node: Node, env: Mapping[str, str]) -> LoadedConfig:
    searched = (*config_places.FILES, *config_places.FOLDERS)
    found: list[_Candidate] = []
    for path in (*config_places.files(node), *config_places.folders(node)):
        try:
            found += _read(node, path, None, env, searching=True)
        except ConfigError as e:
            found.append(_Candidate(path, None, e))
    with_s3 = _distinct([c for c in found if c.has_s3()])
    if len(with_s3) == 1 and with_s3[0].loaded:
        return replace(with_s3[0].loaded, searched=searched)
    if with_s3:
        raise ConfigError(f"several configurations have an s3 output, choose one with --config: {_listed(with_s3)}")
    for path, why in config_places.closed(node).items():
        found.append(_Candidate(path, None, ConfigError(f"{why}; run as root, or give --config", path=path)))
    if len(found) == 1 and found[0].error is not None:
        raise found[0].error  # it is the one that was meant, and what is wrong with it is all that matters
    folders = tuple(posixpath.dirname(p) for p in config_places.FILES)
    places = ", ".join(dict.fromkeys((*folders, config_places.FOLDERS[0])))
    raise ConfigError(
        f"no configuration with an s3 output found inside {node.root}; give --config. Found: {_listed(found)}. "
        f"Looked for fluent-bit.conf, .yaml and .yml in {places}"
    )


def _distinct(found: list[_Candidate]) -> list[_Candidate]:
    """Without those that say the same as one before: the pods of a rolling update mount the same ConfigMap."""
    out: dict[object, _Candidate] = {}
    for c in found:
        sections = c.loaded.sections if c.loaded else ()
        said = tuple((s.kind, tuple((p.key.lower(), p.value) for p in s.properties)) for s in sections)
        first = out.setdefault(said, c)
        if first is not c and first.loaded:
            note = Problem(first.name, f"{c.name} says the same", unreadable=False)
            out[said] = replace(first, loaded=replace(first.loaded, notes=(*first.loaded.notes, note)))
    return list(out.values())


def _only(found: list[_Candidate], path: str) -> LoadedConfig:
    """The one configuration that a place holds, or the one of several that has an s3 output."""
    if len(found) > 1:
        with_s3 = [c for c in found if c.has_s3()]
        if len(with_s3) != 1:
            raise ConfigError(f"several configurations, choose one with --config FILE#key: {_listed(found)}", path=path)
        found = with_s3
    if found[0].loaded is None:
        raise found[0].error or ConfigError("cannot be read", path=path)
    return found[0].loaded


def _listed(found: list[_Candidate]) -> str:
    more = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
    return "; ".join(str(c) for c in found[:_MAX_NAMED]) + more or "nothing"


def _read(
    node: Node, path: str, key: str | None, env: Mapping[str, str], *, searching: bool = False
) -> list[_Candidate]:
    """Every configuration at a path: a file has one, a folder or a manifest may have several. Raises ConfigError where
    there is none, unless it is only looked around (``searching``)."""
    if node.is_dir(path):
        texts = Texts(node)
        files, unreadable = texts.folder(path)
        if unreadable is not None and not files and not searching:
            raise unreadable
        names = _chosen(starting_files(files), files, key, path, strict=not searching)
        return [_candidate(f"{path}/{n}", Texts(node), f"{path}/{n}", files[n], None, env) for n in names]
    texts = Texts(node)
    text = texts.read(path)
    maps = config_maps(text, path)
    if maps is None:
        if key is not None:
            raise ConfigError(f"is no ConfigMap manifest: there is no #{key} in it", path=path)
        return [_candidate(path, texts, path, text, None, env)]
    out = []
    for one in maps:
        wanted = None if key is None else key.removeprefix(f"{one.name}/").removeprefix(f"{_bare(one)}/")
        for name in _chosen(starting_files(one.data), one.data, wanted, path, strict=False):
            shown = f"{path}#{name}" if len(maps) == 1 else f"{path}#{one.name}/{name}"
            out.append(_candidate(shown, texts, f"{path}#{name}", one.data[name], one.data, env))
    if not out:
        keys = ", ".join(f"{m.name}/{k}" for m in maps for k in m.data)
        wanted = f"#{key}" if key else "Fluent Bit configuration"
        raise ConfigError(f"no {wanted} among its keys: {keys or 'none'}", path=path)
    return out


def _bare(config_map: ConfigMap) -> str:
    return config_map.name.rpartition("/")[2]


def _chosen(
    starting: list[str], files: Mapping[str, str], key: str | None, path: str, *, strict: bool = True
) -> list[str]:
    if key is not None:
        starting = [key] if key in files else []
    if not starting and strict:
        if not files and key is None:
            raise ConfigError("a folder without a Fluent Bit configuration", path=path)
        wanted = f"#{key}" if key else "Fluent Bit configuration"
        raise ConfigError(f"no {wanted} among its files: {', '.join(files) or 'none'}", path=path)
    return starting


def _candidate(
    name: str, texts: Texts, main: str, text: str, beside: Mapping[str, str] | None, env: Mapping[str, str]
) -> _Candidate:
    try:
        return _Candidate(name, _parse(texts, main, text, beside, env))
    except ConfigError as e:
        return _Candidate(name, None, e)


def _parse(
    texts: Texts,
    main: str,
    text: str,
    beside: Mapping[str, str] | None,
    env: Mapping[str, str],
    *,
    partial: bool = False,
) -> LoadedConfig:
    if beside is None:
        texts.read(main)  # the main file comes first among the facts
    is_yaml = main.endswith(YAML_NAMES)
    includes = Includes(texts, main, beside, own_folder=is_yaml, partial=partial)
    parsed = (config_yaml if is_yaml else config_classic).parse(text, main, env=env, include=includes.find)
    for section in parsed.sections:
        if not is_yaml and section.kind in _PARSER_KINDS:
            message = "a parser belongs in a Parsers_File: Fluent Bit refuses it here"
            raise ConfigError(message, path=section.origin.path, line=section.origin.line)
    parsers, notes = _parsers_files(parsed, {**env, **parsed.variables}, texts, main, beside)
    sections = (*parsed.sections, *parsers)
    notes = [*includes.notes, *parsed.notes, *notes, *_undefined(parsed, main), *_not_understood(sections)]
    return LoadedConfig(
        sections,
        tuple(texts.facts.values()),
        notes=tuple(notes),
        undefined=parsed.undefined,
        missing=tuple(includes.missing),
    )


def _parsers_files(
    parsed: ParsedConfig, env: Mapping[str, str], texts: Texts, main: str, beside: Mapping[str, str] | None
) -> tuple[list[Section], list[Problem]]:
    """The parsers of every ``Parsers_File``. One that is not there is a note: in a container it is part of the image,
    and what it mostly defines is known (:mod:`parsers_shipped`)."""
    sections: list[Section] = []
    notes: list[Problem] = []
    read: set[str] = set()
    for p in (p for s in parsed.sections if s.kind == "service" for p in s.properties):
        if p.key.lower() != "parsers_file" or not p.value or p.value in read:
            continue
        read.add(p.value)
        is_yaml = p.value.endswith(YAML_NAMES)
        includes = Includes(texts, main, beside, own_folder=is_yaml)
        try:
            path, text = includes.find(p.value, p.origin.path)[0]
        except ConfigError as e:
            what = f"line {p.origin.line}: the Parsers_File {p.value} cannot be read: {e}"
            notes.append(Problem(p.origin.path, what, unreadable=False))
            continue
        inner = Includes(texts, path, beside, own_folder=is_yaml)
        found = (config_yaml if is_yaml else config_classic).parse(text, path, env=env, include=inner.find)
        sections += [s for s in found.sections if s.kind in _PARSER_KINDS]
        notes += [*includes.notes, *inner.notes]
    return sections, [*notes, *_shipped(parsed.sections, sections)]


def _shipped(used: Iterable[Section], defined: list[Section]) -> list[Problem]:
    """A note for each parser of a tail input that no file defines."""
    names = {s.get("name") for s in (*used, *defined) if s.kind == "parser"}
    notes = []
    for section in used:
        if _is_plugin(section, "input", "tail"):
            for p in section.properties:
                if p.key.lower() in ("parser", "parser_firstline", "docker_mode_parser") and p.value not in names:
                    shipped = p.value in SHIPPED
                    what = "Fluent Bit's own definition is taken" if shipped else "its lines are not parsed"
                    what = f"line {p.origin.line}: the parser {p.value} is defined in no file that was read: {what}"
                    notes.append(Problem(p.origin.path, what, unreadable=False))
    return notes


def _undefined(parsed: ParsedConfig, main: str) -> list[Problem]:
    """A note for each variable that nothing sets. What only fills fields that a filter adds is left open, the rest is
    empty."""
    empty = {name for s in parsed.sections for p in s.properties if not is_constant(p, s.kind) for name in p.unset}
    way_out = "give it with --env NAME=VALUE"
    notes = []
    for name in parsed.undefined:
        taken = "taken as empty" if name in empty else "fields with it are taken from stored records"
        notes.append(Problem(main, f"the variable ${{{name}}} is not set: {taken}", way_out=way_out, unreadable=False))
    return notes


def _not_understood(sections: Iterable[Section]) -> list[Problem]:
    notes = []
    for section in sections:
        if _is_plugin(section, "input", "tail") or _is_plugin(section, "output", "s3"):
            for p in section.properties:
                if p.key in (config_yaml.PROCESSORS, config_yaml.ROUTES):
                    what = f"line {p.origin.line}: {p.key} of this {section.kind} ({p.value}) are not understood"
                    notes.append(Problem(p.origin.path, what, unreadable=False))
    return notes


def _is_plugin(section: Section, kind: str, name: str) -> bool:
    return section.kind == kind and (section.all("name") or [""])[0].lower() == name
