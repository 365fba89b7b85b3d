"""The records of one stored object, streamed."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.bucket.client import S3
from flbrecover.bucket.reading import BodyDamaged, decoded, open_body
from flbrecover.errors import BucketError
from flbrecover.fluentbit.record_json import RecordStyle, time_of
from flbrecover.fluentbit.record_split import splitter
from flbrecover.model import ByteRange, Problem, Record, StoredObject


class ObjectRecords:
    """Iterating gives the records in the object's order; afterwards ``problems`` says what could not be read.

    ``denied`` is True where the object holds records that S3 did not give out: they may be ours. What is damaged
    in the object itself is not stored, for nobody can read it.
    """

    def __init__(self, s3: S3, stored: StoredObject, style: RecordStyle) -> None:
        self._s3 = s3
        self._stored = stored
        self._style = style
        self.problems: list[Problem] = []
        self.denied = False

    def __iter__(self) -> Iterator[Record]:
        url = f"s3://{self._stored.bucket}/{self._stored.key}"
        split = splitter(self._style)
        try:
            with open_body(self._s3, self._stored.bucket, self._stored.key, etag=self._stored.etag) as body:
                for block in decoded(body):
                    for data, span in split.feed(block):
                        yield self._record(data, span)
                for data, span in split.finish():
                    yield self._record(data, span)
        except BodyDamaged as e:
            self.problems.append(Problem(url, str(e), way_out="what of it can be read counts as stored, no more"))
        except BucketError as e:
            self.denied = True
            self.problems.append(Problem(url, str(e)))

    def _record(self, data: bytes, span: ByteRange) -> Record:
        return Record(data, span, time_of(data, self._style))
