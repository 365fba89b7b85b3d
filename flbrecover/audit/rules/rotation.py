"""Rotation, and what of a log is never read: FLB018 to FLB021. See docs/audit.md."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from flbrecover.audit.agents import Agent, Setup, name_of
from flbrecover.audit.findings import Finding, NotKnown, Outcome, Passed
from flbrecover.audit.kubernetes import quantity
from flbrecover.audit.places import below
from flbrecover.audit.rules.lying import GIVE_MANIFEST
from flbrecover.fluentbit import units
from flbrecover.fluentbit.pipeline import TailInput

_KUBELET = ("/var/log/containers", "/var/log/pods")
_CRI_LINE = 16 * 1024  # containerd and CRI-O cut longer lines into pieces marked P
_ROOMY = 50 * 1024 * 1024
_WAIT_S = 30


def _of_the_kubelet(tail: TailInput) -> bool:
    return any(below(p, top) for p in tail.paths for top in _KUBELET)


def rotation(agent: Agent, setup: Setup) -> Iterator[Outcome]:
    """FLB018: a rotated file is followed for ``Rotate_Wait`` more seconds, and then closed whatever is left in it
    (flb_tail_file_purge); a file that the kubelet rotated while nothing read matches no ``*.log`` any more, and is
    compressed at the next rotation."""
    for tail in agent.pipeline.inputs:
        if tail.rotate_wait_s < _WAIT_S:
            yield Finding(
                "note",
                f"tail input {name_of(tail)} leaves a rotated file after {tail.rotate_wait_s} s (Rotate_Wait)",
                "When it lags behind (paused by Mem_Buf_Limit, S3 slow), the rest of the rotated file is never read.",
                "Rotate_Wait 60",
                agent.at(tail.section, "rotate_wait", "path"),
            )
        else:
            yield Passed(f"tail input {name_of(tail)} follows a rotated file for {tail.rotate_wait_s} s (Rotate_Wait)")
    if not any(_of_the_kubelet(t) for t in agent.pipeline.inputs):
        return
    if setup.kubelet is None:
        fact = "how soon the kubelet rotates the logs (containerLogMaxSize, by default 10Mi, 5 files)"
        yield NotKnown(fact, "give its KubeletConfiguration too, or audit the node with --root")
        return
    kubelet, size = setup.kubelet, quantity(setup.kubelet.size)
    if size is None or size >= _ROOMY:
        yield Passed(f"the kubelet rotates at {kubelet.size} and keeps {kubelet.files} files")
        return
    yield Finding(
        "warning",
        f"the kubelet rotates the logs of containers at {kubelet.size} (containerLogMaxSize, {kubelet.files} files)",
        "While Fluent Bit is down (update, crash loop), a log that passes this size is renamed to 0.log.<time>, which "
        "no *.log pattern matches: the rest of it is never read, and later it is a .gz and deleted.",
        "containerLogMaxSize: 100Mi or more, as much as the busiest pod writes in the longest gap",
        (kubelet.origin,),
    )


def compressed(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB019: a rotated log that is compressed is a new file with a new inode. A pattern that matches it reads it again
    (from 3.0 on unpacked: 42029a4f5, "added compressed file ingestion support")."""
    for tail in agent.pipeline.inputs:
        found = next((p for p in tail.paths if _takes_gz(p, tail.exclude_paths)), None)
        if found is None:
            yield Passed(f"tail input {name_of(tail)} does not take compressed copies for new logs")
            continue
        yield Finding(
            "error",
            f"tail input {name_of(tail)} also matches rotated logs that were compressed: {found}",
            "logrotate or the kubelet writes app.log.1.gz as a new file: everything in it is read and stored a second "
            "time (before 3.0: as broken lines).",
            "Exclude_Path *.gz in this [INPUT]",
            agent.at(tail.section, "path"),
        )


def _takes_gz(pattern: str, excluded: tuple[str, ...]) -> bool:
    """Whether a rotated and compressed sibling of a file that fits the pattern fits it, too."""
    if "*" not in pattern or below(pattern, "/var/log/containers"):  # the kubelet links only the current files there
        return False
    plain = pattern.replace("*", "x").replace("?", "x")
    siblings = (f"{plain}.1.gz", f"{plain}.gz")
    return any(
        fnmatch.fnmatchcase(s, pattern)
        and s.count("/") == pattern.count("/")
        and not any(fnmatch.fnmatchcase(s, e) for e in excluded)
        for s in siblings
    )


def long_lines(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB020: a line longer than ``Buffer_Max_Size`` makes tail drop the whole file, or with ``Skip_Long_Lines`` the
    line (tail_file.c: "requires a larger buffer size, lines are too long. Skipping file.")."""
    for tail in agent.pipeline.inputs:
        truncates = (tail.section.get("truncate_long_lines") or "").lower() if tail.section else ""
        cut_by_the_runtime = _of_the_kubelet(tail) and tail.buffer_max_size > _CRI_LINE + 1024
        if cut_by_the_runtime or truncates in units.TRUE:
            yield Passed(
                f"tail input {name_of(tail)}: no line is longer than its buffer of {tail.buffer_max_size} bytes"
            )
            continue
        at = agent.at(tail.section, "buffer_max_size", "skip_long_lines", "path")
        change = "Buffer_Max_Size above the longest line; and Skip_Long_Lines on, so that one line costs one line only"
        if tail.skip_long_lines:
            yield Finding(
                "note",
                f"tail input {name_of(tail)} drops lines longer than {tail.buffer_max_size} bytes (Buffer_Max_Size)",
                "Such a line is never stored.",
                "Buffer_Max_Size above the longest line",
                at,
            )
        else:
            yield Finding(
                "warning",
                f"tail input {name_of(tail)} gives up a file at a line longer than {tail.buffer_max_size} bytes",
                "Skip_Long_Lines is off: the file is not followed any more, and nothing after that line is read until "
                "the next restart, which stops at the same line.",
                change,
                at,
            )


def logs_there(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB021: the logs have to be mounted, with what their symlinks point to: /var/log/containers leads to
    /var/log/pods and, with Docker to /var/lib/docker/containers."""
    if agent.workload is None:
        return
    for tail in agent.pipeline.inputs:
        for path in tail.paths:
            folder = path.partition("*")[0].rpartition("/")[0] or "/"
            targets = [folder, "/var/log/pods"] if below(folder, "/var/log/containers") else [folder]
            places = {t: agent.place(t) for t in targets}
            absent = [t for t, p in places.items() if p.kind == "layer"]
            if absent:
                yield Finding(
                    "error",
                    f"tail input {name_of(tail)} reads {path}, but {' and '.join(absent)} is not mounted",
                    "Nothing is read: the files, or what their symlinks point to, are not in this container.",
                    "a hostPath volume of /var/log, mounted at /var/log",
                    (*agent.at(tail.section, "path"), *([agent.container.origin] if agent.container else [])),
                )
            elif all(p.kind == "hostPath" for p in places.values()):
                yield Passed(f"tail input {name_of(tail)}: {path} is mounted from the node")
            elif any(p.survives is None for p in places.values()):
                yield NotKnown(f"whether {path} is mounted", GIVE_MANIFEST)
