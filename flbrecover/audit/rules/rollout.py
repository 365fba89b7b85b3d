"""Stops, updates and neighbours: FLB013 to FLB017. See docs/audit.md."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from flbrecover.audit.agents import Agent, Setup, name_of
from flbrecover.audit.findings import Finding, NotKnown, Outcome, Passed
from flbrecover.audit.manifests import Workload
from flbrecover.audit.places import Place
from flbrecover.audit.rules.lying import GIVE_MANIFEST
from flbrecover.fluentbit.pipeline import Origin

_FIGHT = {
    "the tail DB": "Both write their positions to the same rows, and at a start each deletes rows of the other: after "
    "a restart logs are read again, or not at all.",
    "storage.path": "After a restart each of them sends the chunks that the other one has not delivered yet: records "
    "are stored twice.",
    "store_dir": "After a restart each of them sends the buffers of the other one: records are stored twice, and files "
    "are deleted that the other one is still writing.",
}
_FAST = 10_000_000  # bytes a second that one stream to S3 can be expected to reach
_NO_PODS = ("", "0", "0%")


def grace(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB013: at a stop the engine waits up to ``Grace`` for records on their way (src/flb_engine.c), and then sends
    every buffer, one after the other (cb_s3_exit). All that has to fit into ``terminationGracePeriodSeconds``."""
    if not agent.pipeline.outputs:
        return
    if agent.workload is None:
        yield NotKnown("how long a stop may take (terminationGracePeriodSeconds)", GIVE_MANIFEST)
        return
    grace_s, allowed = agent.pipeline.service.grace_s, agent.workload.grace_s
    kept = all(agent.place(o.store_dir).survives for o in agent.pipeline.outputs)
    rest = (
        "What was not sent stays in store_dir, and is sent after the next start."
        if kept
        else ("What was not sent is lost with its store_dir.")
    )
    at = _grace_places(agent, agent.workload)
    if grace_s < 0 or grace_s >= allowed:
        said = "waits without end" if grace_s < 0 else f"is {grace_s} s"
        yield Finding(
            "warning" if kept else "error",
            f"Grace {said}, and the kubelet kills after {allowed} s (terminationGracePeriodSeconds)",
            f"While S3 answers slowly or not at all, the SIGKILL comes before the buffers are sent. {rest}",
            f"terminationGracePeriodSeconds above Grace by the time that all buffers need, as {max(grace_s, 5) + 120}",
            at,
        )
        return
    left = allowed - grace_s
    largest = max(o.total_file_size for o in agent.pipeline.outputs)
    rate = largest / left
    fact = (
        f"a stop leaves {left} s (terminationGracePeriodSeconds {allowed} - Grace {grace_s}) to send every tag's "
        f"buffer, up to {largest / 1e6:g} MB each"
    )
    if kept and rate <= _FAST:
        yield Passed(f"{fact}; {rest[0].lower()}{rest[1:].rstrip('.')}")
        return
    yield Finding(
        "note" if kept else "error",
        fact,
        f"One full buffer alone needs {rate / 1e6:.1f} MB/s; there is one for each tag, and they go one after the "
        f"other until the SIGKILL. {rest}",
        "a longer terminationGracePeriodSeconds, or a smaller total_file_size",
        at,
    )


def _grace_places(agent: Agent, workload: Workload) -> tuple[Origin, ...]:
    origin = workload.grace_origin if workload.grace_origin.line else workload.origin
    return (origin, *agent.service("grace"))


