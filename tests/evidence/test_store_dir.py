from __future__ import annotations

import os
from pathlib import Path

import pytest
from cases import unpack
from chunk_builder import PAGE, chunk, joined, json_lines, put, store_name, zeroed

from flbrecover.evidence.node import Node
from flbrecover.evidence.store_dir import StoreDir, scan
from flbrecover.model import BufferFile, ByteRange, UploadPart

TAG = b"kube.var.log.containers.shop-7f_prod_shop-aa.log"
NAME = store_name(TAG, 1795433046, 195312187)
CREATED = 1795433046195312187
MTIME = 1795433100
LINES = json_lines(120)
CONTENT = joined(LINES)
START = 24 + len(TAG)
WHOLE = chunk(TAG, CONTENT)
STREAM = "/var/s3/bucket/2026-11-23T11:38:28"


def put_data(root: Path, data: bytes, name: str = NAME, stream: str = STREAM) -> str:
    path = put(root, f"{stream}/{name}", data)
    os.utime(root / path.lstrip("/"), (MTIME, MTIME))
    return path


def scanned(root: Path, tags: tuple[str, ...] = (), given_tag: str | None = None) -> StoreDir:
    return scan(Node(root), "/var/s3", tags=tags, given_tag=given_tag)


def only(found: StoreDir) -> BufferFile:
    (buffer,) = found.buffers
    return buffer


@pytest.mark.parametrize(
    ("case", "files", "uploads"),
    [
        ("credentials-expired", 2, 0),
        ("fluent-bit-1.9", 1, 0),
        ("kubernetes-cri", 2, 0),
        ("response-lost", 1, 0),
        ("response-lost-superset", 1, 0),
        ("rolling-update", 2, 0),
        ("rotated-unread", 1, 0),
        ("sigkill-multipart", 1, 1),
        ("sigkill-put-gzip", 2, 0),
        ("storage-filesystem", 1, 0),
    ],
)
def test_captured_incidents(case: str, files: int, uploads: int, tmp_path: Path) -> None:
    found = scan(Node(unpack(case, tmp_path)), "/var/log/s3/temp/")
    assert found.problems == ()
    assert (len(found.buffers), len(found.uploads)) == (files, uploads)
    for buffer in found.buffers:
        assert buffer.problems == ()
        assert buffer.tag_proof == "header and name"
        assert buffer.bucket == "my-bucket"
        assert buffer.kind == ("quarantine" if buffer.stream == "quarantine" else "data")
        assert buffer.created_ns is not None and 0 <= buffer.facts.mtime_ns - buffer.created_ns < 60 * 10**9
        assert buffer.slack.end == buffer.facts.size


def test_the_content_of_fluent_bit_1_9_ends_before_the_zeros(tmp_path: Path) -> None:
    buffer = only(scan(Node(unpack("fluent-bit-1.9", tmp_path)), "/var/log/s3/temp"))
    assert (buffer.content, buffer.slack) == (ByteRange(60, 38955), ByteRange(38955, 69632))


def test_a_captured_upload(tmp_path: Path) -> None:
    (upload,) = scan(Node(unpack("sigkill-multipart", tmp_path)), "/var/log/s3/temp").uploads
    assert (upload.bucket, upload.key) == ("my-bucket", "log/test/2026/11/23/11/40/19/yBATLVjJ.log")
    assert upload.upload_id.startswith("R0OSlzFk")
    assert upload.parts == (
        UploadPart(1, "4d97008649e8d3f905865b5cece7a718"),
        UploadPart(2, "68ac667d35367e70dcde1e31ba1031ad"),
    )
    assert upload.problems == ()


def test_a_whole_file(tmp_path: Path) -> None:
    path = put_data(tmp_path, WHOLE)
    buffer = only(scanned(tmp_path))
    assert (buffer.path, buffer.home, buffer.bucket) == (path, "/var/s3", "bucket")
    assert (buffer.kind, buffer.stream) == ("data", "2026-11-23T11:38:28")
    assert (buffer.tag, buffer.tag_proof) == (TAG.decode(), "header and name")
    assert buffer.created_ns == CREATED
    assert WHOLE[buffer.content.start : buffer.content.end] == CONTENT
    assert buffer.slack == ByteRange(buffer.content.end, len(WHOLE))
    assert buffer.problems == ()


