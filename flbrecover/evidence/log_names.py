"""Which names a tail input follows as logs of their own, and which log a tail position belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flbrecover.errors import EvidenceError
from flbrecover.evidence.log_folders import FileKey, LogFolders, clean_name, key_of
from flbrecover.evidence.rotated_names import live_names
from flbrecover.evidence.shell_pattern import as_globbed, matches_anywhere, matches_path
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.fluentbit.tail_tag import NoTagError, expand
from flbrecover.model import FileFacts, Problem, TailPosition


@dataclass(slots=True)
class NamedLog:
    """A log before its files are sorted. ``live`` is the file at the name; ``others`` are files that are this log's
    by Fluent Bit's own account (its rows, or a rotated name that Path matches); ``positions`` are its rows'."""

    name: str
    tag: str
    live: FileFacts | None
    others: dict[FileKey, FileFacts] = field(default_factory=dict)
    positions: list[TailPosition] = field(default_factory=list)


def name_logs(
    folders: LogFolders, tail: TailInput, positions: Sequence[TailPosition], others: Sequence[TailInput] = ()
) -> list[NamedLog]:
    """The logs of an input: those that its Path matches today, in Fluent Bit's order, then those only rows name.
    ``others`` are the inputs with the same DB, whose rows are among the ``positions``.

    Fluent Bit takes a file under the first name that it finds and keeps that name's tag over a rename. So a rotated
    file that Path matches as well belongs to the log of its live name if its row says so, or if it makes no difference
    to the tag; else it is a log of its own. What is wrong is added to the folders' problems.
    """
    matched = _matched(folders, tail)
    logs: dict[str, NamedLog] = {}
    by_file = {key_of(p.file): p for p in positions if p.file and p.fate != "replaced" and not p.superseded}
    for name, file in matched.items():
        owner = _owner(tail, name, matched, by_file.get(key_of(file)), folders.problems)
        log = _log(folders, logs, tail, owner)
        if log is None:
            continue
        if owner == name:
            log.live = file
        else:
            log.others[key_of(file)] = file
    _attach(folders, tail, logs, positions, others)
    return list(logs.values())


def is_followed(tail: TailInput, name: str) -> bool:
    """Whether Path matches a name and Exclude_Path does not; there need not be a file."""
    return any(matches_path(p, name) for p in tail.paths) and not _excluded(tail, name)


def _excluded(tail: TailInput, name: str) -> bool:
    return any(matches_anywhere(p, as_globbed(tail.paths, name)) for p in tail.exclude_paths)


def _matched(folders: LogFolders, tail: TailInput) -> dict[str, FileFacts]:
    found: dict[str, FileFacts] = {}
    seen: set[FileKey] = set()
    for pattern in tail.paths:
        if pattern.startswith("~"):
            folders.problems.append(Problem(pattern, "Path with ~ depends on Fluent Bit's user; give it as a path"))
            continue
        names, problems = folders.node.find(pattern)
        folders.problems += [p for p in problems if not _excluded(tail, p.path)]
        for name in names:
            file = None if _excluded(tail, name) else folders.file(name)
            if file is not None and key_of(file) not in seen:
                seen.add(key_of(file))
                found[name] = file
    return found


def _owner(
    tail: TailInput, name: str, matched: dict[str, FileFacts], position: TailPosition | None, problems: list[Problem]
) -> str:
    """The name of the log that a matched name belongs to: itself, or the live name that it was rotated from."""
    parent = next((path for path in _live_paths(name) if path in matched), None)
    if parent is None:
        return name
    if position is None:
        same_tag = _tag(tail, name, problems) == _tag(tail, parent, problems)
        return parent if same_tag else name
    return parent if position.row.rotated or clean_name(position.row.name) == parent else name


def _attach(
    folders: LogFolders,
    tail: TailInput,
    logs: dict[str, NamedLog],
    positions: Iterable[TailPosition],
    others: Sequence[TailInput],
) -> None:
    is_astray = not logs  # Path matches no file: rows of files that are there say that another one was meant
    homes: dict[str, NamedLog] = {}  # real path of the live name -> log
    holders: dict[FileKey, NamedLog] = {}
    for known in logs.values():
        _register(folders, known, homes, holders)
    for position in positions:
        file = position.file
        held = holders.get(key_of(file)) if file and position.fate != "replaced" else None
        log = held or _log_of_name(folders, tail, logs, homes, position)
        if log is None:
            if not position.superseded and not any(_is_named(other, position) for other in others):
                folders.problems.append(_unmatched(position, unreadable=is_astray and file is not None))
            continue
        log.positions.append(position)
        if file and position.fate in ("same file", "rotated") and key_of(file) not in holders:
            log.others.setdefault(key_of(file), file)
            holders[key_of(file)] = log
        _register(folders, log, homes, holders)


def _register(folders: LogFolders, log: NamedLog, homes: dict[str, NamedLog], holders: dict[FileKey, NamedLog]) -> None:
    try:
        homes.setdefault(folders.node.resolve(log.name), log)
    except EvidenceError as e:
        folders.problems.append(Problem(log.name, f"cannot be followed: {e}"))
    for file in [*([log.live] if log.live else []), *log.others.values()]:
        holders.setdefault(key_of(file), log)


def _log_of_name(
    folders: LogFolders,
    tail: TailInput,
    logs: dict[str, NamedLog],
    homes: dict[str, NamedLog],
    position: TailPosition,
) -> NamedLog | None:
    """The log that a row's name means. A rotated row has the new, real name in place of the one that was matched."""
    name = clean_name(position.row.name)
    if name in logs:
        return logs[name]
    if position.row.rotated:
        for live in _live_paths(name):
            if live in homes:
                return homes[live]
            if is_followed(tail, live):
                return _log(folders, logs, tail, live)
    return _log(folders, logs, tail, name) if is_followed(tail, name) else None


def _is_named(tail: TailInput, position: TailPosition) -> bool:
    """Does an input follow the name of a row, or the one that it was rotated from?"""
    name = clean_name(position.row.name)
    return any(is_followed(tail, path) for path in (name, *_live_paths(name)))


def _live_paths(name: str) -> list[str]:
    """The live names that a name can be a rotation of, beside it."""
    path = PurePosixPath(name)
    return [str(path.with_name(live)) for live in live_names(path.name)]


def _unmatched(position: TailPosition, *, unreadable: bool) -> Problem:
    name = clean_name(position.row.name)
    what = f"row {position.row.row_id} names {name}, which Path does not match: left out"
    way_out = "use the configuration that Fluent Bit ran with"
    return Problem(position.db, what, way_out=way_out, unreadable=unreadable)


def _log(folders: LogFolders, logs: dict[str, NamedLog], tail: TailInput, name: str) -> NamedLog | None:
    if name not in logs:
        tag = _tag(tail, name, folders.problems)
        if tag is None:
            return None
        logs[name] = NamedLog(name, tag, folders.file(name))
    return logs[name]


def _tag(tail: TailInput, name: str, problems: list[Problem]) -> str | None:
    try:
        return expand(tail.tag, as_globbed(tail.paths, name), tail.tag_regex)
    except NoTagError as e:
        problem = Problem(name, f"{e}: Fluent Bit does not follow this file", unreadable=False)
    except ValueError as e:
        problem = Problem(name, f"has no tag: {e}")
    if problem not in problems:
        problems.append(problem)
    return None
