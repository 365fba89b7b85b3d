"""Objects that are shown to be a buffer file's content without being downloaded, and all that must not be taken for it.

What a shortcut may not decide is decided by the records: the numbers come out the same with ``--proof full``.
"""

from __future__ import annotations

import base64
import itertools
import random
import zlib
from pathlib import Path

import pytest
from made_node import MadeNode, body

from flbrecover.model import StoredObject
from flbrecover.recover import whole_objects
from flbrecover.recover.whole_objects import BY_CRC, BY_MD5, BY_PART

RECORDS = 4000


_made = itertools.count()


@pytest.fixture
def node(tmp_path: Path, moto) -> MadeNode:
    return fresh(tmp_path, moto, "gzip")


def fresh(tmp_path: Path, server, compression: str) -> MadeNode:
    bucket = f"whole-{next(_made)}"
    server.client.create_bucket(Bucket=bucket)
    return MadeNode(tmp_path / "node", bucket, server.endpoint_url, compression=compression)


def records_of(node: MadeNode, first: int = 0, number: int = RECORDS) -> list[bytes]:
    """Records that gzip does not make much smaller, so that the object is not read whole for being small."""
    sums = ((n, zlib.crc32(b"%d" % n), zlib.crc32(b"x%d" % n)) for n in range(first, first + number))
    return [node.record(n, f"{n} {one:08x}{other:08x}") for n, one, other in sums]


def put(server, node: MadeNode, name: str, data: bytes) -> str:
    server.client.put_object(Bucket=node.bucket, Key=node.key(name), Body=data)
    return node.key(name)


def answer(node: MadeNode) -> tuple[dict[str, int], list[str]]:
    """How many records are in which state, and by which proof the buffer files are stored. The same numbers come
    out when every object is downloaded."""
    cheap = node.run("diff", "--agent", "gone", "--json")
    full = node.run("diff", "--agent", "gone", "--json", "--proof", "full")
    assert cheap.one("summary")["states"] == full.one("summary")["states"], cheap.err
    assert {line["proof"] for line in full.of_type("buffer_state")} <= {"records", ""}
    return cheap.one("summary")["states"], [line["proof"] for line in cheap.of_type("buffer_state")]


def test_a_gzip_member_is_known_by_its_trailer(node: MadeNode, moto) -> None:
    records = records_of(node)
    node.write_buffer(records)
    put(moto, node, "A", body(records))
    assert answer(node) == ({"stored": RECORDS}, [BY_CRC])


def test_next_to_nothing_is_fetched(node: MadeNode, moto, monkeypatch: pytest.MonkeyPatch) -> None:
    records = records_of(node)
    node.write_buffer(records)
    put(moto, node, "A", body(records))
    asked: list[int] = []
    search = whole_objects._Search
    some = search._bytes

    def noted(one: whole_objects._Search, stored: StoredObject, start: int, length: int) -> bytes:
        asked.append(length)
        return some(one, stored, start, length)

    monkeypatch.setattr(search, "_bytes", noted)
    monkeypatch.setattr("flbrecover.recover.object_records.open_body", None)
    assert node.run("diff", "--agent", "gone", "--json").one("summary")["states"] == {"stored": RECORDS}
    assert sorted(asked) == [8, 4096]


def test_a_plain_object_is_known_by_its_md5(tmp_path: Path, moto) -> None:
    node = fresh(tmp_path, moto, "none")
    records = records_of(node)
    node.write_buffer(records)
    put(moto, node, "A", b"".join(r + b"\n" for r in records))
    assert answer(node) == ({"stored": RECORDS}, [BY_MD5])


