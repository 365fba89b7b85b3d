"""Which files a log is made of, in which order, and how far each was read: one test per way of rotating."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import cases
import pytest
from tail_support import lines, row_for, write

from flbrecover.evidence import tail_db
from flbrecover.evidence.node import Node
from flbrecover.evidence.source_files import SourceEvidence, examine, logs, positions
from flbrecover.evidence.tail_db import TailDb
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import ByteRange, SourceLog, TailRow

LOG = "/var/log/app.log"
NO_INODE = 987_654_321_987
OLD, MIDDLE, NEW = lines(0, 100), lines(100, 80), lines(200, 60)


def tail(*paths: str, tag: str = "t.*", exclude: tuple[str, ...] = ()) -> TailInput:
    return TailInput(0, None, tag, paths or (LOG,), exclude_paths=exclude)


def look(root: Path, rows: Iterable[TailRow], of: TailInput | None = None) -> SourceEvidence:
    of = of or tail()
    node = Node(root)
    found, problems = positions(node, TailDb("/flb.db", tuple(rows), "with markers"), of)
    evidence = examine(node, of, found)
    return SourceEvidence(evidence.logs, evidence.gone, (*problems, *evidence.problems))


def files(log: SourceLog) -> list[tuple[str, int | None]]:
    return [(Path(f.path).name, f.read_to) for f in log.files]


def only(evidence: SourceEvidence) -> SourceLog:
    assert evidence.problems == ()
    (log,) = evidence.logs
    return log


def after_rename(root: Path, *names: str) -> None:
    """The logs OLD, MIDDLE, NEW under these names, written in this order."""
    for i, (name, content) in enumerate(zip(names, (OLD, MIDDLE, NEW), strict=True)):
        write(root, name, content, mtime=1_795_400_000 + i)


# --- captured ------------------------------------------------------------------------------------------------------

CAPTURED = {
    "rotated-unread": [("test-api.log.2.gz", 25685), ("test-api.log.1", 0), ("test-api.log", 0)],
    "kubernetes-cri": [("0.log.20261123-120000", 48615), (f"cart-6d4cf56db6-x2k4p_shop_cart-{'ab' * 32}.log", 0)],
    "fluent-bit-1.9": [("test-api.log", 22445)],
    "sigkill-put-gzip": [("test-api.log", 51380)],
}


@pytest.mark.parametrize("name", cases.NAMES)
def test_captured_cases(name: str, tmp_path: Path) -> None:
    root = cases.unpack(name, tmp_path)
    before = cases.footprint(root)
    node = Node(root)
    (db,) = node.glob("/var/log/*.db")
    of = tail("/var/log/containers/*.log", tag="k.*")
    found, problems = positions(node, tail_db.read(node, db), of)
    evidence = examine(node, of, found)
    assert (problems, evidence.problems, evidence.gone) == ([], (), ())
    for log in evidence.logs:
        assert log.tag == "k" + log.name.replace("/", ".")
        assert all(f.read_to is not None for f in log.files)
    if name in CAPTURED:
        assert files(evidence.logs[0]) == CAPTURED[name]
    assert cases.footprint(root) == before
    assert logs(node, of, found) == (list(evidence.logs), [])


# --- renamed -------------------------------------------------------------------------------------------------------

RENAMED = [  # oldest, middle, live: what logrotate and others make of it
    (f"{LOG}.2", f"{LOG}.1", LOG),
    (f"{LOG}.2.gz", f"{LOG}.1", LOG),
    (f"{LOG}.10.gz", f"{LOG}.9.gz", LOG),
    (f"{LOG}-20261121", f"{LOG}-20261122", LOG),
    (f"{LOG}-20261121.gz", f"{LOG}-20261122", LOG),
    (f"{LOG}.2026-11-21", f"{LOG}.2026-11-22", LOG),
    (f"{LOG}-20261122-1795400000", f"{LOG}-20261122-1795400900", LOG),
    (f"{LOG}.2026-11-22.9", f"{LOG}.2026-11-22.10", LOG),
    ("/var/log/app.2.log", "/var/log/app.1.log", LOG),
    ("/var/log/app-2026-11-22T10-00-00.000.log.gz", "/var/log/app-2026-11-22T12-00-00.000.log", LOG),
    (f"{LOG}.1", f"{LOG}.2", LOG),  # log4j2 counts upwards: times say so
]


@pytest.mark.parametrize("names", RENAMED, ids=lambda n: Path(n[0]).name)
@pytest.mark.parametrize("marked", [True, False])
def test_killed_before_two_rotations(tmp_path: Path, names: tuple[str, str, str], marked: bool) -> None:
    """Read a part of the oldest file; both rotations happened while Fluent Bit was down."""
    after_rename(tmp_path, *names)
    compressed = names[0].endswith(".gz")
    inode = NO_INODE if compressed else os.stat(tmp_path / names[0][1:]).st_ino
    evidence = look(tmp_path, [row_for(tmp_path, LOG, 410, content=OLD, inode=inode, marked=marked)])
    if compressed and not marked:  # neither inode nor marker: nothing tells
        expected: list[int | None] = [None, None, None]
    else:
        expected = [410 if marked else OLD.rfind(b"\n", 0, 410) + 1, 0, 0]
    assert files(only(evidence)) == [(Path(n).name, x) for n, x in zip(names, expected, strict=True)]
    assert evidence.gone == ()


@pytest.mark.parametrize("names", RENAMED[:4], ids=lambda n: Path(n[0]).name)
def test_the_live_file_has_a_row(tmp_path: Path, names: tuple[str, str, str]) -> None:
    """Rows of rotated files are deleted after Rotate_Wait: nothing tells how far they were read."""
    after_rename(tmp_path, *names)
    log = only(look(tmp_path, [row_for(tmp_path, LOG, 50)]))
    assert files(log) == [(Path(names[0]).name, None), (Path(names[1]).name, None), ("app.log", 50)]


def test_killed_within_rotate_wait(tmp_path: Path) -> None:
    """Both files have rows then; the rotated one's says its new name."""
    after_rename(tmp_path, f"{LOG}.2.gz", f"{LOG}.1", LOG)
    rows = [row_for(tmp_path, f"{LOG}.1", len(MIDDLE), rotated=True), row_for(tmp_path, LOG, 50, row_id=2)]
    log = only(look(tmp_path, rows))
    assert files(log) == [("app.log.2.gz", None), ("app.log.1", len(MIDDLE)), ("app.log", 50)]
    assert log.name == LOG
    assert log.tag == "t.var.log.app.log"
    assert [f.position.row.row_id if f.position else None for f in log.files] == [None, 1, 2]


