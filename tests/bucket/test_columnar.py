"""Columnar files: read whoever wrote them, written as Fluent Bit would."""

from __future__ import annotations

import errno
import io
import json
import tempfile
import tracemalloc
from contextlib import suppress
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from columns import made_by_fluent_bit, rows, table_of
from faults import disks
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from flbrecover.bucket import columnar, columnar_writing
from flbrecover.bucket.columnar import ColumnsUnreadError
from flbrecover.bucket.columnar_writing import NoTableError
from flbrecover.bucket.decoding import BodyDamaged, decoded
from flbrecover.bucket.object_body import make_body
from flbrecover.errors import FlbrecoverError
from flbrecover.fluentbit.column_form import comparable
from flbrecover.fluentbit.pipeline import S3Output

KINDS = [("parquet", codec) for codec in ("none", "snappy", "gzip", "zstd")] + [("arrow", "none"), ("arrow", "zstd")]
LINES = b"".join(
    b'{"date":"2026-11-23T11:38:28.%06dZ","log":"line %d","n":%d,"k":{"pod":"a","l":[1,null]}}\n' % (n, n, n)
    for n in range(300)
)


def forms(lines: bytes) -> list[bytes]:
    return [comparable(line) for line in lines.splitlines()]


def read(body: bytes, size: int = 1000) -> bytes:
    return b"".join(decoded(body[at : at + size] for at in range(0, len(body), size)))


def written(lines: bytes, record_format: str, codec: str = "none", **more: int) -> bytes:
    file = io.BytesIO()
    columnar_writing.write(io.BytesIO(lines), record_format, codec, file, **more)
    return file.getvalue()


@pytest.mark.parametrize(("record_format", "codec"), KINDS)
def test_a_file_of_fluent_bit(record_format: str, codec: str) -> None:
    assert read(made_by_fluent_bit(LINES, record_format, codec)) == LINES


@pytest.mark.parametrize(("record_format", "codec"), KINDS)
def test_a_written_file_is_of_the_same_kind(record_format: str, codec: str) -> None:
    body, theirs = written(LINES, record_format, codec), made_by_fluent_bit(LINES, record_format, codec)
    assert rows(body) == rows(theirs)
    assert written(LINES, record_format, codec) == body
    if record_format == "parquet":
        ours, other = (parquet.ParquetFile(io.BytesIO(b)) for b in (body, theirs))
        assert ours.schema.equals(other.schema)
        assert ours.schema_arrow.equals(other.schema_arrow, check_metadata=True)
        assert ours.metadata.format_version == other.metadata.format_version
        for n in range(ours.metadata.num_columns):
            mine, its = (f.metadata.row_group(0).column(n) for f in (ours, other))
            assert (mine.compression, mine.encodings) == (its.compression, its.encodings)
    else:
        assert body == theirs


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["2026-11-23", "2026-11-23 11:38:28", "2026-11-23T11:38Z", "0001-01-01"]),
)
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    st.one_of(st.none(), TEXTS, NUMBERS, st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "y", "é"]), inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)
COLUMNS = {  # of one kind each, mostly, so that many examples make a table
    "date": TEXTS,
    "n": st.one_of(st.none(), NUMBERS),
    "t": st.one_of(st.none(), TEXTS),
    "m": st.fixed_dictionaries({"a": NUMBERS}, optional={"b": st.lists(TEXTS, max_size=2), "c": st.none()}),
    "l": st.lists(st.fixed_dictionaries({}, optional={"x": TEXTS, "y": st.booleans()}), max_size=2),
}
RECORDS = st.fixed_dictionaries({}, optional=COLUMNS | {"any": VALUES})


def has_lost_count(lines: bytes) -> bool:
    """Where all lists of a column hold nothing but nulls, Arrow's JSON reader loses count of them."""
    try:
        table = table_of(lines)
    except (pa.ArrowException, OSError):
        return False
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False


@settings(suppress_health_check=[HealthCheck.too_slow])  # nothing is wrong with a test on a busy machine
@given(st.lists(RECORDS, min_size=1, max_size=6), st.sampled_from(KINDS), st.integers(1, 200))
@example([{"any": [None, ""]}], ("parquet", "none"), 1)
def test_what_was_a_row_is_a_record_again(records: list[dict], kind: tuple[str, str], block_size: int) -> None:
    lines = b"".join(json.dumps(r).encode() + b"\n" for r in records)
    if has_lost_count(lines):  # Fluent Bit's own file is damaged or none: ours is right, or none
        with suppress(NoTableError):
            assert forms(read(written(lines, *kind, block_size=block_size))) == forms(lines)
        return
    try:
        theirs = made_by_fluent_bit(lines, *kind)
    except (pa.ArrowException, OSError):
        with pytest.raises(NoTableError):
            written(lines, *kind, block_size=block_size)
        return
    assume(table_of(lines).num_columns)  # a table of no columns has no rows either
    assert forms(read(theirs)) == forms(lines)
    ours = written(lines, *kind, block_size=block_size)
    assert forms(read(ours)) == forms(lines)
    if kind[0] == "arrow":
        assert ipc.open_file(ours).schema == ipc.open_file(theirs).schema
    else:
        mine, its = (parquet.ParquetFile(io.BytesIO(b)).schema_arrow for b in (ours, theirs))
        assert mine == its


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (b'{"a":1}\n{"a":"x"}\n', "a"),
        (b'{"a":{"b":1}}\n{"a":{"b":[1]}}\n', "a/b"),
        (b'{"a":{}}\n', "no child field"),
        (b"{}\n{}\n", "empty"),
        (b'{"a":nan}\n', "Invalid value"),
        (b'{"\xff":1}\n', "not UTF-8"),
        (b'{"a":{"\xff":1}}\n', "UTF-8|utf-8"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "nested too deep"),
    ],
)
@pytest.mark.parametrize("block_size", [1, 1000])
def test_no_table(lines: bytes, what: str, block_size: int) -> None:
    with pytest.raises(NoTableError, match=what):
        written(lines, "parquet", block_size=block_size)
    output = S3Output(0, "b", format="parquet", compression="zstd")
    file = io.BytesIO()
    note = make_body(output, [lines], file)
    assert "make no table" in note and "\n" not in note
    assert file.read() == lines