def test_only_what_has_the_size_of_an_object_is_hashed(tmp_path: Path, moto, monkeypatch: pytest.MonkeyPatch) -> None:
    node = fresh(tmp_path, moto, "none")
    buffers = [records_of(node, first, number) for first, number in ((10_000, 400), (20_000, 400), (30_000, 300))]
    for number, records in enumerate(buffers):
        node.write_buffer(records, number=number)
    put(moto, node, "A", b"".join(r + b"\n" for r in buffers[1]))
    hashed: list[str] = []
    md5_of = whole_objects._Search._md5_of

    def noted(search: whole_objects._Search, wanted: whole_objects._Wanted) -> str:
        hashed.append(wanted.holder.buffer.path)
        return md5_of(search, wanted)

    monkeypatch.setattr(whole_objects._Search, "_md5_of", noted)
    found = node.run("diff", "--agent", "gone", "--json")
    assert found.one("summary")["states"] == {"buffered": 700, "stored": 400}
    proofs = {line["path"]: line["proof"] for line in found.of_type("buffer_state")}
    assert sorted(proofs.values()) == ["", "", BY_MD5]
    assert len(hashed) == 2  # the third one has another size
    assert answer(node)[0] == {"buffered": 700, "stored": 400}


def test_a_file_that_is_not_what_was_read_before_proves_nothing(
    tmp_path: Path, moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are changed between the reading of its records and its MD5."""
    node = fresh(tmp_path, moto, "none")
    records = records_of(node, number=400)
    file = node.root / node.write_buffer(records)[1:]
    other = [r.replace(b'"log":"', b'"log":"#', 1)[:-3] + r[-2:] for r in records]
    put(moto, node, "A", b"".join(r + b"\n" for r in other))
    search = whole_objects._Search
    md5_of = search._md5_of

    def changed(one: whole_objects._Search, wanted: whole_objects._Wanted) -> str:
        data = file.read_bytes()
        content = b"".join(r + b"\n" for r in records)
        assert content in data
        file.write_bytes(data.replace(content, b"".join(r + b"\n" for r in other)))
        try:
            return md5_of(one, wanted)
        finally:
            file.write_bytes(data)

    monkeypatch.setattr(search, "_md5_of", changed)
    found = node.run("diff", "--agent", "gone", "--json")
    assert found.one("summary")["states"] == {"buffered": 400}
    assert [line["proof"] for line in found.of_type("buffer_state")] == [""]


def test_an_etag_that_is_no_md5_proves_nothing(tmp_path: Path, moto) -> None:
    """As of objects under SSE-KMS, or in parts: here of one part."""
    node = fresh(tmp_path, moto, "none")
    records = records_of(node)
    node.write_buffer(records)
    in_parts(moto, node, [b"".join(r + b"\n" for r in records)])
    assert answer(node) == ({"stored": RECORDS}, ["records"])


def in_parts(server, node: MadeNode, parts: list[bytes]) -> None:
    s3, where = server.client, {"Bucket": node.bucket, "Key": node.key("P")}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    done = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)["ETag"],
        }
        for number, part in enumerate(parts, 1)
    ]
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": done})


def test_two_members_are_read(node: MadeNode, moto) -> None:
    """The trailer is that of the second one only: the first one's records are found as well."""
    first, second = records_of(node), records_of(node, RECORDS)
    node.write_buffer(first, number=0)
    node.write_buffer(second, number=1)
    put(moto, node, "A", body(first) + body(second))
    assert answer(node) == ({"stored": 2 * RECORDS}, ["records", "records"])


def test_a_truncated_object_proves_nothing(node: MadeNode, moto) -> None:
    records = records_of(node)
    node.write_buffer(records)
    data = body(records)
    put(moto, node, "A", data[: len(data) * 2 // 3])
    states, proofs = answer(node)
    assert 0 < states["stored"] < RECORDS
    assert proofs == ["records"]


def test_a_right_trailer_behind_too_little_proves_nothing(node: MadeNode, moto) -> None:
    records = records_of(node)
    node.write_buffer(records)
    data = body(records)
    put(moto, node, "A", data[: len(data) // 2] + data[-8:])
    states, proofs = answer(node)
    assert 0 < states["stored"] < RECORDS
    assert proofs == ["records"]


def test_part_of_a_buffer_file_is_counted_by_records(node: MadeNode, moto) -> None:
    records = records_of(node)
    node.write_buffer(records)
    put(moto, node, "A", body(records[:3000]))
    assert answer(node) == ({"buffered": 1000, "stored": 3000}, ["records"])


def colliding(records: list[bytes], among: range) -> list[bytes]:
    """Other records of the same size whose content has the same CRC-32: letters of the records ``among`` change case,
    chosen so that the changes of the sum cancel out (CRC-32 is linear)."""
    content = bytearray(b"".join(r + b"\n" for r in records))
    starts = [0]
    for record in records:
        starts.append(starts[-1] + len(record) + 1)
    letters = [p for n in among for p in range(starts[n], starts[n + 1]) if content[p : p + 1] in b"abcdef"][:40]
    base = zlib.crc32(content)
    rows = []
    for bit, place in enumerate(letters):
        content[place] ^= 0x20
        rows.append((zlib.crc32(content) ^ base, 1 << bit))
        content[place] ^= 0x20
    pivots: dict[int, tuple[int, int]] = {}
    for change, chosen in rows:
        while change and (top := change.bit_length()) in pivots:
            change, chosen = change ^ pivots[top][0], chosen ^ pivots[top][1]
        if change:
            pivots[change.bit_length()] = (change, chosen)
            continue
        for bit, place in enumerate(letters):
            if chosen >> bit & 1:
                content[place] ^= 0x20
        break
    assert zlib.crc32(content) == base
    return bytes(content).split(b"\n")[:-1]


def test_a_crc_collision_by_construction_is_seen_at_its_beginning(node: MadeNode, moto) -> None:
    records = records_of(node)
    other = colliding(records, range(20))
    assert other != records
    node.write_buffer(records)
    put(moto, node, "A", body(other))
    (states, proofs) = answer(node)
    assert proofs == ["records"]
    assert states["buffered"] == sum(a != b for a, b in zip(records, other, strict=True)) > 0


def test_a_crc_collision_further_in_is_seen_with_full_proof(node: MadeNode, moto) -> None:
    """What somebody who writes the records can do to himself: docs/threat-model.md."""
    records = records_of(node)
    node.write_buffer(records)
    put(moto, node, "A", body(colliding(records, range(3000, 3020))))
    full = node.run("diff", "--agent", "gone", "--json", "--proof", "full")
    assert full.one("summary")["states"]["buffered"] > 0


def test_every_part_is_known_by_its_own_trailer(tmp_path: Path, weed) -> None:
    """Parts of different sizes; the last one is no buffer file's."""
    node = fresh(tmp_path, weed, "gzip")
    noise = random.Random(1)
    texts = [base64.b64encode(noise.randbytes(6000)).decode() for _ in range(2700)]
    records = [node.record(n, text) for n, text in enumerate(texts)]
    buffers = [records[:1200], records[1200:2600], records[2600:]]
    for number, some in enumerate(buffers[:2]):
        node.write_buffer(some, number=number)
    in_parts(weed, node, [body(some) for some in buffers])
    assert answer(node) == ({"stored": 2600}, [BY_PART, BY_PART])


def test_an_object_from_before_the_buffer_file_is_none_of_it(node: MadeNode, moto) -> None:
    """A clock of the node that is an hour ahead: the file seems to be newer than the object that holds it."""
    records = records_of(node)
    node.write_buffer(records, after_s=3 * 3600)
    put(moto, node, "A", body(records))
    states, proofs = answer(node)
    assert proofs == ["records"]
    assert states == {"stored": RECORDS}


def test_one_object_is_one_file(node: MadeNode, moto) -> None:
    """Two buffer files of the same content are the same records; two of other contents are not."""
    records = records_of(node)
    node.write_buffer(records, number=0)
    node.write_buffer(records, number=1)
    node.write_buffer(records_of(node, RECORDS), number=2)
    put(moto, node, "A", body(records))
    states, _ = answer(node)
    assert states == {"buffered": RECORDS, "stored": RECORDS}