def test_rotated_and_not_created_again(tmp_path: Path) -> None:
    """The live name is missing: the row alone knows the log."""
    write(tmp_path, f"{LOG}.1", OLD)
    for rotated, name in ((False, LOG), (True, f"{LOG}.1")):
        row = row_for(tmp_path, name, 50, content=OLD, inode=os.stat(tmp_path / f"{LOG[1:]}.1").st_ino, rotated=rotated)
        log = only(look(tmp_path, [row]))
        assert (log.name, files(log)) == (LOG, [("app.log.1", 50)])


def test_without_a_database(tmp_path: Path) -> None:
    after_rename(tmp_path, f"{LOG}.2", f"{LOG}.1", LOG)
    log = only(look(tmp_path, []))
    assert files(log) == [("app.log.2", None), ("app.log.1", None), ("app.log", None)]


def test_an_offset_without_a_marker_goes_back_to_the_start_of_the_line(tmp_path: Path) -> None:
    write(tmp_path, LOG, b"first line\nsecond line\nthird")
    for offset, read_to in ((0, 0), (5, 0), (10, 0), (11, 11), (14, 11), (23, 23), (28, 23)):
        log = only(look(tmp_path, [row_for(tmp_path, LOG, offset, marked=False)]))
        assert files(log) == [("app.log", read_to)], offset
        log = only(look(tmp_path, [row_for(tmp_path, LOG, offset)]))
        assert files(log) == [("app.log", offset)]


# --- copytruncate and copy -----------------------------------------------------------------------------------------


