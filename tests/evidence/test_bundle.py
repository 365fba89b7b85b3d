"""A bundle is a node like the one that it was made of, and takes nothing on trust."""

from __future__ import annotations

import hashlib
import io
import os
import random
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flbrecover.errors import EvidenceError, FlbrecoverError, UsageError
from flbrecover.evidence import bundle_manifest as manifest
from flbrecover.evidence.bundle import BundleNode, open_root
from flbrecover.evidence.bundle_manifest import Entry
from flbrecover.evidence.bundle_writer import BundleWriter
from flbrecover.evidence.frames import FRAME, FrameWriter
from flbrecover.evidence.node import Node
from flbrecover.evidence.watched_node import WatchedNode

ROOT = Entry("/", "directory", mode=0o755, listed=True)
NOW = 1_795_600_000_000_000_000


def write(path: Path, *contents: tuple[Entry, bytes], others: tuple[Entry, ...] = (ROOT,), **node: Any) -> Path:
    """A bundle by hand: files with contents, and entries without."""
    with path.open("wb") as out:
        writer = BundleWriter(out.write, tool="test", collected_ns=NOW)
        entries = [writer.add(replace(entry, size=len(content)), io.BytesIO(content)) for entry, content in contents]
        writer.finish([{"type": "node", **node}], [*others, *entries])
    return path


def of_tree(root: Path, bundle: Path, look: Callable[[Node], object]) -> BundleNode:
    """A bundle of everything that ``look`` opens on the node at ``root``."""
    node = WatchedNode(root)
    look(node)
    with bundle.open("wb") as out:
        writer = BundleWriter(out.write, tool="test", collected_ns=NOW)
        entries = node.entries()
        for path in node.opened:
            with node.open(path) as f:
                entries[path] = writer.add(entries[path], f)
        said = {"type": "node", "config": None, "agents_in_containers": [], "running": []}
        writer.finish([said], list(entries.values()))
    return BundleNode(bundle)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for folder in ("var/log/pods/p", "var/log/containers", "data", "outside"):
        (root / folder).mkdir(parents=True)
    (root / "var/log/pods/p/0.log").write_bytes(random.Random(1).randbytes(2 * FRAME + 77))
    (root / "var/log/pods/p/empty").touch()
    (root / "var/log/containers/a.log").symlink_to("/var/log/pods/p/0.log")
    (root / "var/log/containers/up.log").symlink_to("../../../../../../var/log/pods/p/0.log")
    (root / "var/log/containers/loop").symlink_to("loop")
    (root / "var/log/containers/dangling").symlink_to("/nowhere/at all")
    (root / "var/log/link").symlink_to("/data")
    (root / "data/x").write_bytes(b"x")
    with open(os.fsencode(root / "data") + b"/odd\xff\n name", "wb") as f:
        f.write(b"odd")
    with (root / "data/sparse").open("wb") as f:
        f.truncate(5 * FRAME)
    os.mkfifo(root / "data/fifo")
    os.utime(root / "data/x", ns=(1, 123_456_789_987_654_321))
    return root


PATHS = (
    "/", "/var", "/var/log/pods/p/0.log", "/var/log/pods/p/empty", "/var/log/containers/a.log", "/var/log/link/x",
    "/var/log/containers/up.log", "/var/log/containers/loop", "/var/log/containers/dangling", "/var/log/link",
    "/data/odd\udcff\n name", "/data/sparse", "/data/fifo", "/data/x/below", "/nothing", "/data/../data/x", "/a\0b",
)  # fmt: skip
PATTERNS = ("/var/log/containers/*.log", "/data/*", "/var/log/*/p/*", "/nothing/*", "/data/x/*", "/var/log/link/[xy]")


