"""The Fluent Bits of a node: what runs there, with the mounts that the kernel shows; or what lies on a copied disk."""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from flbrecover.audit import kubernetes, places, versions
from flbrecover.audit.agents import Agent, Setup
from flbrecover.audit.assembling import config_arguments
from flbrecover.audit.building import Built, build
from flbrecover.audit.findings import Report
from flbrecover.audit.manifests import Kubelet, Manifests
from flbrecover.audit.places import Place, Places
from flbrecover.audit.rules.all import judge
from flbrecover.errors import ConfigError, EvidenceError
from flbrecover.evidence import config_files, containers, hiding_places, mounts
from flbrecover.evidence.config_files import LoadedConfig
from flbrecover.evidence.mounts import Mounted
from flbrecover.evidence.node import Node
from flbrecover.evidence.procfs import pids
from flbrecover.fluentbit.pipeline import Origin, Pipeline, clean
from flbrecover.model import Problem

MAX_OPEN = 100_000  # files of one process
# Not procfs.is_agent: what starts one (fluent-bit-watcher) would be a second agent with the same configuration.
_COMMANDS = ("fluent-bit", "td-agent-bit")
_KUBELET_CONFIGS = ("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet/kubelet-config.json")
_IN_CONTAINERS = ("/fluent-bit/etc/fluent-bit.conf", "/fluent-bit/etc/fluent-bit.yaml")
_ON_NODES = ("/etc/fluent-bit/fluent-bit.conf", "/etc/fluent-bit/fluent-bit.yaml")
_VOLUME = re.compile(r"/pods/([^/]+)/volumes/(?:kubernetes\.io~)?([^/]+)/([^/]+)")
_READ_ONLY = ("configmap", "secret", "projected", "downward-api")


def audit(node: Node, config: str | None, env: Mapping[str, str], *, version: versions.Version | None = None) -> Report:
    """The audit of a node. ``config`` is a path inside the root; None takes what each process was started with or, on
    a copied disk, what is found at the usual places."""
    proc = node.procfs()
    built = Built()
    if proc is not None:
        running(built, node, proc, config, env, version)
    if not built.subjects:
        _lying_there(built, node, config, env, version)
    kubelet, problems = _kubelet(node)
    return Report(
        built.subjects,
        (*built.refused, *judge(Setup(tuple(built.agents), kubelet))),
        tuple(dict.fromkeys((*built.problems, *problems))),
    )


def running(
    into: Built, node: Node, proc: Path, config: str | None, env: Mapping[str, str], version: versions.Version | None
) -> None:
    """An agent for every process of the procfs at ``proc`` that is called exactly like a Fluent Bit."""
    for pid in pids(proc):
        process = proc / str(pid)
        try:
            if _read(process / "comm").strip() not in _COMMANDS:
                continue
            inside = Node(process / "root")
            own = mounts.of_process(process)
            of_node = mounts.of_process(proc / "1")
            contained = not os.path.samefile(process / "root", node.root)
            command = _read(process / "cmdline").split("\0")
        except PermissionError:
            what = f"process {pid} is a Fluent Bit, and may not be looked at"
            into.problems.append(Problem("/proc", what, way_out="run as root"))
            continue
        except (OSError, EvidenceError):  # it ended a moment ago
            continue
        container = containers.of_process(node, process) if contained else None
        subject = f"process {pid}" + (f", {container}" if container else " (in a container)" if contained else "")
        where = in_process(own, of_node) if contained else _plain_node(own)
        of_image = versions.of_image(container.image) if container else None
        chosen = config if config is not None else _started_with(inside, command, contained)
        if chosen is None:
            what = f"the configuration of process {pid} is at none of {', '.join(_IN_CONTAINERS + _ON_NODES)}"
            into.problems.append(Problem("/proc", what, way_out="--config FILE"))
            continue
        in_proc = config is None and contained
        _load_and_build(
            into, subject, inside if in_proc else node, chosen, env, where, of_image or version,
            shown_below=f"/proc/{pid}/root" if in_proc else "",
        )  # fmt: skip
        agent = next((a for a in into.agents if a.subject == subject), None)
        if agent is not None:
            into.problems += _not_open(subject, agent, inside, process)


