from __future__ import annotations

import gc
import os
import random
import tracemalloc
import zlib
from pathlib import Path

import pytest
from cases import unpack
from chunk_builder import NS, PAGE, chunk, event, joined, json_lines, old_event, put, store_name, zeroed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_builder import document
from otlp_builder import record as otlp_record

from flbrecover.evidence import engine_storage, store_dir
from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.evidence.node import Node
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import ByteRange

TAG = b"kube.var.log.shop"
NAME = store_name(TAG, 1795433046, 195312187)
JSON = RecordStyle()
PLAIN = RecordStyle(log_key="log")
OTLP = RecordStyle(format="otlp_json")
LINES = json_lines(200)
CONTENT = joined(LINES)
START = 24 + len(TAG)
SIZE = len(LINES[0]) + 1
WHOLE = chunk(TAG, CONTENT)


def stored(root: Path, data: bytes, style: RecordStyle = JSON, *, slack: bool = True) -> BufferRecords:
    put(root, f"/s3/bucket/2026-11-23T11:38:28/{NAME}", data)
    node = Node(root)
    (buffer,) = store_dir.scan(node, "/s3", tags=[TAG.decode()]).buffers
    return BufferRecords(node, buffer, style, slack=slack)


def engine(root: Path, data: bytes, style: RecordStyle = JSON, *, slack: bool = True) -> BufferRecords:
    put(root, "/flb/tail.0/7951-1795434084.222170455.flb", data)
    node = Node(root)
    (buffer,), _ = engine_storage.scan(node, "/flb", given_tag=TAG.decode())
    return BufferRecords(node, buffer, style, slack=slack)


def bytes_of(records: BufferRecords) -> list[bytes]:
    return [record.data for record in records]


def content_of(records: BufferRecords, data: bytes) -> bytes:
    """What of a file's bytes is its content."""
    where = records._buffer.content
    return data[where.start : where.end]


def ranges(records: BufferRecords) -> list[tuple[int, int]]:
    return [(p.where.start, p.where.end) for p in records.problems if p.where and p.unreadable]


# -- captured incidents ----------------------------------------------------------------------------------------------

COUNTS = {
    "credentials-expired": [100, 300],
    "fluent-bit-1.9": [350],
    "kubernetes-cri": [160, 160],
    "response-lost": [645],
    "response-lost-superset": [655],
    "rolling-update": [150, 200],
    "rotated-unread": [400],
    "sigkill-multipart": [1500],
    "sigkill-put-gzip": [400, 500],
    "storage-filesystem": [250],
}


@pytest.mark.parametrize("case", COUNTS)
def test_captured_files(case: str, tmp_path: Path) -> None:
    node = Node(unpack(case, tmp_path))
    counts = []
    for buffer in store_dir.scan(node, "/var/log/s3/temp").buffers:
        records = BufferRecords(node, buffer, JSON)
        found = list(records)
        counts.append(len(found))
        assert records.problems == []
        raw = node.host_path(buffer.path).read_bytes()
        content = raw[buffer.content.start : buffer.content.end]
        assert joined([r.data for r in found]) == content
        assert all(raw[r.span.start : r.span.end] == r.data and r.time_ns for r in found)
        assert (records.content_crc32, records.content_length) == (zlib.crc32(content), len(content))
    assert sorted(counts) == COUNTS[case]


def test_captured_chunks_are_rendered_as_the_output_would_have(tmp_path: Path) -> None:
    """The engine's chunks and the buffer file of the same run: the same application lines in the same form."""
    node = Node(unpack("storage-filesystem", tmp_path))
    lines = node.host_path("/var/log/containers/test-api.log").read_bytes().splitlines()
    chunks, _ = engine_storage.scan(node, "/var/log/flb-storage")
    (buffer,) = store_dir.scan(node, "/var/log/s3/temp").buffers
    rendered = BufferRecords(node, chunks[0], JSON)
    both = [r.data for records in (BufferRecords(node, buffer, JSON), rendered) for r in records]
    assert rendered.problems == []  # its checksum is right
    assert len(both) == 400
    for line, record in zip(lines, both, strict=False):
        date = record[: len(b'{"date":"2026-11-23T11:41:21.136063Z",')]
        assert record == date + b'"log":"' + line + b'"}'
    web = list(BufferRecords(node, chunks[1], JSON))
    assert len(web) == 90
    log = rb"seq=0000401 tab\t quote\" back\\slash unicode \u00e9 \u6f22 \u2603 nul-free <html>&amp; /path"
    assert web[0].data == b'{"date":"2026-11-23T11:41:27.195100Z","log":"' + log + b'"}'
    assert web[0].time_ns == 1795434087195100000


