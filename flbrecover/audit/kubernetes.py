"""Reads Kubernetes manifests: text in, :mod:`manifests` out; every value keeps its line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flbrecover.audit.manifests import (
    ConfigMap,
    Container,
    Kubelet,
    Manifests,
    Mount,
    Strategy,
    Text,
    Volume,
    Workload,
)
from flbrecover.errors import ConfigError
from flbrecover.fluentbit import yaml_nodes as y
from flbrecover.fluentbit.pipeline import Origin

MAX_OBJECTS = 20_000
_MAX_LISTS = 8  # within one another

WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet", "ReplicaSet", "Job", "CronJob", "Pod")
_TEMPLATE = re.compile(
    r"\{\{-?\s*(?:\.(?:Values|Release|Chart|Capabilities|Files|Template)\b|/\*|"
    r"(?:include|template|define|tpl|toYaml|if|else|end|range|with|printf|default|quote|required)\b)"
)
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?(?:[eE]\d{1,2})?)([KMGTPE]i|[kMGTPEm]?)", re.ASCII)
_DECIMAL = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_LOOKS_LIKE_ONE = re.compile(r"""^\s*["']?(?:apiVersion|kind)["']?\s*:""", re.MULTILINE)


def is_manifest(text: str) -> bool:
    """Whether a text says ``kind`` or ``apiVersion`` at the beginning of a line; no Fluent Bit configuration does."""
    return _LOOKS_LIKE_ONE.search(text) is not None


def is_template(text: str) -> bool:
    """Whether a text has the commands of a Helm chart that was not rendered."""
    return _TEMPLATE.search(text) is not None


def read(text: str, path: str, into: Manifests) -> None:
    """Adds the objects of a file: several documents, Lists, JSON. Raises ConfigError for what is no YAML."""
    for document in y.documents(text, path, aliases=True):
        _object(document, path, into, 0)


def _object(node: y.Node, path: str, into: Manifests, depth: int) -> None:
    if not isinstance(node, y.Mapping):
        return
    into.objects += 1
    if into.objects > MAX_OBJECTS:
        raise ConfigError(f"more than {MAX_OBJECTS} objects", path=path)
    kind, items = _text(node, "kind"), node.get("items")
    if kind.endswith("List") and isinstance(items, y.Sequence) and depth < _MAX_LISTS:
        for item in items.items:
            _object(item, path, into, depth + 1)
    elif kind in WORKLOADS:
        into.workloads.append(_workload(node, kind, path))
    elif kind == "ConfigMap":
        data = _map(node, "data")
        texts = {k.text: Text(v.text, path, k.line, v.literal) for k, v in _scalars(data)}
        into.config_maps.append(ConfigMap(*_names(node), texts, Origin(path, node.line)))
    elif kind == "Secret":
        into.secrets.append(_names(node)[0])
    elif kind == "KubeletConfiguration":
        size, files = _text(node, "containerLogMaxSize") or "10Mi", _text(node, "containerLogMaxFiles") or "5"
        into.kubelets.append(Kubelet(size, files, Origin(path, _line(node, "containerLogMaxSize"))))
    else:
        into.passed_over.append(kind or "(no kind)")


def _workload(node: y.Mapping, kind: str, path: str) -> Workload:
    spec = _map(node, "spec")
    if kind == "CronJob":
        spec = _map(_map(spec, "jobTemplate"), "spec")
    pod = spec if kind == "Pod" else _map(_map(spec, "template"), "spec")
    name, namespace = _names(node)
    volumes = {v.name: v for v in _volumes(pod, path)}
    if kind == "StatefulSet":
        for claim in _maps(spec, "volumeClaimTemplates"):
            claimed = _text(_map(claim, "metadata"), "name")
            volumes[claimed] = Volume(claimed, "persistentVolumeClaim", claimed, Origin(path, claim.line))
    grace = _text(pod, "terminationGracePeriodSeconds")
    return Workload(
        kind=kind,
        name=name,
        namespace=namespace,
        containers=tuple(_containers(pod, path)),
        volumes=volumes,
        strategy=_strategy(node, spec, kind, path),
        grace_s=int(grace) if grace.isdecimal() and len(grace) < 12 else 30,
        grace_origin=Origin(path, _line(pod, "terminationGracePeriodSeconds")),
        node_selector=tuple(sorted((k.text, v.text) for k, v in _scalars(_map(pod, "nodeSelector")))),
        replicas=_text(spec, "replicas") or None,
        origin=Origin(path, node.line),
    )


def _strategy(node: y.Mapping, spec: y.Mapping, kind: str, path: str) -> Strategy:
    """Defaults of apps/v1: a DaemonSet's maxSurge is 0, a Deployment's 25%."""
    key = "strategy" if kind == "Deployment" else "updateStrategy"
    said = _map(spec, key)
    rolling = _map(said, "rollingUpdate")
    line = _line(rolling, "maxSurge") or _line(said, "type") or _line(spec, key) or node.line
    surge = _text(rolling, "maxSurge") or ("25%" if kind == "Deployment" else None)
    default = "RollingUpdate" if kind in ("DaemonSet", "Deployment", "StatefulSet") else ""
    return Strategy(_text(said, "type") or default, surge, Origin(path, line))


def _containers(pod: y.Mapping, path: str) -> Iterator[Container]:
    """Containers, and init containers that stay (``restartPolicy: Always``, a sidecar)."""
    sidecars = [c for c in _maps(pod, "initContainers") if _text(c, "restartPolicy") == "Always"]
    for c in (*_maps(pod, "containers"), *sidecars):
        env: dict[str, str] = {}
        refs = [("", _text(_map(source, "configMapRef"), "name"), "") for source in _maps(c, "envFrom")]
        for variable in _maps(c, "env"):
            name, reference = _text(variable, "name"), _map(_map(variable, "valueFrom"), "configMapKeyRef")
            if isinstance(variable.get("value"), y.Scalar):
                env[name] = _text(variable, "value")
            elif reference.pairs:
                refs.append((name, _text(reference, "name"), _text(reference, "key")))
        yield Container(
            name=_text(c, "name"),
            image=_text(c, "image"),
            command=(*_texts(c, "command"), *_texts(c, "args")),
            mounts=tuple(_mount(m, path) for m in _maps(c, "volumeMounts")),
            env=env,
            env_from=tuple(refs),
            memory_limit=quantity(_text(_map(_map(c, "resources"), "limits"), "memory")),
            origin=Origin(path, c.line),
            image_origin=Origin(path, _line(c, "image") or c.line),
        )


def _mount(node: y.Mapping, path: str) -> Mount:
    expression = _text(node, "subPathExpr")
    return Mount(
        path=_text(node, "mountPath"),
        volume=_text(node, "name"),
        sub_path=_text(node, "subPath") or expression,
        expands="$(" in expression,
        read_only=_text(node, "readOnly") == "true",
        origin=Origin(path, _line(node, "mountPath") or node.line),
    )


def _volumes(pod: y.Mapping, path: str) -> Iterator[Volume]:
    for v in _maps(pod, "volumes"):
        name, where = _text(v, "name"), Origin(path, v.line)
        kind = next((k.text for k, _ in v.pairs if k.text != "name"), "emptyDir")
        body = _map(v, kind)
        maps: list[tuple[str, dict[str, str] | None]] = []
        if kind == "configMap":
            maps = [(_text(body, "name"), _items(body))]
        elif kind == "projected":
            sources = (_map(s, "configMap") for s in _maps(body, "sources"))
            maps = [(_text(s, "name"), _items(s)) for s in sources if s.pairs]
        source = {
            "hostPath": _text(body, "path"),
            "persistentVolumeClaim": _text(body, "claimName"),
            "secret": _text(body, "secretName"),
        }.get(kind, _text(body, "name"))
        yield Volume(name, kind, source, where, tuple(maps), _text(body, "medium") == "Memory")


def quantity(text: str) -> int | None:
    """Bytes of a Kubernetes quantity (``512Mi``, ``1G``, ``1e9``); None for anything else."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    suffix = found[2]
    if suffix.endswith("i"):
        factor = float(1024 ** (1 + "KMGTPE".index(suffix[0].upper())))
    else:
        factor = _DECIMAL[suffix]
    return int(float(found[1]) * factor)


def _items(node: y.Mapping) -> dict[str, str] | None:
    found = {_text(i, "key"): _text(i, "path") for i in _maps(node, "items")}
    return found or None


def _names(node: y.Mapping) -> tuple[str, str]:
    metadata = _map(node, "metadata")
    return _text(metadata, "name"), _text(metadata, "namespace")


def _map(node: y.Mapping, key: str) -> y.Mapping:
    found = node.get(key)
    return found if isinstance(found, y.Mapping) else y.Mapping(0)


def _maps(node: y.Mapping, key: str) -> list[y.Mapping]:
    found = node.get(key)
    return [i for i in found.items if isinstance(i, y.Mapping)] if isinstance(found, y.Sequence) else []


def _scalars(node: y.Mapping) -> list[tuple[y.Scalar, y.Scalar]]:
    return [(k, v) for k, v in node.pairs if isinstance(v, y.Scalar)]


def _text(node: y.Mapping, key: str) -> str:
    found = node.get(key)
    return found.text if isinstance(found, y.Scalar) and found.text not in ("~", "null") else ""


def _texts(node: y.Mapping, key: str) -> list[str]:
    found = node.get(key)
    return [i.text for i in found.items if isinstance(i, y.Scalar)] if isinstance(found, y.Sequence) else []


def _line(node: y.Mapping, key: str) -> int:
    return next((k.line for k, _ in reversed(node.pairs) if k.text == key), 0)
