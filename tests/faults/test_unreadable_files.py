"""Logs that may not be read are not gone: nothing is claimed of what nobody could look at."""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import config, load, unpack
from command import Ended, flbrecover
from tail_support import lines, row_for, write
from unprivileged import closed, nobody, open_folder

from flbrecover.evidence.node import Node
from flbrecover.evidence.source_files import SourceEvidence, examine, positions
from flbrecover.evidence.tail_db import TailDb
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.model import TailPosition, TailRow

NAME = "kubernetes-cri"
CART = "/var/log/containers/cart-6d4cf56db6-x2k4p_shop_cart-" + "ab" * 32 + ".log"
PAY = "/var/log/containers/pay-7f89b7d5c9-qq8zl_shop_pay-" + "ab" * 32 + ".log"
LOG = "/var/log/app/app.log"
NO_INODE = 987_654_321_987


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def root(folder: Path) -> Path:
    root = unpack(NAME, folder)
    for path in [root, *root.rglob("*")]:  # only what a test closes is closed
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def pod(root: Path, name: str) -> Path:
    (found,) = (root / "var/log/pods").glob(f"shop_{name}-*")
    return found


def run(command: str, root: Path, *more: object) -> Ended:
    return flbrecover(command, "--root", root, "--config", config(NAME), *more)


def test_a_pods_folder_that_may_not_be_searched(root: Path) -> None:
    with closed(pod(root, "cart")), nobody():
        ended, text = run("tail", root, "--json"), run("tail", root).text
    assert ended.code == 4
    rows = {row["name"]: row for row in ended.of_type("tail_row")}
    assert (rows[CART]["fate"], rows[CART]["path"], rows[CART]["unread"]) == ("unknown", None, None)
    assert rows[PAY]["fate"] == "same file"
    assert ended.of_type("gone") == []
    problems = [p["path"] for p in ended.of_type("problem") if p["unreadable"]]
    assert CART in problems and len(problems) == len(set(problems))
    assert f"problem: {CART}: cannot be followed: Permission denied; run as root" in text
    assert f"row 1: {CART}: what became of it is not known: a file or folder of this log could not be" in text


def test_a_log_without_a_row_that_may_not_be_looked_at(root: Path) -> None:
    for file in (root / "var/log").glob("flb_kube.db*"):
        file.unlink()
    with closed(pod(root, "cart"), pod(root, "pay")), nobody():
        ended = run("tail", root, "--json")
    assert ended.code == 4
    assert {p["path"] for p in ended.of_type("problem") if p["unreadable"]} == {CART, PAY, "/var/log/flb_kube.db"}


def test_diff_and_report_claim_nothing(root: Path, moto, folder: Path) -> None:
    load(NAME, moto.client, root)
    case = folder / "case"
    where = ("--endpoint-url", moto.endpoint_url, "--agent", "gone")
    with closed(pod(root, "cart")), nobody():
        ended = run("recover", root, *where, "--yes", "--case", case)
        report = flbrecover("report", case, "--format", "markdown")
    assert ended.code == 4, ended
    assert "\ngone:" not in ended.text and "deleted" not in ended.text
    assert "logs that are not there any more" not in report.text


def test_a_bundle_of_what_could_be_read_says_the_same(root: Path, folder: Path) -> None:
    bundle = folder / "node.tar.zst"
    with closed(pod(root, "cart")), nobody():
        assert run("collect", root, "-o", bundle).code == 4
    ended = flbrecover("tail", "--root", bundle, "--json")
    assert ended.code == 4
    assert {row["name"]: row["fate"] for row in ended.of_type("tail_row")} == {CART: "unknown", PAY: "same file"}
    assert ended.of_type("gone") == []