def test_copytruncate_while_down(tmp_path: Path) -> None:
    """The inode stays, the bytes move to a copy: the marker finds them there."""
    write(tmp_path, LOG, OLD)
    row = row_for(tmp_path, LOG, 410)
    write(tmp_path, f"{LOG}.1", OLD)
    write(tmp_path, LOG, NEW[:300])
    evidence = look(tmp_path, [row])
    assert files(only(evidence)) == [("app.log.1", 410), ("app.log", 0)]
    assert evidence.gone == ()


def test_copytruncate_twice_while_down_with_compression(tmp_path: Path) -> None:
    write(tmp_path, LOG, OLD)
    row = row_for(tmp_path, LOG, 410)
    after_rename(tmp_path, f"{LOG}.2.gz", f"{LOG}.1", LOG)
    assert files(only(look(tmp_path, [row]))) == [("app.log.2.gz", 410), ("app.log.1", 0), ("app.log", 0)]


def test_copytruncate_seen_by_fluent_bit(tmp_path: Path) -> None:
    write(tmp_path, f"{LOG}.1", OLD)
    write(tmp_path, LOG, NEW)
    assert files(only(look(tmp_path, [row_for(tmp_path, LOG, 50)]))) == [("app.log.1", None), ("app.log", 50)]


def test_truncated_without_a_copy(tmp_path: Path) -> None:
    write(tmp_path, LOG, OLD)
    row = row_for(tmp_path, LOG, 410)
    write(tmp_path, LOG, NEW[:100])
    evidence = look(tmp_path, [row])
    assert files(only(evidence)) == [("app.log", 0)]
    (gone,) = evidence.gone
    assert (gone.name, gone.inode, gone.where) == (LOG, row.inode, ByteRange(0, 410))
    assert "truncated" in gone.proof


def test_truncated_and_what_the_copy_missed(tmp_path: Path) -> None:
    """Lines written between the copy and the truncation are in neither. The copy may hold what was read before."""
    write(tmp_path, LOG, OLD)
    row = row_for(tmp_path, LOG, 410)
    write(tmp_path, f"{LOG}.1", OLD[:400])
    write(tmp_path, LOG, b"")
    evidence = look(tmp_path, [row])
    assert files(only(evidence)) == [("app.log.1", None), ("app.log", 0)]
    assert [g.where for g in evidence.gone] == [ByteRange(400, 410)]


def test_a_copy_before_the_truncation_is_not_taken_twice(tmp_path: Path) -> None:
    write(tmp_path, LOG, OLD, mtime=1000)
    write(tmp_path, f"{LOG}.1", OLD, mtime=1001)
    evidence = look(tmp_path, [row_for(tmp_path, LOG, 410)])
    assert files(evidence.logs[0]) == [("app.log", 410)]
    (note,) = evidence.problems
    assert (note.path, note.unreadable) == (f"{LOG}.1", False)


def test_copies_of_a_log_that_is_never_truncated(tmp_path: Path) -> None:
    whole = lines(0, 300)
    for name, size in ((f"{LOG}.3.gz", 3000), (f"{LOG}.2", 4000), (f"{LOG}.1", 5000)):
        write(tmp_path, name, whole[:size])
    write(tmp_path, LOG, whole)
    assert files(look(tmp_path, [row_for(tmp_path, LOG, 410)]).logs[0]) == [("app.log", 410)]


def test_logs_with_equal_lines_are_no_copies(tmp_path: Path) -> None:
    """The same report every day, without a time in it: two logs, and every line of both counts."""
    report = b"backup done\n" * 500
    write(tmp_path, f"{LOG}.1", report, mtime=1000)
    write(tmp_path, LOG, report, mtime=90_000)
    assert files(only(look(tmp_path, []))) == [("app.log.1", None), ("app.log", None)]
    write(tmp_path, f"{LOG}.1", b"started\n", mtime=1000)
    write(tmp_path, LOG, b"started\nstopped\n", mtime=2000)
    assert files(only(look(tmp_path, []))) == [("app.log.1", None), ("app.log", None)]
    write(tmp_path, f"{LOG}.1", b"").unlink()
    write(tmp_path, f"{LOG}.1.gz", b"started\n", mtime=1000)
    assert files(only(look(tmp_path, []))) == [("app.log.1.gz", None), ("app.log", None)]


