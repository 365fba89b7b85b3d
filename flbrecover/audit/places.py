"""Where a path of a container really lies, and what survives there."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from flbrecover.audit.manifests import Container, Mount, Workload
from flbrecover.fluentbit.pipeline import Origin, clean

PlaceKind = Literal["node", "hostPath", "claim", "emptyDir", "memory", "layer", "read-only", "other", "unknown"]

_CLEARED_AT_BOOT = ("/tmp", "/run", "/var/run", "/dev/shm")
_CLAIMS = ("persistentVolumeClaim", "nfs", "awsElasticBlockStore", "gcePersistentDisk", "azureDisk", "local")
_OF_THE_POD = ("emptyDir", "ephemeral", "csi")  # made with the pod, deleted with it
_READ_ONLY = ("configMap", "secret", "projected", "downwardAPI")


@dataclass(frozen=True, slots=True)
class Place:
    """``real`` is the path on the node (``hostPath`` and ``node``) or what is unique of a volume, None where it cannot
    be known; ``said`` tells a person where it is; ``shared``: every pod that mounts the volume finds the same folder;
    ``per_pod``: every new pod gets another one."""

    kind: PlaceKind
    said: str
    real: str | None = None
    origin: Origin | None = None
    read_only: bool = False
    shared: bool = True
    per_pod: bool = False

    @property
    def survives(self) -> bool | None:
        """Whether what lies here is there for the next pod; None where that cannot be known."""
        if self.kind == "unknown":
            return None
        return self.kind in ("node", "hostPath", "claim") and not self.per_pod and not self.read_only

    @property
    def cleared_at_boot(self) -> bool:
        return self.real is not None and any(below(self.real, top) for top in _CLEARED_AT_BOOT)


Places = Callable[[str], Place]
"""Tells the place of a path as Fluent Bit sees it."""


def below(path: str, top: str) -> bool:
    """Whether ``path`` is ``top`` or inside of it."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def on_the_node(path: str) -> Place:
    """For a Fluent Bit that runs without a container."""
    return Place("node", f"{clean(path)} on the node itself", clean(path))


def unknown(path: str) -> Place:
    """For a configuration without the manifest of its pod."""
    return Place("unknown", f"{path}: no manifest was given that mounts it")


def in_container(workload: Workload, container: Container) -> Places:
    """By the ``volumeMounts`` of a container: the longest one that holds a path counts, as for mount(2)."""

    def place(path: str) -> Place:
        path = clean(path)
        fitting = [m for m in container.mounts if below(path, clean(m.path))]
        mount = max(fitting, key=lambda m: len(clean(m.path)), default=None)
        if mount is None:
            said = "the container's writable layer: no volume is mounted there"
            return Place("layer", said, origin=container.origin)
        return _in_volume(workload, mount, posixpath.relpath(path, clean(mount.path)))

    return place


def _in_volume(workload: Workload, mount: Mount, rest: str) -> Place:
    volume = workload.volumes.get(mount.volume)
    if volume is None:
        return Place("unknown", f"the volume {mount.volume}, which the pod does not define", origin=mount.origin)
    inside = posixpath.normpath(posixpath.join(mount.sub_path, rest)) if mount.sub_path else rest
    where = f"{volume.kind} volume {volume.name}"
    per_pod = mount.expands and "node" not in mount.sub_path.lower()  # $(POD_NAME) is new each time, $(NODE_NAME) stays
    if volume.kind == "hostPath":
        real = clean(posixpath.join(volume.source, inside))
        kind: PlaceKind = "hostPath"
        said = f"{real} on the node, {where}"
    elif volume.kind in _CLAIMS:
        kind, real = "claim", f"{volume.kind}:{workload.namespace}/{volume.source or volume.name}:{clean(inside)}"
        said = where + (f" (claim {volume.source})" if volume.source else "")
    elif volume.kind in _OF_THE_POD:
        kind, real = "memory" if volume.in_memory else "emptyDir", f"{workload}:{volume.name}:{clean(inside)}"
        said = f"{where}, which ends with its pod" + (" and is memory" if volume.in_memory else "")
    elif volume.kind in _READ_ONLY:
        kind, real, said = "read-only", None, f"{where}, which nothing can be written to"
    else:
        kind, real, said = "other", None, where
    read_only = mount.read_only or kind == "read-only"
    said += f" (subPathExpr {mount.sub_path})" if mount.expands else ""
    said += " (mounted readOnly)" if mount.read_only else ""
    return Place(kind, said, real, mount.origin, read_only, not mount.expands, per_pod)
