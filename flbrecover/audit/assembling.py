"""What the files hold, put together: which container runs with which configuration on which volumes."""

from __future__ import annotations

import itertools
import os
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence

from flbrecover.audit import versions
from flbrecover.audit.agents import Setup
from flbrecover.audit.building import Built, build
from flbrecover.audit.findings import Report
from flbrecover.audit.manifests import ConfigMap, Container, Projection, Text, Workload
from flbrecover.audit.reading import Inputs, is_config, main_name, read
from flbrecover.audit.rules.all import judge
from flbrecover.evidence import config_files
from flbrecover.evidence.config_files import LoadedConfig
from flbrecover.evidence.config_maps import starting_files
from flbrecover.fluentbit.pipeline import Origin

_FLUENT_BIT = re.compile(r"fluent-?bit|td-agent-bit", re.IGNORECASE)
_NOT_ITSELF = re.compile(r"reload|exporter|operator|config-?init", re.IGNORECASE)
_DEFAULT_CONFIG = "/fluent-bit/etc/fluent-bit.conf"  # CMD of the official images
_STDIN = "(stdin)"


def audit(
    files: Sequence[str], env: Mapping[str, str], *, stdin: str = "", version: versions.Version | None = None
) -> Report:
    """The audit of files and folders of this machine; ``-`` is ``stdin``. ``env`` are variables of the configuration,
    ``version`` that of Fluent Bit where no image says it."""
    inputs = Inputs(env, version)
    read(files, inputs, stdin)
    built = Built()
    _Assembly(inputs, built).everything()
    kubelets = inputs.manifests.kubelets
    if not built.subjects and not any(p.unreadable for p in inputs.problems + built.problems):
        kinds = ", ".join(sorted(set(inputs.manifests.passed_over))) or "none"
        inputs.unreadable(", ".join(files), f"no Fluent Bit to audit in it (other kinds of objects: {kinds})")
    return Report(
        built.subjects,
        (*built.refused, *judge(Setup(tuple(built.agents), kubelets[-1] if kubelets else None))),
        tuple(dict.fromkeys((*inputs.problems, *built.problems))),
        tuple(sorted(set(inputs.manifests.passed_over))),
    )


class _Assembly:
    def __init__(self, inputs: Inputs, built: Built) -> None:
        self._in = inputs
        self._out = built

    def everything(self) -> None:
        """An agent for every Fluent Bit container, and for every configuration that none of them has taken."""
        taken: set[int] = set()
        without: list[tuple[Workload, Container]] = []
        for workload in self._in.manifests.workloads:
            for container in workload.containers:
                maps = self._mounted(workload, container)
                files = _files_of(workload, container, maps)
                if not _runs_fluent_bit(container, files):
                    continue
                taken |= {id(m) for m in maps}
                if maps:
                    self._of_container(workload, container, files)
                else:
                    without.append((workload, container))
        self._of_files(without)
        if self._in.stdin is not None:
            name = main_name(self._in.stdin)
            self._of_keys(_STDIN, _STDIN, name, {name: Text(self._in.stdin, _STDIN, 0, True)})
        for config_map in self._in.manifests.config_maps:
            if id(config_map) not in taken:
                self._alone(config_map)

    def _mounted(self, workload: Workload, container: Container) -> list[ConfigMap]:
        names = {name for name, _ in _projected(workload, container)}
        return [
            c
            for c in self._in.manifests.config_maps
            if c.name in names and (not c.namespace or not workload.namespace or c.namespace == workload.namespace)
        ]

    def _of_container(self, workload: Workload, container: Container, data: Mapping[str, Text]) -> None:
        main = _main_file(container, data)
        subject = _subject(workload, container)
        if main is None:
            names = ", ".join(data) or "none"
            self._in.note(subject, f"no Fluent Bit configuration among the ConfigMap keys that it mounts: {names}")
        else:
            self._of_keys(subject, workload.origin.path, main, data, workload, container)

    def _of_files(self, without: list[tuple[Workload, Container]]) -> None:
        """Configurations that are files. The only one belongs to the only container that has none."""
        configs = list(self._in.configs)
        if len(without) == 1 and len(configs) == 1:
            workload, container = without.pop()
            subject = _subject(workload, container)
            self._in.note(configs[0], f"taken for the configuration of {subject}, which has no other")
            self._of_file(subject, configs.pop(), workload, container)
        for workload, container in without:
            mounted = [m for v in workload.volumes.values() for m, _ in v.config_maps]
            names = f"ConfigMap {', '.join(mounted)}" if mounted else "it mounts no ConfigMap"
            self._in.note(_subject(workload, container), f"its configuration was not given ({names}): not judged")
        for path in configs:
            self._of_file(path, path)

    def _alone(self, config_map: ConfigMap) -> None:
        """A ConfigMap that no container of the files mounts."""
        texts = {k: t.text for k, t in config_map.data.items()}
        name = f"ConfigMap {'/'.join(n for n in (config_map.namespace, config_map.name) if n)}"
        for main in starting_files(texts):
            if is_config(texts[main]):
                self._of_keys(f"{name}, {main}", config_map.origin.path, main, config_map.data)

    def _of_keys(
        self,
        subject: str,
        path: str,
        main: str,
        data: Mapping[str, Text],
        workload: Workload | None = None,
        container: Container | None = None,
    ) -> None:
        """An agent whose files are keys of ConfigMaps (or the standard input)."""

        def locate(origin: Origin) -> Origin:
            key = origin.path.removeprefix(f"{path}#")
            return data[key].origin(origin.line) if key in data else origin

        def load(env: Mapping[str, str]) -> LoadedConfig:
            texts = {k: t.text for k, t in data.items()}
            return config_files.read_keys(self._in.node, f"{path}#{main}", texts, env)

        env, version = self._variables(workload, container), self._in.version
        build(self._out, subject, load, locate, env, workload=workload, container=container, version=version)

    def _variables(self, workload: Workload | None, container: Container | None) -> dict[str, str]:
        """What the container's manifest and the ConfigMaps that it names say; ``--env`` wins."""
        out: dict[str, str] = {}
        for name, config_map, key in container.env_from if container and workload else ():
            for one in self._in.manifests.config_maps:
                if one.name == config_map and workload and one.namespace in ("", workload.namespace):
                    texts = {k: t.text for k, t in one.data.items()}
                    out.update(texts if not name else {name: texts[key]} if key in texts else {})
        return {**out, **(container.env if container else {}), **self._in.env}

    def _of_file(
        self, subject: str, path: str, workload: Workload | None = None, container: Container | None = None
    ) -> None:
        real = os.path.abspath(path)
        base = os.path.dirname(real).rstrip("/") + "/"

        def locate(origin: Origin) -> Origin:
            """Paths as they were given, not from the root."""
            if not origin.path.startswith(base):
                return origin
            return Origin(os.path.join(os.path.dirname(path), origin.path[len(base) :]), origin.line)

        def load(env: Mapping[str, str]) -> LoadedConfig:
            return config_files.load(self._in.node, real, env)

        env, version = self._variables(workload, container), self._in.version
        build(self._out, subject, load, locate, env, workload=workload, container=container, version=version)


