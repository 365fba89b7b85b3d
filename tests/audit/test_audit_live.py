"""The Fluent Bits of a node: running ones by their mounts, and those of a copied disk by what lies on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_support import findings, found, not_known, passed, severities
from cases import config, unpack

from flbrecover.audit import live
from flbrecover.audit.agents import Setup
from flbrecover.audit.building import Built
from flbrecover.audit.findings import Report
from flbrecover.audit.rules.all import judge
from flbrecover.demo import incident
from flbrecover.evidence.node import Node

INCIDENTS = Path(__file__).parent.parent.parent / "fixtures" / "incidents"
CONF = """\
[SERVICE]
    storage.path /state/storage
[INPUT]
    Name tail
    Path /var/log/containers/*.log
    DB /var/log/flb.db
[OUTPUT]
    Name s3
    Match *
    bucket b
    store_dir {store_dir}
"""
ID = "0123456789abcdef" * 4
KUBELET = "/var/lib/kubelet/pods/uid-1/volumes"
NODE_MOUNTS = f"""\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 259:5 / {KUBELET}/kubernetes.io~csi/pvc-1/mount rw - ext4 /dev/nvme1 rw
"""
POD_MOUNTS = f"""\
10 0 0:99 / / rw - overlay overlay rw
11 10 8:1 /var/log /var/log rw - ext4 /dev/sda1 rw
12 10 8:1 {KUBELET}/kubernetes.io~empty-dir/state /state rw - ext4 /dev/sda1 rw
13 10 259:5 / /claim rw - ext4 /dev/nvme1 rw
14 10 8:1 {KUBELET}/kubernetes.io~configmap/c /fluent-bit/etc ro - ext4 /dev/sda1 rw
15 10 0:50 / /mem rw - tmpfs tmpfs rw
"""


class FakeNode:
    """A node's root with a folder that looks like its procfs: the kernel's own cannot show a container here."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "node"
        self.proc = folder / "procfs"
        self.root.mkdir()
        self._write(self.proc / "1", comm="systemd", mountinfo=NODE_MOUNTS)

    def agent(self, pid: int, store_dir: str, *, container: str = ID) -> None:
        process = self.proc / str(pid)
        self._write(
            process, comm="fluent-bit\n", cmdline="fluent-bit\0-c\0/fluent-bit/etc/x.conf\0", mountinfo=POD_MOUNTS
        )
        self._write(process / "root/fluent-bit/etc", **{"x.conf": CONF.format(store_dir=store_dir)})
        (process / "cgroup").write_text(f"0::/kubepods.slice/cri-containerd-{container}.scope\n")

    def bundle(self, image: str, container: str = ID) -> None:
        said = {
            "io.kubernetes.cri.image-name": image,
            "io.kubernetes.cri.sandbox-name": "fluent-bit-abcde",
            "io.kubernetes.cri.sandbox-namespace": "logging",
            "io.kubernetes.cri.container-name": "fluent-bit",
        }
        bundle = self.root / f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{container}"
        self._write(bundle, **{"config.json": json.dumps({"process": {"env": ["SECRET=x"]}, "annotations": said})})

    def audit(self) -> Report:
        built = Built()
        live.running(built, Node(self.root), self.proc, None, {}, None)
        return Report(built.subjects, (*built.refused, *judge(Setup(tuple(built.agents)))), tuple(built.problems))

    def _write(self, folder: Path, **files: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


@pytest.mark.parametrize(
    ("store_dir", "severity", "said"),
    [
        ("/var/log/s3", None, "hostPath"),
        ("/state/s3", "error", "empty-dir volume state of pod uid-1"),
        ("/tmp/s3", "error", "the container's writable layer"),
        ("/mem/s3", "error", "tmpfs mounted at /mem"),
        ("/claim/s3", "note", "csi volume pvc-1 of pod uid-1"),
        ("/fluent-bit/etc/s3", "error", "configmap volume c of pod uid-1"),
    ],
)
def test_where_a_path_of_a_running_container_lies(
    node: FakeNode, store_dir: str, severity: str | None, said: str
) -> None:
    node.agent(77, store_dir)
    report = node.audit()
    assert severities(report, "FLB005") == ([severity] if severity else [])
    if severity:
        (finding,) = findings(report, "FLB005")
        assert said in finding.what
        assert finding.places[0].path == "/proc/77/root/fluent-bit/etc/x.conf" and finding.places[0].line == 11
    assert "FLB002" in passed(report)  # /var/log is the node's


def test_the_image_and_the_pod_by_the_runtime_s_notes(node: FakeNode) -> None:
    node.agent(77, "/var/log/s3")
    node.bundle("docker.io/fluent/fluent-bit:4.2.2")
    report = node.audit()
    assert report.subjects == ("process 77, pod logging/fluent-bit-abcde, container fluent-bit",)
    assert "FLB025" in found(report)


def test_two_processes_on_the_same_files(node: FakeNode) -> None:
    node.agent(77, "/var/log/s3")
    node.agent(78, "/var/log/s3")
    assert len(findings(node.audit(), "FLB016")) == 3


def test_what_starts_a_fluent_bit_is_none_itself(node: FakeNode) -> None:
    node.agent(77, "/var/log/s3")
    node.agent(78, "/var/log/s3")
    (node.proc / "78/comm").write_text("fluent-bit-watc\n")
    assert len(node.audit().subjects) == 1


def test_a_procfs_that_cannot_be_listed(node: FakeNode, tmp_path: Path) -> None:
    node.proc = tmp_path / "nothing"
    assert node.audit().subjects == ()


def test_a_process_without_a_configuration(node: FakeNode) -> None:
    node.agent(77, "/var/log/s3")
    (node.proc / "77/root/fluent-bit/etc/x.conf").unlink()
    report = node.audit()
    assert report.judged == () and [p.way_out for p in report.problems] == ["--config FILE"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[int]:
    """A real process that is called fluent-bit, on this machine's own file system."""
    (tmp_path / "open.db").write_bytes(b"")
    text = CONF.format(store_dir=str(tmp_path / "s3")).replace("/var/log/flb.db", str(tmp_path / "open.db"))
    (tmp_path / "own.conf").write_text(text)
    code = (
        "import ctypes, sys, time\n"
        "ctypes.CDLL(None).prctl(15, b'fluent-bit', 0, 0, 0)\n"
        "held = open(sys.argv[3])\n"
        "print(flush=True)\n"
        "sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", code, "--config", str(tmp_path / "own.conf"), str(tmp_path / "open.db")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process.pid
        process.communicate()


def test_a_running_process_of_this_machine(running: int, tmp_path: Path) -> None:
    if Node("/").procfs() is None:
        raise AssertionError("no procfs: this test needs Linux")
    report = live.audit(Node("/"), None, {})
    mine = [j for j in report.judged if j.subject == f"process {running}"]
    whole = Report((f"process {running}",), tuple(mine), ())
    assert "FLB007" in found(whole) and "FLB025" in not_known(whole)
    (finding,) = findings(whole, "FLB004")
    assert finding.places[0].path == str(tmp_path / "own.conf")


def test_a_process_that_has_other_files_open(running: int, tmp_path: Path) -> None:
    """The configuration that lies there is not the one that it was started with."""

    def notes() -> list[str]:
        report = live.audit(Node("/"), None, {})
        return [p.what for p in report.problems if p.path == f"process {running}" and "tail DB" in p.what]

    assert notes() == []
    text = (tmp_path / "own.conf").read_text()
    (tmp_path / "own.conf").write_text(text.replace("open.db", "other.db"))
    (said,) = notes()
    assert said.startswith(f"does not have its tail DB {tmp_path}/other.db open")


def test_a_copied_disk_whose_buffers_lie_in_an_emptydir(tmp_path: Path) -> None:
    root = incident.unpack(INCIDENTS / "emptydir-default", tmp_path)
    report = live.audit(Node(root), None, {})
    assert report.subjects == ("/etc/fluent-bit/fluent-bit.conf of the node",)
    (finding,) = findings(report, "FLB006")
    assert finding.severity == "error"
    assert "emptyDir volume tmp of pod 5d0c9a52-7f6e-4a57-9c0a-3f1d2b6e8c11" in finding.what
    assert "FLB002" in passed(report)
    assert {"FLB013", "FLB014", "FLB025"} <= not_known(report)
    assert report.exit_code("error") == 3


def test_a_layer_of_any_name_is_no_emptydir(tmp_path: Path) -> None:
    conf, stream = "etc/fluent-bit/fluent-bit.conf", "b/2026-11-23T11:38:28"
    (tmp_path / conf).parent.mkdir(parents=True)
    (tmp_path / conf).write_text(CONF.format(store_dir="/tmp/s3"))
    (tmp_path / f"var/lib/docker/overlay2/no-emptyDir/diff/tmp/s3/{stream}").mkdir(parents=True)
    (finding,) = findings(live.audit(Node(tmp_path), None, {}), "FLB005")
    assert finding.incident.startswith("It is gone with every restart of the container")


def test_a_copied_disk_with_everything_in_its_place(tmp_path: Path) -> None:
    report = live.audit(Node(unpack("rolling-update", tmp_path)), config("rolling-update"), {})
    assert {"FLB002", "FLB005"} <= passed(report)


@pytest.mark.parametrize(
    ("name", "rule", "severity"),
    [
        ("no-db", "FLB001", "error"),
        ("static-file-path", "FLB011", "error"),
        ("index-reset", "FLB012", "error"),
        ("store-limit-full", "FLB009", "error"),
        ("docker-json", "FLB020", "warning"),
        ("all-delivered", "FLB011", None),
        ("separate-dbs", "FLB003", None),
    ],
)
def test_what_a_rule_says_has_happened(tmp_path: Path, name: str, rule: str, severity: str | None) -> None:
    """Captured incidents of a real Fluent Bit: the audit of their nodes names what went wrong there."""
    path = json.loads((INCIDENTS / name / "case.json").read_text())["config"]
    report = live.audit(Node(incident.unpack(INCIDENTS / name, tmp_path)), path, {})
    assert (severity in severities(report, rule)) if severity else (severities(report, rule) == [])


def test_the_kubelet_of_the_node(tmp_path: Path) -> None:
    root = unpack("kubernetes-cri", tmp_path)
    kubelet = root / "var/lib/kubelet/config.yaml"
    kubelet.parent.mkdir(parents=True)
    kubelet.write_text(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncontainerLogMaxSize: 5Mi\n"
    )
    report = live.audit(Node(root), None, {})
    assert "warning" in severities(report, "FLB018")
    kubelet.write_text("kind: [\n")
    report = live.audit(Node(root), None, {})
    assert "FLB018" in not_known(report)
    assert any("not YAML" in p.what for p in report.problems)


def test_a_node_without_fluent_bit(tmp_path: Path) -> None:
    report = live.audit(Node(tmp_path), None, {})
    assert report.subjects == () and report.exit_code("never") == 4
    assert "no Fluent Bit is running" in report.problems[0].what


def test_a_copied_disk_whose_configuration_is_refused(tmp_path: Path) -> None:
    """Without a word, a pipeline would take it for passed."""
    conf = tmp_path / "etc/fluent-bit/fluent-bit.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[SERVICE]\n    Flush 1\n\tLog_Level info\n")
    report = live.audit(Node(tmp_path), None, {})
    assert found(report) == {"FLB000"} and report.exit_code("error") == 3
    assert "tabs and spaces are mixed" in findings(report, "FLB000")[0].what


def test_a_copied_disk_whose_configuration_may_not_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fluent-bit").symlink_to("fluent-bit")  # a loop: nobody can look behind it
    report = live.audit(Node(tmp_path), None, {})
    assert report.subjects == () and report.exit_code("never") == 4
    assert "no Fluent Bit is running" in report.problems[0].what


def test_nothing_is_left_open(tmp_path: Path) -> None:
    root = unpack("rolling-update", tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    live.audit(Node(root), config("rolling-update"), {})
    assert len(os.listdir("/proc/self/fd")) == before
