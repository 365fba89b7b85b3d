"""What a row of the tail DB means today."""

from __future__ import annotations

import os
from pathlib import Path

import cases
import pytest
from tail_support import lines, make_db, row_for, write

from flbrecover.evidence import tail_db
from flbrecover.evidence.node import Node
from flbrecover.evidence.source_files import positions
from flbrecover.evidence.tail_db import TailDb
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import Problem, TailPosition, TailRow

LOG = "/var/log/app.log"
NO_INODE = 987_654_321_987
KUBE_LINK = f"/var/log/containers/cart-x_shop_cart-{'ab' * 32}.log"
POD = "/var/log/pods/shop_cart-x_0b5e/cart"


def look(root: Path, *rows: TailRow, paths: tuple[str, ...] = ()) -> tuple[list[TailPosition], list[Problem]]:
    tail = TailInput(0, None, "t.*", paths) if paths else None
    return positions(Node(root), TailDb("/flb.db", rows, "with markers"), tail)


def position(root: Path, row: TailRow, paths: tuple[str, ...] = ()) -> TailPosition:
    (found,), problems = look(root, row, paths=paths)
    assert problems == []
    return found


def said(p: TailPosition) -> tuple[object, ...]:
    return p.fate, p.file.path if p.file else None, p.marker, p.unread


CAPTURED = {
    "credentials-expired": [("same file", "test-api.log", "matches", 0)],
    "fluent-bit-1.9": [("same file", "test-api.log", "unset", 1300)],
    "kubernetes-cri": [
        ("rotated", "0.log.20261123-120000", "matches", 6628),
        ("same file", f"pay-7f89b7d5c9-qq8zl_shop_pay-{'ab' * 32}.log", "matches", 0),
    ],
    "response-lost": [("same file", "test-api.log", "matches", 0)],
    "response-lost-superset": [("same file", "test-api.log", "matches", 0)],
    "rolling-update": [
        ("same file", "test-api.log", "matches", 1920),
        ("same file", "test-web.log", "matches", 0),
    ],
    "rotated-unread": [("rotated", "test-api.log.2.gz", "matches", 6386)],
    "sigkill-multipart": [("same file", "test-batch.log", "matches", 0)],
    "sigkill-put-gzip": [
        ("same file", "test-api.log", "matches", 0),
        ("same file", "test-web.log", "matches", 3250),
    ],
    "storage-filesystem": [
        ("same file", "test-api.log", "matches", 0),
        ("same file", "test-web.log", "matches", 0),
    ],
}


@pytest.mark.parametrize("name", cases.NAMES)
def test_captured_cases(name: str, tmp_path: Path) -> None:
    root = cases.unpack(name, tmp_path)
    before = cases.footprint(root)
    node = Node(root)
    (path,) = node.glob("/var/log/*.db")
    found, problems = positions(node, tail_db.read(node, path), None)
    assert problems == []
    assert [(p.fate, Path(p.file.path).name if p.file else None, p.marker, p.unread) for p in found] == CAPTURED[name]
    assert cases.footprint(root) == before


def test_the_same_file(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(0, 100))
    size = len(lines(0, 100))
    assert said(position(tmp_path, row_for(tmp_path, LOG, size))) == ("same file", LOG, "matches", 0)
    assert said(position(tmp_path, row_for(tmp_path, LOG, 90))) == ("same file", LOG, "matches", size - 90)
    assert said(position(tmp_path, row_for(tmp_path, LOG, 5))) == ("same file", LOG, "matches", size - 5)
    assert said(position(tmp_path, row_for(tmp_path, LOG, 0))) == ("same file", LOG, "unset", size)
    assert said(position(tmp_path, row_for(tmp_path, LOG, 90, marked=False))) == ("same file", LOG, "unset", size - 90)


def test_a_marker_of_another_size_is_none_that_fluent_bit_would_take(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(0, 100))
    row = row_for(tmp_path, LOG, 90)
    odd = TailRow(1, LOG, 90, row.inode, 0, False, row.marker, 31)
    assert position(tmp_path, odd).marker == "mismatch"


def test_renamed(tmp_path: Path) -> None:
    host = write(tmp_path, LOG, lines(0, 100))
    row = row_for(tmp_path, LOG, 90)
    host.rename(f"{host}.1")
    write(tmp_path, LOG, lines(100, 3))
    assert said(position(tmp_path, row)) == ("rotated", f"{LOG}.1", "matches", len(lines(0, 100)) - 90)


def test_renamed_and_the_row_says_so(tmp_path: Path) -> None:
    write(tmp_path, f"{LOG}.1", lines(0, 100))
    row = row_for(tmp_path, f"{LOG}.1", 90, rotated=True)
    assert position(tmp_path, row).fate == "same file"