def everything(node: Node) -> dict[str, object]:
    """Every answer of a node, errors included."""

    def said(ask: Callable[[], object]) -> object:
        try:
            return ask()
        except EvidenceError as e:
            return f"{e} ({type(e.__cause__).__name__})"

    def content(path: str) -> object:
        with node.open(path) as f:
            whole = f.read()
            f.seek(-min(5, len(whole)), os.SEEK_END)
            now = node.stat_of(f)
            return hashlib.sha256(whole).hexdigest(), f.read(), f.tell(), (now.st_dev, now.st_ino)

    found: dict[str, object] = {}
    for path in PATHS:
        for ask in (node.resolve, node.facts, node.exists, node.is_dir, node.is_file, node.names, content):
            found[f"{ask.__name__} {path}"] = said(lambda ask=ask, path=path: ask(path))  # type: ignore[misc]
    return found | {pattern: node.find(pattern) for pattern in PATTERNS}


def test_the_same_answers_as_the_node(tree: Path, tmp_path: Path) -> None:
    bundle = of_tree(tree, tmp_path / "b.tar.zst", everything)
    assert everything(bundle) == everything(Node(tree))


def test_an_ordinary_tar_unpacks_it(tree: Path, tmp_path: Path) -> None:
    of_tree(tree, tmp_path / "b.tar.zst", everything)
    with (tmp_path / "b.tar.zst").open("rb") as f:
        raw = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True).read()
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        names = archive.getnames()
        assert (names[0], names[-1]) == (manifest.MARKER, manifest.MANIFEST)
        member = archive.extractfile("node/data/odd\udcff\n name")
        assert member is not None and member.read() == b"odd"


def test_what_was_not_looked_at_is_not_called_absent(tree: Path, tmp_path: Path) -> None:
    bundle = of_tree(tree, tmp_path / "b.tar.zst", lambda node: node.is_file("/data/x"))
    assert bundle.is_file("/data/x")
    with pytest.raises(EvidenceError, match="/data: was not looked into when the bundle was collected"):
        bundle.names("/data")
    with pytest.raises(EvidenceError, match="/data/x: is not in the bundle"):
        bundle.open("/data/x")
    found, problems = bundle.find("/data/*")
    assert found == [] and "may miss files" in problems[0].what


def test_errors_of_the_node_are_kept(tmp_path: Path) -> None:
    kinds = (("/d", "directory"), ("/f", "file"), ("/u", "unknown"))
    entries = (ROOT, *(Entry(path, kind, error=13) for path, kind in kinds))
    node = BundleNode(write(tmp_path / "b", others=entries))
    for ask, path in ((node.names, "/d"), (node.open, "/f"), (node.facts, "/u")):
        with pytest.raises(EvidenceError, match=f"{path}: Permission denied"):
            ask(path)


def test_the_state_is_that_of_the_collection(tmp_path: Path) -> None:
    running = [{"pid": 7, "comm": "fluent-bit", "holds": []}]
    node = BundleNode(write(tmp_path / "b", running=running, agents_in_containers=["7"], config="/etc/x.conf"))
    assert (node.moment_ns(NOW + 5), node.moment_ns(NOW - 5)) == (NOW, NOW - 5)
    assert node.procfs() is None and node.agents_in_containers() == ["7"] and node.config == "/etc/x.conf"
    assert "7 (fluent-bit) was running when it was collected" in node.not_seen()


def test_what_was_left_out_is_a_problem(tmp_path: Path) -> None:
    left = Entry("/big.log", "file", size=77, why="beyond --max-size 1K")
    note = {"type": "note", "path": "/x", "what": "changed", "unreadable": True}
    path = tmp_path / "b"
    with path.open("wb") as out:
        writer = BundleWriter(out.write, tool="test", collected_ns=NOW)
        writer.finish([{"type": "node"}, note], [ROOT, left])
    node = BundleNode(path)
    assert [(p.path, p.unreadable) for p in node.problems] == [(str(path), True), ("/x", True)]
    assert "1 file (77 bytes) is not in this bundle: beyond --max-size 1K: /big.log" in node.problems[0].what
    with pytest.raises(EvidenceError, match=r"/big\.log: is not in the bundle \(beyond --max-size 1K\)"):
        node.open("/big.log")


