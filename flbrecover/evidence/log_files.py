"""The files of one log in writing order, each content once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from flbrecover.errors import EvidenceError
from flbrecover.evidence.log_content import Content, is_gzip, is_start_of, scan
from flbrecover.evidence.log_folders import FileKey, LogFolders, Place, key_of
from flbrecover.evidence.log_names import NamedLog
from flbrecover.evidence.rotated_names import READABLE, Rotation, live_names, rotation_of, writing_order
from flbrecover.evidence.tail_positions import followed_as_gzip
from flbrecover.model import FileFacts, Problem

MIN_COPY = 1024  # a shorter file may well have the same lines as another and still not be its copy


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a log. ``rotation`` is None for the live file, and for one whose name says nothing."""

    facts: FileFacts
    gzipped: bool
    rotation: Rotation | None
    live: bool

    @property
    def content(self) -> Content:
        return Content(self.facts, self.gzipped)


def files_of(folders: LogFolders, log: NamedLog, taken: set[FileKey]) -> list[LogFile]:
    """The log's live file and every rotated one, oldest first; files in ``taken`` belong to other logs.

    Files that cannot be read and compressions other than gzip become problems of the folders.
    """
    places = _places(folders, log)
    found: dict[FileKey, tuple[FileFacts, Rotation | None, bool]] = {}
    if log.live is not None:
        found[key_of(log.live)] = (log.live, None, True)
    for file in log.others.values():
        rotation, live = _by_name(places, file)
        found.setdefault(key_of(file), (file, rotation, live))
    for place in places:
        for of_place, file in folders.rotations(place):
            if key_of(file) not in taken:
                found.setdefault(key_of(file), (file, of_place, False))
    files = [f for f in (_readable(folders, *entry) for entry in found.values()) if f is not None]
    return _without_copies(folders, _in_order(_without_twins(folders, files)))


def _places(folders: LogFolders, log: NamedLog) -> list[Place]:
    """Where to look: beside the name and beside the file behind it; else, where the name is a symlink that is gone,
    beside the files that rows still lead to."""
    places = folders.places(log.name)
    for file in log.others.values():
        path = PurePosixPath(file.real_path)
        if not any(p.folder == str(path.parent) for p in places):
            places.append(Place(str(path.parent), next(iter(live_names(path.name)), path.name)))
    return places


def _by_name(places: Iterable[Place], file: FileFacts) -> tuple[Rotation | None, bool]:
    name = PurePosixPath(file.path).name
    for place in places:
        if rotation := rotation_of(place.live, name, other_dates=place.other_dates):
            return rotation, False
    return None, any(place.live == name for place in places)


def _readable(folders: LogFolders, file: FileFacts, rotation: Rotation | None, live: bool) -> LogFile | None:
    if rotation is not None and rotation.compression not in READABLE:
        what = f"is compressed as {rotation.compression}, which cannot be read here: its records are not looked at"
        folders.problems.append(Problem(file.path, what, way_out="unpack it beside itself in a copy of the folder"))
        folders.hide(file.path)
        return None
    try:
        gzipped = is_gzip(folders.node, file.path)
    except EvidenceError as e:
        folders.problems.append(Problem(file.path, f"cannot be read: {e}"))
        folders.hide(file.path)
        return None
    by_name = followed_as_gzip(file.path)
    if by_name and not gzipped and file.size:
        folders.problems.append(Problem(file.path, "is no gzip file, in spite of its name"))
        return None
    return LogFile(file, gzipped and (by_name or not live), rotation, live)


def _without_twins(folders: LogFolders, files: list[LogFile]) -> list[LogFile]:
    """Without the compressed copies whose original is still there: the compressor writes first and deletes then."""
    plain = {_plain_path(f): f for f in files if not followed_as_gzip(f.facts.path)}
    kept = []
    for file in files:
        original = plain.get(_plain_path(file)) if followed_as_gzip(file.facts.path) else None
        if original is None or not (file.facts.size == 0 or _starts(folders, file, original)):
            kept.append(file)
    return kept


def _without_copies(folders: LogFolders, files: list[LogFile]) -> list[LogFile]:
    """Without copies of the live file that copytruncate (not yet truncated) or copy left just before it in order.

    A log that is rotated by renaming can begin like the one before it too, if its lines carry no time. So a copy must
    be of some length, and one as long as the live file must not be older: a copy gets its time when it is made.
    """
    kept = list(files)
    while len(kept) > 1 and kept[-1].live and _is_copy(folders, kept[-2], kept[-1]):
        what = f"is a copy of the beginning of {kept[-1].facts.path}: not taken twice"
        folders.problems.append(Problem(kept[-2].facts.path, what, unreadable=False))
        del kept[-2]
    return kept


def _is_copy(folders: LogFolders, older: LogFile, live: LogFile) -> bool:
    if not older.gzipped and not MIN_COPY <= older.facts.size <= live.facts.size:
        return False
    if not _starts(folders, older, live):
        return False
    size = scan(folders.node, older.content, set()).size if older.gzipped else older.facts.size
    if size < live.facts.size:
        return size >= MIN_COPY
    return older.facts.mtime_ns >= live.facts.mtime_ns


def _plain_path(file: LogFile) -> str:
    return file.facts.path[:-3] if followed_as_gzip(file.facts.path) else file.facts.path


def _starts(folders: LogFolders, short: LogFile, long: LogFile) -> bool:
    try:
        return is_start_of(folders.node, short.content, long.content)
    except EvidenceError as e:
        folders.problems.append(Problem(long.facts.path, f"cannot be compared with {short.facts.path}: {e}"))
        return False


def _in_order(files: list[LogFile]) -> list[LogFile]:
    live = [f for f in files if f.live]
    rotated = [f for f in files if not f.live]
    named = [(f.rotation, f.facts.mtime_ns) for f in rotated if f.rotation]
    if len(named) == len(rotated):
        rotated = [rotated[i] for i in writing_order(named)]
    else:
        rotated.sort(key=lambda f: f.facts.mtime_ns)
    return rotated + live
