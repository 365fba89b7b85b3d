from __future__ import annotations

import itertools
import struct
from typing import Any

import msgpack
import pytest
from chunk_builder import NS, event, ext_time, old_event
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit.engine_chunk import EVENT_START, Event, EventDecoder, Metadata, created_ns, parse_metadata
from flbrecover.fluentbit.record_split import Unread
from flbrecover.fluentbit.values import Ext, Fields, JsonKey, Value
from flbrecover.model import ByteRange

T, N = 1795434084, 222170455


def run(data: bytes, size: int = 4096, start: int = 0, **options: int) -> list[Event | Unread]:
    decoder = EventDecoder(start, **options)
    found: list[Event | Unread] = []
    for at in range(0, len(data), size):
        found += decoder.feed(data[at : at + size])
    return [*found, *decoder.rest()]


def events(data: bytes, size: int = 4096) -> list[Event]:
    found = run(data, size)
    assert all(isinstance(item, Event) for item in found), found
    return [item for item in found if isinstance(item, Event)]


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (b"kube.var.log", Metadata(b"kube.var.log", "logs")),
        (b"\xf1\x77\x00\x00app", Metadata(b"app", "logs")),
        (b"\xf1\x77\x01\x00app", Metadata(b"app", "metrics")),
        (b"\xf1\x77\x02\x00app", Metadata(b"app", "traces")),
        (b"\xf1\x77\x03\x00app", Metadata(b"app", "blobs")),
        (b"\xf1\x77\x04\x00app", Metadata(b"app", "profiles")),
        (b"\xf1\x77\x63\x00app", Metadata(b"app", "unknown")),
        (b"\xf1\x77\x00\x03app\x00\x00\x04\x00\x01\x00\x07", Metadata(b"app", "logs", routed=True)),
        (b"\xf1\x77\x00\x00", Metadata(b"", "logs")),
        (b"\xf1\x77", Metadata(b"\xf1\x77", "logs")),
        (b"", Metadata(b"", "logs")),
    ],
)
def test_metadata_of_all_generations(meta: bytes, expected: Metadata) -> None:
    assert parse_metadata(meta) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("7951-1795434084.222170455.flb", 1795434084222170455),
        ("1-1795434084.  42.flb", 1795434084000000042),
        ("1-1795434084.42.flb", 1795434084000000042),
        ("1-1795434084.flb", None),
        ("1-1795434084.222170455", None),
        ("app_500_s3.0_0x7f001c.flb", None),
    ],
)
def test_creation_time_of_a_name(name: str, expected: int | None) -> None:
    assert created_ns(name) == expected


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=30).map(lambda b: b + b"x")
)
KEYS = st.binary(max_size=5)


def pairs(inner: Any) -> Any:
    return st.lists(st.tuples(KEYS, inner), max_size=4).map(tuple)


VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | pairs(inner), max_leaves=10)


def pack(value: Value) -> bytes:
    """msgpack of a value, duplicate keys and all."""
    packer = msgpack.Packer(use_bin_type=False)
    if isinstance(value, tuple):
        return packer.pack_map_header(len(value)) + b"".join(pack(k) + pack(v) for k, v in value)
    if isinstance(value, list):
        return packer.pack_array_header(len(value)) + b"".join(map(pack, value))
    return packer.pack(value)


def pack_event(fields: Fields, metadata: Fields = (), seconds: int = T, nanos: int = N) -> bytes:
    return b"\x92\x92\xd7\x00" + struct.pack(">II", seconds, nanos) + pack(metadata) + pack(fields)


@settings(max_examples=100)
@given(
    records=st.lists(st.tuples(pairs(VALUES), pairs(SCALARS)), min_size=1, max_size=5),
    size=st.integers(1, 300),
    start=st.integers(0, 1000),
)
def test_events_come_back_whatever_the_blocks(records: list[tuple[Fields, Fields]], size: int, start: int) -> None:
    packed = [pack_event(fields, metadata) for fields, metadata in records]
    assume(not any(EVENT_START in one[1:] for one in packed))  # taken for damage, on purpose
    data = b"".join(packed)
    found = run(data, size, start)
    assert [(e.fields, e.metadata, e.time_ns) for e in found if isinstance(e, Event)] == [
        (fields, metadata, T * NS + N) for fields, metadata in records
    ]
    assert [data[e.span.start - start : e.span.end - start] for e in found] == packed


