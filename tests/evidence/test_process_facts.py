"""What is kept of a process for the record: on a made-up /proc for the odd cases, on the real one otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from flbrecover.evidence.process_facts import MAX_BYTES, agent_pids, facts_of


def made_up(proc: Path, pid: int, **files: bytes) -> Path:
    folder = proc / str(pid)
    (folder / "root/var/lib/dpkg").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_real_process() -> None:
    program = "print(flush=True); input()"
    command = [sys.executable, "-c", program, "--api-key", "hunter2-Zq9x", "x"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it runs; a moment before it had no command line yet
        facts = facts_of(Path("/proc"), process.pid)
        assert facts is not None and facts["pid"] == process.pid
        assert facts["cmdline"] == [sys.executable, "-c", program, "--api-key", "MASKED", "x"]
        assert abs(facts["started_ns"] / 1e9 - time.time()) < 120
        assert facts["exe"] == os.path.realpath(sys.executable) and facts["root"] == os.readlink("/proc/self/root")
        assert "hunter2-Zq9x" not in json.dumps(facts)
    finally:
        process.communicate(b"\n")
    assert facts_of(Path("/proc"), process.pid) is None


def test_agents_by_name(tmp_path: Path) -> None:
    for pid, comm in ((7, b"fluent-bit\n"), (8, b"flb-pipeline\n"), (9, b"nginx\n"), (11, b"td-agent-bit\n")):
        made_up(tmp_path, pid, comm=comm)
    (tmp_path / "self").mkdir()
    (tmp_path / "10").mkdir()  # it ended
    assert agent_pids(tmp_path) == [7, 8, 11]
    assert agent_pids(tmp_path / "nothing") == []


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    made_up(tmp_path, 7, comm=b"fluent-bit\n", stat=b"7 (a) b) S 1")
    facts = facts_of(tmp_path, 7)
    assert facts is not None and facts["comm"] == "fluent-bit"
    none = ("cmdline", "started_ns", "exe", "cwd", "version", "open_files", "mounts", "limits")
    assert [name for name in none if facts[name] is not None] == []


def test_hostile_files_are_bounded_and_survive(tmp_path: Path) -> None:
    folder = made_up(tmp_path, 7, comm=b"fluent-bit\xff\n", cmdline=b"x\0" * MAX_BYTES, limits=b"\xff\n")
    (folder / "root/var/lib/dpkg/status").symlink_to("/etc/passwd")
    facts = facts_of(tmp_path, 7)
    assert facts is not None and len(facts["cmdline"]) <= MAX_BYTES
    assert (facts["comm"], facts["limits"], facts["version"]) == ("fluent-bit\udcff", ["\udcff"], None)
    json.dumps(facts)


def test_the_version_of_its_package(tmp_path: Path) -> None:
    folder = made_up(tmp_path, 7, comm=b"fluent-bit\n")
    status = "Package: fluent-bit-dev\nVersion: 1\n\nPackage: fluent-bit\nStatus: ok\nVersion: 4.0.3\n\nPackage: z\n"
    (folder / "root/var/lib/dpkg/status").write_text(status)
    facts = facts_of(tmp_path, 7)
    assert facts is not None and facts["version"] == "4.0.3"
