"""Kubernetes manifests as values, as far as an audit needs them: workloads with their containers, volumes and update
strategy, ConfigMaps, the kubelet's configuration. :mod:`kubernetes` reads them.

Field names are those of the Kubernetes API (apps/v1, v1, batch/v1, kubelet.config.k8s.io/v1beta1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flbrecover.fluentbit.pipeline import Origin


@dataclass(frozen=True, slots=True)
class Text:
    """A value of a manifest: a key's ``text``, the ``line`` of its key, and whether its lines are those of the file."""

    text: str
    path: str
    line: int
    literal: bool

    def origin(self, line: int) -> Origin:
        """Where line ``line`` of the text is in the file; the line of its key where that cannot be told."""
        return Origin(self.path, self.line + line if self.literal else self.line)


@dataclass(frozen=True, slots=True)
class ConfigMap:
    name: str
    namespace: str
    data: dict[str, Text]
    origin: Origin


Projection = tuple[str, dict[str, str] | None]
"""The name of a ConfigMap, and which of its keys become files of which names (``items``; None: all, as they are)."""


@dataclass(frozen=True, slots=True)
class Volume:
    """``kind`` is the field that makes it (``hostPath``, ``emptyDir`` …); ``source`` a path, a claim or the name of a
    ConfigMap; ``config_maps`` those of a configMap or projected volume, each with its ``items``."""

    name: str
    kind: str
    source: str
    origin: Origin
    config_maps: tuple[Projection, ...] = ()
    in_memory: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    path: str
    volume: str
    sub_path: str
    expands: bool  # subPathExpr with a variable: not every pod gets the same folder
    read_only: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class Container:
    """``env`` holds the values that the manifest says, ``env_from`` those that are (name, ConfigMap, key), with an
    empty name and key for all keys of one (``envFrom``)."""

    name: str
    image: str
    command: tuple[str, ...]
    mounts: tuple[Mount, ...]
    env: dict[str, str]
    env_from: tuple[tuple[str, str, str], ...]
    memory_limit: int | None  # bytes
    origin: Origin
    image_origin: Origin


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a new version takes over. ``kind`` is ``RollingUpdate``, ``OnDelete`` or ``Recreate``; ``surge`` as written,
    None where nothing is."""

    kind: str
    surge: str | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Workload:
    kind: str
    name: str
    namespace: str
    containers: tuple[Container, ...]
    volumes: dict[str, Volume]
    strategy: Strategy
    grace_s: int  # terminationGracePeriodSeconds
    grace_origin: Origin
    node_selector: tuple[tuple[str, str], ...]
    replicas: str | None
    origin: Origin

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Kubelet:
    """How the kubelet rotates container logs: ``size`` as written (``10Mi``), how many ``files`` it keeps."""

    size: str
    files: str
    origin: Origin


@dataclass(slots=True)
class Manifests:
    """Everything that the files hold. ``passed_over`` are kinds that no rule looks at."""

    workloads: list[Workload] = field(default_factory=list)
    config_maps: list[ConfigMap] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    kubelets: list[Kubelet] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    objects: int = 0