def test_a_file_whose_bytes_are_others(tmp_path: Path) -> None:
    """A frame that was exchanged for a valid one: only the SHA-256 shows it."""
    good = write(tmp_path / "good", (Entry("/f", "file"), b"a" * 100), (Entry("/g", "file"), b"g")).read_bytes()
    other = write(tmp_path / "other", (Entry("/f", "file"), b"b" * 100), (Entry("/g", "file"), b"g")).read_bytes()
    with pytest.raises(EvidenceError, match="/f: its bytes in the bundle are not those that were collected"):
        spliced = tmp_path / "spliced"
        spliced.write_bytes(_with_contents_of(good, other))
        node = BundleNode(spliced)
        assert node.open("/g").read() == b"g"
        node.open("/f")


def _with_contents_of(good: bytes, other: bytes) -> bytes:
    """The first bundle with the frame of contents of the second; the table is made anew."""
    out = io.BytesIO()
    writer = FrameWriter(out.write)
    plain = [zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read() for raw in (good, other)]
    marker = 1024
    at = plain[0].index(manifest.MANIFEST.encode() + b"\0")
    for start, end, source in ((0, marker, 0), (marker, at, 1), (at, len(plain[0]), 0)):
        writer.write(plain[source][start:end])
        writer.end_frame()
    writer.finish()
    return out.getvalue()


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{"path": "/../etc/passwd"}], "no path inside a node"),
        ([{"path": "/a/../b"}], "no path inside a node"),
        ([{"path": "etc/passwd"}], "no path inside a node"),
        ([{"path": "//etc"}], "no path inside a node"),
        ([{"path": "/a//b"}], "no path inside a node"),
        ([{"path": "/a/"}], "no path inside a node"),
        ([{"path": "/a\0b"}], "no path inside a node"),
        ([{"path": "/\ud800"}], "no path inside a node"),
        ([{"path": 7}], "no path inside a node"),
        ([{"path": "/a"}, {"path": "/a"}], "has /a twice"),
        ([{"path": "/a"}, {"path": "/a/b"}], "below something that is no directory"),
        ([{"path": "/not/there"}], "below something that is no directory"),
        ([{"path": "/l", "kind": "symlink", "target": "/"}, {"path": "/l/b"}], "below something that is no directory"),
        ([{"path": "/a", "kind": "device"}], "cannot be"),
        ([{"path": "/a", "kind": ["file"]}], "cannot be"),
        ([{"path": "/a", "error": []}], "cannot be"),
        ([{"path": "/a", "kind": "other", "at": 0, "sha256": "0" * 64}], "cannot be"),
        ([{"path": "/a", "kind": "symlink"}], "cannot be"),
        ([{"path": "/a", "target": "/b"}], "cannot be"),
        ([{"path": "/a", "size": -1}], "cannot be"),
        ([{"path": "/a", "size": 1 << 70}], "cannot be"),
        ([{"path": "/a", "size": True}], "cannot be"),
        ([{"path": "/a", "inode": "7"}], "cannot be"),
        ([{"path": "/a", "mode": 0o170777}], "cannot be"),
        ([{"path": "/a", "error": 99999}], "cannot be"),
        ([{"path": "/a", "at": 0, "size": 1 << 40, "sha256": "0" * 64}], "cannot be"),
        ([{"path": "/a", "at": -1, "size": 1, "sha256": "0" * 64}], "cannot be"),
        ([{"path": "/a", "at": 0, "size": 1}], "cannot be"),
        ([{"path": "/a", "at": 0, "size": 1, "sha256": "../x"}], "cannot be"),
        ([{"path": "/a", "listed": 1}], "cannot be"),
        ([{"path": "/a", "why": ["x"]}], "cannot be"),
    ],
)
def test_a_manifest_that_lies(entries: list[Mapping[str, Any]], said: str, tmp_path: Path) -> None:
    path = tmp_path / "b"
    with path.open("wb") as out:
        writer = BundleWriter(out.write, tool="test", collected_ns=NOW)
        lines = [{"type": "entry", "path": "/", "kind": "directory"}]
        lines += [{"type": "entry", "kind": "file", **entry} for entry in entries]
        writer.finish(_Lines([{"type": "node"}, *lines]), _Count(len(lines)))  # type: ignore[arg-type]
    with pytest.raises(EvidenceError, match=said) as e:
        BundleNode(path)
    assert "\n" not in str(e.value) and str(path) in str(e.value)


