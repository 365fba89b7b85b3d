"""Collects the evidence of a node into a bundle: what the survey of every command looks at, and nothing else.

The survey has run on a :class:`WatchedNode`; what it opened, every log with its rotated files, every tail DB and
everything below the buffer folders is copied, everything else that was looked at is noted. Tail DBs come first: logs
may go on growing, an offset must not lie beyond what was copied of its file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flbrecover.errors import EvidenceError
from flbrecover.evidence import process_facts
from flbrecover.evidence.bundle_manifest import Entry
from flbrecover.evidence.bundle_writer import BundleWriter, Total
from flbrecover.evidence.log_folders import LogFolders
from flbrecover.evidence.node import Node
from flbrecover.evidence.snapshot import snapshot
from flbrecover.evidence.watched_node import WatchedNode
from flbrecover.fluentbit import secrets
from flbrecover.model import Problem
from flbrecover.recover.survey import Survey
from flbrecover.recover.watch import Watch, unwatched

Role = Literal["tail DB", "configuration", "buffer", "log"]
ROLES: tuple[Role, ...] = ("tail DB", "configuration", "buffer", "log")
MAX_FILES = 1_000_000
_MAX_DEPTH = 16
_BESIDE_DB = ("", "-wal", "-journal", "-shm")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is asked to be left out: contents beyond ``max_bytes`` (of all files together, uncompressed; configuration
    and tail DBs are taken first, then buffers, then logs, the newest first), and logs last written before
    ``since_ns``. The texts say so to a reader of the bundle."""

    max_bytes: int | None = None
    max_text: str = ""
    since_ns: int | None = None
    since_text: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A file to copy: its path without symlinks."""

    path: str
    role: Role
    entry: Entry


@dataclass(slots=True)
class Choice:
    """What will be copied, in the order of the bundle, and entries for everything else that was seen."""

    items: list[Item]
    entries: dict[str, Entry]
    problems: list[Problem] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(item.entry.size for item in self.items)


def masked_configuration(node: WatchedNode, files: Collection[str]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Has the node give out the configuration files without their secrets; says what was taken out."""
    masked: list[dict[str, Any]] = []
    problems = []
    for path in files:
        try:
            with node.open(path) as f:
                text = f.read().decode("utf-8", "surrogateescape")
        except (EvidenceError, OSError) as e:
            problems.append(Problem(path, f"cannot be read again: {e}"))
            continue
        new, taken = secrets.mask(text)
        if taken:
            node.instead[path] = new.encode("utf-8", "surrogateescape")
            masked += [{"type": "masked", "path": path, "line": m.line, "key": m.key} for m in taken]
    return masked, problems


def choose(node: WatchedNode, survey: Survey, configuration: Collection[str], bounds: Bounds) -> Choice:
    """Everything that a bundle of this survey has to hold."""
    roles: dict[str, Role] = dict.fromkeys(configuration, "configuration")
    for db in survey.dbs:
        with suppress(EvidenceError):
            real = node.resolve(db.path)
            roles.update({real + s: "tail DB" for s in _BESIDE_DB if node.is_file(real + s)})
    problems: list[Problem] = []
    for home in survey.homes:
        for path in _below(node, home.path, problems):
            roles.setdefault(path, "buffer")
    for facts in (*(b.facts for b in survey.buffers), *(u.facts for u in survey.uploads)):
        roles.setdefault(facts.real_path, "buffer")
    for path in _logs(node, survey):
        roles.setdefault(path, "log")
    for path in node.opened:
        roles.setdefault(path, "log")
    entries = node.entries()
    for path, content in node.instead.items():
        entries[path] = replace(entries[path], size=len(content))
    items = [Item(p, role, entries[p]) for p, role in roles.items() if p in entries and entries[p].kind == "file"]
    kept, left_out = _within(items, bounds)
    entries |= {e.path: e for e in left_out}
    kept.sort(key=lambda item: (ROLES.index(item.role), item.path))
    return Choice(kept, entries, problems)


def _below(node: Node, folder: str, problems: list[Problem]) -> Iterator[str]:
    """All files below a folder, symlinked ones by their real path; folders behind symlinks are looked into once.
    ``problems`` gets what was not looked at, for there is too much of it."""
    todo, seen, count, is_deep = [(folder, 0)], set(), 0, False
    while todo:
        path, depth = todo.pop()
        try:
            real = node.resolve(path)
            if real in seen:
                continue
            if depth > _MAX_DEPTH:
                if not is_deep:
                    what = f"lies more than {_MAX_DEPTH} folders below {folder}: what is in it was left out"
                    problems.append(Problem(real, what))
                is_deep = True
                continue
            names = node.names(real)
        except EvidenceError:
            continue  # remembered by the node
        seen.add(real)
        for name in names:
            count += 1
            below = f"{real.rstrip('/')}/{name}"
            if count > MAX_FILES:
                problems.append(Problem(folder, f"holds more than {MAX_FILES:,} files: the others were left out"))
                return
            if node.is_dir(below):
                todo.append((below, depth + 1))
            elif node.is_file(below):
                with suppress(EvidenceError):
                    yield node.resolve(below)


def _logs(node: Node, survey: Survey) -> Iterator[str]:
    """Every file of every log, with rotated ones that no reader of ours can read."""
    folders = LogFolders(node)
    names = {log.name for log in survey.logs} | {p.row.name for p in survey.positions}
    for log in survey.logs:
        yield from (file.facts.real_path for file in log.files)
    for position in survey.positions:
        if position.file is not None:
            yield position.file.real_path
    for name in sorted(names):
        for place in folders.places(name):
            yield from (file.real_path for _, file in folders.rotations(place))


