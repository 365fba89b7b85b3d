"""What a recovery keeps, what is refused as a case folder, and how a case is gone on with."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from cases import config, footprint, load, unpack
from command import Ended, flbrecover, one_line

NAME = "rolling-update"


@pytest.fixture
def root(tmp_path: Path, moto) -> Path:
    root = unpack(NAME, tmp_path)
    load(NAME, moto.client, root)
    return root


def node(root: Path, moto) -> tuple[object, ...]:
    return ("--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url)


def rows(case: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(case / "case.db")) as db:
        return db.execute(query).fetchall()


def test_what_a_recovery_keeps(root: Path, moto, tmp_path: Path) -> None:
    """All of it below the current folder, private, and without secrets."""
    before = footprint(root)
    secret = moto.endpoint_url.replace("http://", "http://somebody:secret@")
    where = ("--root", root, "--config", config(NAME), "--endpoint-url", secret)
    ended = flbrecover("recover", *where, "--env", "KEY=hidden", "--agent", "gone", "--yes", "--json")
    assert ended.code == 0, ended.err
    (case,) = tmp_path.glob("flbrecover-case-*")
    assert f"case folder {case}" in ended.err
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [case, *case.iterdir()]}
    assert modes.pop(case.name) == 0o700
    assert modes == dict.fromkeys(("flbrecover-case", "case.db", "plan.json", "before.jsonl", "after.jsonl"), 0o600)

    printed = ended.out.splitlines(keepends=True)
    kept = (case / "before.jsonl").read_bytes().splitlines(keepends=True)
    assert printed[: len(kept)] == kept
    after = [json.loads(line) for line in (case / "after.jsonl").read_text().splitlines()]
    assert after[-1] == ended.one("verdict")
    assert json.loads((case / "plan.json").read_text())["type"] == "plan"

    ((command, exit_code, started, done, said_root),) = rows(
        case, "select command, exit_code, started_ns, ended_ns, root from runs"
    )
    assert "secret" not in str(command) and "hidden" not in str(command)
    assert "--env 'KEY=…'" in str(command) and "--agent gone" in str(command)
    assert (exit_code, said_root) == (0, str(root)) and 0 < started < done
    numbers = [number for (number,) in rows(case, "select number from actions order by number")]
    assert numbers == [a["number"] for a in ended.of_type("action")]
    journal = rows(case, "select action, event, outcome, key, etag from journal order by id")
    for done in ended.of_type("done"):
        (started,) = [n for n, line in enumerate(journal) if line[:2] == (done["number"], "started")]
        (result,) = [n for n, line in enumerate(journal) if line[:2] == (done["number"], "result")]
        assert started < result
        etag = moto.client.head_object(Bucket="my-bucket", Key=done["key"])["ETag"].strip('"')
        assert journal[result][2:] == (done["outcome"], done["key"], etag)
    assert footprint(root) == before


def test_diff_keeps_its_answer_and_apply_and_verify_take_the_folder(root: Path, moto, tmp_path: Path) -> None:
    case = tmp_path / "kept"
    ended = flbrecover("diff", *node(root, moto), "--agent", "gone", "--case", case, "--json")
    assert ended.code == 3
    assert (case / "before.jsonl").read_bytes() == ended.out
    on_case = (case, "--root", root, "--endpoint-url", moto.endpoint_url)
    assert flbrecover("verify", *on_case).code == 3
    applied = flbrecover("apply", *on_case, "--yes", "--json")
    assert applied.code == 0
    assert {done["outcome"] for done in applied.of_type("done")} == {"written"}
    assert flbrecover("verify", *on_case).code == 0
    again = flbrecover("apply", *on_case, "--yes", "--json")
    assert again.code == 0
    assert {done["detail"] for done in again.of_type("done")} == {"in an earlier run"}
    same = flbrecover("recover", *node(root, moto), "--agent", "gone", "--yes", "--json", "--case", case)
    assert same.code == 0 and same.of_type("action") == []


def test_a_dry_run_keeps_nothing_unless_asked(root: Path, moto, tmp_path: Path) -> None:
    assert flbrecover("recover", *node(root, moto), "--agent", "gone", "--dry-run").code == 3
    assert list(tmp_path.glob("flbrecover-case-*")) == []


def refused(root: Path, moto, case: Path) -> str:
    ended: Ended = flbrecover("diff", *node(root, moto), "--case", case)
    assert ended.code == 2
    return one_line(ended)


def test_one_that_another_run_uses(root: Path, moto, tmp_path: Path) -> None:
    case = tmp_path / "case"
    flbrecover("diff", *node(root, moto), "--case", case)
    with open(case / "flbrecover-case", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another run of flbrecover is using it" in refused(root, moto, case)
    assert flbrecover("diff", *node(root, moto), "--case", case).code == 3


def test_one_with_other_files(root: Path, moto, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    assert "holds other files (notes.txt)" in refused(root, moto, tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["notes.txt"]


def test_one_of_another_version(root: Path, moto, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "flbrecover-case").write_text("flbrecover case, layout 9\n")
    assert refused(root, moto, tmp_path / "other").endswith("; use that version, or name another folder")
    for command in (("apply",), ("verify",), ("retire", "--undo"), ("report",)):  # for these it is that one
        ended = flbrecover(*command, tmp_path / "other")
        assert ended.code == 2
        assert one_line(ended) == (
            f"flbrecover: {tmp_path / 'other'}: a case of another version of flbrecover "
            "('flbrecover case, layout 9', this one knows 'flbrecover case, layout 1'); use that version"
        )


def test_one_of_another_version_that_says_which(root: Path, moto, tmp_path: Path) -> None:
    case = tmp_path / "case"
    flbrecover("diff", *node(root, moto), "--agent", "gone", "--case", case)
    (case / "flbrecover-case").write_text("flbrecover case, layout 9\n")
    with closing(sqlite3.connect(case / "case.db")) as db:
        db.execute("UPDATE runs SET tool = 'flbrecover 9.0'")
        db.commit()
    assert refused(root, moto, case).endswith("; use flbrecover 9.0, or name another folder")


@pytest.mark.parametrize("command", [("apply",), ("verify",), ("retire", "--undo"), ("report",)])
def test_a_folder_that_is_no_case(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    ended = flbrecover(*command, tmp_path / "other")
    assert ended.code == 2
    assert one_line(ended).startswith(f"flbrecover: {tmp_path / 'other'}: not a case folder: it holds neither before.")


def test_a_case_without_its_marker(root: Path, moto, tmp_path: Path) -> None:
    case = tmp_path / "case"
    flbrecover("diff", *node(root, moto), "--agent", "gone", "--case", case)
    (case / "flbrecover-case").unlink()
    ended = flbrecover("verify", case, "--root", root, "--endpoint-url", moto.endpoint_url)
    assert ended.code == 2
    assert one_line(ended).endswith(
        "a case folder without its flbrecover-case; copy the whole folder, or name its plan.json"
    )


def test_one_of_another_root(root: Path, moto, tmp_path: Path) -> None:
    case = tmp_path / "case"
    flbrecover("diff", *node(root, moto), "--case", case)
    (tmp_path / "link").symlink_to(root)
    other = f"is of --root {root}, not of {tmp_path / 'link'}; say --root {root}, or name a new folder"
    assert other in refused(tmp_path / "link", moto, case)
    flbrecover("diff", *node(root, moto), "--agent", "gone", "--case", case)
    s3 = ("--endpoint-url", moto.endpoint_url)
    for command in (("retire", "--undo", case), ("apply", case, *s3), ("verify", case, *s3)):
        ended = flbrecover(*command)
        assert ended.code == 2
        assert one_line(ended) == f"flbrecover: {case}: is of --root {root}, not of /; say --root {root}"


def test_one_with_another_plan(root: Path, moto, tmp_path: Path) -> None:
    case, plan = tmp_path / "case", tmp_path / "plan.json"
    flbrecover("diff", *node(root, moto), "--agent", "gone", "--case", case)
    flbrecover("diff", *node(root, moto), "--agent", "gone", "--plan", plan)
    ended = flbrecover("apply", plan, "--root", root, "--endpoint-url", moto.endpoint_url, "--yes", "--case", case)
    assert ended.code == 2 and "holds another plan" in one_line(ended)
    go_on = f"`flbrecover apply {case} --root {root} --endpoint-url {moto.endpoint_url}`, or name a new folder"
    assert one_line(ended).endswith(go_on)
    ended = flbrecover("recover", *node(root, moto), "--agent", "returning", "--yes", "--case", case)
    assert ended.code == 2 and "made for another call (--agent)" in one_line(ended)
    assert one_line(ended).endswith(go_on)


@pytest.mark.parametrize("where", ["var/log/s3/temp/my-bucket/new", "var/log/containers/b", "var/log/case", "link/new"])
def test_nowhere_in_the_evidence(root: Path, moto, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root.parent / "link").symlink_to(root / "var/log/s3/temp")
    before = footprint(root)
    case = root / where if not where.startswith("link") else root.parent / where
    assert "which is evidence; say with --case DIR" in refused(root, moto, case)
    monkeypatch.chdir(case.parent if case.parent.is_dir() else root / "var/log/containers")
    ended = flbrecover("recover", *node(root, moto), "--agent", "gone", "--yes")
    assert ended.code == 2 and "which is evidence; say with --case DIR" in one_line(ended)
    assert footprint(root) == before


def test_a_current_folder_that_is_gone(root: Path, moto, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    os.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    ended = flbrecover("recover", *node(root, moto), "--agent", "gone", "--yes")
    assert ended.code == 2 and "say with --case DIR" in one_line(ended)


def test_a_database_of_another_version(root: Path, moto, tmp_path: Path) -> None:
    flbrecover("diff", *node(root, moto), "--agent", "gone", "--case", tmp_path / "case")
    with closing(sqlite3.connect(tmp_path / "case/case.db")) as db:
        db.execute("pragma user_version=2")
    ended = flbrecover("diff", *node(root, moto), "--case", tmp_path / "case")
    assert ended.code == 1 and "of another version of flbrecover" in one_line(ended)
    assert list((tmp_path / "case").glob("*.damaged-*")) == []


HEADER = {"write version": 18, "read version": 19, "schema format": 47, "layout": 61}  # bytes of SQLite's header


@pytest.mark.parametrize("damage", ["cut", "zeros", "text", "page", "schema", "other tables", *HEADER])
def test_a_damaged_database_is_moved_aside_and_costs_nothing(root: Path, moto, tmp_path: Path, damage: str) -> None:
    case = tmp_path / "case"
    flbrecover("diff", *node(root, moto), "--agent", "gone", "--case", case)
    db = case / "case.db"
    whole = db.read_bytes()
    if damage == "other tables":
        db.unlink()
        with closing(sqlite3.connect(db)) as other:
            other.execute("create table journal (x)")
            other.commit()
    else:
        cut = len(whole) // 2
        found = {"cut": whole[:cut], "zeros": bytes(cut), "text": b"hello" * 99, "page": whole[:4096] + b"\xff" * 8192}
        found["schema"] = whole.replace(b"facts", b"\x93acts").replace(b"CREATE TABLE", b"CREATE TXBLE")  # no UTF-8
        found |= {name: whole[:at] + b"\xff" + whole[at + 1 :] for name, at in HEADER.items()}
        db.write_bytes(found[damage])
    damaged = db.read_bytes()
    ended = flbrecover("apply", case, "--root", root, "--endpoint-url", moto.endpoint_url, "--yes", "--json")
    assert ended.code == 0, ended.err
    assert ended.one("verdict")["missing"] == 0
    assert "its database was damaged; it is kept as case.db.damaged-1" in ended.err
    aside = (case / "case.db.damaged-1").read_bytes()
    assert aside[100:] == damaged[100:]  # SQLite may have noted in the header that it opened the file
    assert len(rows(case, "select * from journal where event = 'result'")) == len(ended.of_type("done"))


def test_an_object_that_is_deleted_after_a_recovery_is_put_back(root: Path, moto, tmp_path: Path) -> None:
    """The first run with the case trusts its journal and finds out by its proof; the next one writes it again."""
    call = ("recover", *node(root, moto), "--agent", "gone", "--yes", "--json", "--case", tmp_path / "case")
    written = flbrecover(*call).of_type("done")
    moto.client.delete_object(Bucket="my-bucket", Key=written[0]["key"])
    shown = flbrecover(*call)
    assert shown.code == 3
    assert shown.one("verdict")["missing"] == written_records(tmp_path / "case", written[0]["number"])
    assert {done["detail"] for done in shown.of_type("done")} == {"in an earlier run"}
    assert "note: S3 does not hold 1 object any more that this case wrote; " in shown.err
    go_on = f"flbrecover apply {tmp_path / 'case'} --root {root} --endpoint-url {moto.endpoint_url}"
    assert f"`{go_on}` writes what is gone again" in shown.err
    healed = flbrecover(*shlex.split(go_on)[1:], "--yes", "--json")
    assert healed.code == 0, healed.err
    earlier = {done["key"]: done["detail"] == "in an earlier run" for done in healed.of_type("done")}
    assert earlier == {done["key"]: done["key"] != written[0]["key"] for done in written}
    assert flbrecover(*call).code == 0


def written_records(case: Path, number: int) -> int:
    ((records,),) = rows(case, f"select records from actions where number = {number:d}")
    return int(str(records))
