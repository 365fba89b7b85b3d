"""Does what Fluent Bit keeps on disk lie where it survives its pod? The same question for tail DB, store_dir and
storage.path (FLB002, FLB005, FLB008)."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.audit.agents import Agent
from flbrecover.audit.findings import Finding, NotKnown, Outcome, Passed, Severity
from flbrecover.fluentbit.pipeline import Origin

GIVE_MANIFEST = "give the manifest of its DaemonSet too, or audit the node with --root"


def judge(
    agent: Agent, what: str, path: str, places: tuple[Origin, ...], lost: str, severity: Severity, change: str
) -> Iterator[Outcome]:
    """``what`` names the thing, ``lost`` says what is lost with it, ``change`` a path that survives."""
    place = agent.place(path)
    at = (*places, *([place.origin] if place.origin is not None else []))
    if place.survives is None:
        yield NotKnown(f"whether {what} {path} survives its pod ({place.said})", GIVE_MANIFEST)
    elif place.read_only:
        fact = f"{what} {path} cannot be written: {place.said}"
        yield Finding(severity, fact, f"Fluent Bit does not start, or works without it: {lost}.", change, at)
    elif place.per_pod:
        fact = f"{what} {path} is in another folder for every pod: {place.said}"
        yield Finding(severity, fact, f"The next pod (rolling update, eviction) does not find it: {lost}.", change, at)
    elif not place.survives:
        fact = f"{what} {path} is lost with its pod: {place.said}"
        when = "With every rolling update, eviction or deleted pod it is gone"
        if place.kind == "layer":
            when = "It is gone with every restart of the container, after an OOM kill too"
        yield Finding(severity, fact, f"{when}: {lost}.", change, at)
    elif place.kind == "claim" and agent.workload and agent.workload.kind == "DaemonSet" and place.shared:
        fact = f"{what} {path} is on one volume for all pods of the DaemonSet: {place.said}"
        incident = (
            "The pods of all nodes write to the same files. Inodes of one node mean other files on the next one: "
        )
        yield Finding("error", fact, f"{incident}{lost}.", change, at)
    elif place.cleared_at_boot:
        fact = f"{what} {path} is emptied when the node boots: {place.said}"
        yield Finding("warning", fact, f"After a reboot or a power loss it is gone: {lost}.", change, at)
    elif place.kind == "claim":
        yield Passed(f"{what} {path} survives its pod: {place.said}")
        fact = f"{what} {path} is on a volume that may follow its pod to another node: {place.said}"
        incident = "There its positions and files belong to other logs. Keep the pod on its node (node affinity)."
        yield Finding("note", fact, incident, "a hostPath, or a node affinity in the pod", at)
    else:
        yield Passed(f"{what} survives its pod: {place.said}")
