"""Parquet and Arrow files, as the s3 output makes them of its JSON lines: rows out, rows in.

Needs the extra ``columnar`` (pyarrow), which is imported where it is used and nowhere else. Source:
src/aws/compression/arrow/compress.c of 5.1.1; the rules are in docs/formats/columnar.md.
"""

from __future__ import annotations

import importlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, BinaryIO

from flbrecover.errors import BucketError, FlbrecoverError
from flbrecover.fluentbit.column_form import COLUMNAR, comparable, timestamp_text
from flbrecover.fluentbit.pipeline import Compression, RecordFormat, S3Output

if TYPE_CHECKING:
    import pyarrow

PARQUET = b"PAR1"
ARROW = b"ARROW1\0\0"
MAX_FILE = 2 * 1024**3  # bytes; Fluent Bit makes one of at most 1 GB of JSON
BLOCK = 16 * 1024**2  # bytes of JSON that are turned into columns at once
ROWS, FEWEST = 64, 8  # rows that are taken out at once, fewer of a large file
MOST_OF_ROWS = 1024**3  # bytes that these rows may come to, for one value can be as large as the whole file
MAX_NESTING = 200  # brackets of one record that Arrow's recursive reader is given; Fluent Bit writes at most 32 deep
IPC_ROWS = 64 * 1024  # rows of one record batch, as Feather has them
_READ = 1024 * 1024
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class ExtraMissingError(BucketError):
    """The extra ``columnar`` is not installed. Exit code 4: what the objects hold cannot be read."""

    exit_code = 4


class ColumnsUnreadError(BucketError):
    """A columnar file that is not read, though others may be able to."""


class ColumnsDamagedError(Exception):
    """A columnar file that is none, or is damaged; nobody can read it."""


class NoTableError(Exception):
    """Records that do not make a table: a field that is text here and a number there. Fluent Bit fails on them too."""


def need(what: str) -> None:
    """Raises ExtraMissingError, as one line that begins with ``what``, where pyarrow is not installed."""
    try:
        importlib.import_module("pyarrow")
    except ImportError as e:
        raise ExtraMissingError(f"{what}: that needs the extra columnar, pip install 'flbrecover[columnar]'") from e


def need_for(output: S3Output) -> None:
    """Raises ExtraMissingError where the objects of this output need pyarrow and it is not installed."""
    if output.format in COLUMNAR:
        need(f"output {output.name} writes {output.format}, nothing of it was compared or stored")


def lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The rows of a Parquet or Arrow file as JSON lines, in blocks of whole lines. What is null is left out.

    The file is put aside first, for its directory stands at its end. Raises ExtraMissingError, ColumnsUnreadError,
    ColumnsDamagedError, and FlbrecoverError where the scratch disk is full.
    """
    need("a columnar file")
    with _scratch() as file:
        size = 0
        for block in blocks:
            size += len(block)
            if size > MAX_FILE:
                raise ColumnsUnreadError(f"a columnar file of over {MAX_FILE} bytes is not read")
            try:
                file.write(block)
            except OSError as e:
                raise _no_room(e) from e
        yield from _rows_of(file)


def _scratch() -> BinaryIO:
    try:
        return tempfile.TemporaryFile(prefix="flbrecover-")
    except OSError as e:
        raise _no_room(e) from e


def _no_room(error: OSError) -> FlbrecoverError:
    where = tempfile.gettempdir()
    return FlbrecoverError(f"{where}: {error.strerror} (scratch space; set TMPDIR to a folder with room)")


def write(
    json_lines: BinaryIO,
    record_format: RecordFormat,
    compression: Compression,
    file: BinaryIO,
    *,
    block_size: int = BLOCK,
) -> None:
    """Turns a file of JSON lines into the columnar file that Fluent Bit would make of them, and reads it back.

    The same lines give the same bytes (with the same pyarrow). Memory does not grow with the number of lines. Raises
    NoTableError where the lines do not come back out of the file, OSError where the disk is full.
    """
    import pyarrow as pa

    columns = _Columns()
    for block in _blocks(json_lines, block_size):
        columns.add(block)
    schema = pa.schema([pa.field(name, kind) for name, kind in columns.kinds.items()])
    try:
        with _writer(file, schema, record_format, compression) as writer:
            for block in _blocks(json_lines, block_size):
                writer.write_table(_table(block, schema), IPC_ROWS if record_format == "arrow" else None)
    except pa.ArrowException as e:
        raise NoTableError(_first_line(e)) from e
    json_lines.seek(0)
    try:
        rows = (row for block in _rows_of(file) for row in block.splitlines())
        for line, row in zip_longest(json_lines, rows):
            if line is None or row is None or comparable(line.rstrip(b"\n")) != comparable(row):
                raise NoTableError("its columns do not hold everything")
    except (ColumnsDamagedError, ColumnsUnreadError) as e:
        raise NoTableError(str(e)) from e


# -- reading ---------------------------------------------------------------------------------------------------------


def _rows_of(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of JSON lines."""
    import pyarrow as pa

    file.seek(0)
    batches = _parquet_batches if file.read(len(PARQUET)) == PARQUET else _arrow_batches
    file.seek(0)
    found = batches(file)
    while True:
        try:
            batch = next(found, None)
            if batch is None:
                return
            block = _as_lines(batch)
        except UnicodeDecodeError as e:
            raise ColumnsUnreadError("a columnar file with a column whose name is not UTF-8") from e
        except (MemoryError, RecursionError) as e:
            raise ColumnsUnreadError(f"a columnar file that is too large to be read ({e})") from e
        except (pa.ArrowException, OSError, ValueError) as e:
            raise ColumnsDamagedError(f"columnar file: {_first_line(e)}") from e
        if block:
            yield block


