"""Reads Parquet and Arrow files, as the s3 output makes them of its JSON lines; :mod:`columnar_writing` writes them.

Needs the extra ``columnar`` (pyarrow), which is imported where it is used and nowhere else. Source:
src/aws/compression/arrow/compress.c of 5.1.1; the rules are in docs/formats/columnar.md.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from flbrecover.errors import BucketError, FlbrecoverError
from flbrecover.fluentbit.column_form import COLUMNAR, timestamp_text
from flbrecover.fluentbit.pipeline import S3Output

if TYPE_CHECKING:
    import pyarrow

PARQUET = b"PAR1"
ARROW = b"ARROW1\0\0"
MAX_FILE = 2 * 1024**3  # bytes; Fluent Bit makes one of at most 1 GB of JSON
ROWS, FEWEST = 64, 8  # rows that are taken out at once, fewer of a large file
MOST_OF_ROWS = 1024**3  # bytes that these rows may come to, for one value can be as large as the whole file
_READ = 1024 * 1024
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class ExtraMissingError(BucketError):
    """The extra ``columnar`` is not installed. Exit code 4: what the objects hold cannot be read."""

    exit_code = 4


class ColumnsUnreadError(BucketError):
    """A columnar file that is not read, though others may be able to."""


class ColumnsDamagedError(Exception):
    """A columnar file that is none, or is damaged; nobody can read it."""


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
            _write(file, block)
        yield from rows_of(file)


def _scratch() -> BinaryIO:
    """Without a buffer: what is left in one is written when the file is read or closed, and fails there."""
    try:
        return tempfile.TemporaryFile(prefix="flbrecover-", buffering=0)
    except OSError as e:
        raise _no_room(e) from e


def _write(file: BinaryIO, block: bytes) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as e:
        raise _no_room(e) from e


def _no_room(error: OSError) -> FlbrecoverError:
    where = tempfile.gettempdir()
    return FlbrecoverError(f"{where}: {error.strerror} (scratch space; set TMPDIR to a folder with room)")


def rows_of(file: BinaryIO) -> Iterator[bytes]:
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
            raise ColumnsDamagedError(f"columnar file: {first_line(e)}") from e
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


def first_line(error: Exception) -> str:
    """What an error of Arrow says first; more lines are for its developers."""
    return str(error).partition("\n")[0][:200]
