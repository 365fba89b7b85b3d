"""Writes Parquet and Arrow files as the s3 output makes them of its JSON lines.

Needs the extra ``columnar`` (pyarrow); see :mod:`columnar`. Source: src/aws/compression/arrow/compress.c of 5.1.1; the
rules are in docs/formats/columnar.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, BinaryIO

from flbrecover.bucket.columnar import ColumnsDamagedError, ColumnsUnreadError, first_line, rows_of
from flbrecover.fluentbit.column_form import comparable
from flbrecover.fluentbit.pipeline import Compression, RecordFormat

if TYPE_CHECKING:
    import pyarrow

BLOCK = 16 * 1024**2  # bytes of JSON that are turned into columns at once
MAX_NESTING = 200  # brackets of one record that Arrow's recursive reader is given; Fluent Bit writes at most 32 deep
IPC_ROWS = 64 * 1024  # rows of one record batch, as Feather has them
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')


class NoTableError(Exception):
    """Records that do not make a table: a field that is text here and a number there. Fluent Bit fails on them too."""


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
        raise NoTableError(first_line(e)) from e
    json_lines.seek(0)
    try:
        rows = (row for block in rows_of(file) for row in block.splitlines())
        for line, row in zip_longest(json_lines, rows):
            if line is None or row is None or comparable(line.rstrip(b"\n")) != comparable(row):
                raise NoTableError("its columns do not hold everything")
    except (ColumnsDamagedError, ColumnsUnreadError) as e:
        raise NoTableError(str(e)) from e


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
        raise NoTableError(first_line(e)) from e


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