def _parquet_batches(file: BinaryIO) -> Iterator[pyarrow.RecordBatch]:
    from pyarrow import parquet

    found = parquet.ParquetFile(file, pre_buffer=False, buffer_size=_READ)
    meta = found.metadata  # of its row groups only: Arrow ends the process where a column's metadata is damaged
    largest = max((meta.row_group(n).total_byte_size for n in range(meta.num_row_groups)), default=0)
    yield from found.iter_batches(max(FEWEST, min(ROWS, MOST_OF_ROWS // max(1, largest))), use_threads=False)


def _arrow_batches(file: BinaryIO) -> Iterator[pyarrow.RecordBatch]:
    from pyarrow import ipc

    found = ipc.open_file(file, options=ipc.IpcReadOptions(use_threads=False))
    for number in range(found.num_record_batches):
        batch = found.get_batch(number)
        batch.validate()
        for start in range(0, batch.num_rows, ROWS):
            yield batch.slice(start, ROWS)


def _as_lines(batch: pyarrow.RecordBatch) -> bytes:
    names = batch.schema.names
    columns = []
    for column in batch.columns:
        plain, value_of = _plain(column.type)
        values = column if plain == column.type else column.cast(plain)
        values.validate(full=True)  # as bytes: texts that are not UTF-8 are no damage
        columns.append([None if v is None else value_of(v) for v in values.to_pylist()])
    rows = zip(*columns, strict=True) if columns else [()] * batch.num_rows
    found = ({n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows)
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in found).encode("ascii")


def _plain(kind: pyarrow.DataType) -> tuple[pyarrow.DataType, Callable[[Any], Any]]:
    """The type that a column is read as (texts need not be UTF-8, times need not fit into Python's), and what makes
    a JSON value of one of its values."""
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_string(kind) or is_a.is_binary(kind):
        return pa.binary(), lambda v: v.decode("utf-8", "surrogateescape")
    if is_a.is_large_string(kind) or is_a.is_large_binary(kind):
        return pa.large_binary(), lambda v: v.decode("utf-8", "surrogateescape")
    if is_a.is_timestamp(kind):
        return pa.int64(), lambda v: _time(v, kind.unit)
    if is_a.is_struct(kind):
        fields = [kind.field(n) for n in range(kind.num_fields)]
        plain = {f.name: _plain(f.type) for f in fields}
        made = pa.struct([pa.field(f.name, plain[f.name][0]) for f in fields])
        return made, lambda v: {n: plain[n][1](inner) for n, inner in v.items() if inner is not None}
    if is_a.is_list(kind) or is_a.is_large_list(kind):
        item, value_of = _plain(kind.value_type)
        wrap = pa.list_ if is_a.is_list(kind) else pa.large_list
        made = wrap(pa.field(kind.value_field.name, item))
        return made, lambda v: [None if inner is None else value_of(inner) for inner in v]
    if is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_boolean(kind) or is_a.is_null(kind):
        return kind, lambda v: v
    return kind, str  # Fluent Bit makes no such column


def _time(value: int, unit: str) -> str:
    seconds, fraction = divmod(value, _PER_SECOND[unit])
    text = timestamp_text(seconds)
    return f"{text[:-1]}.{fraction:0{len(str(_PER_SECOND[unit])) - 1}}Z" if fraction else text


# -- writing ---------------------------------------------------------------------------------------------------------


class _Columns:
    """The columns that blocks of JSON lines need together: those that Arrow's reader would find in all of it."""

    def __init__(self) -> None:
        self.kinds: dict[str, pyarrow.DataType] = {}

    def add(self, block: bytes) -> None:
        schema = _table(block, None).schema
        try:
            names = schema.names
        except UnicodeDecodeError as e:
            raise NoTableError("a field whose name is not UTF-8") from e
        for name, kind in zip(names, schema.types, strict=True):
            known = self.kinds.get(name)
            self.kinds[name] = kind if known is None else _common(known, kind, name)


def _common(one: pyarrow.DataType, other: pyarrow.DataType, name: str) -> pyarrow.DataType:
    """The type that holds the values of both, by the rules of Arrow's JSON reader."""
    import pyarrow as pa

    is_a = pa.types
    if one == other or is_a.is_null(other):
        return one
    if is_a.is_null(one):
        return other
    kinds = {one, other}
    if kinds == {pa.int64(), pa.float64()}:
        return pa.float64()
    if kinds == {pa.timestamp("s"), pa.string()}:
        return pa.string()
    if is_a.is_list(one) and is_a.is_list(other):
        return pa.list_(_common(one.value_type, other.value_type, f"{name}/[]"))
    if is_a.is_struct(one) and is_a.is_struct(other):
        fields = {f.name: f.type for f in one}
        for f in other:
            fields[f.name] = _common(fields[f.name], f.type, f"{name}/{f.name}") if f.name in fields else f.type
        return pa.struct(list(fields.items()))
    raise NoTableError(f"{name} is {one} in one record and {other} in another")


def _table(block: bytes, schema: pyarrow.Schema | None) -> pyarrow.Table:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    if schema is not None and not len(schema):
        raise NoTableError("its records are empty")
    parse = arrow_json.ParseOptions(explicit_schema=schema)
    read = arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1)
    try:
        return arrow_json.read_json(pa.BufferReader(block), read_options=read, parse_options=parse)
    except (pa.ArrowException, UnicodeDecodeError) as e:
        raise NoTableError(_first_line(e)) from e


def _writer(file: BinaryIO, schema: pyarrow.Schema, record_format: RecordFormat, compression: Compression) -> Any:
    """A writer with the properties that Fluent Bit leaves at their defaults: the C++ library's, not pyarrow's."""
    if record_format == "parquet":
        from pyarrow import parquet

        return parquet.ParquetWriter(file, schema, compression=compression, store_schema=False)
    from pyarrow import ipc

    codec = None if compression == "none" else compression
    return ipc.new_file(file, schema, options=ipc.IpcWriteOptions(compression=codec, use_threads=False))


def _blocks(json_lines: BinaryIO, block_size: int) -> Iterator[bytes]:
    """The lines in blocks, the same ones each time."""
    json_lines.seek(0)
    held: list[bytes] = []
    size = 0
    for line in json_lines:
        if line.count(b"{") + line.count(b"[") > MAX_NESTING and _nesting(line) > MAX_NESTING:
            raise NoTableError("a record is nested too deep")
        held.append(line)
        size += len(line)
        if size >= block_size:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _nesting(line: bytes) -> int:
    """How deep a record's brackets are nested at most."""
    depth = deepest = 0
    for byte in _TEXT.sub(b"", line):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
