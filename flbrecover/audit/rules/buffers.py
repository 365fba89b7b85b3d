"""What is on its way: in memory, in store_dir, in storage.path. FLB005 to FLB010. See docs/audit.md."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.audit.agents import Agent, Setup, name_of
from flbrecover.audit.findings import Finding, NotKnown, Outcome, Passed
from flbrecover.audit.rules import lying
from flbrecover.fluentbit import units
from flbrecover.fluentbit.pipeline import Origin, S3Output, TailInput

_ROOMY = 20  # times total_file_size
_MANY_RETRIES = 100
DEFAULT_STORE_DIR = "/tmp/fluent-bit/s3"
_BUFFERS = "what was read and is not in S3 yet (up to total_file_size for every tag) has no other copy but the logs"


def store_dir(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB005: store_dir holds records whose tail position has moved on: it has to survive the pod."""
    for output in agent.pipeline.outputs:
        section = agent.section(output)
        if section is not None and section.get("store_dir") is not None:
            at = agent.at(section, "store_dir")
            change = "store_dir below a hostPath, as /var/log/s3/temp with /var/log mounted from the node"
            yield from lying.judge(agent, "store_dir", output.store_dir, at, _BUFFERS, "error", change)


def store_dir_default(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB006: ``store_dir`` left at ``/tmp/fluent-bit/s3`` (config_map of plugins/out_s3/s3.c)."""
    for output in agent.pipeline.outputs:
        section = agent.section(output)
        if section is not None and section.get("store_dir") is not None:
            yield Passed(f"s3 output {output.name} says its store_dir: {output.store_dir}")
            continue
        place = agent.place(output.store_dir)
        where = "" if place.survives is None else f", {place.said}"
        lost = place.survives is False
        yield Finding(
            "error" if lost else "warning",
            f"s3 output {output.name} says no store_dir: its buffers are in {DEFAULT_STORE_DIR}{where}",
            (
                "They are gone with the pod or the container: "
                if lost
                else "In a container without a volume there they "
                "are gone with every restart, on a node with every reboot: "
            )
            + f"{_BUFFERS}.",
            "store_dir /var/log/s3/temp in this [OUTPUT], on a hostPath",
            (*agent.at(section, "bucket"), *([place.origin] if place.origin is not None else [])),
        )


def storage_type(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB007: between a read and the flush records are in memory, unless ``storage.type`` is ``filesystem``
    (src/flb_storage.c, flb_storage_input_create). The s3 output's own files begin at the flush (cb_s3_flush)."""
    flush = agent.pipeline.service.flush_s
    for tail in agent.pipeline.inputs:
        kind = (tail.section.get("storage.type") or "").lower() if tail.section else ""
        at = agent.at(tail.section, "storage.type", "path")
        if tail.storage_filesystem and agent.pipeline.service.storage_path is None:
            yield Finding(
                "error",
                f"tail input {name_of(tail)} has storage.type filesystem, but [SERVICE] has no storage.path",
                "Fluent Bit does not start: nothing is read at all.",
                "storage.path /var/log/flb-storage in [SERVICE], on a hostPath",
                at,
            )
        elif tail.storage_filesystem:
            yield Passed(f"tail input {name_of(tail)} keeps what it has read on disk (storage.type filesystem)")
        elif kind == "memrb":
            yield Finding(
                "error",
                f"tail input {name_of(tail)} has storage.type memrb",
                "When its memory is full the oldest records are thrown away, and their position has already moved on: "
                "S3 away for some minutes is enough.",
                "storage.type filesystem in this [INPUT], storage.path in [SERVICE] on a hostPath",
                at,
            )
        else:
            yield _in_memory(tail, flush, at)


def _in_memory(tail: TailInput, flush: float, at: tuple[Origin, ...]) -> Finding:
    return Finding(
        "warning",
        f"tail input {name_of(tail)} keeps what it has read in memory until the flush (storage.type memory)",
        "The DB counts a line as read once it is parsed; it is in store_dir only after the next flush "
        f"({flush:g} s, longer when outputs lag or store_dir is full). An OOM kill, a SIGKILL or a power loss in "
        "between loses it. store_dir does not help: it begins at the flush.",
        "storage.type filesystem in this [INPUT], storage.path in [SERVICE] on a hostPath",
        at,
    )


def storage_path(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB008: ``storage.path`` has to survive the pod."""
    path = agent.pipeline.service.storage_path
    if path is None:
        return
    used = any(i.storage_filesystem for i in agent.pipeline.inputs)
    lost = "records that were read and not flushed are gone, though their position has moved on"
    change = "storage.path below a hostPath, as /var/log/flb-storage with /var/log mounted from the node"
    at = agent.service("storage.path")
    yield from lying.judge(agent, "storage.path", path, at, lost, "error" if used else "note", change)


def store_dir_limit(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB009: ``store_dir_limit_size``. A full store_dir refuses records (s3_store_buffer_put: "Buffer is full"); the
    engine tries them again Retry_Limit times and drops them. 0, the default, is no limit."""
    for output in agent.pipeline.outputs:
        section = agent.section(output)
        limit = _limit(agent, output)
        if limit == 0:
            yield Finding(
                "note",
                f"s3 output {output.name} has no store_dir_limit_size",
                "While S3 is away its buffers grow until the disk is full; the kubelet then evicts pods, and Fluent "
                "Bit's own writes fail.",
                "store_dir_limit_size below the room on the disk, together with storage.type filesystem and a large "
                "Retry_Limit, so that what store_dir refuses waits on disk too",
                agent.at(section, "store_dir_limit_size", "store_dir", "bucket"),
            )
            continue
        if limit >= _ROOMY * output.total_file_size and _waits_on_disk(agent, output):
            what = f"s3 output {output.name}: what store_dir ({_mb(limit)} at most) refuses waits in storage.path"
            yield Passed(what)
            continue
        small = limit < 2 * output.total_file_size
        yield Finding(
            "error" if small else "warning",
            f"s3 output {output.name} stops buffering at store_dir_limit_size {_mb(limit)}"
            + (f", less than two files of {_mb(output.total_file_size)}" if small else ""),
            "When that is reached (S3 away, expired credentials) records are refused, tried again a few times and then "
            "dropped, though their position in the tail DB has moved on.",
            "a limit that holds the longest outage you plan for, storage.type filesystem for the tail inputs and a "
            "large Retry_Limit",
            agent.at(section, "store_dir_limit_size"),
        )


def _waits_on_disk(agent: Agent, output: S3Output) -> bool:
    """Whether records that store_dir refuses are kept on disk and tried again for long."""
    section = agent.section(output)
    said = section.get("retry_limit") if section else None
    many = said is not None and said.isdecimal() and int(said[:9]) >= _MANY_RETRIES
    return many and all(i.storage_filesystem for i in agent.pipeline.inputs)


def _limit(agent: Agent, output: S3Output) -> int:
    section = agent.section(output)
    said = section.get("store_dir_limit_size") if section else None
    return units.size(said) if said else 0


def own_store_dir(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB010: two outputs with one store_dir and one bucket share one folder (create_buffer_path, s3.c). At a start
    each takes every file there for its own."""
    shared = False
    for output in agent.pipeline.outputs:
        other = next((o for o in agent.pipeline.on_the_files_of(output) if o.number < output.number), None)
        if other is None:
            continue
        shared = True
        places = tuple(p for o in (output, other) for p in agent.at(agent.section(o), "store_dir", "bucket"))
        yield Finding(
            "error",
            f"the s3 outputs {other.name} and {output.name} share one folder: {output.store_dir}/{output.bucket}",
            "After a restart each of them sends all files that lie there: records are stored twice, under the other "
            "output's keys, and files are deleted that the other one is still writing.",
            "another store_dir for each output",
            places,
        )
    if len(agent.pipeline.outputs) > 1 and not shared:
        yield Passed("every s3 output has a buffer folder of its own")


def outputs_there(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB000 also says what could not be seen: includes that were not given, no s3 output."""
    for name in agent.missing:
        yield NotKnown(f"what {name} says, which the configuration includes", "give the file or its ConfigMap too")
    if not agent.pipeline.outputs:
        yield NotKnown("what becomes of the records: there is no s3 output", "this audit is about the s3 output")
    if not agent.pipeline.inputs:
        yield NotKnown("how logs are read: there is no tail input", "this audit is about the tail input")


def _mb(size: int) -> str:
    return f"{size / 1_000_000:g} MB"