def _within(items: list[Item], bounds: Bounds) -> tuple[list[Item], list[Entry]]:
    kept: list[Item] = []
    left_out: list[Entry] = []
    used = 0
    for item in sorted(items, key=lambda i: (ROLES.index(i.role), -i.entry.mtime_ns, i.path)):
        why = ""
        if item.role == "log" and bounds.since_ns is not None and item.entry.mtime_ns < bounds.since_ns:
            why = f"last written before --since {bounds.since_text}"
        elif bounds.max_bytes is not None and used + item.entry.size > bounds.max_bytes:
            why = f"beyond --max-size {bounds.max_text}"
        if why:
            left_out.append(replace(item.entry, why=why))
        else:
            used += item.entry.size
            kept.append(item)
    return kept, left_out


def write(
    writer: BundleWriter,
    node: WatchedNode,
    survey: Survey,
    choice: Choice,
    lines: Sequence[Mapping[str, Any]],
    *,
    config: str | None,
    watch: Watch = unwatched,
) -> Total:
    """Copies the chosen files and ends the bundle. ``choice.problems`` has afterwards what could not be copied as it
    was; it is in the bundle, too."""
    copied: set[str] = set()
    for db in survey.dbs:
        _copy_db(writer, node, db.path, choice, copied)
    rest = [item for item in choice.items if item.path not in copied]
    for item in watch(rest, "collecting", len(rest)):
        _copy(writer, node, item, choice)
    for entry in choice.entries.values():
        if entry.kind == "symlink":
            writer.link(entry)
    said: dict[str, Any] = {
        "type": "node",
        "config": config,
        "identity": node.identity,
        "agents_in_containers": node.seen_agents,
        "running": [{"pid": a.pid, "comm": a.comm, "holds": list(a.holds)} for a in survey.agents],
    }
    notes = [{"type": "note", "path": p.path, "what": p.what, "unreadable": p.unreadable} for p in choice.problems]
    return writer.finish([said, *lines, *notes], list(choice.entries.values()))


def process_lines(node: Node, running: Collection[int]) -> Iterator[dict[str, Any]]:
    """What the kernel says of every Fluent Bit, and of every other process that uses the evidence."""
    proc = node.procfs()
    if proc is None:
        return
    for pid in sorted({*process_facts.agent_pids(proc), *running}):
        facts = process_facts.facts_of(proc, pid)
        if facts is not None:
            yield {"type": "process", **facts}


def _copy_db(writer: BundleWriter, node: WatchedNode, path: str, choice: Choice, copied: set[str]) -> None:
    """A tail DB with its journals, all from one moment."""
    try:
        real = node.resolve(path)
        with snapshot(node, path) as copy:
            for suffix in ("", "-wal", "-journal"):
                entry, part = choice.entries.get(real + suffix), copy.with_name(copy.name + suffix)
                if entry is None or entry.why or not part.is_file():
                    continue
                now = node.facts(real + suffix)
                with part.open("rb") as f:
                    changed = replace(entry, size=part.stat().st_size, inode=now.inode, mtime_ns=now.mtime_ns)
                    choice.entries[entry.path] = writer.add(changed, f)
                copied.add(entry.path)
    except EvidenceError as e:
        if node.exists(path):  # it is copied file by file then, as the other files are
            choice.problems.append(Problem(path, f"not copied as of one moment: {e}", unreadable=False))


def _copy(writer: BundleWriter, node: WatchedNode, item: Item, choice: Choice) -> None:
    entry = item.entry
    try:
        with node.open(item.path) as f:
            if item.path not in node.instead:
                now = node.facts(item.path)
                if (now.device, now.inode) != (entry.device, entry.inode):
                    what = "was replaced by another file while the bundle was collected; collect again"
                    choice.problems.append(Problem(item.path, what))
                entry = replace(entry, device=now.device, inode=now.inode, size=now.size, mtime_ns=now.mtime_ns)
            entry = writer.add(entry, f)
            if item.path not in node.instead:
                entry = _changed(node, entry, now.size)
    except EvidenceError as e:
        if not node.exists(item.path):
            del choice.entries[item.path]
            what = "vanished while the bundle was collected"
            choice.problems.append(Problem(item.path, what, unreadable=item.role == "log"))
            return
        entry = replace(entry, error=_errno(e))
    except OSError as e:
        entry = replace(entry, error=e.errno or 0)
    choice.entries[item.path] = entry
    if entry.error:
        choice.problems.append(Problem(item.path, "could not be read when the bundle was collected"))
    elif entry.size < item.entry.size and entry.note:
        choice.problems.append(Problem(item.path, entry.note))


def _changed(node: Node, entry: Entry, size: int) -> Entry:
    """Notes that a file went on being written: what was copied is its beginning, whole up to where it was."""
    try:
        now = node.facts(entry.path)
    except EvidenceError:
        return replace(entry, note=entry.note or "deleted while it was copied")
    if (now.size, now.mtime_ns) != (size, entry.mtime_ns) and not entry.note:
        return replace(entry, note=f"written to while it was copied: {now.size} bytes afterwards")
    return entry


def _errno(error: EvidenceError) -> int:
    cause = error.__cause__
    return (cause.errno or 0) if isinstance(cause, OSError) else 0