def test_what_arrow_itself_gets_wrong_stays_json_lines() -> None:
    """Its reader loses count of nulls where all lists hold nothing else; the file is read back before it is stored."""
    lines = b'{"a":[null,null]}\n{"a":[null]}\n'
    file = io.BytesIO()
    note = make_body(S3Output(0, "b", format="arrow"), [lines], file)
    assert forms(read(file.getvalue())) == forms(lines)
    assert note == "" or file.read() == lines


def test_brackets_in_a_text_are_not_nested() -> None:
    lines = json.dumps({"a": "[" * 1000 + '"{'}).encode() + b"\n"
    assert forms(read(written(lines, "parquet"))) == forms(lines)


def test_bytes_that_are_no_text() -> None:
    """Old versions of Fluent Bit copied them; they are read as they are."""
    lines = b'{"a":"\xff\xfe","b":["\xc3"]}\n'
    for record_format in ("parquet", "arrow"):
        assert forms(read(written(lines, record_format))) == forms(lines)


def test_columns_that_others_make() -> None:
    table = pa.table(
        {
            "ms": pa.array([1, 1_700_000_000_123], pa.timestamp("ms", "UTC")),
            "day": pa.array([date(2026, 1, 2), None]),
            "sum": pa.array([Decimal("1.5"), None]),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "bytes": pa.array([b"\xff", None]),
            "large": pa.array(["l", None], pa.large_string()),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "time": pa.array([datetime(2026, 1, 1, tzinfo=timezone.utc), None], pa.timestamp("ns", "UTC")),
        }
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    first, second = read(sink.getvalue()).splitlines()
    assert json.loads(first) == {
        "ms": "1970-01-01T00:00:00.001Z", "day": "2026-01-02", "sum": "1.5", "kind": "x", "bytes": "\udcff",
        "large": "l", "map": "[('k', 1)]", "time": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert json.loads(second) == {"ms": "2023-11-14T22:13:20.123Z", "kind": "y"}


@pytest.mark.parametrize("record_format", ["parquet", "arrow"])
def test_damage_is_told_and_never_more_than_that(record_format: str) -> None:
    body = made_by_fluent_bit(LINES, record_format, "zstd")
    for size in (20, len(body) // 2, len(body) - 1):
        with pytest.raises(BodyDamaged, match="columnar file"):
            read(body[:size])
    with pytest.raises(BodyDamaged, match="columnar file"):
        read(body + b"more")


@given(st.sampled_from(["parquet", "arrow"]), st.data())
def test_any_byte_changed(record_format: str, data: st.DataObject) -> None:
    body = bytearray(made_by_fluent_bit(LINES[:2000].rpartition(b"\n")[0] + b"\n", record_format, "none"))
    at = data.draw(st.integers(8, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    with suppress(BodyDamaged, ColumnsUnreadError):
        read(bytes(body))


def test_a_row_that_is_repeated_without_end() -> None:
    """A dictionary page holds a large value once; every row of it costs the value again."""
    value = "x" * (1 << 20)
    table = pa.table({"a": pa.array([value]).dictionary_encode().take(pa.array([0] * 20_000))})
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd", store_schema=False)
    body = sink.getvalue()
    assert len(body) < 1 << 16
    tracemalloc.start()
    with pytest.raises(FlbrecoverError, match="not read to its end"):
        for _ in decoded([body]):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 30


def test_a_file_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "MAX_FILE", 100)
    with pytest.raises(ColumnsUnreadError, match="over 100 bytes"):
        read(made_by_fluent_bit(LINES, "parquet"))


def test_a_scratch_disk_that_is_full_at_the_end_of_a_small_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disks.small(tmp_path / "scratch", "4k") as scratch:
        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        with pytest.raises(FlbrecoverError, match=r"No space left on device.*TMPDIR"):
            list(columnar.lines([columnar.PARQUET + bytes(3000), bytes(3000)]))


def test_a_full_scratch_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115
    with pytest.raises(FlbrecoverError, match=r"No space left on device.*TMPDIR"):
        read(made_by_fluent_bit(LINES, "parquet"))
    with pytest.raises(OSError) as full:
        make_body(S3Output(0, "b", format="parquet"), [LINES], io.BytesIO())
    assert full.value.errno == errno.ENOSPC