def _subject(workload: Workload, container: Container) -> str:
    return f"{workload}, container {container.name}"


def _projected(workload: Workload, container: Container) -> list[Projection]:
    """What the volumes that the container mounts take of ConfigMaps."""
    volumes = (workload.volumes[m.volume] for m in container.mounts if m.volume in workload.volumes)
    return [projection for volume in volumes for projection in volume.config_maps]


def _runs_fluent_bit(container: Container, files: Mapping[str, Text]) -> bool:
    image = container.image.rpartition("/")[2]
    if _NOT_ITSELF.search(image) or _NOT_ITSELF.search(container.name):
        return False
    said = " ".join((image, container.name, *container.command))
    return bool(_FLUENT_BIT.search(said)) or any(is_config(t.text) for t in files.values())


def _files_of(workload: Workload, container: Container, maps: Sequence[ConfigMap]) -> dict[str, Text]:
    """File name -> text of the ConfigMaps, as the container sees them: with ``items``, only the keys that they list."""
    projected = _projected(workload, container)
    out: dict[str, Text] = {}
    for config_map in maps:
        for items in (items for name, items in projected if name == config_map.name):
            for key, file in ({key: key for key in config_map.data} if items is None else items).items():
                if key in config_map.data:
                    out[posixpath.basename(file)] = config_map.data[key]
    return out


def _main_file(container: Container, data: Mapping[str, Text]) -> str | None:
    """The file that Fluent Bit starts with: ``-c``, ``--config``, the image's own, else what nothing else includes."""
    for path in (*config_arguments(container.command), _DEFAULT_CONFIG):
        if posixpath.basename(path) in data:
            return posixpath.basename(path)
    texts = {k: t.text for k, t in data.items()}
    return next((k for k in starting_files(texts) if is_config(texts[k])), None)


def config_arguments(command: Sequence[str]) -> list[str]:
    """What ``-c`` and ``--config`` of a command line say, also within ``sh -c "fluent-bit -c …"``."""
    words: list[str] = []
    for part in command:
        try:
            words += shlex.split(part) if " " in part else [part]
        except ValueError:  # an open quote: not a shell's line
            words.append(part)
    said = [w.partition("=")[2] for w in words if w.startswith("--config=")]
    return said + [after for word, after in itertools.pairwise(words) if word in ("-c", "--config")]
