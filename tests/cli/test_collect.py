"""``collect``: what is in the bundle, what is not, where it goes, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cases import config, footprint, load, unpack
from command import Ended, flbrecover, one_line
from conftest import FreshBucket
from servers import FaultServer, error_xml, reply

from flbrecover.cli.job import Job
from flbrecover.demo.seaweedfs import READ_ONLY, credentials
from flbrecover.errors import FlbrecoverError
from flbrecover.evidence.bundle_writer import BundleWriter
from flbrecover.evidence.watched_node import WatchedNode
from flbrecover.recover import collecting
from flbrecover.recover.collecting import Choice, Item, write

CASE = "rolling-update"
CONF = "/etc/fluent-bit/fluent-bit.conf"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return unpack(CASE, tmp_path)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tmp_path / "bundle.tar.zst"


def collect(root: Path, *more: object) -> Ended:
    return flbrecover("collect", "--root", root, "--config", CONF, *more)


def plain(bundle: Path) -> bytes:
    with bundle.open("rb") as f:
        return zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True).read()


def manifest(bundle: Path) -> list[dict[str, Any]]:
    lines = plain(bundle).rstrip(b"\0").splitlines()
    first = next(i for i, line in enumerate(lines) if line.endswith(b'"running":[]}') or b'"type":"node"' in line)
    return [json.loads(line[line.index(b'{"type"') :]) for line in lines[first:]]


def test_a_bundle(root: Path, bundle: Path) -> None:
    before = footprint(root)
    ended = collect(root, "-o", bundle)
    assert ended.code == 0 and ended.err == "note: /proc: " + ended.err.partition("/proc: ")[2]
    assert hashlib.sha256(bundle.read_bytes()).hexdigest() in ended.text
    assert (bundle.stat().st_mode & 0o777, footprint(root)) == (0o600, before)
    assert os.listdir(bundle.parent).count("bundle.tar.zst.part") == 0
    paths = {line["path"]: line for line in manifest(bundle) if line["type"] == "entry"}
    for path in (f for f in root.rglob("s3/temp/*/*/*") if f.is_file()):
        st, entry = path.stat(), paths[f"/{path.relative_to(root)}"]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (entry["inode"], entry["device"], entry["mtime_ns"]) == (st.st_ino, st.st_dev, st.st_mtime_ns)
        assert (entry["size"], entry["uid"], entry["gid"]) == (st.st_size, st.st_uid, st.st_gid)
    for suffix in ("", "-wal"):
        assert "sha256" in paths[f"/var/log/flb_test.db{suffix}"]


def test_the_same_evidence_makes_the_same_contents(root: Path, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        assert collect(root, "-o", tmp_path / name).code == 0
        made.append([line for line in manifest(tmp_path / name) if line["type"] == "entry"])
    assert [{**line, "atime_ns": 0} for line in made[0]] == [{**line, "atime_ns": 0} for line in made[1]]


def test_a_root_that_is_a_link(root: Path, bundle: Path) -> None:
    """As ``/proc/PID/root`` is."""
    link = root.parent / "link"
    link.symlink_to(root)
    assert collect(link, "-o", bundle).code == 0
    assert flbrecover("tail", "--root", bundle, "--json").of_type("tail_row")


def test_the_configuration_given_is_the_bundles(root: Path, bundle: Path) -> None:
    (root / "odd").mkdir()
    (root / CONF[1:]).rename(root / "odd/place.conf")
    assert flbrecover("collect", "--root", root, "--config", "/odd/place.conf", "-o", bundle).code == 0
    assert flbrecover("tail", "--root", bundle).code == 0


def test_secrets_are_masked(root: Path, bundle: Path) -> None:
    conf = root / CONF[1:]
    conf.write_text(conf.read_text() + "\n[OUTPUT]\n    Name es\n    Match x\n    HTTP_Passwd hunter2-Zq9x\n")
    before = footprint(root)
    ended = collect(root, "-o", bundle)
    assert (ended.code, footprint(root)) == (0, before)
    assert "1 secret of the configuration masked" in ended.err
    assert b"hunter2-Zq9x" not in plain(bundle) and b"HTTP_Passwd MASKED" in plain(bundle)
    (said,) = [line for line in manifest(bundle) if line["type"] == "masked"]
    assert (said["path"], said["key"]) == (CONF, "HTTP_Passwd")
    assert flbrecover("tail", "--root", bundle).code == 0


def test_max_size_takes_the_newest_logs_and_says_what_is_missing(root: Path, bundle: Path) -> None:
    logs = sorted((root / "var/log/containers").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    whole = collect(root, "-o", bundle.with_name("whole"), "--json").one("collected")
    bound = whole["bytes"] - 1
    ended = collect(root, "-o", bundle, "--max-size", bound, "--json")
    assert ended.code == 4
    (left,) = ended.of_type("left_out")
    assert left["path"] == f"/{logs[0].relative_to(root)}" and left["why"] == f"beyond --max-size {bound}"
    assert ended.one("collected")["bytes"] <= bound
    for command in ("tail", "buffers"):
        ended = flbrecover(command, "--root", bundle, "--json")
        assert ended.code == 4
        said = [p["what"] for p in ended.of_type("problem") if p["path"] == str(bundle)]
        assert said and "1 file (" in said[0] and left["path"] in said[0]


def test_nothing_fits(root: Path, bundle: Path) -> None:
    ended = collect(root, "-o", bundle, "--max-size", "0", "--json")
    assert (ended.code, ended.one("collected")["files"]) == (4, 0)
    refused = flbrecover("tail", "--root", bundle)
    assert refused.code in (2, 4) and "not in the bundle" in refused.err


@pytest.mark.parametrize(
    ("limit", "said"),
    [("MAX_FILES", "holds more than 2 files: the others were left out"),
     ("_MAX_DEPTH", "lies more than 2 folders below /var/log/s3/temp: what is in it was left out")],
)  # fmt: skip
def test_too_many_or_too_deep_is_said(
    root: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, limit: str, said: str
) -> None:
    (root / "var/log/s3/temp/1/2/3").mkdir(parents=True)
    (root / "var/log/s3/temp/1/2/3/file").touch()
    monkeypatch.setattr(collecting, limit, 2)
    for ended in (collect(root, "-o", bundle, "--json"), flbrecover("buffers", "--root", bundle, "--json")):
        assert ended.code == 4
        assert said in [problem["what"] for problem in ended.of_type("problem")]


def test_since_leaves_old_logs_out(root: Path, bundle: Path) -> None:
    old = root / "var/log/containers/test-web.log"
    os.utime(old, ns=(1, 1_000_000_000_000_000_000))
    ended = collect(root, "-o", bundle, "--since", "2026-11-01T00:00:00Z", "--json")
    assert ended.code == 4
    (left,) = ended.of_type("left_out")
    assert left == {
        "type": "left_out", "path": "/var/log/containers/test-web.log", "size": old.stat().st_size,
        "why": "last written before --since 2026-11-01T00:00:00Z",
    }  # fmt: skip
    assert "last written before --since" in flbrecover("tail", "--root", bundle).text


def test_standard_output(root: Path, bundle: Path) -> None:
    arguments = ["collect", "--root", str(root), "--config", CONF, "-o", "-", "--json"]
    with bundle.open("wb") as out:
        ended = subprocess.run([sys.executable, "-m", "flbrecover", *arguments], stdout=out, stderr=subprocess.PIPE)
    assert ended.returncode == 0
    assert json.loads(ended.stderr.splitlines()[-1])["type"] == "collected"
    assert flbrecover("tail", "--root", bundle).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "OUT", "--to", "s3://b/k"], "--out and --to: choose one"),
        (["-o", "there"], "is there already"),
        (["-o", "killed"], "--out killed: killed.part is left from a run that was killed; remove it"),
        (["-o", "no/such/folder/x"], "No such file or directory"),
        (["-o", "ROOT/var/log/containers/b.tar.zst"], "lies among the evidence"),
        (["-o", "ROOT/var/log/s3/temp/b.tar.zst"], "lies among the evidence"),
        (["--max-size", "many"], "--max-size many: not a size; write 500M or 20G"),
        (["--since", "once"], "--since once: not a time"),
        (["--to", "https://b/k"], "s3://BUCKET/KEY is wanted"),
        (["--to", "s3://[a/b"], "s3://BUCKET/KEY is wanted"),
        (["--to", "s3://b"], "s3://BUCKET/KEY is wanted"),
        (["--to", "s3://b/k/"], "s3://BUCKET/KEY is wanted"),
        (["--root", "BUNDLE"], "is a file; collect needs the node's own file system"),
    ],
)
def test_refused(arguments: list[str], said: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    Path("there").touch()
    Path("killed.part").touch()
    known = {"OUT": str(tmp_path / "out"), "BUNDLE": str(tmp_path / "cwd/there")}
    before = footprint(root)
    ended = collect(root, *(known.get(a, a.replace("ROOT", str(root))) for a in arguments))
    assert (ended.code, said in one_line(ended)) == (2, True), ended
    assert (footprint(root), sorted(os.listdir(tmp_path / "cwd"))) == (before, ["killed.part", "there"])


def test_no_space(root: Path) -> None:
    """A full file system (/dev/full says so to every write)."""
    code = (
        "import os, sys; from flbrecover.cli import main; real = os.open\n"
        "os.open = lambda p, *a, **k: real('/dev/full', 1) if str(p).endswith('.part') else real(p, *a, **k)\n"
        "main(sys.argv[1:])"
    )
    arguments = ["collect", "--root", str(root), "--config", CONF, "-o", str(root.parent / "x")]
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True)
    assert ended.returncode == 1
    assert b"No space left on device; choose a place with more space, or --max-size" in ended.stderr
    assert not (root.parent / "x").exists()


def test_a_destination_that_fails_once_ends_it(root: Path) -> None:
    """Whatever is written behind a gap is no bundle; the file that was being copied is not to blame."""
    logs = [f"/var/log/containers/noise-{number}.log" for number in range(2)]
    for log in logs:
        (root / log[1:]).write_bytes(os.urandom(3 << 20))
    node = WatchedNode(root)
    for log in logs:
        node.open(log).close()
    entries = node.entries()
    choice = Choice([Item(log, "log", entries[log]) for log in logs], entries)
    wrote: list[int] = []

    def out(data: bytes) -> None:
        wrote.append(len(data))
        if len(wrote) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    survey = Job({"root": str(root), "config": CONF}).survey
    with pytest.raises(FlbrecoverError, match="No space left on device"):
        write(BundleWriter(out, tool="test", collected_ns=1), node, replace(survey, dbs=()), choice, [], config=None)
    assert (len(wrote), choice.problems) == (3, [])


def test_to_s3(root: Path, bundle: Path, weed_bucket: FreshBucket) -> None:
    url = f"s3://{weed_bucket.name}/incidents/node 1.tar.zst"
    to = ("--to", url, "--endpoint-url", weed_bucket.server.endpoint_url)
    ended = collect(root, *to, "--json")
    assert ended.code == 0, ended.err
    body = weed_bucket.get("incidents/node 1.tar.zst")
    said = ended.one("collected")
    assert (said["sha256"], said["size"]) == (hashlib.sha256(body).hexdigest(), len(body))
    bundle.write_bytes(body)
    assert flbrecover("tail", "--root", bundle).code == 0
    again = collect(root, *to)
    assert (again.code, "an object stands there already" in one_line(again)) == (2, True)
    assert weed_bucket.get("incidents/node 1.tar.zst") == body


def test_to_s3_refused(root: Path, weed_bucket: FreshBucket) -> None:
    to = ("--to", f"s3://{weed_bucket.name}/k", "--endpoint-url", weed_bucket.server.endpoint_url)
    ended = flbrecover("collect", "--root", root, "--config", CONF, *to, environment=credentials(READ_ONLY))
    assert ended.code == 1 and "access denied" in ended.err.lower()
    assert "Traceback" not in ended.err


def test_an_upload_that_fails_is_aborted(root: Path) -> None:
    def answer(handler) -> None:
        if handler.command == "HEAD":
            reply(handler, 404, {})
        elif handler.command == "POST" and "uploads" in handler.path:
            body = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
            reply(handler, 200, {"Content-Type": "application/xml"}, body)
        elif handler.command == "DELETE":
            reply(handler, 204, {})
        else:
            reply(handler, 403, {"Content-Type": "application/xml"}, error_xml("AccessDenied"))

    with FaultServer(answer) as server:
        ended = collect(
            root, "--to", "s3://b/k", "--endpoint-url", server.endpoint_url, "--sse", "aws:kms",
            "--expected-bucket-owner", "123456789012",
        )  # fmt: skip
    assert ended.code == 1
    begun = next(headers for method, _, headers in server.seen if method == "POST")
    assert begun["x-amz-server-side-encryption"] == "aws:kms"
    assert {headers["x-amz-expected-bucket-owner"] for _, _, headers in server.seen} == {"123456789012"}
    assert [m for m, path, _ in server.seen if m == "DELETE" and "uploadId=u1" in path] == ["DELETE"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called fluent-bit and holds a DB open for writing."""
    link = tmp_path / "fluent-bit"
    link.symlink_to(os.path.realpath(sys.executable))
    (tmp_path / "live").mkdir()
    (tmp_path / "live/app.log").write_text("a\nb\n")
    code = "import sys, time; f = open(sys.argv[1], 'ab'); print(flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [str(link), "-S", "-c", code, str(tmp_path / "live/x.db"), "--http_passwd=hunter2-Zq9x"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_running_fluent_bit_is_history_in_the_bundle(running: subprocess.Popen[bytes], bundle: Path) -> None:
    live = bundle.parent / "live"
    node = ("--db", live / "x.db", "--path", live / "*.log", "--store-dir", live / "s3", "--bucket", "b")
    ended = flbrecover("collect", *node, "-o", bundle)
    assert bundle.is_file(), ended
    facts = next(line for line in manifest(bundle) if line["type"] == "process" and line["pid"] == running.pid)
    assert facts["comm"] == "fluent-bit"
    assert facts["cmdline"][-1] == "--http_passwd=MASKED" and b"hunter2-Zq9x" not in plain(bundle)
    assert any(line.endswith(str(live / "x.db")) for line in facts["open_files"])
    assert abs(facts["started_ns"] / 1e9 - time.time()) < 120
    assert any("Max open files" in line for line in facts["limits"]) and facts["mounts"]
    said = flbrecover("tail", "--root", bundle, *node[:4])
    assert f"{running.pid} (fluent-bit) was running when it was collected" in said.text
    assert flbrecover("tail", "--root", bundle, *node[:4], "--json").of_type("agent") == []