def test_renamed_behind_a_symlink(tmp_path: Path) -> None:
    write(tmp_path, f"{POD}/0.log.20261123-120000", lines(0, 100))
    write(tmp_path, f"{POD}/0.log", lines(100, 3))
    link = tmp_path / KUBE_LINK[1:]
    link.parent.mkdir(parents=True)
    link.symlink_to(f"{POD}/0.log")
    inode = os.stat(tmp_path / f"{POD[1:]}/0.log.20261123-120000").st_ino
    row = row_for(tmp_path, KUBE_LINK, 90, content=lines(0, 100), inode=inode)
    assert said(position(tmp_path, row))[:3] == ("rotated", f"{POD}/0.log.20261123-120000", "matches")


def test_the_symlink_of_a_container_is_gone(tmp_path: Path) -> None:
    inode = os.stat(write(tmp_path, f"{POD}/0.log", lines(0, 100))).st_ino
    row = row_for(tmp_path, KUBE_LINK, 90, content=lines(0, 100), inode=inode)
    assert said(position(tmp_path, row))[:3] == ("rotated", f"{POD}/0.log", "matches")


def test_moved_to_another_folder_that_path_matches(tmp_path: Path) -> None:
    inode = os.stat(write(tmp_path, "/var/log/old/app.log", lines(0, 100))).st_ino
    row = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=inode)
    assert position(tmp_path, row).fate == "deleted"
    assert said(position(tmp_path, row, paths=("/var/log/*/*.log",)))[:2] == ("rotated", "/var/log/old/app.log")


@pytest.mark.parametrize("suffix", [".2.gz", "-20261123.gz", ".1"])
def test_compressed_or_copied_to_a_new_inode(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, LOG + suffix, lines(0, 100))
    write(tmp_path, f"{LOG}.7.gz", lines(500, 100))
    write(tmp_path, LOG, lines(200, 100))
    row = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=NO_INODE)
    assert said(position(tmp_path, row)) == ("rotated", LOG + suffix, "matches", len(lines(0, 100)) - 90)


def test_the_compressor_was_still_at_work(tmp_path: Path) -> None:
    write(tmp_path, f"{LOG}.1", lines(0, 100))
    write(tmp_path, f"{LOG}.1.gz", lines(0, 100))
    row = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=NO_INODE)
    assert said(position(tmp_path, row))[:2] == ("rotated", f"{LOG}.1")


def test_two_files_that_fit_prove_nothing(tmp_path: Path) -> None:
    same = b"the same line over and over\n" * 100
    for name in (LOG, f"{LOG}.1", f"{LOG}.2.gz"):
        write(tmp_path, name, same)
    row = row_for(tmp_path, LOG, 280, content=same, inode=NO_INODE)
    (found,), (problem,) = look(tmp_path, row)
    assert said(found) == ("replaced", LOG, "mismatch", None)
    assert "3 files fit" in problem.what
    assert not problem.unreadable


def test_a_file_with_a_row_of_its_own_is_not_taken_for_another(tmp_path: Path) -> None:
    same = b"the same line over and over\n" * 100
    write(tmp_path, LOG, same)
    write(tmp_path, f"{LOG}.1", same)
    old = row_for(tmp_path, LOG, 280, content=same, inode=NO_INODE)
    new = row_for(tmp_path, LOG, 280, row_id=2)
    (first, second), problems = look(tmp_path, old, new)
    assert said(first)[:2] == ("rotated", f"{LOG}.1")
    assert said(second)[:2] == ("same file", LOG)
    assert problems == []


def test_replaced_and_gone(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(200, 100))
    row = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=NO_INODE)
    assert said(position(tmp_path, row)) == ("replaced", LOG, "mismatch", None)
    unmarked = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=NO_INODE, marked=False)
    assert said(position(tmp_path, unmarked)) == ("replaced", LOG, "unset", None)


def test_deleted(tmp_path: Path) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    row = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=NO_INODE)
    assert said(position(tmp_path, row)) == ("deleted", None, "mismatch", None)
    assert said(position(tmp_path, row_for(tmp_path, "/gone/app.log", 0, content=b"", inode=NO_INODE)))[0] == "deleted"


def test_deleted_and_the_kernel_said_so(tmp_path: Path) -> None:
    write(tmp_path, f"{LOG}.1", lines(0, 100))
    row = row_for(tmp_path, f"{LOG} (deleted)", 90, content=lines(0, 100), inode=NO_INODE, rotated=True)
    assert said(position(tmp_path, row))[:2] == ("rotated", f"{LOG}.1")


def test_truncated(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(0, 100))
    row, unmarked = row_for(tmp_path, LOG, 2000), row_for(tmp_path, LOG, 2000, marked=False)
    (tmp_path / LOG[1:]).write_bytes(lines(500, 10))
    size = len(lines(500, 10))
    assert said(position(tmp_path, row)) == ("replaced", LOG, "mismatch", size)
    assert said(position(tmp_path, unmarked)) == ("replaced", LOG, "unset", size)


