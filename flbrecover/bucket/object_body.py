"""The body that the s3 output makes of some content."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import BinaryIO

from flbrecover.bucket import columnar, columnar_writing
from flbrecover.bucket.compressing import compress
from flbrecover.fluentbit.column_form import COLUMNAR
from flbrecover.fluentbit.pipeline import S3Output

_BLOCK = 1024 * 1024


def make_body(output: S3Output, content: Iterable[bytes], file: BinaryIO) -> str:
    """Writes what the output would upload for this content to ``file``, which is left at its start. Gives a note, ""
    for nothing.

    What makes no table stays JSON lines in a columnar output: so does Fluent Bit with it (put_all_chunks in s3.c).
    Raises ExtraMissingError, and OSError where the file's disk is full.
    """
    if output.format not in COLUMNAR:
        compress(content, output.compression, file)
        return ""
    columnar.need_for(output)
    with tempfile.TemporaryFile(prefix="flbrecover-") as lines:
        compress(content, "none", lines)
        try:
            columnar_writing.write(lines, output.format, output.compression, file)
            file.seek(0)
        except columnar_writing.NoTableError as e:
            file.seek(0)
            file.truncate()
            lines.seek(0)
            compress(iter(lambda: lines.read(_BLOCK), b""), "none", file)
            return f"as JSON lines, for its records make no table: {e}"
    return ""