@pytest.mark.parametrize("option", ["--store-dir", "--storage-path"])
def test_a_folder_of_buffers_whose_names_are_all_that_can_be_seen(folder: Path, option: str) -> None:
    (folder / "kept/inner").mkdir(parents=True)
    (folder / "kept").chmod(0o744)
    with nobody():
        ended = flbrecover("buffers", "--root", folder, option, "/kept")
    assert ended.code == 4
    assert "problem: /kept/inner: cannot be looked into: Permission denied; run as root" in ended.text


# --- one log, in every way that it can be hidden -------------------------------------------------------------------


def look(root: Path, row: TailRow) -> tuple[TailPosition, SourceEvidence]:
    tail = TailInput(0, None, "t.*", (LOG,))
    node = Node(root)
    (found,), _ = positions(node, TailDb("/flb.db", (row,), "with markers"), tail)
    return found, examine(node, tail, [found])


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("hidden", ["app.log.1", "app.log.1.gz", "app.log.2"])
def test_a_rotated_file_that_may_not_be_read(folder: Path, hidden: str, live: bool, marked: bool) -> None:
    if live:
        write(folder, LOG, lines(500, 10))
    path = write(folder, f"/var/log/app/{hidden}", lines(0, 100))
    row = row_for(folder, LOG, 90, content=lines(0, 100), inode=NO_INODE, marked=marked)
    with closed(path), nobody():
        found, evidence = look(folder, row)
    assert found.fate == ("unknown" if marked else "replaced" if live else "deleted")
    assert evidence.gone == ()
    assert str(path.relative_to(folder)) in {p.path[1:] for p in evidence.problems if p.unreadable}


def test_a_copy_that_may_not_be_read_of_a_truncated_log(folder: Path) -> None:
    write(folder, LOG, lines(0, 100))
    row = row_for(folder, LOG, 2000)
    path = write(folder, f"{LOG}.1", lines(0, 100))
    (folder / LOG[1:]).write_bytes(lines(500, 10))
    with closed(path), nobody():
        found, evidence = look(folder, row)
    assert (found.fate, evidence.gone) == ("replaced", ())


@pytest.mark.parametrize("mode", [0o000, 0o644, 0o311])
def test_a_folder_that_may_not_be_looked_into(folder: Path, mode: int) -> None:
    """Not at all; its names alone; or its files by name alone."""
    path = write(folder, f"{LOG}.1", lines(0, 100))
    row = row_for(folder, LOG, 90, content=lines(0, 100), inode=os.stat(path).st_ino)
    path.parent.chmod(mode)
    try:
        with nobody():
            found, evidence = look(folder, row)
    finally:
        path.parent.chmod(0o755)
    assert (found.fate, evidence.gone) == ("unknown", ())
    assert any(p.unreadable for p in evidence.problems)


def test_the_file_of_the_inode_under_another_name_may_not_be_read(folder: Path) -> None:
    path = write(folder, "/var/log/app/other", lines(0, 100))
    row = row_for(folder, LOG, 90, content=lines(0, 100), inode=os.stat(path).st_ino)
    with closed(path), nobody():
        found, _ = look(folder, row)
    assert found.fate == "unknown"


def test_what_is_hidden_of_another_log_says_nothing_of_this_one(folder: Path) -> None:
    (folder / "closed").mkdir()
    write(folder, "/var/log/app/other.log", b"x\n")
    (folder / "var/log/app/third.log").symlink_to("/closed/third.log")
    row = row_for(folder, LOG, 90, content=lines(0, 100), inode=NO_INODE)
    with closed(folder / "closed", folder / "var/log/app/other.log"), nobody():
        found, evidence = look(folder, row)
    assert found.fate == "deleted"
    assert [gone.where.end for gone in evidence.gone] == [90]


def test_a_compression_that_cannot_be_read_may_hold_it(folder: Path) -> None:
    write(folder, f"{LOG}.1.xz", lzma.compress(lines(0, 100)))
    row = row_for(folder, LOG, 90, content=lines(0, 100), inode=NO_INODE)
    found, evidence = look(folder, row)
    assert (found.fate, evidence.gone) == ("unknown", ())