def test_truncated_and_grown_beyond_the_offset(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(0, 100))
    row = row_for(tmp_path, LOG, 2000)
    (tmp_path / LOG[1:]).write_bytes(lines(500, 100))
    assert said(position(tmp_path, row)) == ("replaced", LOG, "mismatch", len(lines(500, 100)))


def test_an_inode_that_another_application_has_now(tmp_path: Path) -> None:
    """Without a marker only the name can tell: a file of another name is another application's."""
    inode = os.stat(write(tmp_path, "/var/log/syslog", lines(900, 100))).st_ino
    for marked in (True, False):
        row = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=inode, marked=marked)
        assert position(tmp_path, row).fate == "deleted"
    true_one = row_for(tmp_path, LOG, 90, content=lines(900, 100), inode=inode)
    assert said(position(tmp_path, true_one))[:2] == ("rotated", "/var/log/syslog")


def test_only_the_highest_row_of_an_inode_counts(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(0, 100))
    found, _ = look(tmp_path, row_for(tmp_path, LOG, 50), row_for(tmp_path, LOG, 90, row_id=7))
    assert [(p.row.row_id, p.superseded) for p in found] == [(1, True), (7, False)]


def test_a_copied_tree(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(0, 100))
    row = row_for(tmp_path, LOG, 90, inode=NO_INODE)
    (found,), (problem,) = look(tmp_path, row)
    assert said(found) == ("same file", LOG, "matches", len(lines(0, 100)) - 90)
    assert "a copied tree?" in problem.what


def test_a_copied_tree_with_the_kubelets_symlinks(tmp_path: Path) -> None:
    write(tmp_path, f"{POD}/0.log", lines(0, 100))
    link = tmp_path / KUBE_LINK[1:]
    link.parent.mkdir(parents=True)
    link.symlink_to(f"{POD}/0.log")
    row = row_for(tmp_path, KUBE_LINK, 90, content=lines(0, 100), inode=NO_INODE)
    (found,), (problem,) = look(tmp_path, row)
    assert said(found) == ("same file", KUBE_LINK, "matches", len(lines(0, 100)) - 90)
    assert "a copied tree?" in problem.what


def test_a_followed_gzip_file_is_measured_in_compressed_bytes(tmp_path: Path) -> None:
    name = f"{LOG}.3.gz"
    write(tmp_path, name, lines(0, 1000))
    size = (tmp_path / name[1:]).stat().st_size
    assert said(position(tmp_path, row_for(tmp_path, name, 500))) == ("same file", name, "matches", size - 500)
    moved = row_for(tmp_path, name, 500, inode=NO_INODE)
    (found,), _ = look(tmp_path, moved)
    assert said(found) == ("same file", name, "matches", size - 500)


def test_hostile_names_and_numbers(tmp_path: Path) -> None:
    write(tmp_path, LOG, lines(0, 10))
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo.log")
    names = ["/loop", "/loop/x", "/fifo.log", "/../../../etc/passwd", "relative", "/a\0b", "/", "", "/" + "x" * 4000]
    rows = [TailRow(i, n, 2**63 - 1, 5, 0, False, 1, 32) for i, n in enumerate(names)]
    rows.append(TailRow(99, LOG, 2**63 - 1, (tmp_path / LOG[1:]).stat().st_ino, 0, False, 1, 32))
    found, _ = look(tmp_path, *rows)
    assert [p.fate for p in found] == ["deleted"] * len(names) + ["replaced"]


def test_a_damaged_sibling_is_searched_as_far_as_it_goes(tmp_path: Path) -> None:
    host = write(tmp_path, f"{LOG}.1.gz", lines(0, 5000))
    host.write_bytes(host.read_bytes()[:-500])
    row = row_for(tmp_path, LOG, 90, content=lines(0, 100), inode=NO_INODE)
    assert said(position(tmp_path, row))[:3] == ("rotated", f"{LOG}.1.gz", "matches")
    host.write_bytes(b"\x1f\x8b" + b"\xff" * 50)
    (found,), (problem,) = look(tmp_path, row)
    assert found.fate == "unknown"  # its bytes may be in there
    assert problem.path == f"{LOG}.1.gz"


def test_a_real_database_of_many_logs(tmp_path: Path) -> None:
    rows = []
    for i in range(50):
        write(tmp_path, f"/var/log/app{i}.log", lines(i, 10))
        r = row_for(tmp_path, f"/var/log/app{i}.log", 30)
        rows.append((i + 1, r.name, r.offset, r.inode, r.created_s, 0, r.marker, r.marker_size))
    make_db(tmp_path / "flb.db", rows)
    node = Node(tmp_path)
    found, problems = positions(node, tail_db.read(node, "/flb.db"), None)
    assert problems == []
    assert {p.fate for p in found} == {"same file"}
    assert {p.marker for p in found} == {"matches"}
