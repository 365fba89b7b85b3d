"""What each row of a tail DB means today: the file that has its inode now, or else the file that has its bytes.

A row knows a name, an inode and (from Fluent Bit 5.0.3) a marker: the hash of the bytes before the offset. The inode
says which file Fluent Bit would go on with; the marker says whether it still is the file that was read. Where the
inode is gone or is another file now, the marker finds the bytes again in a rotated, copied or compressed sibling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from flbrecover.errors import EvidenceError
from flbrecover.evidence.log_content import MARKER_SIZE, Content, is_gzip, marker_of, read_raw, scan
from flbrecover.evidence.log_folders import FileKey, LogFolders, Place, clean_name, key_of
from flbrecover.evidence.node import Node
from flbrecover.evidence.rotated_names import READABLE, rotation_of
from flbrecover.evidence.tail_db import TailDb
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import FileFacts, MarkerVerdict, Problem, TailPosition, TailRow
from flbrecover.wording import count


def positions(node: Node, db: TailDb, tail: TailInput | None) -> tuple[list[TailPosition], list[Problem]]:
    """One position per row, in the order of the rows; ``tail`` is the input of this DB where it is known.

    - "same file": the name leads to the row's inode, or (a copied tree) to a file with the marked bytes.
    - "rotated": the inode has another name, beside the real file, under the input's Path or in the kubelet's folder of
      that container; or a rotated file, compressed or not, has the marked bytes.
    - "replaced": the inode is there but holds other bytes (truncated, reused), then ``unread`` is all of it, since
      Fluent Bit starts again; or the name leads to another inode and the row's own is nowhere.
    - "deleted": neither the name nor the inode nor the bytes are found.
    - "unknown": they are not found either, but a file or folder of this log could not be looked at.

    ``unread`` counts bytes of the file as it is now; of a file that was compressed after it was read, uncompressed
    ones; for a followed ``*.gz`` compressed ones, as the offset does.
    """
    folders = LogFolders(node)
    followed = _followed_files(node, tail, folders)
    newest = {row.inode: row.row_id for row in db.rows}
    found: dict[int, TailPosition] = {}
    lost: list[TailRow] = []
    for row in db.rows:
        file = _by_inode(folders, row, followed)
        if file is None:
            lost.append(row)
        else:
            found[row.row_id] = _at_its_inode(node, db.path, row, file, folders.problems)
    # A file that is the very one of another row is not searched for foreign bytes: same lines, same hash.
    known = {key_of(p.file) for p in found.values() if p.file and p.fate != "replaced"}
    carriers = find_marked_bytes(folders, lost, known)
    for row in lost:
        found[row.row_id] = _without_inode(folders, db.path, row, carriers.get(row.row_id, []))
    return [
        p if newest[p.row.inode] == p.row.row_id else _superseded(p) for p in (found[r.row_id] for r in db.rows)
    ], _of_a_copy(db, found.values()) + folders.problems


def followed_as_gzip(name: str) -> bool:
    """Whether Fluent Bit reads a file of this name through gzip, its offset then counting compressed bytes."""
    return name[-3:].lower() == ".gz"


def marker_verdict(node: Node, path: str, row: TailRow) -> MarkerVerdict:
    """Whether the bytes before the row's offset are those that Fluent Bit read. Never raises."""
    if row.marker_size == 0 or row.offset == 0:
        return "unset"
    size = min(row.offset, MARKER_SIZE)
    if row.marker_size != size:
        return "mismatch"
    try:
        window = read_raw(node, path, row.offset - size, size)
    except EvidenceError:
        return "unreadable"
    return "matches" if len(window) == size and marker_of(window) == row.marker else "mismatch"


def find_marked_bytes(
    folders: LogFolders, rows: Iterable[TailRow], passed_over: set[FileKey]
) -> dict[int, list[tuple[FileFacts, int]]]:
    """For each row id the files beside the row's name that have the marked bytes at the row's offset, with their
    uncompressed sizes. Rows without a marker find nothing. A damaged file counts as far as it can be read."""
    by_name: dict[str, list[TailRow]] = {}
    for row in rows:
        if row.offset and row.marker_size == min(row.offset, MARKER_SIZE):
            by_name.setdefault(clean_name(row.name), []).append(row)
    found: dict[int, list[tuple[FileFacts, int]]] = {}
    for name, wanted in by_name.items():
        seen = set(passed_over)
        for place in folders.places(name):
            beside = []
            for rotation, file in folders.rotations(place):
                beside.append(file)
                if rotation.compression not in READABLE:
                    folders.hide(file.path)
            live = folders.files(place.folder).get(place.live)
            for file in [*beside, *([live] if live else [])]:
                if key_of(file) not in seen:
                    seen.add(key_of(file))
                    _look_for(folders, file, wanted, found)
    return found