def surge(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB014: with ``maxSurge`` the new pod starts while the old one still runs, on the same node for a DaemonSet."""
    workload = agent.workload
    if workload is None:
        yield NotKnown("whether an update runs two pods at once (maxSurge)", GIVE_MANIFEST)
        return
    shared = [(what, path) for what, path, _ in agent.storage() if _met_by_the_next(agent.place(path))]
    strategy = workload.strategy
    surging = strategy.kind == "RollingUpdate" and (strategy.surge or "") not in _NO_PODS
    replicas = workload.kind in ("Deployment", "StatefulSet", "ReplicaSet") and workload.replicas not in (
        "1",
        "0",
        None,
    )
    if workload.kind == "StatefulSet":
        surging = False
    if not (surging or replicas):
        if shared:
            yield Passed(f"no update runs two pods at once on one node ({_strategy(workload)})")
        return
    if not shared:
        yield Passed("two pods at once share neither DB nor buffers")
        return
    why = f"maxSurge {strategy.surge}" if surging else f"{workload.replicas} replicas"
    where = "on one node" if surging and workload.kind == "DaemonSet" else "when they land on one node"
    yield Finding(
        "error" if surging else "warning",
        f"two pods at once ({why}) work on the same {', '.join(f'{what} {path}' for what, path in shared)}",
        f"Old and new pod run together {where}: both read the same logs from the same position and both send the "
        "buffers that lie there, so records are stored twice; positions overwrite each other.",
        "maxSurge: 0 with maxUnavailable: 1"
        if workload.kind == "DaemonSet"
        else "strategy: Recreate and one replica, or a DaemonSet",
        (strategy.origin,),
    )


def _met_by_the_next(place: Place) -> bool:
    return place.kind in ("hostPath", "claim") and not place.per_pod


def _strategy(workload: Workload) -> str:
    strategy = workload.strategy
    surging = f", maxSurge {strategy.surge or 0}" if strategy.kind == "RollingUpdate" else ""
    return f"{workload.kind}, {strategy.kind or 'no strategy'}{surging}"


def update_gap(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB015: without surge the old pod is deleted first and the new one created after it. Nothing reads in between;
    the logs, the tail DB, Read_from_Head and store_dir have to cover that."""
    workload = agent.workload
    if workload is None or not agent.pipeline.inputs:
        return
    if workload.strategy.kind == "RollingUpdate" and (workload.strategy.surge or "") not in _NO_PODS:
        return
    missing: list[str] = []
    for tail in agent.pipeline.inputs:
        if tail.db is None or agent.place(tail.db).survives is not True:
            missing.append(f"{name_of(tail)} has no DB that survives its pod")
        if not tail.read_from_head:
            missing.append(f"{name_of(tail)} has Read_from_Head off")
    missing += [
        f"the store_dir of {o.name} does not survive its pod"
        for o in agent.pipeline.outputs
        if agent.place(o.store_dir).survives is not True
    ]
    said = f"an update deletes the old pod before it creates the new one ({_strategy(workload)})"
    if not missing:
        covered = "DB and store_dir survive, Read_from_Head is on: the new pod reads on where the old one stopped"
        yield Passed(f"{said}, and the gap is covered: {covered}, as long as no log rotates meanwhile")
        return
    yield Finding(
        "warning",
        f"{said}, and the gap is not covered: {'; '.join(missing)}",
        "From the old pod's stop to the new one's start (image pull included) nothing reads. What is not covered is "
        "lost or read twice, with every update of the image or the configuration.",
        "mend what is named here: FLB001, FLB002, FLB004, FLB005",
        (workload.strategy.origin,),
    )


def shared_paths(agent: Agent, setup: Setup) -> Iterator[Outcome]:
    """FLB016: two Fluent Bits on the same DB, storage.path or store_dir take over each other's files."""
    for other in setup.agents[: setup.agents.index(agent)]:
        if _apart(agent, other):
            continue
        theirs = {(what, agent_place.real): (path, at) for what, path, at, agent_place in _kept(other)}
        for what, path, at, place in _kept(agent):
            met = theirs.get((what, place.real)) if place.real is not None else None
            if met is None:
                continue
            yield Finding(
                "error",
                f"{what} {path} is also that of {other.subject}" + ("" if met[0] == path else f" ({met[0]} there)"),
                _FIGHT[what],
                f"a {what.removeprefix('the ')} of its own for each",
                (*at, *met[1]),
            )


def _kept(agent: Agent) -> list[tuple[str, str, tuple[Origin, ...], Place]]:
    return [(what, path, at, agent.place(path)) for what, path, at in agent.storage()]


def _apart(one: Agent, other: Agent) -> bool:
    """Whether two pods can never be on one node: their node selectors contradict each other."""
    if one.workload is None or other.workload is None or one.workload is other.workload:
        return False
    theirs = dict(other.workload.node_selector)
    return any(theirs.get(k, v) != v for k, v in one.workload.node_selector)


def same_logs(agent: Agent, setup: Setup) -> Iterator[Outcome]:
    """FLB017: two Fluent Bits that read the same logs into the same bucket store every line twice."""
    others = [o for o in setup.agents[: setup.agents.index(agent)] if not _apart(agent, o)]
    for other in others:
        buckets = {o.bucket for o in agent.pipeline.outputs} & {o.bucket for o in other.pipeline.outputs}
        if not buckets:
            continue
        for mine in agent.pipeline.inputs:
            for their in other.pipeline.inputs:
                both = _overlap(mine.paths, their.paths)
                if both is None:
                    continue
                known = agent.workload is not None and other.workload is not None
                if not known:
                    fact = (
                        f"whether {agent.subject} and {other.subject} run on one node: both read {both} into one bucket"
                    )
                    yield NotKnown(fact, GIVE_MANIFEST)
                    continue
                yield Finding(
                    "error",
                    f"{other.subject} reads {both} too, into the same bucket {min(buckets)}",
                    "Every line is stored twice, all the time, unless filters keep them apart.",
                    "other logs for each of them (Path, Exclude_Path), or one of them only",
                    (*agent.at(mine.section, "path"), *other.at(their.section, "path")),
                )


def _overlap(mine: tuple[str, ...], theirs: tuple[str, ...]) -> str | None:
    for one in mine:
        for other in theirs:
            if one == other or fnmatch.fnmatchcase(one, other) or fnmatch.fnmatchcase(other, one):
                return one
    return None
