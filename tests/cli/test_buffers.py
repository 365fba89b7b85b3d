"""``flbrecover buffers`` and ``buffers cat`` on the captured incidents, whole and damaged."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from cases import NAMES, SEQ, config, footprint, unpack, written
from command import flbrecover, one_line

CONF = "/etc/fluent-bit/fluent-bit.conf"
STREAM = "/var/log/s3/temp/my-bucket/2026-11-23T11:39:23"
WEB = f"{STREAM}/13746238088196074617-4096312434783063204"
API = "/var/log/s3/temp/my-bucket/quarantine/13746238060222570069-1474013038527978504"
WEB_TAG, API_TAG = "test.var.log.containers.test-web.log", "test.var.log.containers.test-api.log"


@pytest.fixture
def rolling(tmp_path: Path) -> Path:
    return unpack("rolling-update", tmp_path)


def buffers(root: Path, *more: str):
    return flbrecover("buffers", "--root", root, "--config", CONF, *more)


def test_files_of_a_store_dir(rolling: Path) -> None:
    ended = buffers(rolling, "--json")
    assert ended.code == 0
    files = {f["path"]: f for f in ended.of_type("buffer")}
    assert {p: (f["kind"], f["tag"], f["tag_proof"], f["records"], f["bytes"]) for p, f in files.items()} == {
        WEB: ("data", WEB_TAG, "header and name", 150, 16661),
        API: ("quarantine", API_TAG, "header and name", 200, 22234),
    }
    assert files[WEB]["created"].startswith("2026-11-23T11:39:24.195")
    assert files[WEB]["first_time"] == "2026-11-23T11:39:23.596692000Z"
    assert not any(f["damaged"] for f in files.values())


@pytest.mark.parametrize(
    ("name", "kinds", "records"),
    [
        ("credentials-expired", {"data": 1, "quarantine": 1}, None),
        ("fluent-bit-1.9", {"data": 1}, 350),  # the older header
        ("kubernetes-cri", {"data": 2}, 320),
        ("sigkill-multipart", {"data": 1}, 1500),
        ("storage-filesystem", {"data": 1, "engine": 2}, 490),
    ],
)
def test_kinds_and_records_of_captured_incidents(tmp_path: Path, name: str, kinds, records) -> None:
    ended = buffers(unpack(name, tmp_path), "--json")
    assert ended.code == 0
    files = ended.of_type("buffer")
    assert {kind: sum(f["kind"] == kind for f in files) for kind in kinds} == kinds
    assert len(files) == sum(kinds.values())
    if records is not None:
        assert sum(f["records"] for f in files) == records


def test_the_note_of_a_multipart_upload_is_named(tmp_path: Path) -> None:
    root = unpack("sigkill-multipart", tmp_path)
    upload = buffers(root, "--json").one("recorded_upload")
    assert (upload["bucket"], upload["key"]) == ("my-bucket", "log/test/2026/11/23/11/40/19/yBATLVjJ.log")
    assert [p["number"] for p in upload["parts"]] == [1, 2]
    assert "s3://my-bucket/log/test/2026/11/23/11/40/19/yBATLVjJ.log: 2 parts noted" in buffers(root).text


def test_text_has_whole_paths_and_tags(rolling: Path) -> None:
    ended = buffers(rolling)
    assert ended.code == 0
    assert "2 buffer files with 350 whole records below /var/log/s3/temp" in ended.text
    assert f"1  {WEB}\n   tag {WEB_TAG} (from its header, confirmed by its name)\n" in ended.text


def test_by_hand_without_a_configuration(rolling: Path) -> None:
    (rolling / CONF[1:]).unlink()
    ended = flbrecover("buffers", "--root", rolling, "--store-dir", "/var/log/s3/temp", "--json")
    assert ended.code == 0
    assert sorted(f["records"] for f in ended.of_type("buffer")) == [150, 200]


def test_storage_path_by_hand(tmp_path: Path) -> None:
    root = unpack("storage-filesystem", tmp_path)
    (root / CONF[1:]).unlink()
    ended = flbrecover("buffers", "--root", root, "--storage-path", "/var/log/flb-storage", "--json")
    assert ended.code == 0
    assert [(f["kind"], f["records"]) for f in ended.of_type("buffer")] == [("engine", 150), ("engine", 90)]


def damaged(raw: bytes, how: str) -> bytes:
    """A captured file (header, tag and 150 lines in it) as a crash may leave it."""
    lines_at = 24 + struct.unpack_from(">H", raw, 22)[0]
    half = lines_at + struct.unpack_from(">I", raw, 10)[0] // 2
    return {
        "no bytes": b"",
        "zeros": bytes(len(raw)),
        "zeroed header": bytes(lines_at) + raw[lines_at:],
        "truncated": raw[:half],
        "length too large": raw[:10] + struct.pack(">I", 1 << 31) + raw[14:],
        "length 4 GiB in a small file": (raw[:10] + b"\xff\xff\xff\xff" + raw[14:])[:half],
        "garbage": b"\xa5" * 4096,
    }[how]


@pytest.mark.parametrize(
    ("how", "records", "tag"),
    [
        ("zeros", 0, None),
        ("zeroed header", 149, WEB_TAG),  # found by the name's hash: the other evidence knows this tag
        ("truncated", 74, WEB_TAG),
        ("length too large", 150, WEB_TAG),
        ("length 4 GiB in a small file", 74, WEB_TAG),
        ("garbage", 0, None),
    ],
)
def test_damage_is_told_and_stops_nothing(rolling: Path, how: str, records: int, tag: str | None) -> None:
    file = rolling / WEB[1:]
    file.write_bytes(damaged(file.read_bytes(), how))
    before = footprint(rolling)
    ended = buffers(rolling, "--json")
    assert ended.code == 4
    assert footprint(rolling) == before
    files = {f["path"]: f for f in ended.of_type("buffer")}
    assert files[API]["records"] == 200 and not files[API]["damaged"]
    assert files[WEB]["damaged"]
    assert records <= files[WEB]["records"] <= records + 1
    assert any(p["path"] == WEB and p["unreadable"] for p in ended.of_type("problem"))
    if tag is not None:
        assert files[WEB]["tag"] == tag
    text = buffers(rolling)
    assert text.code == 4 and "   damage" in text.text


def test_a_file_without_bytes_is_named(rolling: Path) -> None:
    """Fluent Bit makes the file first and writes then: there never was a record in it."""
    (rolling / WEB[1:]).write_bytes(b"")
    ended = buffers(rolling, "--json")
    files = {f["path"]: f for f in ended.of_type("buffer")}
    assert files[WEB]["records"] == 0
    assert any(p["path"] == WEB for p in ended.of_type("problem"))


def test_an_empty_or_missing_store_dir(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = flbrecover("buffers", "--root", tmp_path, "--store-dir", "/empty")
    assert (ended.code, ended.text) == (0, "no buffer files below /empty\n")
    ended = flbrecover("buffers", "--root", tmp_path, "--store-dir", "/missing")
    assert ended.code == 4
    said = "problem: /missing: No such file or directory; say where it lies on the node with "
    assert said + "--store-dir\n" in ended.text
    ended = flbrecover("buffers", "--root", tmp_path, "--store-dir", "/empty", "--storage-path", "/missing")
    assert said + "--storage-path\n" in ended.text


# -- buffers cat -------------------------------------------------------------------------------------------------------


def test_cat_gives_the_records_as_they_are(rolling: Path) -> None:
    ended = flbrecover("buffers", "cat", "--root", rolling, "--config", CONF, WEB)
    assert (ended.code, ended.err) == (0, "")
    raw = (rolling / WEB[1:]).read_bytes()
    assert ended.out == raw[60 : 60 + 16661]
    numbers = {int(n) for n in SEQ.findall(ended.out)}
    assert numbers <= written("rolling-update").keys() and len(numbers) == 150


def test_cat_takes_options_before_its_name_too(rolling: Path) -> None:
    ended = flbrecover("buffers", "--root", rolling, "--config", CONF, "cat", API)
    assert ended.code == 0 and ended.out.count(b"\n") == 200


def test_cat_renders_engine_chunks_as_the_output_would(tmp_path: Path) -> None:
    root = unpack("storage-filesystem", tmp_path)
    ended = flbrecover(
        "buffers", "cat", "--root", root, "--config", CONF, "/var/log/flb-storage/tail.0/7951-1795434087.195128701.flb"
    )
    assert ended.code == 0
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert len(records) == 90
    assert list(records[0]) == ["date", "log"]
    texts = written("storage-filesystem").values()
    assert all(record["log"] in texts for record in records)


def test_cat_needs_no_configuration_and_no_store_dir(rolling: Path, tmp_path: Path) -> None:
    copy = tmp_path / "13746238088196074617-4096312434783063204"
    copy.write_bytes((rolling / WEB[1:]).read_bytes())
    (rolling / CONF[1:]).unlink()
    ended = flbrecover("buffers", "cat", "--root", tmp_path, f"/{copy.name}")
    assert ended.code == 0 and ended.out.count(b"\n") == 150


@pytest.mark.parametrize("given", ["/var/log/s3", "/var/log/s3/temp/my-bucket"])
def test_a_store_dir_one_folder_too_high_or_too_low(rolling: Path, given: str) -> None:
    """Nothing is found there, which is not to say that nothing is left."""
    ended = flbrecover("buffers", "--root", rolling, "--store-dir", given, "--json")
    assert ended.code == 4
    (problem,) = [line for line in ended.of_type("problem") if line["unreadable"]]
    assert (problem["path"], problem["way_out"]) == (given, "say --store-dir /var/log/s3/temp")


def test_cat_leaves_out_what_is_damaged_and_says_so(rolling: Path) -> None:
    file = rolling / WEB[1:]
    file.write_bytes(damaged(file.read_bytes(), "truncated"))
    ended = flbrecover("buffers", "cat", "--root", rolling, "--config", CONF, WEB)
    assert ended.code == 4
    assert all(json.loads(line)["log"].startswith("seq=") for line in ended.out.splitlines())
    assert ended.err.startswith(f"problem: {WEB}")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/var/log/nothing", "No such file or directory"),
        ("/var/log/flb_test.db", "is no file that the s3 output writes"),
        ("/var/log", "is no regular file"),
        ("/var/log/7951-1795434087.195128701.flb", "No such file or directory"),
    ],
)
def test_cat_of_what_is_no_buffer_file(rolling: Path, path: str, said: str) -> None:
    ended = flbrecover("buffers", "cat", "--root", rolling, "--config", CONF, path)
    assert ended.code == 4
    line = one_line(ended)
    assert line.startswith(f"flbrecover: {path}: ") and said in line


def test_memory_does_not_grow_with_the_file(rolling: Path, tmp_path: Path) -> None:
    """A file of 32 MiB in a process that may take 20 MiB more than it takes for one of 16 KiB."""
    raw = (rolling / WEB[1:]).read_bytes()
    line = b'{"date":"2026-11-23T11:39:23.596512Z","log":"' + b"x" * 4000 + b'"}\n'
    lines = line * (32 * 1024 * 1024 // len(line))
    large = tmp_path / WEB.rpartition("/")[2]
    large.write_bytes(raw[:10] + struct.pack(">I", len(lines)) + raw[14:60] + lines)

    def peak(path: str) -> int:
        code = (
            "import resource, sys; from flbrecover.cli import main\n"
            "try: main(sys.argv[1:])\n"
            "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        arguments = ["buffers", "cat", "--root", "/", path]
        ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=True)
        return int(ended.stderr.split()[-1])

    assert peak(str(large)) < peak(str(rolling) + WEB) + 20 * 1024  # KiB, as on Linux


@pytest.mark.parametrize("name", NAMES)
def test_nothing_on_the_node_changes(tmp_path: Path, name: str) -> None:
    root = unpack(name, tmp_path)
    before = footprint(root)
    assert flbrecover("buffers", "--root", root, "--config", config(name)).code == 0
    assert footprint(root) == before