def test_hard_links_are_one_file(tmp_path: Path) -> None:
    host = write(tmp_path, LOG, OLD)
    os.link(host, f"{host}.1")
    assert files(only(look(tmp_path, [row_for(tmp_path, LOG, 50)]))) == [("app.log", 50)]


def test_a_compressed_file_and_its_source(tmp_path: Path) -> None:
    write(tmp_path, f"{LOG}.1", OLD)
    packed = write(tmp_path, f"{LOG}.1.gz", OLD)
    write(tmp_path, LOG, NEW)
    for torn in (False, True):
        if torn:
            packed.write_bytes(packed.read_bytes()[:-30])
        log = only(look(tmp_path, [row_for(tmp_path, LOG, 50)]))
        assert files(log) == [("app.log.1", None), ("app.log", 50)]
    packed.write_bytes(b"")
    assert files(only(look(tmp_path, [row_for(tmp_path, LOG, 50)]))) == [("app.log.1", None), ("app.log", 50)]
    write(tmp_path, f"{LOG}.1.gz", MIDDLE)  # other content: another file
    names = [n for n, _ in files(only(look(tmp_path, [row_for(tmp_path, LOG, 50)])))]
    assert sorted(names) == ["app.log", "app.log.1", "app.log.1.gz"]


def test_a_superseded_row_of_a_file_that_is_there_proves_nothing_of_others(tmp_path: Path) -> None:
    same = b"the same line over and over\n" * 100
    write(tmp_path, f"{LOG}.1", same + b"end\n")
    write(tmp_path, LOG, same)
    evidence = look(tmp_path, [row_for(tmp_path, LOG, 280), row_for(tmp_path, LOG, 560, row_id=2)])
    assert files(only(evidence)) == [("app.log.1", None), ("app.log", 560)]


def test_a_superseded_row_still_proves_what_was_read_before_its_inode_was_used_again(tmp_path: Path) -> None:
    """Before 3.0.2 rows of deleted files stayed."""
    after_rename(tmp_path, f"{LOG}.2.gz", f"{LOG}.1", LOG)
    rows = [row_for(tmp_path, LOG, 410, content=OLD), row_for(tmp_path, LOG, 50, row_id=2)]
    evidence = look(tmp_path, rows)
    assert files(only(evidence)) == [("app.log.2.gz", 410), ("app.log.1", None), ("app.log", 50)]
    assert evidence.gone == ()


# --- gone ----------------------------------------------------------------------------------------------------------


def test_a_deleted_log(tmp_path: Path) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    evidence = look(tmp_path, [row_for(tmp_path, LOG, 410, content=OLD, inode=NO_INODE)])
    assert evidence.logs == ()
    (gone,) = evidence.gone
    assert (gone.name, gone.where) == (LOG, ByteRange(0, 410))
    assert gone.proof == (
        "row 1: Fluent Bit had read 410 bytes; inode 987654321987 is in no folder that was looked into, "
        "no file beside it has these bytes"
    )


def test_an_inode_that_is_used_again(tmp_path: Path) -> None:
    """ext4 gives the number of a compressed and deleted file to the next one."""
    after_rename(tmp_path, f"{LOG}.2.gz", f"{LOG}.1.gz", LOG)
    row = row_for(tmp_path, LOG, 410, content=OLD)
    evidence = look(tmp_path, [row])
    assert files(only(evidence)) == [("app.log.2.gz", 410), ("app.log.1.gz", 0), ("app.log", 0)]
    assert evidence.gone == ()


def test_rotated_out_of_sight(tmp_path: Path) -> None:
    """Only newer files are left; the marker shows that neither is the one that was read."""
    write(tmp_path, f"{LOG}.1.gz", MIDDLE)
    write(tmp_path, LOG, NEW)
    evidence = look(tmp_path, [row_for(tmp_path, LOG, 410, content=OLD, inode=NO_INODE)])
    assert [g.where for g in evidence.gone] == [ByteRange(0, 410)]
    assert files(only(evidence)) == [("app.log.1.gz", None), ("app.log", None)]


