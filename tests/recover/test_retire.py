"""Buffer files that S3 has whole are moved aside and come back as they were; killed at any point, none is lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cases import config, footprint, load, stored, unpack
from command import flbrecover
from killing import Launcher

from flbrecover.evidence.node import Node
from flbrecover.recover.case_folder import open_case
from flbrecover.recover.retire import Retirer

NAME = "kubernetes-cri"
FOLDER = "/var/log/s3/temp/my-bucket/2026-11-23T11:39:39"


@pytest.fixture(params=["same file system", "another"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where the case is: below the node's own file system, or on another one (a rename is not possible)."""
    if request.param == "same file system":
        yield tmp_path / "case"
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        if os.stat(folder).st_dev == tmp_path.stat().st_dev:
            pytest.fail("/dev/shm is no file system of its own here")
        yield Path(folder) / "case"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = unpack(NAME, tmp_path)
    for number, path in enumerate(buffers(root)):
        os.chmod(path, 0o640 - number)
        if os.geteuid() == 0:
            os.chown(path, 1000 + number, 2000)
        os.utime(path, ns=(1_700_000_000_123_456_789 + number, path.stat().st_mtime_ns))
    return root


def buffers(root: Path) -> list[Path]:
    return sorted((root / FOLDER[1:]).iterdir())


def whole(root: Path) -> dict[str, object]:
    """All that an undo has to bring back, owner and access time of the buffer files included."""
    more = {str(p): (p.lstat().st_uid, p.lstat().st_gid, p.lstat().st_atime_ns) for p in buffers(root)}
    content = {name: (found[0], *found[2:]) for name, found in footprint(root).items()}  # not the inode
    for path in buffers(root):  # looking has changed it
        os.utime(path, ns=(more[str(path)][2], path.stat().st_mtime_ns))
    return {**content, **more}


