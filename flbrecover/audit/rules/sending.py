"""On the way to S3: FLB022 to FLB025. See docs/audit.md."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.audit.agents import Agent, Setup
from flbrecover.audit.findings import Finding, NotKnown, Outcome, Passed, Severity
from flbrecover.audit.versions import KNOWN_FAULTS, shown
from flbrecover.fluentbit import units
from flbrecover.fluentbit.pipeline import S3Output

_SETTABLE = (4, 2, 1)  # f4108db65: before, always 5
_CORRECT = (5, 0, 3)  # cee014238: 5 by default, N retries are N
_QUARANTINE = (5, 0, 7)  # d1abb5425
_MANY = 100
_LONG_S = 3600


def retries(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB022: the s3 output counts failures of each buffer file: it gives up after ``Retry_Limit`` retries, which are
    over within minutes (s3_upload_queue: 2 s more each time; cb_s3_init: 5 by default, unlimited means 5)."""
    for output in agent.pipeline.outputs:
        section = agent.section(output)
        said = (section.get("retry_limit") or "").lower() if section else ""
        action = (section.get("retry_exhausted_action") or "quarantine").lower() if section else "quarantine"
        at = agent.at(section, "retry_limit", "bucket")
        if action == "delete":
            yield Finding(
                "error",
                f"s3 output {output.name} deletes a buffer whose retries ran out (retry_exhausted_action delete)",
                "S3 away, or credentials expired, for some minutes is enough: the records are deleted from the node, "
                "and their position has moved on.",
                "retry_exhausted_action quarantine (the default from 5.0.7), and a larger Retry_Limit",
                agent.at(section, "retry_exhausted_action"),
            )
        severity: Severity = "warning"
        if said == "no_retries":
            fact, severity = "gives up a buffer at its first failure (Retry_Limit no_retries)", "error"
        elif said.isdecimal() and int(said[:9]) >= _MANY:
            if agent.version is not None and agent.version < _SETTABLE:
                fact = f"has Retry_Limit {said}, which Fluent Bit {shown(agent.version)} takes as 5"
            else:
                yield Passed(f"s3 output {output.name} does not give up quickly (Retry_Limit {said})")
                continue
        else:
            fact = _few(said, agent)
        yield Finding(
            severity,
            f"s3 output {output.name} {fact}",
            f"Retries are seconds apart: after minutes without S3 a buffer is given up. {_given_up(agent)}",
            "Retry_Limit 100000 in this [OUTPUT], with Fluent Bit 5.0.7 or later; and an alert on what is given up",
            at,
        )


def _few(said: str, agent: Agent) -> str:
    if not said and agent.version is not None and _SETTABLE <= agent.version < _CORRECT:
        return f"gives up a buffer at its first failure (no Retry_Limit, Fluent Bit {shown(agent.version)})"
    if said in ("no_limits", "false"):
        return f"has Retry_Limit {said}, which the s3 output takes as 5"
    return (
        f"retries a buffer {said} times only (Retry_Limit)"
        if said
        else "retries a buffer 5 times only (no Retry_Limit)"
    )


def _given_up(agent: Agent) -> str:
    if agent.version is None:
        return (
            "From 5.0.7 on it goes to quarantine and is never sent again; before, it is forgotten, and can be deleted."
        )
    if agent.version >= _QUARANTINE:
        return "It goes to quarantine, and is never sent again: flbrecover recovers it."
    return "It is forgotten in store_dir, never sent again, and can be deleted by the next clean stop."


def upload_timeout(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB023: a buffer goes up when it has ``total_file_size`` or is ``upload_timeout`` old (cb_s3_flush,
    cb_s3_upload). Until then its records are on the node only."""
    for output in agent.pipeline.outputs:
        size, seconds = output.total_file_size, output.upload_timeout_s
        fact = f"s3 output {output.name}: a record is on this node only for up to {_time(seconds)} (upload_timeout)"
        rate = size / max(1, seconds)
        if seconds > _LONG_S:
            yield Finding(
                "warning",
                f"{fact}, or {size / 1e6:g} MB of a tag (total_file_size)",
                "A node that is gone for good (spot instance, broken disk) takes with it all that was written since "
                "the last upload.",
                "upload_timeout 10m",
                agent.at(agent.section(output), "upload_timeout", "bucket"),
            )
        else:
            yield Passed(
                f"{fact}; total_file_size {size / 1e6:g} MB counts only for tags that write more than "
                f"{rate / 1000:.0f} kB/s"
            )


def _time(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds and seconds % 60 == 0 else f"{seconds} s"


def memory(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB024: an upload reads its whole file into memory, and compresses it there (upload_data, s3.c); with parts the
    file has ``upload_chunk_size`` and a part that is compressed small grows on."""
    container = agent.container
    if container is None or not agent.pipeline.outputs:
        return
    if container.memory_limit is None:
        yield Passed("no memory limit: uploads cannot exceed one")
        return
    for output in agent.pipeline.outputs:
        needed = _needed(output)
        limit = container.memory_limit
        sizes = f"{needed / 1e6:.0f} MB for one upload, limits.memory is {limit / 1e6:.0f} MB"
        if needed >= limit:
            yield Finding(
                "error",
                f"s3 output {output.name} can need {sizes}",
                "It is OOM-killed while it uploads a full buffer, and again after each restart.",
                "a smaller total_file_size, use_put_object off (parts), or a higher limits.memory",
                (container.origin, *agent.at(agent.section(output), "total_file_size", "bucket")),
            )
        else:
            yield Passed(f"s3 output {output.name}: {sizes}")


def _needed(output: S3Output) -> int:
    size = output.total_file_size if output.use_put_object else output.upload_chunk_size
    return size * (1 if output.compression == "none" else 2)


def known_faults(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB025: versions that are known to lose (:mod:`flbrecover.audit.versions` names the changes)."""
    if agent.version is None:
        yield NotKnown(
            "which version of Fluent Bit this is", "--fluent-bit VERSION, or an image with its version as tag"
        )
        return
    at = (agent.version_from,) if agent.version_from is not None else ()
    used = {"tail": bool(agent.pipeline.inputs), "s3": bool(agent.pipeline.outputs)}
    found = [f for f in KNOWN_FAULTS if used[f.plugin] and f.since <= agent.version < f.mended]
    for fault in found:
        if fault.mended == _CORRECT and fault.plugin == "s3" and _retries_set(agent):
            continue
        yield Finding(
            fault.severity,
            f"Fluent Bit {shown(agent.version)}, {fault.plugin}: {fault.what}",
            fault.incident,
            f"Fluent Bit {shown(fault.mended)} or later",
            at,
        )
    if not found:
        yield Passed(f"Fluent Bit {shown(agent.version)}: none of the known losing versions")


def _retries_set(agent: Agent) -> bool:
    """Whether every output says a Retry_Limit above the default of 1."""
    said = [s.get("retry_limit") if s else None for s in map(agent.section, agent.pipeline.outputs)]
    return all(s is not None and ((s.isdecimal() and int(s[:9]) > 1) or s.lower() in units.FALSE) for s in said)
