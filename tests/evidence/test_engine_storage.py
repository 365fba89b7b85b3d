from __future__ import annotations

import os
from pathlib import Path

import pytest
from cases import unpack
from chunk_builder import PAGE, chunk, event, ext_time, old_event, put, zeroed

from flbrecover.evidence.engine_storage import scan
from flbrecover.evidence.node import Node
from flbrecover.model import BufferFile, ByteRange, Problem

HOME = "/var/flb"
TAG = b"kube.var.log.shop"
META = b"\xf1\x77\x00\x00" + TAG
EVENTS = [event(1795434084, n, {"log": f"seq={n:07} of a log"}) for n in range(200)]
CONTENT = b"".join(EVENTS)
START = 24 + len(META)
NAME = "7951-1795434084.222170455.flb"


def put_chunk(root: Path, data: bytes, name: str = NAME, stream: str = "tail.0") -> str:
    return put(root, f"{HOME}/{stream}/{name}", data)


def scanned(
    root: Path, tags: tuple[str, ...] = (), given_tag: str | None = None
) -> tuple[list[BufferFile], list[Problem]]:
    return scan(Node(root), HOME, tags=tags, given_tag=given_tag)


def only(found: tuple[list[BufferFile], list[Problem]]) -> BufferFile:
    (buffer,), problems = found
    assert problems == []
    return buffer


def test_captured_chunks(tmp_path: Path) -> None:
    buffers, problems = scan(Node(unpack("storage-filesystem", tmp_path)), "/var/log/flb-storage/")
    assert problems == []
    assert [(b.kind, b.stream, b.bucket, b.tag, b.tag_proof, b.created_ns) for b in buffers] == [
        ("engine", "tail.0", None, "test.var.log.containers.test-api.log", "header", 1795434084222170455),
        ("engine", "tail.0", None, "test.var.log.containers.test-web.log", "header", 1795434087195128701),
    ]
    assert [(b.content, b.problems) for b in buffers] == [(ByteRange(64, 13768), ()), (ByteRange(64, 9784), ())]


@pytest.mark.parametrize(
    ("meta", "content"),
    [
        (META, CONTENT),
        (TAG, old_event(1795434084, {"log": "x"})),
        (META + b"\0", CONTENT),
        (b"\xf1\x77\x00\x00" + TAG, old_event(1795434084, {"log": "x"})),
    ],
    ids=["now", "up to 1.8", "ended by a NUL", "1.9"],
)
@pytest.mark.parametrize("length", [None, 0])
def test_all_generations(meta: bytes, content: bytes, length: int | None, tmp_path: Path) -> None:
    put_chunk(tmp_path, chunk(meta, content, length=length))
    buffer = only(scanned(tmp_path))
    assert (buffer.tag, buffer.tag_proof) == (TAG.decode(), "header")
    assert buffer.content == ByteRange(24 + len(meta), 24 + len(meta) + len(content))
    assert buffer.problems == ()


def test_a_lost_header_before_events_of_the_older_form(tmp_path: Path) -> None:
    content = b"".join(old_event(ext_time(1795434084, n), {"log": "x"}) for n in range(5))
    put_chunk(tmp_path, zeroed(chunk(META, content), 0, 24))
    buffer = only(scanned(tmp_path))
    assert (buffer.tag, buffer.content) == (TAG.decode(), ByteRange(START, START + len(content)))


def test_records_that_name_their_outputs_are_noted(tmp_path: Path) -> None:
    put_chunk(tmp_path, chunk(b"\xf1\x77\x00\x01" + TAG + b"\0\0\4\0\1\0\7", CONTENT))
    buffer = only(scanned(tmp_path))
    assert buffer.tag == TAG.decode()
    assert [p.unreadable for p in buffer.problems] == [False]