def test_without_a_marker_nothing_is_called_gone_that_may_be_there(tmp_path: Path) -> None:
    write(tmp_path, f"{LOG}.1.gz", MIDDLE)
    row = row_for(tmp_path, LOG, 410, content=OLD, inode=NO_INODE, marked=False)
    assert look(tmp_path, [row]).gone == ()
    beyond = row_for(tmp_path, LOG, len(MIDDLE) + 10, content=OLD, inode=NO_INODE, marked=False)
    assert [g.where for g in look(tmp_path, [beyond]).gone] == [ByteRange(len(MIDDLE), len(MIDDLE) + 10)]


def test_ambiguous_bytes_are_not_gone(tmp_path: Path) -> None:
    same = b"the same line over and over\n" * 100
    write(tmp_path, f"{LOG}.1", same)
    write(tmp_path, f"{LOG}.2.gz", same)
    evidence = look(tmp_path, [row_for(tmp_path, LOG, 280, content=same, inode=NO_INODE)])
    assert evidence.gone == ()
    assert [x for _, x in files(evidence.logs[0])] == [None, None]


# --- names, tags, symlinks -----------------------------------------------------------------------------------------


def test_path_matches_rotated_names_too_with_a_tag_per_file(tmp_path: Path) -> None:
    """Each name is a log of its own, unless the row says that a file was opened under the live name."""
    after_rename(tmp_path, f"{LOG}.2", f"{LOG}.1", LOG)
    opened_live = row_for(tmp_path, LOG, 410, content=MIDDLE, inode=os.stat(tmp_path / f"{LOG[1:]}.1").st_ino)
    evidence = look(tmp_path, [opened_live], tail("/var/log/app.log*"))
    assert [(x.name, x.tag, files(x)) for x in evidence.logs] == [
        (LOG, "t.var.log.app.log", [("app.log.1", 410), ("app.log", 0)]),
        (f"{LOG}.2", "t.var.log.app.log.2", [("app.log.2", None)]),
    ]


def test_path_matches_rotated_names_too_and_they_were_opened_as_such(tmp_path: Path) -> None:
    after_rename(tmp_path, f"{LOG}.2", f"{LOG}.1", LOG)
    rows = [row_for(tmp_path, n, 50, row_id=i) for i, n in enumerate((f"{LOG}.2", f"{LOG}.1", LOG))]
    evidence = look(tmp_path, rows, tail("/var/log/app.log*"))
    assert [(x.name, files(x)) for x in evidence.logs] == [
        (LOG, [("app.log", 50)]),
        (f"{LOG}.1", [("app.log.1", 50)]),
        (f"{LOG}.2", [("app.log.2", 50)]),
    ]


def test_path_matches_rotated_names_too_with_one_tag(tmp_path: Path) -> None:
    after_rename(tmp_path, f"{LOG}.2.gz", f"{LOG}.1", LOG)
    evidence = look(tmp_path, [row_for(tmp_path, LOG, 50)], tail("/var/log/app.log*", tag="app"))
    assert files(only(evidence)) == [("app.log.2.gz", None), ("app.log.1", None), ("app.log", 50)]


def test_a_rotated_file_that_path_matches_may_have_been_read_again(tmp_path: Path) -> None:
    after_rename(tmp_path, f"{LOG}.2", f"{LOG}.1", LOG)
    row = row_for(tmp_path, LOG, 410, content=OLD, inode=os.stat(tmp_path / f"{LOG[1:]}.2").st_ino)
    log = only(look(tmp_path, [row], tail("/var/log/app.log*", tag="app")))
    assert files(log) == [("app.log.2", 410), ("app.log.1", None), ("app.log", 0)]


def test_excluded_names_are_no_logs_but_still_hold_the_live_log_s_lines(tmp_path: Path) -> None:
    after_rename(tmp_path, f"{LOG}.2.gz", f"{LOG}.1", LOG)
    write(tmp_path, "/var/log/other.log", NEW)
    of = tail("/var/log/*.log*", exclude=("*.gz", "*.1", "*/other*"))
    log = only(look(tmp_path, [], of))
    assert [n for n, _ in files(log)] == ["app.log.2.gz", "app.log.1", "app.log"]


