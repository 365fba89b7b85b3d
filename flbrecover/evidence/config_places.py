"""Where a Fluent Bit configuration usually lies on a node."""

from __future__ import annotations

import posixpath

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node

MAX_FOLDERS = 2000

FILES = (
    "/etc/fluent-bit/fluent-bit.conf",
    "/etc/fluent-bit/fluent-bit.yaml",
    "/etc/fluent-bit/fluent-bit.yml",
    "/etc/td-agent-bit/td-agent-bit.conf",
    "/fluent-bit/etc/fluent-bit.conf",
    "/fluent-bit/etc/fluent-bit.yaml",
    "/fluent-bit/etc/fluent-bit.yml",
    "/fluent-bit/etc/conf/fluent-bit.conf",
    "/fluent-bit/etc/conf/fluent-bit.yaml",
    "/opt/fluent-bit/etc/fluent-bit/fluent-bit.conf",
    "/opt/fluent-bit/etc/fluent-bit/fluent-bit.yaml",
    "/usr/local/etc/fluent-bit/fluent-bit.conf",
)
FOLDERS = (
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~configmap/*",
    "/var/lib/k0s/kubelet/pods/*/volumes/kubernetes.io~configmap/*",
    "/var/snap/microk8s/common/var/lib/kubelet/pods/*/volumes/kubernetes.io~configmap/*",
)


def files(node: Node) -> list[str]:
    return [p for p in FILES if node.is_file(p)]


def closed(node: Node) -> dict[str, str]:
    """Folders at these places that may not be looked into, each with the reason."""
    found = {}
    for path in FILES:
        try:
            node.resolve(path)
        except EvidenceError as e:
            found[posixpath.dirname(path)] = str(e).removeprefix(f"{path}: ")
    for pattern in FOLDERS:
        found.update({problem.path: problem.what for problem in node.find(pattern)[1]})
    return found


def folders(node: Node) -> list[str]:
    """The kubelet's ConfigMap volumes inside the root."""
    return [p for pattern in FOLDERS for p in node.glob(pattern) if node.is_dir(p)][:MAX_FOLDERS]
