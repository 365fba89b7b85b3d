"""Which container a process is in, as containerd and CRI-O note it for the kubelet.

Their ``config.json`` (OCI runtime specification) carries the image and the pod as annotations. It also carries the
container's environment, which may be secret: nothing but these annotations is taken from it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node

MAX_SIZE = 4 * 1024 * 1024
_ID = re.compile(r"([0-9a-f]{64})(?:\.scope)?$", re.MULTILINE)
_BUNDLES = (
    "/run/containerd/io.containerd.runtime.v2.task/k8s.io/{}/config.json",
    "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/{}/config.json",
    "/run/containers/storage/overlay-containers/{}/userdata/config.json",
)
_IMAGE = ("io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName")
_POD = ("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name")
_NAMESPACE = ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace")
_NAME = ("io.kubernetes.cri.container-name", "io.kubernetes.container.name")


@dataclass(frozen=True, slots=True)
class RunningContainer:
    image: str
    pod: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"pod {self.namespace}/{self.pod}, container {self.name}"


def of_process(node: Node, process: Path) -> RunningContainer | None:
    """The container of a process (a folder of a procfs); None where its runtime notes nothing."""
    try:
        with open(process / "cgroup", "rb") as f:
            found = _ID.search(f.read(64 * 1024).decode("utf-8", "replace"))
    except OSError:
        return None
    for bundle in _BUNDLES if found else ():
        path = bundle.format(found[1] if found else "")
        if node.is_file(path):
            return _annotations(node, path)
    return None


def _annotations(node: Node, path: str) -> RunningContainer | None:
    try:
        with node.open(path) as f:
            said = json.loads(f.read(MAX_SIZE))["annotations"]
    except (EvidenceError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None

    def one(names: tuple[str, ...]) -> str:
        return next((v for n in names if isinstance(v := said.get(n), str)), "?")

    return RunningContainer(one(_IMAGE), one(_POD), one(_NAMESPACE), one(_NAME))