@pytest.mark.parametrize(
    ("when", "time_ns"),
    [
        (ext_time(T, N), T * NS + N),
        (T, T * NS),
        (float(T) + 0.5, T * NS + NS // 2),
        (0, 0),
        (ext_time(0xFFFFFFFD, 0), 0xFFFFFFFD * NS),
        (ext_time(0xFFFFFFFF, 1), 0xFFFFFFFF * NS + 1),
    ],
)
def test_both_generations_and_all_kinds_of_time(when: Any, time_ns: int) -> None:
    for data in (old_event(when, {"log": "x"}), old_event([when, {"m": 1}], {"log": "x"})):
        (found,) = events(data)
        assert found.time_ns == time_ns
        assert found.fields == ((b"log", b"x"),)


@pytest.mark.parametrize(
    "value",
    [
        [ext_time(T, NS), {}],
        [msgpack.ExtType(0, b"\0\0\0\1"), {}],
        [-5, {}],
        [True, {}],
        [float("nan"), {}],
        [float("inf"), {}],
        [10**18, {}],
        ["now", {}],
        [T],
        [T, {}, {}],
        [T, []],
        [T, "log"],
        [[T], {}],
        [[T, []], {}],
        {"log": "x"},
        7,
        None,
    ],
    ids=str,
)
def test_what_is_no_event(value: Any) -> None:
    good = event(T, N, {"log": "after"})
    bad = msgpack.packb(value)
    found = run(bad + good)
    assert [e.fields for e in found if isinstance(e, Event)] == [((b"log", b"after"),)]
    assert [u.span for u in found if isinstance(u, Unread)] == [ByteRange(0, len(bad))]


def test_groups_are_remembered_and_not_given() -> None:
    start = old_event([ext_time(0xFFFFFFFF, 0), {"schema": "otlp"}], {"resource": {"a": 1}})
    end = old_event([ext_time(0xFFFFFFFE, 0), {}], {})
    data = event(T, 1, {"n": 1}) + start + event(T, 2, {"n": 2}) + event(T, 3, {"n": 3}) + end + event(T, 4, {"n": 4})
    attributes = ((b"resource", ((b"a", 1),)),)
    assert [e.group for e in events(data)] == [None, attributes, attributes, None]
    assert [e.group for e in events(data, size=1)] == [None, attributes, attributes, None]


def test_odd_keys_and_extensions_are_marked() -> None:
    body = msgpack.packb(
        {1: b"a", None: b"b", "t": msgpack.Timestamp(5), "e": msgpack.ExtType(7, b"zz"), (1, 2): 0}, use_bin_type=False
    )
    data = b"\x92\x92\xd7\x00" + struct.pack(">II", T, N) + b"\x80" + body
    (found,) = events(data)
    keys, values = zip(*found.fields, strict=True)
    assert keys == (b"1", b"null", b"t", b"e", b"[1,2]")
    assert [isinstance(key, JsonKey) for key in keys] == [True, True, False, False, True]
    assert isinstance(values[2], Ext) and values[2] == b"\0\0\0\5"
    assert isinstance(values[3], Ext) and values[3] == b"zz"


def nested(depth: int) -> bytes:
    """An event of which lists and maps are nested this deep, itself included."""
    inner = b"\x91" * (depth - 2) + b"\x01"
    return b"\x92\x92\xd7\x00" + struct.pack(">II", T, N) + b"\x80" + b"\x81\xa1v" + inner


def test_nesting_is_taken_as_deep_as_fluent_bit_takes_it() -> None:
    assert len(events(nested(32))) == 1
    (found,) = run(nested(33))
    assert isinstance(found, Unread)


GOOD = [event(T, n, {"log": f"seq={n:07} a line of a log"}) for n in range(40)]


def damaged(first: int, count: int, bad: bytes) -> tuple[bytes, list[int]]:
    """The events with ``count`` of them replaced, and the numbers of the others."""
    kept = [n for n in range(len(GOOD)) if not first <= n < first + count]
    return b"".join([*GOOD[:first], bad, *GOOD[first + count :]]), kept


SIZE = len(GOOD[0])
DAMAGES = {
    "garbage": damaged(10, 2, b"\xc1\xff garbage \x00\x01" * 9),
    "zeroed page": damaged(10, 20, bytes(20 * SIZE)),
    "zeros from the middle of an event on": damaged(10, 20, GOOD[10][:30] + bytes(20 * SIZE - 30)),
    "zeros up to the middle of an event": damaged(10, 20, bytes(19 * SIZE + 5) + GOOD[29][5:]),
    "a zeroed end of a string, and more": damaged(10, 1, GOOD[10][:-3] + bytes(3) + bytes(40)),
    "a zeroed end of a string at a sector's end": damaged(10, 1, GOOD[10][:-12] + bytes(12)),
    "a wrong length that swallows others": damaged(10, 1, GOOD[10].replace(b"\xa3log\xbb", b"\xa3log\xda\x00\x78")),
    "a million levels": damaged(10, 1, b"\x92\x92\xd7\x00" + bytes(8) + b"\x80\x81\xa1v" + b"\x91" * 1_000_000),
    "a list of 4 billion": damaged(10, 1, b"\x92\x92\xd7\x00" + bytes(8) + b"\x80\x81\xa1v\xdd\xff\xff\xff\xff"),
    "a string of 4 GiB": damaged(10, 1, b"\x92\x92\xd7\x00" + bytes(8) + b"\x80\x81\xa1v\xdb\xff\xff\xff\xff"),
    "a timestamp of the wrong size": damaged(10, 1, b"\x92\x92\xd7\x00" + bytes(8) + b"\x80\x81\xa1v\xd4\xff\x00"),
}


@pytest.mark.parametrize("size", [97, 1 << 18])
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_costs_what_it_touches_and_no_more(name: str, size: int) -> None:
    data, kept = DAMAGES[name]
    found = run(data, size)
    assert [e.time_ns - T * NS for e in found if isinstance(e, Event)] == kept
    lost = [item.span for item in found if isinstance(item, Unread)]
    behind = len([n for n in kept if n > 10])
    assert [lost[0].start, lost[-1].end] == [10 * SIZE, len(data) - behind * SIZE]
    assert all(one.end == next_one.start for one, next_one in itertools.pairwise(lost))


def test_half_an_event_at_the_end() -> None:
    data = b"".join(GOOD)
    for cut in (1, 5, SIZE - 1):
        found = run(data[:-cut])
        assert len([e for e in found if isinstance(e, Event)]) == 39
        assert found[-1] == Unread(ByteRange(39 * SIZE, len(data) - cut), "half an event")


def test_zeros_that_are_values_are_no_damage() -> None:
    values = [0, [0] * 30, "two nuls\0\0", 0.0]
    data = b"".join(event(T, n, {"v": value}) for n, value in enumerate(values))
    assert len(events(data)) == 4
    assert len(events(data, size=1)) == 4


def test_an_event_too_long_is_passed_over_and_not_held() -> None:
    decoder = EventDecoder(limit=1000)
    data = GOOD[0] + event(T, 5, {"log": "x" * 5000}) + GOOD[1]
    found: list[Event | Unread] = []
    for at in range(0, len(data), 50):
        found += decoder.feed(data[at : at + 50])
        assert len(decoder._buffer) <= 2 * 1000 + 200
    found += decoder.rest()
    assert [e.time_ns - T * NS for e in found if isinstance(e, Event)] == [0, 1]


def test_too_many_containers_are_no_event() -> None:
    many = b"\xdd" + struct.pack(">I", 90_000) + b"\x96\x90\x90\x90\x90\x90\x90" * 90_000
    data = b"\x92\x92\xd7\x00" + struct.pack(">II", T, N) + b"\x80\x81\xa1v" + many
    found = run(data + GOOD[0])
    assert [type(item) for item in found] == [Unread, Event]


@settings(max_examples=100)
@given(data=st.binary(max_size=400), size=st.integers(1, 100))
def test_any_bytes_are_accounted_for(data: bytes, size: int) -> None:
    found = run(data + GOOD[0] + GOOD[1], size)
    assert [e.time_ns for e in found if isinstance(e, Event)][-1] == T * NS + 1
    at = 0
    for item in found:
        assert item.span.start == at
        at = item.span.end
    assert at == len(data) + 2 * SIZE