def test_neighbours_stay_apart(tmp_path: Path) -> None:
    for name in ("app.log", "app.log.1", "app2.log", "app2.log.1", "app.log.audit", "app-1.log", "my.app.log.1"):
        write(tmp_path, f"/var/log/{name}", name.encode() + OLD)
    evidence = look(tmp_path, [], tail("/var/log/app.log", "/var/log/app2.log"))
    assert [[n for n, _ in files(x)] for x in evidence.logs] == [["app.log.1", "app.log"], ["app2.log.1", "app2.log"]]


def test_the_first_name_of_a_file_counts(tmp_path: Path) -> None:
    write(tmp_path, "/data/app.log", OLD)
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / "var/log/app.log").symlink_to("/data/app.log")
    log = only(look(tmp_path, [], tail(LOG, "/data/*.log")))
    assert log.name == LOG
    assert log.files[0].facts.real_path == "/data/app.log"


def test_siblings_beside_the_real_file_and_beside_the_name(tmp_path: Path) -> None:
    write(tmp_path, "/data/real.log", NEW)
    write(tmp_path, "/data/real.log.1", MIDDLE, mtime=2000)
    write(tmp_path, f"{LOG}.2", OLD, mtime=1000)
    (tmp_path / LOG[1:]).symlink_to("/data/real.log")
    log = only(look(tmp_path, []))
    assert [f.path for f in log.files] == [f"{LOG}.2", "/data/real.log.1", LOG]


def test_a_symlink_that_moves_to_a_new_date(tmp_path: Path) -> None:
    after_rename(tmp_path, "/data/app-2026-11-21.log.gz", "/data/app-2026-11-22.log", "/data/app-2026-11-23.log")
    write(tmp_path, "/data/web-2026-11-22.log", OLD)
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / LOG[1:]).symlink_to("/data/app-2026-11-23.log")
    row = row_for(tmp_path, LOG, 410, content=MIDDLE, inode=os.stat(tmp_path / "data/app-2026-11-22.log").st_ino)
    log = only(look(tmp_path, [row]))
    assert files(log) == [("app-2026-11-21.log.gz", None), ("app-2026-11-22.log", 410), ("app.log", 0)]


def test_the_kubelet_s_rotations_and_the_container_s_next_start(tmp_path: Path) -> None:
    pod, link = "/var/log/pods/shop_cart-x_0b5e/cart", f"/var/log/containers/cart-x_shop_cart-{'ab' * 32}.log"
    write(tmp_path, f"{pod}/0.log.20261123-090000.gz", OLD)
    write(tmp_path, f"{pod}/0.log.20261123-120000", MIDDLE)
    write(tmp_path, f"{pod}/0.log.20261123-120000.tmp", b"half")
    write(tmp_path, f"{pod}/0.log", NEW)
    write(tmp_path, f"{pod}/1.log", b"next start\n")
    (tmp_path / "var/log/containers").mkdir()
    (tmp_path / link[1:]).symlink_to(f"{pod}/0.log")
    of = tail("/var/log/containers/*.log")
    row = row_for(tmp_path, link, 410, content=OLD, inode=NO_INODE)
    expected = [("0.log.20261123-090000.gz", 410), ("0.log.20261123-120000", 0), (Path(link).name, 0)]
    assert files(only(look(tmp_path, [row], of))) == expected


def test_the_symlink_of_a_container_is_gone(tmp_path: Path) -> None:
    pod, link = "/var/log/pods/shop_cart-x_0b5e/cart", f"/var/log/containers/cart-x_shop_cart-{'ab' * 32}.log"
    write(tmp_path, f"{pod}/0.log.20261123-120000", MIDDLE)
    inode = os.stat(write(tmp_path, f"{pod}/0.log", NEW)).st_ino
    row = row_for(tmp_path, link, 410, content=NEW, inode=inode)
    log = only(look(tmp_path, [row], tail("/var/log/containers/*.log")))
    assert (log.name, files(log)) == (link, [("0.log.20261123-120000", None), ("0.log", 410)])


