"""Columnar files for tests, made of JSON lines with pyarrow's own readers and writers as src/aws/compression/arrow of
Fluent Bit 5.1.1 calls them through GLib: everything at once, in memory."""

from __future__ import annotations

import io
import warnings
from typing import Any

import pyarrow as pa
from pyarrow import feather, json, parquet


def table_of(lines: bytes) -> pa.Table:
    """Raises ArrowInvalid for what Fluent Bit cannot turn into a table either."""
    return json.read_json(io.BytesIO(lines), read_options=json.ReadOptions(block_size=8 << 20))


def made_by_fluent_bit(lines: bytes, record_format: str, codec: str = "none") -> bytes:
    table, sink = table_of(lines), io.BytesIO()
    if record_format == "parquet":
        parquet.write_table(table, sink, row_group_size=table.num_rows, compression=codec, store_schema=False)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what pyarrow calls Feather today it may call IPC tomorrow
            feather.write_feather(table, sink, compression="uncompressed" if codec == "none" else codec)
    return sink.getvalue()


def rows(body: bytes) -> list[dict[str, Any]]:
    """Of any columnar file, without the code under test."""
    if body.startswith(b"PAR1"):
        return parquet.read_table(io.BytesIO(body)).to_pylist()
    return pa.ipc.open_file(body).read_all().to_pylist()
