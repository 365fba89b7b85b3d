"""Where buffers and the tail DB lie when they are not where the configuration says.

In Kubernetes a configured path is a path in the container. Without a hostPath it is on the node all the same: in an
emptyDir volume of the pod, mounted at any part of the path, or in the container's writable layer, or, whatever the
storage driver, under ``/proc/PID/root`` while the container runs. Nothing is taken by its place alone: a folder must
look like what is sought. Every search is bounded in breadth and depth; the disk is never walked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.evidence.store_dir import STREAM_NAME

MAX_PLACES = 2000  # volumes, layers and processes of each sort
MAX_FOLDERS = 100  # looked into below one volume
MAX_NAMES = 2000  # looked at in one folder
MAX_DEPTH = 3  # below a volume, beyond the parts of the configured path (subPath)

_EMPTY_DIRS = (
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/*",
    "/var/lib/k0s/kubelet/pods/*/volumes/kubernetes.io~empty-dir/*",
    "/var/snap/microk8s/common/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/*",
)
_LAYERS = (
    "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/run/k3s/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/var/lib/rancher/rke2/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/var/snap/microk8s/common/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "/var/lib/docker/overlay2/*/diff",
    "/var/lib/containers/storage/overlay/*/diff",
)
_CHUNK = re.compile(r"\d+-\d+\.\d+\.flb", re.ASCII)
_SQLITE_MAGIC = b"SQLite format 3\0"
PlaceKind = Literal["emptyDir", "layer", "process"]


@dataclass(frozen=True, slots=True)
class HiddenPlace:
    """A path inside the root that looks like the configured one's content, what it lies in, and why it was looked
    at."""

    path: str
    kind: PlaceKind
    why: str


def store_dirs(node: Node, configured: str, buckets: Collection[str]) -> list[HiddenPlace]:
    """Folders that hold a folder of one of ``buckets`` with a stream (a dated folder, ``quarantine`` …) in it; none if
    ``configured`` is such a folder."""

    def fits(path: str) -> bool:
        return any(STREAM_NAME.fullmatch(n) for b in buckets for n in _names(node, f"{path.rstrip('/')}/{b}"))

    return _find(node, configured, fits, _volume_folders)


def storage_paths(node: Node, configured: str) -> list[HiddenPlace]:
    """Folders that hold a folder of an input with ``.flb`` chunks in it; none if ``configured`` is such a folder."""

    def fits(path: str) -> bool:
        inputs = (n for n in _names(node, path) if "." in n or n == "rejected")
        return any(_CHUNK.fullmatch(n) for i in inputs for n in _names(node, f"{path.rstrip('/')}/{i}"))

    return _find(node, configured, fits, _volume_folders)


def databases(node: Node, configured: str) -> list[HiddenPlace]:
    """SQLite files of the same name; none if ``configured`` is one."""

    def fits(path: str) -> bool:
        if not node.is_file(path):
            return False
        try:
            with node.open(path) as f:
                return f.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
        except (EvidenceError, OSError):
            return False

    return _find(node, configured, fits, _volume_files)


def _find(
    node: Node,
    configured: str,
    fits: Callable[[str], bool],
    in_volume: Callable[[Node, str, tuple[str, ...]], Iterator[str]],
) -> list[HiddenPlace]:
    if fits(configured):
        return []
    parts = PurePosixPath(configured).parts[1:]
    found: dict[str, HiddenPlace] = {}
    for path, kind, why in _in_volumes_and_layers(node, parts, in_volume):
        if path not in found and _is_itself(node, path) and fits(path):
            found[path] = HiddenPlace(path, kind, why)
    if found:  # a process would only show the same files once more
        return list(found.values())
    by_process = {"/".join(("", "proc", pid, "root", *parts)): pid for pid in node.agents_in_containers()}
    return [
        HiddenPlace(path, "process", f"root of process {pid} (fluent-bit)")
        for path, pid in by_process.items()
        if _is_itself(node, path) and fits(path)
    ]


def _in_volumes_and_layers(
    node: Node, parts: tuple[str, ...], in_volume: Callable[[Node, str, tuple[str, ...]], Iterator[str]]
) -> Iterator[tuple[str, PlaceKind, str]]:
    for volume in _existing(node, _EMPTY_DIRS):
        of = PurePosixPath(volume)
        for path in in_volume(node, volume, parts):
            yield path, "emptyDir", f"emptyDir volume {of.name} of pod {of.parts[-4]}"
    for layer in _existing(node, _LAYERS):
        yield "/".join((layer, *parts)), "layer", f"writable layer {PurePosixPath(layer).parts[-2]} of a container"


def _volume_folders(node: Node, volume: str, parts: tuple[str, ...]) -> Iterator[str]:
    """The volume may be mounted at any part of the path: what is left of the path lies in the volume."""
    for i in range(len(parts) + 1):
        yield "/".join((volume, *parts[i:]))
    yield from _folders_below(node, volume)


def _volume_files(node: Node, volume: str, parts: tuple[str, ...]) -> Iterator[str]:
    for i in range(len(parts)):
        yield "/".join((volume, *parts[i:]))
    for folder in _folders_below(node, volume) if parts else ():
        yield f"{folder}/{parts[-1]}"


def _is_itself(node: Node, path: str) -> bool:
    """No part of the path is a symlink: a container could have set it to anywhere on the node."""
    try:
        return node.resolve(path) == path
    except EvidenceError:
        return False


def _existing(node: Node, patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        # Symlinks up to here are the node's own: /var/lib/docker is often elsewhere.
        yield from (node.resolve(p) for p in node.glob(pattern)[:MAX_PLACES] if node.is_dir(p))


def _folders_below(node: Node, top: str) -> Iterator[str]:
    """Folders below ``top``, breadth first: a subPath mount puts folders between the volume and the path."""
    todo = [(top, 0)]
    for count, (path, depth) in enumerate(todo):
        if count:
            yield path
        if depth < MAX_DEPTH and len(todo) < MAX_FOLDERS:
            children = (f"{path}/{n}" for n in _names(node, path))
            todo += [(c, depth + 1) for c in children if _is_itself(node, c) and node.is_dir(c)]


def _names(node: Node, path: str) -> list[str]:
    try:
        return node.names(path)[:MAX_NAMES]
    except EvidenceError:
        return []
