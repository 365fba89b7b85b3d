"""``flbrecover tail`` on the captured incidents, and on what a broken DB looks like."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cases import config, footprint, unpack
from command import flbrecover
from unprivileged import closed, nobody, open_folder

CART = "/var/log/containers/cart-6d4cf56db6-x2k4p_shop_cart-" + "ab" * 32 + ".log"
PODS = "/var/log/pods/shop_cart-6d4cf56db6-x2k4p_0b5e3f1c-9a55-4c7e-8f55-2b1d9d3f0a01/cart"
API = "/var/log/containers/test-api.log"
DB = "/var/log/flb_test.db"


def tail(name: str, root: Path, *more: str):
    return flbrecover("tail", "--root", root, "--config", config(name), *more)


def test_rows_and_files_of_a_rotated_container_log(tmp_path: Path) -> None:
    root = unpack("kubernetes-cri", tmp_path)
    ended = tail("kubernetes-cri", root, "--json")
    assert ended.code == 0
    rows = {line["row"]: line for line in ended.of_type("tail_row")}
    assert {n: (r["fate"], r["offset"], r["size"], r["unread"], r["marker"]) for n, r in rows.items()} == {
        1: ("rotated", 48615, 55243, 6628, "matches"),
        2: ("same file", 48928, 48928, 0, "matches"),
    }
    assert rows[1]["name"] == CART
    assert rows[1]["path"] == f"{PODS}/0.log.20261123-120000"
    files = {line["path"]: line for line in ended.of_type("log_file") if line["log"] == CART}
    assert {p: (f["read_to"], f["unread"], f["row"]) for p, f in files.items()} == {
        f"{PODS}/0.log.20261123-120000": (48615, 6628, 1),
        CART: (0, 2325, None),  # a symlink of the node, followed inside the root
    }


def test_a_compressed_sibling_is_found_by_its_bytes(tmp_path: Path) -> None:
    ended = tail("rotated-unread", unpack("rotated-unread", tmp_path), "--json")
    assert ended.code == 0
    row = ended.one("tail_row")
    assert (row["fate"], row["path"], row["unread"]) == ("rotated", f"{API}.2.gz", 6386)
    files = [(f["path"], f["compressed"], f["read_to"], f["unread"]) for f in ended.of_type("log_file")]
    assert files == [(f"{API}.2.gz", True, 25685, 6386), (f"{API}.1", False, 0, 7754), (API, False, 0, 5112)]


def test_the_older_schema_has_no_markers(tmp_path: Path) -> None:
    ended = tail("fluent-bit-1.9", unpack("fluent-bit-1.9", tmp_path), "--json")
    assert ended.one("tail_db")["schema"] == "without markers"
    row = ended.one("tail_row")
    assert (row["offset"], row["marker"], row["fate"]) == (22445, "unset", "same file")


def test_text_shows_rows_files_and_totals(tmp_path: Path) -> None:
    ended = tail("kubernetes-cri", unpack("kubernetes-cri", tmp_path))
    assert ended.code == 0
    assert "tail DB /var/log/flb_kube.db: 2 rows, with offset markers" in ended.text
    assert f"row 1: rotated to {PODS}/0.log.20261123-120000" in ended.text
    assert "8.7 KiB unread in 1 of 2 logs." in ended.text
    rows = [line.split() for line in ended.text.splitlines() if "same file" in line]
    assert [(row[0], row[-7:-2]) for row in rows] == [("2", ["file", "48,928", "48,928", "0", "matches"])]


def test_by_hand_without_a_configuration(tmp_path: Path) -> None:
    root = unpack("rolling-update", tmp_path)
    (root / "etc/fluent-bit/fluent-bit.conf").unlink()
    ended = flbrecover("tail", "--root", root, "--db", DB, "--path", "/var/log/containers/test*.log", "--json")
    assert ended.code == 0
    assert [(r["offset"], r["unread"]) for r in ended.of_type("tail_row")] == [(42432, 1920), (28860, 0)]


@pytest.mark.parametrize(("path", "code"), [("/var/log/contaners/*.log", 4), ("/var/log/containers/pay-*.log", 0)])
def test_rows_of_files_that_path_does_not_match(path: str, code: int, tmp_path: Path) -> None:
    """Where it matches nothing at all another one was meant, and the logs that are there are not looked at."""
    root = unpack("kubernetes-cri", tmp_path)
    ended = flbrecover("tail", "--root", root, "--config", config("kubernetes-cri"), "--path", path, "--json")
    assert ended.code == code
    said = [line["unreadable"] for line in ended.of_type("problem") if "which Path does not match" in line["what"]]
    assert said and set(said) == {code == 4}


def test_a_log_without_a_row_is_listed(tmp_path: Path) -> None:
    root = unpack("rolling-update", tmp_path)
    (root / "var/log/containers/test-new.log").write_text("never seen by Fluent Bit\n")
    ended = tail("rolling-update", root, "--json")
    (new,) = [f for f in ended.of_type("log_file") if f["path"].endswith("test-new.log")]
    assert new["row"] is None
    text = tail("rolling-update", root).text
    assert "1.9 KiB unread in 1 of 3 logs.\nHow much is unread is not known for 1 of 3 files.\n" in text


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("web",), "1.9 KiB unread in 1 of 2 logs.\nHow much is unread is not known for 1 of 2 files.\n"),
        (("api",), "0 B unread in 1 of 2 logs.\nHow much is unread is not known for 1 of 2 files.\n"),
        (("api", "web"), "How much is unread is not known for 2 of 2 files.\n"),
    ],
)
def test_logs_that_may_not_be_read_are_not_known(names: tuple[str, ...], said: str) -> None:
    with open_folder() as place:
        root = unpack("rolling-update", place)
        root.chmod(0o755)
        with closed(*(root / f"var/log/containers/test-{name}.log" for name in names)), nobody():
            ended = tail("rolling-update", root)
    assert ended.code == 4
    assert f"\n\n{said}\n" in ended.text
    log = f"/var/log/containers/test-{names[0]}.log"
    assert f"problem: {log}: cannot be read: Permission denied; run as root (for a bundle: " in ended.text


def test_replaced_and_deleted_logs(tmp_path: Path) -> None:
    root = unpack("rolling-update", tmp_path)
    api, web = root / "var/log/containers/test-api.log", root / "var/log/containers/test-web.log"
    size = api.stat().st_size
    api.write_text("other lines entirely, after a copytruncate\n" * 2)
    web.unlink()
    ended = tail("rolling-update", root, "--json")
    fates = {r["name"]: (r["fate"], r["marker"]) for r in ended.of_type("tail_row")}
    assert fates[API] == ("replaced", "mismatch")
    assert fates["/var/log/containers/test-web.log"][0] == "deleted"
    gone = {g["log"]: (g["start"], g["end"]) for g in ended.of_type("gone")}
    assert gone[API] == (0, 42432) and size > 42432
    said = tail("rolling-update", root).text
    assert "no file has its inode, its name or its bytes any more" in said
    assert "gone: /var/log/containers/test-web.log" in said


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    root = unpack("rolling-update", tmp_path)
    name = "test-\x1b[2J\n\u202e.log"
    (root / "var/log/containers" / name).write_text("x\n")
    ended = tail("rolling-update", root)
    assert "\x1b" not in ended.text and "\u202e" not in ended.text
    assert "test-\\x1b[2J\\x0a\\u202e.log" in ended.text


@pytest.mark.parametrize(
    ("damage", "said", "state"),
    [
        (lambda db: db.unlink(), "No such file or directory", "not there"),
        (lambda db: db.write_bytes(b""), "is empty (0 bytes)", "cannot be read"),
        (lambda db: db.write_bytes(b"garbage " * 1024), "is not a SQLite database", "cannot be read"),
        (lambda db: db.write_bytes(db.read_bytes()[:4096] + b"\xff" * 4096), "damaged", "0 rows"),
    ],
    ids=["missing", "empty", "garbage", "torn"],
)
def test_a_bad_db_is_one_clear_line_and_the_logs_are_still_shown(tmp_path: Path, damage, said: str, state: str) -> None:
    root = unpack("rolling-update", tmp_path)
    for suffix in ("-wal", "-shm"):
        (root / "var/log" / f"flb_test.db{suffix}").unlink()
    damage(root / "var/log/flb_test.db")
    before = footprint(root)
    ended = tail("rolling-update", root, "--json")
    assert ended.code == 4
    assert footprint(root) == before
    (problem,) = [p for p in ended.of_type("problem") if p["unreadable"]]
    assert problem["path"] == DB and said in problem["what"]
    assert len(ended.of_type("log_file")) == 2
    in_text = tail("rolling-update", root)
    assert in_text.code == 4
    assert len([line for line in in_text.text.splitlines() if line.startswith(f"problem: {DB}: ")]) == 1
    assert in_text.text.startswith(f"tail DB {DB}: {state}")
    assert "How much is unread is not known for 2 of 2 files." in in_text.text
    assert " unread in " not in in_text.text


def test_a_db_that_fluent_bit_has_locked_is_read(tmp_path: Path) -> None:
    root = unpack("rolling-update", tmp_path)
    with closing(sqlite3.connect(root / "var/log/flb_test.db", isolation_level=None)) as con:
        con.execute("BEGIN EXCLUSIVE")
        ended = tail("rolling-update", root, "--json")
    assert ended.code == 0
    assert len(ended.of_type("tail_row")) == 2


def test_a_db_that_may_not_be_read(tmp_path: Path) -> None:
    root = unpack("rolling-update", tmp_path)
    db = root / "var/log/flb_test.db"
    db.unlink()
    db.mkdir()  # root may read any file, but no one reads a folder as one
    ended = tail("rolling-update", root)
    assert ended.code == 4
    assert "not a regular file" in ended.text
    assert os.path.isdir(db)