def test_aside_and_back(root: Path, elsewhere: Path, moto, tmp_path: Path) -> None:
    load(NAME, moto.client, root)
    contents = sorted(p.read_bytes() for p in buffers(root))
    before, names = whole(root), [p.name for p in buffers(root)]
    os.utime(root / FOLDER[1:], ns=(1_700_000_000_000_000_007, (root / FOLDER[1:]).stat().st_mtime_ns))
    where = ("--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url)
    ended = flbrecover("recover", *where, "--agent", "returning", "--retire", "--yes", "--json", "--case", elsewhere)
    assert ended.code == 0, ended.err
    moved = ended.of_type("moved")
    assert [(m["outcome"], m["records"]) for m in moved] == [("retired", 160), ("retired", 160)]
    assert {Path(m["path"]).name for m in moved} == set(names) and buffers(root) == []
    assert sorted(Path(m["kept"]).read_bytes() for m in moved) == contents
    # What Fluent Bit would have sent was uploaded, what it will still read was not.
    assert sum(ended.one("plan")["left"].values()) == 25
    assert set(stored(moto.client, "my-bucket").values()) == {1}

    again = flbrecover(
        "apply", elsewhere, "--root", root, "--endpoint-url", moto.endpoint_url, "--yes", "--json", "--retire"
    )
    assert again.code == 0 and again.of_type("moved") == []
    undone = flbrecover("retire", "--undo", elsewhere, "--root", root, "--json")
    assert undone.code == 0, undone.err
    assert {m["outcome"] for m in undone.of_type("moved")} == {"put back"}
    assert whole(root) == before
    assert list((elsewhere / "retired").iterdir()) == []


def test_what_stands_there_now_is_not_overwritten(root: Path, tmp_path: Path, elsewhere: Path) -> None:
    case = open_case(elsewhere)
    node, (first, second) = Node(root), buffers(root)
    retirer = Retirer(node, case)
    for path in (first, second):
        facts = node.facts(f"{FOLDER}/{path.name}")
        assert retirer.retire(facts, 160, None).outcome == "retired"
    retirer.end()
    first.write_bytes(b"a new file")
    results = {Path(m.path).name: m for m in Retirer(node, case).undo()}
    assert results[first.name].outcome == "left" and "another file stands there" in results[first.name].detail
    assert results[second.name].outcome == "put back"
    assert first.read_bytes() == b"a new file"
    first.unlink()
    (moved,) = Retirer(node, case).undo()
    assert moved.outcome == "put back"
    case.close()


def test_a_damaged_note_costs_its_own_file_alone(root: Path, moto, tmp_path: Path) -> None:
    load(NAME, moto.client, root)
    case, names = tmp_path / "case", [path.name for path in buffers(root)]
    where = ("--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url)
    assert flbrecover("recover", *where, "--agent", "gone", "--retire", "--yes", "--case", case).code == 0
    note = case / "retired/000001.json"
    whole_note = note.read_text()
    note.write_text(whole_note[:40])
    (case / "retired/notes.json").write_text("{}")
    again = ("apply", case, "--root", root, "--endpoint-url", moto.endpoint_url, "--yes", "--retire")
    assert "Traceback" not in flbrecover(*again).err
    undone = flbrecover("retire", "--undo", case, "--root", root, "--json")
    assert (undone.code, [m["outcome"] for m in undone.of_type("moved")]) == (1, ["left", "put back"])
    assert "000001.json: not the note of a retired file" in undone.of_type("moved")[0]["detail"]
    note.write_text(whole_note)
    assert flbrecover("retire", "--undo", case, "--root", root).code == 0
    assert [path.name for path in buffers(root)] == names


def test_a_folder_that_fluent_bit_deleted_is_made_again(root: Path, tmp_path: Path, elsewhere: Path) -> None:
    before = whole(root)
    case = open_case(elsewhere)
    node = Node(root)
    retirer = Retirer(node, case)
    for path in buffers(root):
        retirer.retire(node.facts(f"{FOLDER}/{path.name}"), 160, None)
    retirer.end()
    (root / FOLDER[1:]).rmdir()
    parent = (root / FOLDER[1:]).parent
    assert {m.outcome for m in Retirer(node, case).undo()} == {"put back"}
    os.utime(parent, ns=(0, int(before[str(parent.relative_to(root))][2])))  # type: ignore[index]
    assert whole(root) == before
    case.close()


def changed(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"{}\n")


def second_name(path: Path) -> None:
    os.link(path, path.with_name("other"))


@pytest.mark.parametrize("change", [changed, second_name, Path.unlink])
def test_one_that_is_not_what_was_proved_is_left(root: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    case = open_case(tmp_path / "case")
    node, path = Node(root), buffers(root)[0]
    facts = node.facts(f"{FOLDER}/{path.name}")
    change(path)
    moved = Retirer(node, case).retire(facts, 160, None)
    assert moved.outcome == "left" and moved.detail
    assert not list(tmp_path.glob("case/retired/*.chunk"))
    case.close()


def test_a_damaged_file_stays(root: Path, moto, tmp_path: Path) -> None:
    load(NAME, moto.client, root)
    torn = buffers(root)[0]
    raw = torn.read_bytes()
    torn.write_bytes(raw[:20_000])
    where = ("--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url)
    ended = flbrecover("recover", *where, "--agent", "gone", "--retire", "--yes", "--json", "--case", tmp_path / "case")
    assert ended.code == 4
    assert len(ended.of_type("moved")) == 1 and buffers(root) == [torn]


def test_a_plan_that_counts_on_it_is_refused_without(root: Path, moto, tmp_path: Path) -> None:
    load(NAME, moto.client, root)
    where = ("--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url)
    more = ("--agent", "returning", "--retire", "--dry-run", "--case", tmp_path / "case")
    assert flbrecover("recover", *where, *more).code == 3
    ended = flbrecover("apply", tmp_path / "case", "--root", root, "--endpoint-url", moto.endpoint_url, "--yes")
    assert ended.code == 2 and "say --retire again" in ended.err


def test_killed_at_any_point(root: Path, elsewhere: Path, moto, tmp_path: Path) -> None:
    """Only moving files is killed here (S3 has them): before every point, the file or a whole copy is there; the same
    command finishes; and an undo that is killed is undone again."""
    load(NAME, moto.client, root)
    where = ("--root", root, "--endpoint-url", moto.endpoint_url, "--yes", "--json")
    node = ("--root", root, "--config", config(NAME), "--endpoint-url", moto.endpoint_url)
    assert flbrecover("recover", *node, "--agent", "gone", "--yes", "--case", elsewhere).code == 0
    contents = sorted(p.read_bytes() for p in buffers(root))
    before = {path: path.lstat() for path in buffers(root)}

    def kept() -> list[bytes]:
        chunks = [p.read_bytes() for p in elsewhere.glob("retired/*.chunk")]
        return sorted({*chunks, *(p.read_bytes() for p in buffers(root))})

    def all_back() -> bool:
        same = [(p.lstat().st_mode, p.lstat().st_uid, p.lstat().st_mtime_ns) for p in buffers(root)]
        wanted = [(st.st_mode, st.st_uid, st.st_mtime_ns) for st in before.values()]
        return buffers(root) == list(before) and same == wanted

    with Launcher() as launcher:
        points = launcher.run(("apply", elsewhere, *where, "--retire"), cwd=tmp_path).points
        assert buffers(root) == [] and kept() == contents
        back = launcher.run(("retire", "--undo", elsewhere, "--root", root), cwd=tmp_path).points
        assert all_back()
        moving = [what for what in points if "retired" in what]
        for at in range(1, len(moving) + 1, max(1, len(moving) // 3)):
            again = ("apply", elsewhere, *where, "--retire")
            assert launcher.run(again, kill_at=at, among="retired", cwd=tmp_path).killed
            assert kept() == contents, moving[at - 1]
            finished = launcher.run(("apply", elsewhere, *where, "--retire"), cwd=tmp_path)
            assert finished.code == 0 and buffers(root) == [] and kept() == contents
            undoing = [n for n, what in enumerate(back, 1) if "retired" in what or "os." in what]
            undo = ("retire", "--undo", elsewhere, "--root", root)
            launcher.run(undo, kill_at=undoing[at % len(undoing)], cwd=tmp_path)
            assert kept() == contents
            assert launcher.run(undo, cwd=tmp_path).code == 0 and all_back() and kept() == contents
