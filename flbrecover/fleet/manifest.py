"""The Kubernetes manifest of a fleet: one Job a node, each pinned to its node; see docs/decisions/0009.

What it says of a pod is what docs/runbooks/node-job.yaml says, and why is in node-job.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from flbrecover.errors import UsageError
from flbrecover.fleet import names
from flbrecover.fleet.names import Folder
from flbrecover.wording import count

OWN_ACCOUNT = "flbrecover"
NODE_NAME = "NODE_NAME"
HOST, SCRATCH = "/host", "/scratch"
WEEK_S, DEADLINE_S = 604_800, 21_600

_IMAGE = re.compile(r"[a-zA-Z0-9][\w.:/-]*(@sha256:[0-9a-f]{64})?")
_MEMORY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|k|M|G)?")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a manifest is made for. ``account`` None: one is made; ``recover`` are the options of ``recover``."""

    nodes: Sequence[str]
    case: Folder
    image: str
    recover: Sequence[str]
    run: Sequence[str] = ()
    namespace: str = "logging"
    account: str | None = None
    role_arn: str | None = None
    secret: str | None = None
    memory: str = "256Mi"


def check(wanted: Wanted) -> None:
    """Raises UsageError for what Kubernetes would refuse, or take for something else."""
    if not _IMAGE.fullmatch(wanted.image):
        raise UsageError(f"--image {wanted.image}: not the name of an image")
    if not names.is_label(wanted.namespace):
        raise UsageError(f"--namespace {wanted.namespace}: not a name of Kubernetes (lower case letters, digits and -)")
    for option, name in (("--service-account", wanted.account), ("--secret", wanted.secret)):
        if name is not None and not names.is_node(name):
            raise UsageError(f"{option} {name}: not a name of Kubernetes (lower case letters, digits, - and .)")
    if not _MEMORY.fullmatch(wanted.memory):
        raise UsageError(f"--memory {wanted.memory}: a quantity is wanted, as 256Mi")
    if wanted.role_arn is not None:
        if wanted.account is not None:
            raise UsageError("--role-arn is for the account that is made here; --service-account has its own already")
        if not _ROLE.fullmatch(wanted.role_arn):
            raise UsageError(f"--role-arn {wanted.role_arn}: not the ARN of a role")


def manifest(wanted: Wanted) -> Iterator[str]:
    """The manifest as YAML: an account where one is to be made, then a Job a node, in one List. Streamed."""
    check(wanted)
    yield _head(wanted)
    yield "apiVersion: v1\nkind: List\nitems:\n"
    for item in _items(wanted):
        yield yaml.safe_dump([item], sort_keys=False, default_flow_style=False, width=10_000)


def _head(wanted: Wanted) -> str:
    return (
        f"# Recovers {count(len(wanted.nodes), 'node')}, case {wanted.case.name}: kubectl apply -f FILE\n"
        f"# Then: flbrecover fleet report {wanted.case}\n"
    )


def _items(wanted: Wanted) -> Iterator[dict[str, Any]]:
    if wanted.account is None:
        yield _account(wanted)
    for node in wanted.nodes:
        yield _job(wanted, node)


def _labels(wanted: Wanted) -> dict[str, str]:
    return {"app.kubernetes.io/name": "flbrecover", "app.kubernetes.io/instance": wanted.case.name}


def _account(wanted: Wanted) -> dict[str, Any]:
    about: dict[str, Any] = {"name": OWN_ACCOUNT, "namespace": wanted.namespace}
    if wanted.role_arn is not None:
        about["annotations"] = {"eks.amazonaws.com/role-arn": wanted.role_arn}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": about,
        "automountServiceAccountToken": False,  # the Kubernetes API is never asked
    }


def _job(wanted: Wanted, node: str) -> dict[str, Any]:
    about = {"name": names.job_name(wanted.case.name, node), "namespace": wanted.namespace, "labels": _labels(wanted)}
    no_retry = {"containerName": "flbrecover", "operator": "In", "values": [2, 3, 4]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**about, "annotations": {"flbrecover/node": node}},
        "spec": {
            "backoffLimit": 2,
            "activeDeadlineSeconds": DEADLINE_S,
            "ttlSecondsAfterFinished": WEEK_S,
            "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": no_retry}]},
            "template": {"metadata": {"labels": _labels(wanted)}, "spec": _pod(wanted, node)},
        },
    }


def _pod(wanted: Wanted, node: str) -> dict[str, Any]:
    return {
        "nodeName": node,
        "hostPID": True,
        "restartPolicy": "Never",
        "serviceAccountName": wanted.account or OWN_ACCOUNT,
        "tolerations": [{"operator": "Exists"}],
        "containers": [_container(wanted, node)],
        "volumes": [
            {"name": "host", "hostPath": {"path": "/", "type": "Directory"}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "5Gi"}},
        ],
    }


def _literal(word: str) -> str:
    """Kubernetes puts variables in for ``$(NAME)``."""
    return word.replace("$(", "$$(")


def _container(wanted: Wanted, node: str) -> dict[str, Any]:
    options = [f"--case-to={wanted.case.below(node)}", *wanted.run, "--", *wanted.recover]
    container: dict[str, Any] = {
        "name": "flbrecover",
        "image": wanted.image,
        "args": ["fleet", "run", *map(_literal, options)],
        "workingDir": SCRATCH,
        "env": [
            {"name": NODE_NAME, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "TMPDIR", "value": SCRATCH},
        ],
    }
    if wanted.secret is not None:
        container["envFrom"] = [{"secretRef": {"name": wanted.secret}}]
    return {
        **container,
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH", "SYS_PTRACE"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"requests": {"cpu": "250m", "memory": wanted.memory}, "limits": {"memory": wanted.memory}},
        "volumeMounts": [
            {"name": "host", "mountPath": HOST, "readOnly": True, "mountPropagation": "HostToContainer"},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    }