def _look_for(
    folders: LogFolders, file: FileFacts, rows: Sequence[TailRow], found: dict[int, list[tuple[FileFacts, int]]]
) -> None:
    node = folders.node
    try:
        gzipped = is_gzip(node, file.path)
        raw = [r for r in rows if not gzipped or followed_as_gzip(r.name)]
        through = [r for r in rows if gzipped and not followed_as_gzip(r.name)]
        seen = scan(node, Content(file, gzipped=True), {r.offset for r in through}) if through else None
    except EvidenceError as e:
        folders.problems.append(Problem(file.path, f"cannot be searched for what was read: {e}"))
        folders.hide(file.path)
        return
    for row in raw:
        if row.offset <= file.size and marker_verdict(node, file.path, row) == "matches":
            found.setdefault(row.row_id, []).append((file, file.size))
    for row in through:
        if seen and row.offset in seen.windows and marker_of(seen.windows[row.offset]) == row.marker:
            found.setdefault(row.row_id, []).append((file, seen.size))


def _by_inode(folders: LogFolders, row: TailRow, followed: dict[int, FileFacts]) -> FileFacts | None:
    """The file with the row's inode. A file of a foreign name must prove itself: inodes are used again."""
    name = clean_name(row.name)
    file = folders.file(name)
    if file is not None and file.inode == row.inode:
        return file
    if row.inode in followed:
        return followed[row.inode]
    for place in folders.places(name):
        file = folders.by_inode(place.folder, row.inode)
        if file is not None and _may_be(folders, row, place, file):
            return file
    for folder in folders.container_folders(name):
        file = folders.by_inode(folder, row.inode)
        if file is not None:
            return file
    return None


def _may_be(folders: LogFolders, row: TailRow, place: Place, file: FileFacts) -> bool:
    name = PurePosixPath(file.path).name
    if rotation_of(place.live, name, other_dates=place.other_dates):
        return True
    marker = marker_verdict(folders.node, file.path, row)
    if marker == "unreadable":
        what = f"has the inode of row {row.row_id} and cannot be read: whether it is that log cannot be told"
        folders.problems.append(Problem(file.path, what))
        folders.hide(clean_name(row.name))
    return marker == "matches" or (marker == "unset" and name.startswith(place.live.split(".")[0]))


def _followed_files(node: Node, tail: TailInput | None, folders: LogFolders) -> dict[int, FileFacts]:
    found: dict[int, FileFacts] = {}
    for path in tail.paths if tail else ():
        names, _ = node.find(path)  # what it could not look at, the search for logs reports
        for file in map(folders.file, names):
            if file is not None:
                found.setdefault(file.inode, file)
    return found


def _at_its_inode(node: Node, db: str, row: TailRow, file: FileFacts, problems: list[Problem]) -> TailPosition:
    marker = marker_verdict(node, file.path, row)
    if marker == "unreadable":
        problems.append(Problem(file.path, "cannot be read, so its offset marker cannot be checked"))
    if marker == "mismatch" or row.offset > file.size:
        return TailPosition(row, db, "replaced", file, marker, file.size)
    same = file.path == clean_name(row.name)
    return TailPosition(row, db, "same file" if same else "rotated", file, marker, file.size - row.offset)


def _without_inode(folders: LogFolders, db: str, row: TailRow, carriers: list[tuple[FileFacts, int]]) -> TailPosition:
    name = clean_name(row.name)
    stands_there = folders.file(name)
    if len({f.path.removesuffix(".gz") for f, _ in carriers}) == 1:  # one file, or a file on its way to be compressed
        file, size = min(carriers, key=lambda c: len(c[0].path))
        if stands_there is not None and key_of(stands_there) == key_of(file):  # the name may be a symlink
            return TailPosition(row, db, "same file", stands_there, "matches", size - row.offset)
        return TailPosition(row, db, "rotated", file, "matches", size - row.offset)
    if carriers:
        names = ", ".join(f.path for f, _ in carriers)
        what = f"row {row.row_id}: its inode is gone and {len(carriers)} files fit its offset marker: {names}"
        folders.problems.append(Problem(db, what, unreadable=False))
    unmarked = row.marker_size == 0 or row.offset == 0
    if folders.hides(name):
        return TailPosition(row, db, "unknown", None, "unset" if unmarked else "unreadable", None)
    marker: MarkerVerdict = "unset" if unmarked else "mismatch"
    return TailPosition(row, db, "replaced" if stands_there else "deleted", stands_there, marker, None)


def _superseded(p: TailPosition) -> TailPosition:
    return TailPosition(p.row, p.db, p.fate, p.file, p.marker, p.unread, superseded=True)


def _of_a_copy(db: TailDb, found: Iterable[TailPosition]) -> list[Problem]:
    """A copied tree has new inodes: then only markers can tell, and whoever made the copy should know."""
    by_bytes = [p for p in found if p.fate == "same file" and p.file and p.file.inode != p.row.inode]
    if not by_bytes:
        return []
    what = f"{len(by_bytes):,} of {count(len(db.rows), 'row')} found by content and not by inode: a copied tree?"
    return [Problem(db.path, what, way_out="use the node's own file system or a bundle", unreadable=False)]