def test_a_row_that_path_does_not_match(tmp_path: Path) -> None:
    write(tmp_path, LOG, OLD)
    write(tmp_path, "/srv/other.log", NEW)
    evidence = look(tmp_path, [row_for(tmp_path, "/srv/other.log", 50)])
    assert [x.name for x in evidence.logs] == [LOG]
    (note,) = evidence.problems
    assert "which Path does not match" in note.what
    assert not note.unreadable


def test_tag_regex_decides_what_is_followed(tmp_path: Path) -> None:
    write(tmp_path, "/var/log/app-1.log", OLD)
    write(tmp_path, "/var/log/web.log", NEW)
    of = TailInput(3, None, "x.<n>", ("/var/log/*.log",), tag_regex=r"app-(?<n>\d+)")
    evidence = look(tmp_path, [], of)
    assert [(x.input_number, x.tag) for x in evidence.logs] == [(3, "x.1")]
    assert [(p.path, p.unreadable) for p in evidence.problems] == [("/var/log/web.log", False)]


# --- odd and hostile files -----------------------------------------------------------------------------------------


def test_what_is_no_log_file(tmp_path: Path) -> None:
    folder = tmp_path / "var/log"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "app.log")
    os.mkfifo(folder / "app.log.1")
    (folder / "app.log.2").mkdir()
    (folder / "app.log.3").symlink_to("app.log.3")
    (folder / "app.log.4").symlink_to("/nowhere")
    assert look(tmp_path, [], tail("/var/log/app.log*")).logs == ()
    (folder / "app.log").unlink()
    write(tmp_path, LOG, NEW)
    assert files(only(look(tmp_path, []))) == [("app.log", None)]


def test_compressions_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    write(tmp_path, LOG, NEW)
    write(tmp_path, f"{LOG}.1.xz", OLD)
    (tmp_path / f"{LOG[1:]}.2.gz").write_bytes(b"not gzip at all")
    evidence = look(tmp_path, [])
    assert files(evidence.logs[0]) == [("app.log", None)]
    assert [(p.path, p.unreadable) for p in evidence.problems] == [(f"{LOG}.1.xz", True), (f"{LOG}.2.gz", True)]


def test_a_followed_gzip_file(tmp_path: Path) -> None:
    name = "/var/log/app.log.3.gz"
    whole = lines(0, 5000)
    write(tmp_path, name, whole)
    size = (tmp_path / name[1:]).stat().st_size
    of = tail("/var/log/*.gz")
    for offset, expected in ((size, len(whole)), (0, 0)):
        log = only(look(tmp_path, [row_for(tmp_path, name, offset)], of))
        assert files(log) == [("app.log.3.gz", expected)]
        assert log.files[0].compressed
    half = only(look(tmp_path, [row_for(tmp_path, name, size // 2)], of)).files[0].read_to
    assert half is not None
    assert 0 < half < len(whole)
    assert whole[half - 1 : half] == b"\n"


def test_a_plain_file_that_begins_like_gzip_is_plain(tmp_path: Path) -> None:
    write(tmp_path, LOG, b"\x1f\x8b binary\n")
    (file,) = only(look(tmp_path, [])).files
    assert not file.compressed


def test_a_rotated_file_compressed_under_a_plain_name(tmp_path: Path) -> None:
    write(tmp_path, "/x.gz", OLD).rename(write(tmp_path, f"{LOG}.1", b""))
    write(tmp_path, LOG, NEW)
    first, _ = only(look(tmp_path, [])).files
    assert first.compressed


def test_a_home_folder_in_path(tmp_path: Path) -> None:
    evidence = look(tmp_path, [], tail("~/app.log"))
    assert "~" in evidence.problems[0].what


def test_the_marked_bytes_are_found_for_every_offset(tmp_path: Path) -> None:
    """Down to the first byte and up to the last; the windows near the start are shorter than 32 bytes."""
    write(tmp_path, f"{LOG}.1.gz", OLD)
    write(tmp_path, LOG, NEW)
    for offset in (1, 7, 31, 32, 33, len(OLD) - 1, len(OLD)):
        unlike = OLD[:offset][-32:] != NEW[:offset][-32:]
        evidence = look(tmp_path, [row_for(tmp_path, LOG, offset, content=OLD, inode=NO_INODE)])
        assert (evidence.logs[0].files[0].read_to == offset) is unlike, offset
