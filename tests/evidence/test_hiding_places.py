"""Buffers and databases that lie in volumes and layers instead of where the configuration says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tail_support import make_db, write

from flbrecover.evidence.hiding_places import HiddenPlace, databases, storage_paths, store_dirs
from flbrecover.evidence.node import Node

STORE = "/var/log/flb/s3"
DEFAULT = "/tmp/fluent-bit/s3"  # of the s3 output
POD = "/var/lib/kubelet/pods/0b5e3f1c-9a55/volumes/kubernetes.io~empty-dir"
LAYERS = [
    ("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/42/fs", "42"),
    ("/var/lib/docker/overlay2/0a1b2c/diff", "0a1b2c"),
    ("/var/lib/containers/storage/overlay/0a1b2c/diff", "0a1b2c"),
    ("/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs", "7"),
]


class CountingNode(Node):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.listed: list[str] = []

    def names(self, path: str) -> list[str]:
        self.listed.append(path)
        return super().names(path)


def store(root: Path, path: str, *, bucket: str = "my-bucket", stream: str = "2026-11-23T11:38:28") -> str:
    write(root, f"{path}/{bucket}/{stream}/123-456", b"chunk")
    return path


def found(root: Path, configured: str = STORE, buckets: tuple[str, ...] = ("my-bucket",)) -> list[str]:
    return [place.path for place in store_dirs(Node(root), configured, buckets)]


def test_nothing_is_sought_where_the_configured_path_holds_something(tmp_path: Path) -> None:
    store(tmp_path, STORE)
    store(tmp_path, f"{POD}/buf")
    assert found(tmp_path) == []


@pytest.mark.parametrize("rest", ["", "/s3", "/flb/s3", "/log/flb/s3", "/var/log/flb/s3"])
@pytest.mark.parametrize("stream", ["2026-11-23T11:38:28", "quarantine", "multipart_upload_metadata"])
def test_a_volume_mounted_at_any_part_of_the_path(tmp_path: Path, rest: str, stream: str) -> None:
    path = store(tmp_path, f"{POD}/buf{rest}", stream=stream)
    (tmp_path / STORE[1:]).mkdir(parents=True)  # there, but empty
    assert store_dirs(Node(tmp_path), STORE, {"my-bucket"}) == [
        HiddenPlace(path, "emptyDir", "emptyDir volume buf of pod 0b5e3f1c-9a55")
    ]


def test_a_subpath_of_a_volume(tmp_path: Path) -> None:
    path = store(tmp_path, f"{POD}/shared/some/sub/path")
    assert found(tmp_path) == [path]
    store(tmp_path, f"{POD}/other/much/too/deep/for/it")
    assert found(tmp_path) == [path]


@pytest.mark.parametrize(("layer", "name"), LAYERS)
def test_the_writable_layer_of_a_container(tmp_path: Path, layer: str, name: str) -> None:
    store(tmp_path, layer + STORE)
    store(tmp_path, f"{layer}/somewhere/else")
    assert store_dirs(Node(tmp_path), STORE, {"my-bucket"}) == [
        HiddenPlace(layer + STORE, "layer", f"writable layer {name} of a container")
    ]


def test_the_runtime_s_folder_is_elsewhere(tmp_path: Path) -> None:
    store(tmp_path, f"/data/docker/overlay2/x/diff{STORE}")
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/docker").symlink_to("/data/docker")
    assert found(tmp_path) == [f"/data/docker/overlay2/x/diff{STORE}"]


def test_the_default_store_dir(tmp_path: Path) -> None:
    layer = LAYERS[0][0]
    store(tmp_path, layer + DEFAULT)
    assert found(tmp_path, DEFAULT) == [layer + "/tmp/fluent-bit/s3"]


def test_what_does_not_look_like_it(tmp_path: Path) -> None:
    store(tmp_path, f"{POD}/a", bucket="another-bucket")
    store(tmp_path, f"{POD}/b", stream="cache")
    write(tmp_path, f"{POD}/c/my-bucket", b"a file")
    (tmp_path / f"{POD[1:]}/d/my-bucket").mkdir(parents=True)
    assert found(tmp_path) == []


def test_several_places_and_several_buckets(tmp_path: Path) -> None:
    paths = [store(tmp_path, f"{POD}/a"), store(tmp_path, f"{POD}/b/s3", bucket="other")]
    paths.append(store(tmp_path, LAYERS[1][0] + STORE))
    assert found(tmp_path, buckets=("my-bucket", "other")) == paths


def test_symlinks_of_a_container_are_not_followed(tmp_path: Path) -> None:
    store(tmp_path, "/home/someone/s3")
    (tmp_path / POD[1:]).mkdir(parents=True)
    (tmp_path / f"{POD[1:]}/buf").mkdir()
    (tmp_path / f"{POD[1:]}/buf/s3").symlink_to("/home/someone/s3")
    (tmp_path / f"{POD[1:]}/buf/loop").symlink_to(".")
    (tmp_path / f"{POD[1:]}/buf/out").symlink_to("/home")
    layer = tmp_path / f"{LAYERS[0][0]}/var/log/flb"[1:]
    layer.mkdir(parents=True)
    (layer / "s3").symlink_to("/home/someone/s3")
    node = CountingNode(tmp_path)
    assert store_dirs(node, STORE, {"my-bucket"}) == []
    assert not [path for path in node.listed if "/out" in path or "/loop" in path]


def test_the_search_is_bounded(tmp_path: Path) -> None:
    """A volume with very many folders: no more than a part of them is listed."""
    for i in range(300):
        (tmp_path / f"{POD[1:]}/big/{i:03}/x/y").mkdir(parents=True)
    node = CountingNode(tmp_path)
    assert store_dirs(node, STORE, {"my-bucket"}) == []
    assert len(node.listed) < 1000


def test_engine_chunks(tmp_path: Path) -> None:
    configured = "/var/log/flb-storage"
    for name, file in (("a/tail.0", "7951-1795434084.222170455.flb"), ("b/tail.0", "notes.flb"), ("c/x", "1-2.3.flb")):
        write(tmp_path, f"{POD}/{name}/{file}", b"chunk")
    write(tmp_path, f"{LAYERS[0][0]}{configured}/rejected/1-2.3.flb", b"chunk")
    assert [p.path for p in storage_paths(Node(tmp_path), configured)] == [
        f"{POD}/a", LAYERS[0][0] + configured
    ]  # fmt: skip
    write(tmp_path, f"{configured}/tail.0/1-2.3.flb", b"chunk")
    assert storage_paths(Node(tmp_path), configured) == []


def test_a_database(tmp_path: Path) -> None:
    configured = "/var/log/flb.db"
    make_db(tmp_path / f"{POD}/state/flb.db"[1:], [])
    make_db(tmp_path / f"{POD}/state/other.db"[1:], [])
    make_db(tmp_path / f"{POD}/sub/a/flb.db"[1:], [])
    make_db(tmp_path / (LAYERS[0][0] + configured)[1:], [])
    write(tmp_path, f"{LAYERS[1][0]}{configured}", b"no database")
    os.mkfifo(tmp_path / f"{POD}/state/log"[1:])
    assert [p.path for p in databases(Node(tmp_path), configured)] == [
        f"{POD}/state/flb.db", f"{POD}/sub/a/flb.db", LAYERS[0][0] + configured
    ]  # fmt: skip
    make_db(tmp_path / configured[1:], [])
    assert databases(Node(tmp_path), configured) == []


@pytest.mark.parametrize("configured", ["/", "relative", "/a/../b", "/loop/x"])
def test_odd_paths(tmp_path: Path, configured: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / f"{POD[1:]}/buf").mkdir(parents=True)
    node = Node(tmp_path)
    assert store_dirs(node, configured, {"my-bucket", ".."}) == []
    assert storage_paths(node, configured) == []
    assert databases(node, configured) == []


def test_on_the_real_proc_nothing_breaks(tmp_path: Path) -> None:
    """The live node: whatever runs here, a path that nobody has is found nowhere."""
    assert store_dirs(Node("/"), str(tmp_path / "nobody-has-this"), {"nor-this-bucket"}) == []