def test_a_log_that_grows_meanwhile(root: Path, bundle: Path) -> None:
    """More than was there when the node was looked at is fine: an offset never lies beyond what was copied."""
    log = root / "var/log/containers/test-web.log"
    code = (
        "import sys; from flbrecover.recover import collecting; from flbrecover.cli import main\n"
        "real = collecting.write\n"
        "def write(*a, **k):\n"
        f"    open({str(log)!r}, 'ab').write(b'later\\n'); return real(*a, **k)\n"
        "collecting.write = write; main(sys.argv[1:])"
    )
    arguments = ["collect", "--root", str(root), "--config", CONF, "-o", str(bundle)]
    assert subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True).returncode == 0
    size = log.stat().st_size
    entry = next(x for x in manifest(bundle) if x.get("path") == "/var/log/containers/test-web.log")
    assert entry["size"] == size and entry["sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    assert flbrecover("tail", "--root", bundle).code == 0


def test_a_log_that_was_rotated_meanwhile_is_said(root: Path, bundle: Path) -> None:
    log = root / "var/log/containers/test-web.log"
    code = (
        "import sys, os; from flbrecover.recover import collecting; from flbrecover.cli import main\n"
        "real = collecting.write\n"
        "def write(*a, **k):\n"
        f"    os.rename({str(log)!r}, {str(log)!r} + '.1'); open({str(log)!r}, 'wb').write(b'new\\n')\n"
        "    return real(*a, **k)\n"
        "collecting.write = write; main(sys.argv[1:])"
    )
    arguments = ["collect", "--root", str(root), "--config", CONF, "-o", str(bundle)]
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True)
    assert ended.returncode == 4 and b"replaced by another file while the bundle was collected" in ended.stderr
    said = flbrecover("tail", "--root", bundle)
    assert said.code == 4 and "replaced by another file" in said.text


def test_a_torso_is_refused(root: Path, bundle: Path, moto) -> None:
    assert collect(root, "-o", bundle).code == 0
    bundle.write_bytes(bundle.read_bytes()[:-1000])
    load(CASE, moto.client, root)
    for command in ("tail", "buffers", "diff"):
        more = ("--endpoint-url", moto.endpoint_url) if command == "diff" else ()
        ended = flbrecover(command, "--root", bundle, "--config", config(CASE), *more)
        assert (ended.code, "cut short" in one_line(ended)) == (4, True)
