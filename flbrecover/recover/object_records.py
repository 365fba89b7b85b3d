"""The records of one stored object, streamed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from flbrecover.bucket.client import S3
from flbrecover.bucket.reading import Body, BodyDamaged, CorruptedError, MissingError, decoded, open_body
from flbrecover.errors import BucketError
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.record_split import Piece, Unread
from flbrecover.model import Problem, Record, StoredObject
from flbrecover.recover.content_hash import content_hash

LONGEST_LINE = 1 << 20  # longer ones are taken one by one
# Where it goes on with a buffer file after it was killed, Fluent Bit sends the zeros that a page of the file ended with
# (seen in 5.1.1). What follows them in the line is a record.
_LEADING_ZEROS = re.compile(rb"^\0+", re.MULTILINE)


class ObjectRecords:
    """Iterating gives the records in the object's order; afterwards ``problems`` says what could not be read.

    ``denied`` is True where the object holds records that S3 did not give out: they may be ours. What is damaged
    in the object itself is not stored, for nobody can read it. ``metadata`` is the object's own, once reading began.
    """

    def __init__(
        self, s3: S3, stored: StoredObject, style: RecordStyle, opened: Callable[[], Body] | None = None
    ) -> None:
        """``opened`` gives the body where somebody has opened it already."""
        self._open = opened or partial(open_body, s3, stored.bucket, stored.key, etag=stored.etag)
        self._stored = stored
        self._format = format_of(style)
        self.problems: list[Problem] = []
        self.denied = False
        self.metadata: dict[str, str] = {}
        self.too_long = False

    def __iter__(self) -> Iterator[Record]:
        url = f"s3://{self._stored.bucket}/{self._stored.key}"
        split = self._format.splitter()
        try:
            with self._open() as body:
                self.metadata = body.metadata
                for block in decoded(body):
                    yield from self._records(url, split.feed(block))
                yield from self._records(url, split.rest())
        except (BodyDamaged, BucketError) as e:
            self._ended_early(url, e)

    def texts(self) -> Iterator[bytes]:
        """The lines, many at a time, each with a newline at its end: what iterating gives for a format of lines, but
        for lines that are longer than any record, which end it (``too_long`` tells)."""
        url = f"s3://{self._stored.bucket}/{self._stored.key}"
        held = b""
        try:
            with self._open() as body:
                self.metadata = body.metadata
                for block in decoded(body):
                    end = block.rfind(b"\n") + 1
                    text = b"".join((held, memoryview(block)[:end])) if end else b""  # one copy, not two
                    held = block[end:] if end else held + block
                    longest = max(map(len, text.split(b"\n"))) if len(text) > LONGEST_LINE else 0
                    if max(len(held), longest) > LONGEST_LINE:
                        self.too_long = True
                        return
                    if text:
                        yield _without_zeros(text)
            if held:
                yield _without_zeros(held + b"\n")
        except (BodyDamaged, BucketError) as e:
            self._ended_early(url, e)

    def _ended_early(self, url: str, error: BodyDamaged | BucketError) -> None:
        if isinstance(error, BodyDamaged):
            self.problems.append(Problem(url, str(error), way_out="what of it can be read counts as stored, no more"))
        elif isinstance(error, MissingError):  # deleted since it was listed: it stores nothing any more
            self.problems.append(Problem(url, "deleted since it was listed", unreadable=False))
        else:
            self.denied = True
            self.problems.append(Problem(url, str(error)))

    def _records(self, url: str, pieces: Iterable[Piece | Unread]) -> Iterator[Record]:
        for piece in pieces:
            if isinstance(piece, Unread):
                self.problems.append(Problem(url, piece.what, piece.span))
            else:
                data = _without_zeros(piece.data)
                yield Record(data, piece.span, self._format.time_of(data))


def _without_zeros(text: bytes) -> bytes:
    return _LEADING_ZEROS.sub(b"", text) if b"\0" in text else text


def holds(s3: S3, output: S3Output, key: str, sha256: str) -> bool:
    """Whether the content of an object has this SHA-256. That it has another one is believed where a second read finds
    the same. Raises BucketError."""
    found = content_sha256(s3, output, key)
    if found == sha256:
        return True
    if content_sha256(s3, output, key) != found:
        raise CorruptedError(f"s3://{output.bucket}/{key}: two reads gave different content; try again")
    return False


def content_sha256(s3: S3, output: S3Output, key: str) -> str:
    """SHA-256 (hex) of an object's content, as :mod:`content_hash` has it. Raises BucketError; "" for a damaged body,
    which is equal to nothing."""
    hasher = content_hash(output.format)
    try:
        with open_body(s3, output.bucket, key) as body:
            for block in decoded(body):
                hasher.update(block)
    except BodyDamaged:
        return ""
    return hasher.hexdigest()
