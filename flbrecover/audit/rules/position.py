"""How far Fluent Bit has read: FLB001 to FLB004, FLB026. See docs/audit.md."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.audit.agents import Agent, Setup, name_of
from flbrecover.audit.findings import Finding, Outcome, Passed
from flbrecover.audit.places import below
from flbrecover.audit.rules import lying
from flbrecover.audit.versions import shown
from flbrecover.fluentbit import units

_STALE_ROWS_DELETED = (3, 0, 2)
_NEW_FILES_KEY = (4, 0, 1)
AGAIN = "all logs are read again and stored twice, or, with Read_from_Head off, what was not read yet never is"


def db(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB001: a tail input without ``DB`` forgets its positions (plugins/in_tail/tail_file.c, set_file_position)."""
    for tail in agent.pipeline.inputs:
        if tail.db is not None:
            yield Passed(f"tail input {name_of(tail)} keeps its positions in {tail.db}")
            continue
        after = (
            "Read_from_Head is on: all logs are read from their beginning again and stored twice."
            if tail.read_from_head
            else "Reading goes on at the end of every file: what was written while it was down is never read."
        )
        yield Finding(
            "error",
            f"tail input {name_of(tail)} has no DB",
            f"With every restart (rolling update, OOM kill, node reboot) it forgets how far it had read. {after}",
            "DB /var/log/flb_tail.db in this [INPUT], a file of its own on a hostPath",
            agent.at(tail.section, "path"),
        )


def db_place(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB002: the tail DB has to survive the pod."""
    for tail in agent.pipeline.inputs:
        if tail.db is not None:
            change = "DB below a hostPath, as /var/log/flb_tail.db with /var/log mounted from the node"
            yield from lying.judge(agent, "the tail DB", tail.db, agent.at(tail.section, "db"), AGAIN, "error", change)


def own_db(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB003: two inputs on one DB. At its start each input deletes the rows of files that it does not follow itself
    (flb_tail_db_stale_file_delete, plugins/in_tail/tail_db.c, from 3.0.2)."""
    shared = False
    with_db = [t for t in agent.pipeline.inputs if t.db is not None]
    for tail in with_db:
        other = next((o for o in agent.pipeline.on_the_db_of(tail) if o.number < tail.number), None)
        if other is None:
            continue
        shared = True
        old = agent.version is not None and agent.version < _STALE_ROWS_DELETED
        incident = (
            "At a start each of them deletes the rows of the files that only the other one follows (Fluent Bit 3.0.2 "
            "and later): those logs are read from the beginning again, or from their end with Read_from_Head off."
        )
        if old:
            incident = "They wait for each other's locks, and from Fluent Bit 3.0.2 on delete each other's rows."
        yield Finding(
            "warning" if old else "error",
            f"the tail inputs {name_of(other)} and {name_of(tail)} have the same DB {tail.db}",
            incident,
            "a DB file of its own for each [INPUT]",
            (*agent.at(tail.section, "db"), *agent.at(other.section, "db")),
        )
    if len(with_db) > 1 and not shared:
        yield Passed("every tail input has a DB of its own")


def from_head(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB004: a file without a row in the DB begins at its end when ``read_from_head`` is off (set_file_position);
    files found later begin at their head unless ``read_newly_discovered_files_from_head`` is off (from 4.0.1)."""
    for tail in agent.pipeline.inputs:
        newly = tail.section.get("read_newly_discovered_files_from_head") if tail.section else None
        if newly is not None and newly.lower() in units.FALSE and not tail.read_from_head:
            yield Finding(
                "error",
                f"tail input {name_of(tail)} reads new files from their end, also those it finds while it runs",
                "The first lines of every new pod, and of every log after a rotation, are never read.",
                "Read_from_Head on; leave read_newly_discovered_files_from_head (from "
                f"{shown(_NEW_FILES_KEY)}) at its default, on",
                agent.at(tail.section, "read_newly_discovered_files_from_head"),
            )
        elif tail.read_from_head:
            yield Passed(f"tail input {name_of(tail)} reads new files from their beginning (Read_from_Head on)")
        else:
            yield Finding(
                "error",
                f"tail input {name_of(tail)} has Read_from_Head off",
                "At a start it goes to the end of every file that its DB does not know: all that pods wrote which "
                "started while it was down, and a log that was rotated meanwhile, is never read.",
                "Read_from_Head on in this [INPUT]",
                agent.at(tail.section, "read_from_head", "path"),
            )


def compared_names(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB026: with ``db.compare_filename`` a row is the file's only if the last parts of its name and of the *real*
    path are equal (flb_tail_target_file_name_cmp, plugins/in_tail/tail_file.h); a link of the kubelet has another."""
    for tail in agent.pipeline.inputs:
        if tail.db is None:
            continue  # it has no rows: FLB001
        linked = any(below(path, "/var/log/containers") for path in tail.paths)
        if not tail.compare_filename or not linked:
            yield Passed(f"tail input {name_of(tail)} finds the rows of its files again")
            continue
        after = (
            "all of them are read from their beginning again and stored twice."
            if tail.read_from_head
            else "reading goes on at the end of each: what was written while it was down is never read."
        )
        yield Finding(
            "error",
            f"tail input {name_of(tail)} has DB.compare_filename on, and follows symlinks",
            "Rows have the names of the links, and are compared with those of the files behind them (0.log): at every "
            f"start Fluent Bit deletes the rows of all files, and {after}",
            "DB.compare_filename off in this [INPUT]; from Fluent Bit 5.0.3 the offset marker tells reused inodes",
            agent.at(tail.section, "db.compare_filename"),
        )