class _Lines(list[Any]):
    """Manifest lines that are no entries of ours."""


class _Count(list[Any]):
    """No entries, but so many of them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def __len__(self) -> int:
        return self._count


def test_symlinks_stay_inside(tmp_path: Path) -> None:
    targets = {"/out": "../../../../etc/passwd", "/abs": "/etc/passwd"}
    links = [Entry(path, "symlink", target=target) for path, target in targets.items()]
    node = BundleNode(write(tmp_path / "b", others=(ROOT, *links)))
    for link in ("/out", "/abs"):
        assert node.resolve(link) == "/etc/passwd"
        with pytest.raises(EvidenceError, match="No such file or directory"):
            node.open(link)
    with pytest.raises(EvidenceError, match="not on this machine"):
        node.host_path("/out")


def test_names_that_differ_by_case_are_two_files(tmp_path: Path) -> None:
    files = [(Entry(p, "file"), p.encode()) for p in ("/A", "/a", "/ä", "/a\u0308")]
    node = BundleNode(write(tmp_path / "b", *files))
    for entry, content in files:
        assert node.open(entry.path).read() == content


def test_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "FORMAT", 2)
    path = write(tmp_path / "b")
    monkeypatch.undo()
    with pytest.raises(UsageError, match="bundle format 2, made by test: newer than this flbrecover"):
        BundleNode(path)


BOMB = zstandard.compress(bytes(64 << 20))


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"x", zstandard.compress(b"x" * 99), BOMB])
def test_no_bundle_at_all(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="neither a directory nor a bundle"):
        open_root(path)


def test_an_ordinary_archive_is_no_bundle(tmp_path: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        info = tarfile.TarInfo("../../etc/passwd")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    path = tmp_path / "x.tar.zst"
    path.write_bytes(zstandard.compress(plain.getvalue()))
    with pytest.raises(UsageError, match="neither a directory nor a bundle"):
        open_root(path)


def test_a_directory_is_a_node_as_before(tmp_path: Path) -> None:
    assert type(open_root(tmp_path)) is Node
    with pytest.raises(UsageError, match="no such directory"):
        open_root(tmp_path / "nothing")


def test_packed_again_by_something_else(tmp_path: Path) -> None:
    raw = write(tmp_path / "b", (Entry("/f", "file"), b"x")).read_bytes()
    plain = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
    again = tmp_path / "again"
    again.write_bytes(zstandard.compress(plain))
    with pytest.raises(FlbrecoverError, match="packed again by something else"):
        BundleNode(again)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    contents = [(Entry(f"/f{i}", "file"), random.Random(i).randbytes(300)) for i in range(5)]
    return write(tmp_path_factory.mktemp("whole") / "b", *contents).read_bytes()


def test_cut_short_anywhere(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "torso"
    said = set()
    for end in range(len(whole) - 1, 0, -7):
        path.write_bytes(whole[:end])
        with pytest.raises(FlbrecoverError) as e:
            open_root(path)
        said.add("cut short" in str(e.value))
        assert "\n" not in str(e.value)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EvidenceError, match="was cut short, or packed again"):
        open_root(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_byte_changed(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    """Either it is refused, or the file is, or all is as it was."""
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed"
    path.write_bytes(raw)
    try:
        node = open_root(path)
    except FlbrecoverError as e:
        assert "\n" not in str(e)
        return
    for i in range(5):
        try:
            content = node.open(f"/f{i}").read()
        except (EvidenceError, OSError):
            continue
        assert content == random.Random(i).randbytes(300)