HEAD_GONE = zeroed(WHOLE, 0, 24)
PAGE_GONE = zeroed(WHOLE, 0, PAGE)
FIRST_LINE_BEHIND = START + CONTENT.index(b"\n", PAGE - START) + 1
OTHER = b"another.tag"

# name of the damage: the file, how the tag is found (given the right candidates), content, words of the problem
DAMAGES: dict[str, tuple[bytes, str, tuple[int, int], str]] = {
    "header zeroed": (HEAD_GONE, "header and name", (START, START + len(CONTENT)), "header is damaged"),
    "magic wrong": (b"XX" + WHOLE[2:], "header and name", (START, START + len(CONTENT)), "header is damaged"),
    "metadata length wrong": (
        WHOLE[:22] + b"\0\x07" + WHOLE[24:],
        "header and name",
        (START, START + len(CONTENT)),
        "header is damaged",
    ),
    "metadata length beyond the file": (
        WHOLE[:22] + b"\xff\xff" + WHOLE[24:],
        "header and name",
        (START, START + len(CONTENT)),
        "header is damaged",
    ),
    "tag damaged": (zeroed(WHOLE, 30, 40), "name", (START, START + len(CONTENT)), ""),
    "header page zeroed": (PAGE_GONE, "name", (FIRST_LINE_BEHIND, START + len(CONTENT)), "header is lost"),
    "header page zeroed to a line's start": (
        zeroed(WHOLE, 0, FIRST_LINE_BEHIND),
        "name",
        (FIRST_LINE_BEHIND, START + len(CONTENT)),
        "header is lost",
    ),
    "garbage for a header page": (
        b"\xde\xad\xbe\xef" * (PAGE // 4) + WHOLE[PAGE:],
        "name",
        (FIRST_LINE_BEHIND, START + len(CONTENT)),
        "header is lost",
    ),
    "truncated": (WHOLE[: START + 1000], "header and name", (START, START + 1000), "bytes of the content are missing"),
    "length beyond the file": (
        chunk(TAG, CONTENT, length=0xFFFFFFFF),
        "header and name",
        (START, len(WHOLE)),
        "its header says 4,294,967,295 bytes of content, which cannot be",
    ),
    "length too small": (chunk(TAG, CONTENT, length=500), "header and name", (START, START + 500), ""),
    "length zero": (chunk(TAG, CONTENT, length=0), "header and name", (START, START + len(CONTENT)), ""),
    "zeros only": (bytes(3 * PAGE), "name", (3 * PAGE, 3 * PAGE), "holds zeros only"),
    "zero bytes": (b"", "name", (0, 0), "the file is empty"),
    "half a header": (WHOLE[:13], "name", (13, 13), "inside its header"),
    "garbage": (bytes(range(1, 256)) * 40, "name", (255 * 40, 255 * 40), "no Chunk I/O file"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_named_damages(name: str, tmp_path: Path) -> None:
    data, proof, content, said = DAMAGES[name]
    put_data(tmp_path, data)
    put_data(tmp_path, chunk(b"intact", b"{}\n"), store_name(b"intact", 1795433046, 5))
    found = scanned(tmp_path, tags=("nothing", TAG.decode()))
    damaged, intact = sorted(found.buffers, key=lambda b: b.tag == "intact")
    assert (damaged.tag, damaged.tag_proof) == (TAG.decode(), proof)
    assert (damaged.content.start, damaged.content.end) == content
    assert damaged.slack == ByteRange(content[1], len(data))
    assert damaged.created_ns == CREATED
    assert (said == "") == (damaged.problems == ())
    assert all(said in p.what and p.unreadable and p.where is not None for p in damaged.problems)
    assert all(p.where.end <= 2 * len(WHOLE) for p in damaged.problems)
    assert intact.problems == () and found.problems == ()


UNSOLVABLE = [n for n, (_, proof, content, _) in DAMAGES.items() if proof == "name" and content[0] < content[1]]


@pytest.mark.parametrize("name", UNSOLVABLE)
def test_a_tag_that_nothing_tells_is_reported(name: str, tmp_path: Path) -> None:
    put_data(tmp_path, DAMAGES[name][0])
    buffer = only(scanned(tmp_path, tags=("nothing",), given_tag="wrong"))
    assert (buffer.tag, buffer.tag_proof) == (None, "unknown")
    assert "tag is not known" in buffer.problems[-1].what and "--tag" in buffer.problems[-1].way_out
    assert only(scanned(tmp_path, given_tag=TAG.decode())).tag_proof == "name"


def test_a_tag_of_another_file_is_a_candidate(tmp_path: Path) -> None:
    put_data(tmp_path, PAGE_GONE)
    put_data(tmp_path, chunk(TAG, b"{}\n"), store_name(TAG, 1795433047, 5))
    assert {(b.tag, b.tag_proof) for b in scanned(tmp_path).buffers} == {
        (TAG.decode(), "name"),
        (TAG.decode(), "header and name"),
    }


def test_a_header_that_the_name_contradicts_is_not_believed(tmp_path: Path) -> None:
    put_data(tmp_path, chunk(OTHER, CONTENT))
    buffer = only(scanned(tmp_path))
    assert buffer.tag is None and "does not fit the hash" in buffer.problems[0].what
    assert only(scanned(tmp_path, given_tag=OTHER.decode())).tag_proof == "given"
    assert only(scanned(tmp_path, given_tag="third")).tag is None
    assert only(scanned(tmp_path, tags=(TAG.decode(),))).tag_proof == "name"


def test_a_renamed_file_is_believed(tmp_path: Path) -> None:
    put_data(tmp_path, WHOLE, "copy-of-it")
    buffer = only(scanned(tmp_path, given_tag="not asked for"))
    assert (buffer.tag, buffer.tag_proof, buffer.created_ns) == (TAG.decode(), "header", None)


def test_a_renamed_file_without_its_tag_takes_the_given_one(tmp_path: Path) -> None:
    put_data(tmp_path, chunk(TAG, CONTENT, meta_length=0xFFFF), "copy-of-it")
    assert only(scanned(tmp_path, given_tag="t")).tag_proof == "given"


def test_a_file_made_and_never_written_is_no_problem(tmp_path: Path) -> None:
    put_data(tmp_path, chunk(b"", b""))
    buffer = only(scanned(tmp_path))
    assert buffer.content.length == 0 and buffer.problems == ()


def test_a_tag_that_is_no_text_survives(tmp_path: Path) -> None:
    tag = b"t\xff\xe9g"
    put_data(tmp_path, chunk(tag, CONTENT), store_name(tag, 1795433046, 5))
    buffer = only(scanned(tmp_path))
    assert buffer.tag is not None and buffer.tag.encode("utf-8", "surrogateescape") == tag


def test_a_header_page_lost_in_otlp_documents(tmp_path: Path) -> None:
    document = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1"}]}]}]}'
    data = chunk(TAG, document * 100)
    for page in (bytes(PAGE), b"\xde\xad" * (PAGE // 2)):
        put_data(tmp_path, page + data[PAGE:])
        buffer = only(scanned(tmp_path, tags=(TAG.decode(),)))
        assert buffer.content == ByteRange(data.index(document, PAGE), START + len(document) * 100)


def test_all_buckets_and_streams_are_read_and_the_rest_is_named(tmp_path: Path) -> None:
    put_data(tmp_path, WHOLE)
    put_data(tmp_path, WHOLE, stream="/var/s3/bucket/quarantine")
    put_data(tmp_path, WHOLE, stream="/var/s3/other/2026-01-01T00-00-00")
    put_data(tmp_path, WHOLE, stream="/var/s3/bucket/moved-by-hand")
    put(tmp_path, "/var/s3/bucket/sequence/index_metadata/seq_index_0", b"7")
    put(tmp_path, "/var/s3/README", b"x")
    put(tmp_path, "/var/s3/bucket/README", b"x")
    put(tmp_path, f"{STREAM}/notes.txt", b"x")
    put(tmp_path, f"{STREAM}/folder/file", b"x")
    os.mkfifo(tmp_path / "var/s3/bucket/quarantine/1-2")
    (tmp_path / "var/s3/bucket/quarantine/3-4").symlink_to("/nowhere")
    found = scanned(tmp_path)
    assert sorted((b.bucket, b.stream, b.kind) for b in found.buffers) == [
        ("bucket", "2026-11-23T11:38:28", "data"),
        ("bucket", "moved-by-hand", "data"),
        ("bucket", "quarantine", "quarantine"),
        ("other", "2026-01-01T00-00-00", "data"),
    ]
    named = {p.path.removeprefix("/var/s3/"): p.unreadable for p in found.problems}
    assert named == {
        "README": False,
        "bucket/README": False,
        "bucket/2026-11-23T11:38:28/notes.txt": False,
        "bucket/2026-11-23T11:38:28/folder": False,
        "bucket/quarantine/1-2": False,
        "bucket/quarantine/3-4": True,
    }


def test_two_names_of_one_file_are_one(tmp_path: Path) -> None:
    path = put_data(tmp_path, WHOLE)
    os.link(tmp_path / path.lstrip("/"), tmp_path / STREAM.lstrip("/") / "zzz")
    found = scanned(tmp_path)
    assert len(found.buffers) == 1
    assert [p.unreadable for p in found.problems] == [False]


def test_a_store_dir_that_is_not_there(tmp_path: Path) -> None:
    found = scan(Node(tmp_path), "/var/s3")
    assert (found.buffers, found.uploads) == ((), ())
    assert [(p.path, p.unreadable) for p in found.problems] == [("/var/s3", True)]


KEY = b"/log/a/2026.gz\n" + b"upload-id_1"
PARTS = b"part_number=1\tetag=aa\npart_number=2\tetag=bb\n"


def put_upload(root: Path, data: bytes) -> None:
    put(root, f"/var/s3/bucket/multipart_upload_metadata/{store_name(KEY, 1795433046, 5)}", data)


@pytest.mark.parametrize(
    ("data", "parts", "said"),
    [
        (chunk(KEY, PARTS), 2, []),
        (chunk(KEY, PARTS, length=0), 2, []),
        (zeroed(chunk(KEY, PARTS), 0, 24), 2, ["header is damaged"]),
        (chunk(KEY, PARTS)[: 24 + len(KEY) + 30], 1, ["are missing", "torn"]),
        (chunk(KEY, PARTS, length=30), 1, ["torn"]),
        (chunk(b"/other\nid", PARTS), 2, ["hash in its name does not fit"]),
    ],
    ids=["whole", "old generation", "header zeroed", "truncated", "length too small", "name of another"],
)
def test_uploads(data: bytes, parts: int, said: list[str], tmp_path: Path) -> None:
    put_upload(tmp_path, data)
    found = scanned(tmp_path)
    (upload,) = found.uploads
    assert len(upload.parts) == parts
    assert (upload.key, upload.upload_id) in {("log/a/2026.gz", "upload-id_1"), ("other", "id")}
    assert len(upload.problems) == len(said)
    assert all(text in p.what for text, p in zip(said, upload.problems, strict=True))
    assert found.buffers == () and found.problems == ()


@pytest.mark.parametrize("data", [b"", bytes(PAGE), chunk(b"no newline", PARTS), zeroed(chunk(KEY, PARTS), 0, 40)])
def test_an_upload_that_cannot_be_named_is_a_problem(data: bytes, tmp_path: Path) -> None:
    put_upload(tmp_path, data)
    found = scanned(tmp_path)
    assert found.uploads == ()
    assert len(found.problems) == 1 and found.problems[0].unreadable
