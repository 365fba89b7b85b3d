"""mountinfo of a process: which mount holds a path, and where that is on the node."""

from __future__ import annotations

from pathlib import Path

import pytest

from flbrecover.evidence import mounts

NODE = """\
1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw
2 1 8:2 / /var/log rw,relatime - xfs /dev/sdb1 rw
3 1 8:1 /home /srv/home rw - ext4 /dev/sda1 rw
4 1 0:30 / /run rw,nosuid shared:5 - tmpfs tmpfs rw
"""
POD = """\
10 0 0:99 / / rw,relatime - overlay overlay rw,lowerdir=/x
11 10 8:2 / /var/log rw - xfs /dev/sdb1 rw
12 10 8:2 /s3\\040temp /buffers ro,relatime - xfs /dev/sdb1 rw
13 10 0:40 / /dev/shm rw - tmpfs shm rw
14 10 8:1 /old /stacked rw - ext4 /dev/sda1 rw
15 10 8:1 /new /stacked rw - ext4 /dev/sda1 rw
not a line
"""


def parsed(tmp_path: Path, text: str) -> list[mounts.Mounted]:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "mountinfo").write_text(text)
    return mounts.of_process(tmp_path)


@pytest.mark.parametrize(
    ("path", "device", "inside", "on_node"),
    [
        ("/tmp/x", "0:99", "/tmp/x", None),
        ("/var/log/flb.db", "8:2", "/flb.db", "/var/log/flb.db"),
        ("/var/logs", "0:99", "/var/logs", None),
        ("/buffers/b/c", "8:2", "/s3 temp/b/c", "/var/log/s3 temp/b/c"),
        ("/stacked", "8:1", "/new", "/new"),
        ("/dev/shm", "0:40", "/", None),
    ],
)
def test_the_longest_and_latest_mount_holds_a_path(
    tmp_path: Path, path: str, device: str, inside: str, on_node: str | None
) -> None:
    own, of_node = parsed(tmp_path / "pod", POD), parsed(tmp_path / "node", NODE)
    found = mounts.at(own, path)
    assert found is not None
    assert (found[0].device, found[1]) == (device, inside)
    assert mounts.on_the_node(of_node, device, inside) == on_node


def test_what_a_line_says(tmp_path: Path) -> None:
    own = parsed(tmp_path, POD)
    assert len(own) == 6
    assert own[2] == mounts.Mounted("8:2", "/s3 temp", "/buffers", True, "xfs")


def test_the_narrowest_mount_of_the_node_counts(tmp_path: Path) -> None:
    of_node = parsed(tmp_path, NODE)
    assert mounts.on_the_node(of_node, "8:1", "/home/a") == "/srv/home/a"
    assert mounts.on_the_node(of_node, "8:1", "/homes") == "/homes"


def test_this_process() -> None:
    own = mounts.of_process(Path("/proc/self"))
    assert mounts.at(own, "/proc/self/mountinfo") is not None


def test_nothing_mounted() -> None:
    assert mounts.at([], "/x") is None