# -- damage to store_dir files ---------------------------------------------------------------------------------------


def line_at(number: int) -> int:
    return START + number * SIZE


def first_of(offset: int) -> int:
    """The number of the first line that begins at or behind an offset."""
    return -(-(offset - START) // SIZE)


# name of the damage: the file, the numbers of the lines that are left, the ranges that are not
DAMAGES: dict[str, tuple[bytes, list[int], list[tuple[int, int]]]] = {
    "none": (WHOLE, [*range(200)], []),
    "header zeroed": (zeroed(WHOLE, 0, 24), [*range(200)], []),
    "header page zeroed": (zeroed(WHOLE, 0, PAGE), [*range(first_of(PAGE), 200)], []),
    "a page in the middle zeroed": (
        zeroed(WHOLE, PAGE, 2 * PAGE),
        [*range(first_of(PAGE) - 1), *range(first_of(2 * PAGE), 200)],
        [(line_at(first_of(PAGE) - 1), line_at(first_of(2 * PAGE)) - 1)],
    ),
    "the last page zeroed": (
        zeroed(WHOLE, 2 * PAGE, START + len(CONTENT)),
        [*range(first_of(2 * PAGE) - 1)],
        [(line_at(first_of(2 * PAGE) - 1), START + len(CONTENT))],
    ),
    "truncated in a record": (WHOLE[: line_at(7) + 5], [*range(7)], [(line_at(7), line_at(7) + 5)]),
    "truncated before a newline": (WHOLE[: line_at(7) - 1], [*range(7)], []),
    "truncated behind a newline": (WHOLE[: line_at(7)], [*range(7)], []),
    "length beyond the file": (
        chunk(TAG, CONTENT, length=1 << 31),
        [*range(200)],
        [(START + len(CONTENT), len(WHOLE))],
    ),
    "length too small, in a record": (chunk(TAG, CONTENT, length=3 * SIZE + 9), [*range(200)], []),
    "length too small, between records": (chunk(TAG, CONTENT, length=3 * SIZE), [*range(200)], []),
    "length zero": (chunk(TAG, CONTENT, length=0), [*range(200)], []),
    "two records that ran together": (
        chunk(TAG, LINES[0] + LINES[1] + b"\n" + LINES[2] + b"\n"),
        [2],
        [(START, START + 2 * SIZE - 2)],
    ),
    "bytes that are no JSON": (
        chunk(TAG, LINES[0] + b"\n\xff\xfe garbage\n\n" + LINES[1] + b"\n"),
        [0, 1],
        [(START + SIZE, START + SIZE + 11)],
    ),
    "stale bytes in the slack": (
        chunk(TAG, CONTENT, slack=LINES[0][20:] + b"\n" + LINES[1][:20] + bytes(100)),
        [*range(200)],
        [],
    ),
    "zeros and records in the slack": (
        chunk(TAG, joined(LINES[:5]), slack=bytes(300) + joined(LINES[5:7]) + LINES[7] + bytes(100)),
        [*range(7)],
        [],
    ),
    "zeros only": (bytes(3 * PAGE), [], []),
    "zero bytes": (b"", [], []),
    "garbage": (bytes(range(1, 256)) * 40, [], []),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_whole_records_are_read_and_the_rest_is_listed(name: str, tmp_path: Path) -> None:
    data, left, lost = DAMAGES[name]
    records = stored(tmp_path, data)
    found = list(records)
    assert [r.data for r in found] == [LINES[n] for n in left]
    assert all(data[r.span.start : r.span.end] == r.data for r in found)
    assert [r.span.start for r in found] == sorted({r.span.start for r in found})
    assert ranges(records) == lost
    content = content_of(records, data)
    assert (records.content_crc32, records.content_length) == (zlib.crc32(content), len(content))


def test_records_from_the_slack_can_be_told_apart_and_left_out(tmp_path: Path) -> None:
    data = chunk(TAG, CONTENT, length=3 * SIZE)
    records = stored(tmp_path, data)
    end = START + 3 * SIZE
    assert [r.span.start >= end for r in records] == [False] * 3 + [True] * 197
    assert bytes_of(stored(tmp_path, data, slack=False)) == LINES[:3]
    torn = stored(tmp_path, chunk(TAG, CONTENT, length=3 * SIZE + 9), slack=False)
    assert bytes_of(torn) == LINES[:3] and ranges(torn) == [(end, end + 9)]


def test_stale_bytes_are_a_note_and_no_damage(tmp_path: Path) -> None:
    records = stored(tmp_path, DAMAGES["stale bytes in the slack"][0])
    assert len(list(records)) == 200
    assert [(p.unreadable, p.where) for p in records.problems] == [
        (False, ByteRange(START + len(CONTENT), len(DAMAGES["stale bytes in the slack"][0])))
    ]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(START, START + len(CONTENT) - 1), length=st.integers(1, 6000), fill=st.sampled_from([0, 1, 255])
)
def test_bytes_that_are_no_text_give_no_record_that_was_never_written(
    start: int, length: int, fill: int, tmp_path: Path
) -> None:
    end = min(start + length, START + len(CONTENT))
    data = WHOLE[:start] + bytes([fill]) * (end - start) + WHOLE[end:]
    records = stored(tmp_path, data)
    found = bytes_of(records)
    touched = range((start - START) // SIZE, (end - 1 - START) // SIZE + 1)
    if fill:  # without its newline a line is one with the next
        touched = range(touched.start, touched.stop + 1)
    elif (end - START) % SIZE == 0 and (start - START) % SIZE == SIZE - 1:
        touched = range(0)
    untouched = [line for n, line in enumerate(LINES) if n not in touched]
    taken = set(found)
    assert [line for line in untouched if line not in taken] == []
    assert taken <= set(LINES)
    assert len(found) == len(LINES) or ranges(records)


# -- plain lines -----------------------------------------------------------------------------------------------------


def test_plain_lines(tmp_path: Path) -> None:
    lines = [b"a line", b"", b"a line", b"\xff\xfe", b'{"not":"looked at']
    records = stored(tmp_path, chunk(TAG, joined(lines)), PLAIN)
    assert bytes_of(records) == lines and records.problems == []
    assert all(r.time_ns is None for r in records)


@pytest.mark.parametrize(
    ("content", "slack", "left", "lost"),
    [
        (b"one\ntwo\nthr", b"", [b"one", b"two"], [(START + 8, START + 11)]),
        (b"one\nt\0o\nthree\n", None, [b"one", b"three"], [(START + 4, START + 7)]),
        (b"one\n" + bytes(600) + b"\nthree\n", None, [b"one", b"three"], [(START + 4, START + 604)]),
        (b"one\n", b"two\nthree\n", [b"one"], [(START + 4, START + 14)]),
    ],
    ids=["torn at the end", "a NUL", "zeros", "text in the slack"],
)
def test_damaged_plain_lines(
    content: bytes, slack: bytes | None, left: list[bytes], lost: list[tuple[int, int]], tmp_path: Path
) -> None:
    records = stored(tmp_path, chunk(TAG, content, slack=slack), PLAIN)
    assert bytes_of(records) == left
    assert ranges(records) == lost


def test_the_first_plain_line_behind_a_lost_header_page_is_not_taken(tmp_path: Path) -> None:
    lines = [b"line number %05d" % n for n in range(600)]
    data = chunk(TAG, joined(lines))
    left = bytes_of(stored(tmp_path, zeroed(data, 0, PAGE), PLAIN))
    assert left == lines[-len(left) :]
    assert START + sum(len(line) + 1 for line in lines[: -len(left)]) > PAGE


def test_the_last_newline_zeroed(tmp_path: Path) -> None:
    end = START + len(CONTENT)
    records = stored(tmp_path, zeroed(WHOLE, end - 1, end))
    assert bytes_of(records) == LINES and ranges(records) == [(end - 1, end)]
    records = stored(tmp_path, zeroed(WHOLE, end - 2, end))
    assert bytes_of(records) == LINES[:-1] and ranges(records) == [(end - SIZE, end)]


# -- otlp ------------------------------------------------------------------------------------------------------------


def test_otlp_documents(tmp_path: Path) -> None:
    units = [otlp_record(n) for n in range(200)]
    content = document(units[:150]) + document(units[150:])
    data = chunk(TAG, content)
    records = stored(tmp_path, data, OTLP)
    assert bytes_of(records) == units and records.problems == []
    assert [r.time_ns for r in records] == [1795434084 * NS + n * 1000 for n in range(200)]
    assert [data[r.span.start : r.span.end] for r in records] == units
    damaged = stored(tmp_path, zeroed(data, PAGE, PAGE + 512), OTLP)
    hit = [u for u in units if data.index(u) < PAGE + 512 and data.index(u) + len(u) > PAGE]
    assert bytes_of(damaged) == [u for u in units if u not in hit]
    assert ranges(damaged) == [(data.index(hit[0]) - 1, data.index(hit[-1]) + len(hit[-1]) + 1)]


def test_otlp_documents_that_are_cut(tmp_path: Path) -> None:
    units = [otlp_record(n) for n in range(200)]
    content = document(units)
    torn = stored(tmp_path, chunk(TAG, content)[: START + content.index(units[150]) + 9], OTLP)
    assert bytes_of(torn) == units[:150]
    assert ranges(torn) == [(START + content.index(units[150]) - 1, START + content.index(units[150]) + 9)]
    end = content.index(units[90]) + 9
    for slack in (True, False):  # the header's length ends inside a record
        short = stored(tmp_path, chunk(TAG, content, length=end), OTLP, slack=slack)
        assert bytes_of(short) == (units if slack else units[:90])
        assert (ranges(short) == []) is slack
    whole = stored(tmp_path, chunk(TAG, content, length=content.index(units[90]) - 1), OTLP)
    assert bytes_of(whole) == units


# -- hostile ---------------------------------------------------------------------------------------------------------


def test_huge_deep_and_odd_records(tmp_path: Path) -> None:
    lines = [
        b'{"log":"' + b"x" * (5 << 20) + b'"}',
        b'{"log":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"log":"\xed\xa0\x80"}',
        b'{"log":nan}',
        b'{"log":"' + b"\\\\" * 100 + b'"}',
    ]
    records = stored(tmp_path, chunk(TAG, joined(lines)))
    assert bytes_of(records) == lines and records.problems == []


def test_a_deep_line_that_is_not_whole(tmp_path: Path) -> None:
    records = stored(tmp_path, chunk(TAG, b'{"log":' + b"[" * 200_000 + b"}\n" + joined(LINES[:1])))
    assert bytes_of(records) == LINES[:1]
    assert len(ranges(records)) == 1


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(content: bytes) -> int:
        records = stored(tmp_path, chunk(TAG, content))
        gc.collect()
        tracemalloc.start()
        count = sum(1 for _ in records)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == content.count(b"\n")
        return used

    small, large = peak(CONTENT * 40), peak(CONTENT * 160)
    assert large < small + (1 << 19)


def test_many_damages_are_listed_up_to_a_bound(tmp_path: Path) -> None:
    records = stored(tmp_path, chunk(TAG, b"".join(b"bad\n" + LINES[0] + b"\n" for _ in range(3000))))
    assert len(bytes_of(records)) == 3000
    assert len(records.problems) == 1000
    assert ranges(records)[-1][1] == START + 3000 * (SIZE + 4) - SIZE - 1


# -- the file itself -------------------------------------------------------------------------------------------------


def test_it_can_be_read_again_and_in_part(tmp_path: Path) -> None:
    records = stored(tmp_path, DAMAGES["a page in the middle zeroed"][0])
    assert next(iter(records)).data == LINES[0]
    assert bytes_of(records) == bytes_of(records)
    assert len(records.problems) == 1


@pytest.mark.parametrize("change", ["grow", "shrink", "touch", "replace", "remove"])
def test_a_file_that_changes_is_noticed(change: str, tmp_path: Path) -> None:
    records = stored(tmp_path, WHOLE)
    file = tmp_path / f"s3/bucket/2026-11-23T11:38:28/{NAME}"
    if change == "grow":
        file.write_bytes(WHOLE + joined(LINES))
    elif change == "shrink":
        file.write_bytes(WHOLE[:5000])
    elif change == "touch":
        os.utime(file, ns=(0, 12345))
    elif change == "replace":
        file.rename(file.with_name("old"))
        file.write_bytes(WHOLE)
    else:
        file.unlink()
    found = bytes_of(records)
    assert set(found) <= set(LINES)
    assert any(p.unreadable and ("changed" in p.what or "cannot be read" in p.what) for p in records.problems)
    read_whole = records.content_length == len(content_of(records, WHOLE))
    assert read_whole == (change not in ("shrink", "remove"))


# -- engine chunks ---------------------------------------------------------------------------------------------------

META = b"\xf1\x77\x00\x00" + TAG
T = 1795434084
EVENTS = [event(T, n * 1000, {"log": f"seq={n:07} a line"}) for n in range(200)]
ESTART = 24 + len(META)
ESIZE = len(EVENTS[0])
RENDERED = [b'{"date":"2026-11-23T11:41:24.%06dZ","log":"seq=%07d a line"}' % (n, n) for n in range(200)]


@pytest.mark.parametrize("crc", ["none", "finished", "running"])
@pytest.mark.parametrize("length", [None, 0])
def test_a_chunk(crc: str, length: int | None, tmp_path: Path) -> None:
    records = engine(tmp_path, chunk(META, b"".join(EVENTS), crc=crc, length=length))
    assert bytes_of(records) == RENDERED and records.problems == []
    assert [r.time_ns for r in records] == [T * NS + n * 1000 for n in range(200)]
    assert [r.span.start for r in records] == [ESTART + n * ESIZE for n in range(200)]


def test_a_wrong_checksum_is_said_and_the_records_are_read(tmp_path: Path) -> None:
    data = bytearray(chunk(META, b"".join(EVENTS), crc="finished"))
    data[ESTART + 5 * ESIZE - 1] ^= 1
    records = engine(tmp_path, bytes(data))
    found = bytes_of(records)
    assert len(found) == 200 and found[4] != RENDERED[4]
    assert [p.unreadable for p in records.problems] == [True] and "checksum" in records.problems[0].what


def test_a_number_that_ends_in_zeros_ends_a_chunk_without_length(tmp_path: Path) -> None:
    for value, text in ((0, b"0"), (1.0, b"1.0"), (256, b"256")):
        content = EVENTS[0] + event(T, 1000, {"n": value})
        for crc in ("none", "finished"):
            records = engine(tmp_path, chunk(META, content, length=0, crc=crc))
            assert bytes_of(records) == [RENDERED[0], b'{"date":"2026-11-23T11:41:24.000001Z","n":' + text + b"}"]
            assert records.problems == []


ECONTENT = b"".join(EVENTS)
EWHOLE = chunk(META, ECONTENT)
EDAMAGES: dict[str, tuple[bytes, list[int], list[tuple[int, int]]]] = {
    "a page in the middle zeroed": (
        zeroed(EWHOLE, PAGE, PAGE + 2048),
        [n for n in range(200) if ESTART + (n + 1) * ESIZE <= PAGE or ESTART + n * ESIZE >= PAGE + 2048],
        [(PAGE - (PAGE - ESTART) % ESIZE, PAGE + 2048 + (ESTART - PAGE - 2048) % ESIZE)],
    ),
    "half an event": (
        EWHOLE[: ESTART + 10 * ESIZE - 3],
        [*range(9)],
        [(ESTART + 9 * ESIZE, ESTART + 10 * ESIZE - 3)],
    ),
    "length too small, in an event": (chunk(META, ECONTENT, length=3 * ESIZE + 5), [*range(200)], []),
    "length too small, between events": (chunk(META, ECONTENT, length=3 * ESIZE), [*range(200)], []),
    "length too small, and zeros": (
        zeroed(chunk(META, ECONTENT, length=4 * ESIZE - 3), ESTART + 4 * ESIZE - 3, len(EWHOLE)),
        [*range(3)],
        [(ESTART + 3 * ESIZE, ESTART + 4 * ESIZE - 3)],
    ),
    "stale bytes in the slack": (chunk(META, ECONTENT, slack=EVENTS[0][9:] + EVENTS[1]), [*range(200)], []),
    "header zeroed": (zeroed(EWHOLE, 0, 24), [*range(200)], []),
    "header page zeroed": (zeroed(EWHOLE, 0, PAGE), [n for n in range(200) if ESTART + n * ESIZE >= PAGE], []),
    "zeros only": (bytes(PAGE), [], []),
    "zero bytes": (b"", [], []),
    "garbage": (bytes(range(1, 200)) * 50, [], []),
}


@pytest.mark.parametrize("name", EDAMAGES)
def test_whole_events_are_read_and_the_rest_is_listed(name: str, tmp_path: Path) -> None:
    data, left, lost = EDAMAGES[name]
    records = engine(tmp_path, data)
    assert bytes_of(records) == [RENDERED[n] for n in left]
    assert ranges(records) == lost


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(0, 8), count=st.integers(1, 4), seed=st.integers(0, 1000))
def test_zeroed_sectors_give_no_event_that_was_never_written(first: int, count: int, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    texts = ["y" * rng.randrange(1, 900) for _ in range(12)]
    content = b"".join(event(T, n, {"log": text}) for n, text in enumerate(texts))
    data = zeroed(chunk(META, content), first * 512, (first + count) * 512)
    written = {b'{"date":"2026-11-23T11:41:24.000000Z","log":"' + text.encode() + b'"}' for text in texts}
    assert set(bytes_of(engine(tmp_path, data))) <= written


def test_log_key_of_events(tmp_path: Path) -> None:
    values: list[object] = ["one", "two\nlines\n", "", 5, {"a": 1}]
    packed = [event(T, n, {"log": value}) for n, value in enumerate(values)] + [event(T, 9, {"other": 1})]
    records = engine(tmp_path, chunk(META, b"".join(packed)), PLAIN)
    found = list(records)
    assert [r.data for r in found] == [b"one", b"two", b"lines", b"", b"", b"5", b'{"a":1}']
    assert [r.time_ns for r in found] == [T * NS + n for n in (0, 1, 1, 1, 2, 3, 4)]
    ends = [0, *(r.span.end for r in found)]
    assert all(end <= r.span.start < r.span.end for end, r in zip(ends, found, strict=False))
    assert [(p.unreadable, p.what[:8]) for p in records.problems] == [(False, "1 events")]


def test_old_events_and_metadata(tmp_path: Path) -> None:
    content = old_event(T, {"log": "old"}) + event(T, 0, {"log": "new"}, {"m": 1})
    start = b'{"date":"2026-11-23T11:41:24.000000Z",'
    assert bytes_of(engine(tmp_path, chunk(META, content))) == [
        start + b'"log":"old"}',
        start + b'"__internal__":{"log_metadata":{"m":1}},"log":"new"}',
    ]


def test_events_as_otlp(tmp_path: Path) -> None:
    content = event(T, 5, {"log": "x", "more": 1}) + event(T, 6, {"a": 1.5}) + event(T, 7, {"log": "y"}, {"otlp": {}})
    records = engine(tmp_path, chunk(META, content), OTLP)
    values = b'[{"key":"a","value":{"doubleValue":1.5}}]'
    assert bytes_of(records) == [
        b'{"timeUnixNano":"%d","body":{"stringValue":"x"}}' % (T * NS + 5),
        b'{"timeUnixNano":"%d","body":{"kvlistValue":{"values":%s}}}' % (T * NS + 6, values),
    ]
    assert [r.time_ns for r in records] == [T * NS + 5, T * NS + 6]
    assert [p.unreadable for p in records.problems] == [True] and "1 events" in records.problems[0].what