def _not_open(subject: str, agent: Agent, inside: Node, process: Path) -> list[Problem]:
    """Tail DBs that the configuration names and the process does not have open: it runs with another configuration than
    the one that lies there now."""
    try:
        with os.scandir(process / "fd") as entries:
            held = {_identity(Path(e.path)) for e in itertools.islice(entries, MAX_OPEN)}
    except OSError:  # not to be looked at: nothing is said
        return []
    found = []
    for db in dict.fromkeys(i.db for i in agent.pipeline.inputs if i.db is not None):
        try:
            there = _identity(inside.host_path(clean(db)))
        except EvidenceError:
            there = None
        if there is None or there not in held:
            what = f"does not have its tail DB {db} open: its configuration was changed since it started, or is another"
            found.append(Problem(subject, what, way_out="--config FILE", unreadable=False))
    return found


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None for what is gone or may not be looked at."""
    try:
        st = os.stat(path)
    except OSError:
        return None
    return st.st_dev, st.st_ino


def _load_and_build(
    into: Built,
    subject: str,
    node: Node,
    path: str,
    env: Mapping[str, str],
    where: Places,
    version: versions.Version | None,
    *,
    shown_below: str,
) -> None:
    def load(variables: Mapping[str, str]) -> LoadedConfig:
        return config_files.load(node, path, variables)

    def locate(origin: Origin) -> Origin:
        return Origin(shown_below + origin.path, origin.line)

    build(into, subject, load, locate, env, where=where, version=version)


def _started_with(inside: Node, command: Sequence[str], contained: bool) -> str | None:
    for path in (*config_arguments(command), *(_IN_CONTAINERS if contained else _ON_NODES)):
        if inside.is_file(path):
            return clean(path)
    return None


def in_process(own: Sequence[Mounted], of_node: Sequence[Mounted]) -> Places:
    """Where the paths of a process in a container lie, by its mounts and those of the node (of process 1)."""

    def place(path: str) -> Place:
        found = mounts.at(own, clean(path))
        if found is None:
            return Place("unknown", f"{path}: no mount holds it")
        mount, inside = found
        if mount.fstype in ("tmpfs", "ramfs"):
            return Place("memory", f"{mount.fstype} mounted at {mount.point}: memory", read_only=mount.read_only)
        if mount.point == "/":
            return Place("layer", "the container's writable layer: no volume is mounted there")
        real = mounts.on_the_node(of_node, mount.device, inside)
        volume = _VOLUME.search(real or inside)
        if volume is not None:
            return _volume(volume, mount, real or inside)
        if real is None:
            return Place("unknown", f"a volume mounted at {mount.point}, not mounted on the node itself")
        return Place("hostPath", f"{real} on the node, mounted at {mount.point}", real, None, mount.read_only)

    return place


def _volume(found: re.Match[str], mount: Mounted, real: str) -> Place:
    pod, kind, name = found.groups()
    said = f"{kind} volume {name} of pod {pod}"
    if kind == "empty-dir":
        return Place("emptyDir", f"{said}, which ends with its pod", real, None, mount.read_only)
    if kind in _READ_ONLY:
        return Place("read-only", said, real, None, True)
    return Place("claim", said, real, None, mount.read_only)


def _plain_node(own: Sequence[Mounted]) -> Places:
    def place(path: str) -> Place:
        found = mounts.at(own, clean(path))
        if found is not None and found[0].fstype in ("tmpfs", "ramfs"):
            return Place("memory", f"{found[0].fstype} mounted at {found[0].point}: emptied at a reboot")
        return places.on_the_node(path)

    return place


def _lying_there(
    into: Built, node: Node, config: str | None, env: Mapping[str, str], version: versions.Version | None
) -> None:
    """A copied disk, or a node where nothing runs: the configuration that is found, and where its files are."""
    try:
        loaded = config_files.load(node, config, env)
    except ConfigError as e:
        loaded = LoadedConfig((), ())
        config = config or next(filter(node.is_file, _ON_NODES), None)
        if config is None:
            into.problems.append(Problem(str(node.root), f"no Fluent Bit is running, and {e}"))
            return
    if not loaded.files and config is None:
        return
    path = config if config is not None else loaded.files[0].path
    into.problems.append(
        Problem("/proc", "no running Fluent Bit is seen: places are told from files", unreadable=False)
    )
    where = _by_evidence(node, loaded)
    _load_and_build(into, f"{path} of the node", node, path, env, where, version, shown_below="")


def _by_evidence(node: Node, loaded: LoadedConfig) -> Places:
    """A path that exists on the node lies there; else what looks like it in an emptyDir or a container's layer."""
    try:
        pipeline = loaded.pipeline
    except ConfigError:
        pipeline = None

    def place(path: str) -> Place:
        if node.exists(clean(path)):
            return Place("hostPath", f"{clean(path)} is on the node's own file system", clean(path))
        for hidden in _hidden(node, pipeline, path) if pipeline is not None else ():
            kind: places.PlaceKind = "emptyDir" if hidden.kind == "emptyDir" else "layer"
            return Place(kind, f"{hidden.why}, seen at {hidden.path}", hidden.path)
        return Place("unknown", "it is not on this node, and no manifest was given")

    return place


def _hidden(node: Node, pipeline: Pipeline, path: str) -> list[hiding_places.HiddenPlace]:
    if any(i.db == path for i in pipeline.inputs):
        return hiding_places.databases(node, clean(path))
    if path == pipeline.service.storage_path:
        return hiding_places.storage_paths(node, clean(path))
    buckets = [o.bucket for o in pipeline.outputs if posixpath.normpath(o.store_dir) == posixpath.normpath(path)]
    return hiding_places.store_dirs(node, clean(path), buckets) if buckets else []


def _kubelet(node: Node) -> tuple[Kubelet | None, list[Problem]]:
    for path in _KUBELET_CONFIGS:
        if node.is_file(path):
            found = Manifests()
            try:
                with node.open(path) as f:
                    kubernetes.read(f.read(1024 * 1024).decode("utf-8", "surrogateescape"), path, found)
            except (ConfigError, EvidenceError, OSError) as e:
                return None, [Problem(path, str(e), unreadable=False)]
            if found.kubelets:
                return found.kubelets[0], []
    return None, []


def _read(path: Path) -> str:
    with open(path, "rb") as f:
        return f.read(64 * 1024).decode("utf-8", "surrogateescape")