@pytest.mark.parametrize(
    ("number", "name"), [(1, "metrics"), (2, "traces"), (3, "blobs"), (4, "profiles"), (9, "events of an unknown type")]
)
def test_chunks_of_other_things_are_named_and_left_alone(number: int, name: str, tmp_path: Path) -> None:
    path = put_chunk(tmp_path, chunk(b"\xf1\x77" + bytes([number]) + b"\0" + TAG, b"\x82\xa4meta"))
    buffers, problems = scanned(tmp_path)
    assert buffers == []
    assert [(p.path, p.what, p.unreadable) for p in problems] == [(path, f"a chunk of {name}; left alone", False)]


WHOLE = chunk(META, CONTENT)
FIRST_BEHIND = next(at for at in range(START, len(WHOLE), len(EVENTS[0])) if at >= PAGE)
DAMAGES: dict[str, tuple[bytes, str, tuple[int, int], str]] = {
    "header zeroed": (zeroed(WHOLE, 0, 24), "header", (START, START + len(CONTENT)), "header is damaged"),
    "magic wrong": (b"XX" + WHOLE[2:], "header", (START, START + len(CONTENT)), "header is damaged"),
    "metadata length too small": (
        WHOLE[:22] + b"\0\7" + WHOLE[24:],
        "header",
        (START, START + len(CONTENT) - len(META) + 7),
        "header is damaged",
    ),
    "metadata length too large": (
        WHOLE[:22] + b"\0\x60" + WHOLE[24:],
        "header",
        (START, START + len(CONTENT)),
        "header is damaged",
    ),
    "first event damaged": (WHOLE[:START] + b"\xff" + WHOLE[START + 1 :], "header", (START, START + len(CONTENT)), ""),
    "header and first event damaged": (
        bytes(24) + WHOLE[24:START] + b"\xff" + WHOLE[START + 1 :],
        "given",
        (START + len(EVENTS[0]), START + len(CONTENT)),
        "header is lost",
    ),
    "header page zeroed": (zeroed(WHOLE, 0, PAGE), "given", (FIRST_BEHIND, START + len(CONTENT)), "header is lost"),
    "header and metadata zeroed": (zeroed(WHOLE, 0, START), "given", (START, START + len(CONTENT)), "header is lost"),
    "truncated": (WHOLE[: START + 700], "header", (START, START + 700), "are missing"),
    "4 GiB in 12 KiB": (chunk(META, CONTENT, length=0xFFFFFFFF), "header", (START, len(WHOLE)), "which cannot be"),
    "length too small": (chunk(META, CONTENT, length=500), "header", (START, START + 500), ""),
    "zeros only": (bytes(2 * PAGE), "given", (2 * PAGE, 2 * PAGE), "zeros only"),
    "zero bytes": (b"", "given", (0, 0), "the file is empty"),
    "half a header": (WHOLE[:20], "given", (20, 20), "inside its header"),
    "garbage": (bytes(range(1, 200)) * 50, "given", (199 * 50, 199 * 50), "holds no event"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_named_damages(name: str, tmp_path: Path) -> None:
    data, proof, content, said = DAMAGES[name]
    put_chunk(tmp_path, data)
    put_chunk(tmp_path, WHOLE, "8000-1795434084.5.flb")
    (damaged, intact), problems = scanned(tmp_path, given_tag="given")
    assert (damaged.tag, damaged.tag_proof) == ("given" if proof == "given" else TAG.decode(), proof)
    assert (damaged.content.start, damaged.content.end) == content
    assert damaged.slack == ByteRange(content[1], len(data))
    assert damaged.created_ns == 1795434084222170455
    assert (said == "") == (damaged.problems == ())
    assert all(said in p.what and p.unreadable and p.where is not None for p in damaged.problems)
    assert (intact.problems, problems) == ((), [])
    (damaged, _), _ = scanned(tmp_path)
    without_tag = proof == "given" and content[0] < content[1]
    assert ("--tag" in "".join(p.way_out for p in damaged.problems)) == without_tag
    assert (damaged.tag is None) == (proof == "given")


POINTER = "0x7f8a4c02b0c0"


@pytest.mark.parametrize(
    ("name", "tags", "given_tag", "tag", "proof", "noted"),
    [
        (f"app.log_500_s3.0_{POINTER}.flb", (), None, "app.log", "name", False),
        (f"app.log_-1_my_output_{POINTER}.flb", (), None, "app.log", "name", False),
        ("app.log_400_s3.0_(nil).flb", (), None, "app.log", "name", False),
        (f"pod_ns_app_500_s3.0_{POINTER}.flb", (), None, "pod_ns_app", "name", True),
        (f"pod_ns_app_500_s3.0_{POINTER}.flb", ("pod_ns_app", "x"), None, "pod_ns_app", "name", False),
        (f"pod_ns_app_500_s3.0_{POINTER}.flb", ("pod/ns:app",), None, "pod/ns:app", "name", False),
        (f"pod_ns_app_500_s3.0_{POINTER}.flb", ("pod/ns_app", "pod_ns_app"), None, None, "unknown", True),
        (f"p_n_500_s3.0_{POINTER}.flb", ("p/n", "p_n"), "p_n", "p_n", "given", False),
        (f"a_12_b_500_s3.0_{POINTER}.flb", ("a_12_b",), None, "a_12_b", "name", False),
        (f"{'t' * 127}_500_s3.0_{POINTER}.flb", (), None, None, "unknown", True),
        (f"{'t' * 127}_500_s3.0_{POINTER}.flb", ("t" * 200,), None, "t" * 200, "name", False),
        (f"{'t' * 127}_500_s3.0_{POINTER}.flb", (), "given", "given", "given", False),
    ],
)
def test_the_tag_of_a_rejected_chunk(
    name: str, tags: tuple[str, ...], given_tag: str | None, tag: str | None, proof: str, noted: bool, tmp_path: Path
) -> None:
    put_chunk(tmp_path, chunk(b"", CONTENT), name, "rejected")
    buffer = only(scanned(tmp_path, tags, given_tag))
    assert (buffer.kind, buffer.stream, buffer.tag, buffer.tag_proof) == ("rejected", "rejected", tag, proof)
    assert buffer.content == ByteRange(24, 24 + len(CONTENT))
    assert bool(buffer.problems) == noted
    assert all(p.unreadable == (tag is None) for p in buffer.problems)


def test_a_rejected_chunk_in_a_folder_of_another_name(tmp_path: Path) -> None:
    put_chunk(tmp_path, chunk(b"", CONTENT), f"app.log_500_s3.0_{POINTER}.flb", "dlq")
    assert only(scanned(tmp_path)).kind == "rejected"


def test_rejected_metrics_are_left_alone(tmp_path: Path) -> None:
    put_chunk(tmp_path, chunk(b"", b"\x82\xa4meta\x80"), f"app_500_s3.0_{POINTER}.flb", "rejected")
    buffers, problems = scanned(tmp_path)
    assert buffers == [] and "metrics or traces" in problems[0].what and not problems[0].unreadable


def test_other_files_are_counted(tmp_path: Path) -> None:
    put_chunk(tmp_path, WHOLE)
    put_chunk(tmp_path, b"x", "notes")
    put_chunk(tmp_path, b"x", "more")
    put(tmp_path, f"{HOME}/file", b"x")
    os.mkfifo(tmp_path / "var/flb/tail.0/1-2.3.flb")
    buffers, problems = scanned(tmp_path)
    assert len(buffers) == 1
    assert [p.what for p in problems] == [
        "2 of 4 files are no chunks of the engine; left alone",
        "is no regular file; left alone",
    ]


def test_a_storage_path_that_is_not_there(tmp_path: Path) -> None:
    buffers, problems = scanned(tmp_path)
    assert buffers == [] and [(p.path, p.unreadable) for p in problems] == [(HOME, True)]
