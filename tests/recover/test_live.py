"""What a live node does while it is read: told, and never mixed into an answer unseen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import config, unpack

from flbrecover.cli.job import Job
from flbrecover.evidence.node import Node
from flbrecover.recover.case_folder import CaseFolder, open_case
from flbrecover.recover.live import changed
from flbrecover.recover.manifest import Manifest
from flbrecover.recover.survey import Survey

NAME = "kubernetes-cri"
FOLDER = "var/log/s3/temp/my-bucket/2026-11-23T11:39:39"


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    root = unpack(NAME, tmp_path)
    return Job({"root": str(root), "config": config(NAME)}).survey


@pytest.fixture
def manifest(survey: Survey, tmp_path: Path) -> Manifest:
    case: CaseFolder = open_case(tmp_path / "case")
    manifest = Manifest(case.db, 1)
    manifest.take(survey)
    return manifest


def buffer_of(node: Node) -> Path:
    return sorted((node.root / FOLDER).iterdir())[0]


def log_of(survey: Survey) -> Path:
    return survey.node.host_path(survey.logs[0].files[-1].path)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x\n")


def touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)


def test_nothing_happens(survey: Survey, manifest: Manifest) -> None:
    assert changed(survey) == []
    assert manifest.check(survey) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [(grow, "was changed"), (touch, "was changed"), (replace, "was changed"), (Path.unlink, "vanished")],
)
def test_a_buffer_file_changes(survey: Survey, manifest: Manifest, change: Callable[[Path], None], said: str) -> None:
    path = buffer_of(survey.node)
    change(path)
    for found in (changed(survey), manifest.check(survey)):
        (problem,) = found
        assert problem.path == f"/{FOLDER}/{path.name}" and problem.unreadable
        assert "run again" in problem.way_out
    assert said in changed(survey)[0].what


def test_a_buffer_file_appears(survey: Survey) -> None:
    path = buffer_of(survey.node)
    path.with_name("123-456").write_bytes(path.read_bytes())
    (problem,) = changed(survey)
    assert problem.path == f"/{FOLDER}/123-456" and "appeared while the evidence was read" in problem.what


def test_a_log_may_grow(survey: Survey, manifest: Manifest) -> None:
    grow(log_of(survey))
    assert changed(survey) == [] and manifest.check(survey) == []


def test_a_log_is_rotated(survey: Survey, manifest: Manifest) -> None:
    path = log_of(survey)
    path.rename(path.with_name(f"{path.name}.1"))
    path.with_name("!first in the list").symlink_to("/nowhere")
    (problem,) = manifest.check(survey)
    assert not problem.unreadable and f"was rotated to {path.name}.1" in problem.what


def test_a_log_is_truncated_and_written_anew(survey: Survey, manifest: Manifest) -> None:
    path = log_of(survey)
    path.write_bytes(b"y" * path.stat().st_size)
    (problem,) = manifest.check(survey)
    assert problem.unreadable and "its bytes changed during the run" in problem.what
