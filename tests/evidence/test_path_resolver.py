"""Folders that were looked at before are looked at again where they could lead to another place now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.errors import EvidenceError
from flbrecover.evidence.node import Node


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "var/log").mkdir(parents=True)
    (root / "var/log/a.log").write_bytes(b"inside")
    (tmp_path / "outside/log").mkdir(parents=True)
    (tmp_path / "outside/log/a.log").write_bytes(b"outside")
    return root


def _link_outside(root: Path) -> None:
    (root / "var").rename(root / "var.old")
    (root / "var").symlink_to(root.parent / "outside")


def _link_below_the_root(root: Path) -> None:
    (root / "var").rename(root / "var.old")
    (root / "var").symlink_to("/var.old")


def _another_folder(root: Path) -> None:
    (root / "var").rename(root / "var.old")
    shutil.copytree(root.parent / "outside", root / "var")


def _no_folder(root: Path) -> None:
    (root / "var").rename(root / "var.old")


def _a_link_itself(root: Path) -> None:
    (root / "var/log/a.log").unlink()
    (root / "var/log/a.log").symlink_to("../../../outside/log/a.log")


@pytest.mark.parametrize(
    ("change", "real", "content"),
    [
        (_link_outside, None, None),
        (_link_below_the_root, "/var.old/log/a.log", b"inside"),
        (_another_folder, "/var/log/a.log", b"outside"),
        (_no_folder, "/var/log/a.log", None),
        (_a_link_itself, "/outside/log/a.log", None),
    ],
)
def test_what_has_changed_since_is_seen(
    root: Path, change: Callable[[Path], None], real: str | None, content: bytes | None
) -> None:
    node = Node(root)
    with node.open("/var/log/a.log") as file:
        assert file.read() == b"inside"
    change(root)
    if real is not None:
        assert node.resolve("/var/log/a.log") == real
    assert node.resolve("/var/log/a.log") == Node(root).resolve("/var/log/a.log")
    if content is None:
        with pytest.raises(EvidenceError):
            node.open("/var/log/a.log")
    else:
        with node.open("/var/log/a.log") as file:
            assert file.read() == content


PARTS = st.sampled_from(["var", "log", "a.log", "link", "up", "none", "..", ".", ""])


@given(paths=st.lists(st.lists(PARTS, max_size=6).map("/".join), max_size=8))
def test_an_answer_does_not_depend_on_what_was_asked_before(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "asked"
    if not root.exists():
        (root / "var/log").mkdir(parents=True)
        (root / "var/log/a.log").touch()
        os.symlink("/var/log", root / "link")
        os.symlink("../up", root / "var/up")
        os.symlink("var/log", root / "up")
    node = Node(root)
    for path in paths:
        assert node.resolve("/" + path) == Node(root).resolve("/" + path)
        assert node.exists("/" + path) == Node(root).exists("/" + path)
