"""The SHA-256 that stands for an object's content in plans, keys and proofs: of what is planned and of what is stored
alike, and for every format of an output."""

from __future__ import annotations

import hashlib
from typing import Protocol

from flbrecover.fluentbit.column_form import COLUMNAR, comparable
from flbrecover.fluentbit.pipeline import RecordFormat
from flbrecover.fluentbit.record_split import LineSplitter, Piece, Unread


class ContentHash(Protocol):
    """Fed with the content block by block."""

    def update(self, block: bytes, /) -> None: ...

    def hexdigest(self) -> str:
        """Once, after the last block."""


def content_hash(record_format: RecordFormat) -> ContentHash:
    """For columnar formats, the hash of each record's comparable form with a newline, however it is spelled; else
    that of the content's bytes before compression."""
    return _ColumnsHash() if record_format in COLUMNAR else hashlib.sha256()


class _ColumnsHash:
    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self._split = LineSplitter()

    def update(self, block: bytes, /) -> None:
        for piece in self._split.feed(block):
            self._record(piece)

    def hexdigest(self) -> str:
        for piece in self._split.rest():
            self._record(piece)
        return self._hasher.hexdigest()

    def _record(self, piece: Piece | Unread) -> None:
        if isinstance(piece, Unread):  # longer than any record: equal to none
            self._hasher.update(b"%d bytes\0" % piece.span.length)
        else:
            self._hasher.update(comparable(piece.data) + b"\n")
