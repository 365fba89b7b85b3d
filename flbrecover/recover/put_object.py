"""The body of the object that an action makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from flbrecover.bucket.object_body import make_body
from flbrecover.errors import PlanError
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.plan import PutRecords
from flbrecover.recover.content_hash import ContentHash, content_hash
from flbrecover.recover.contents import Contents, NotCopiedError

_CHANGED = "its records are not what the plan was made with any more: the evidence has changed; make the plan again"


def body_of(contents: Contents, output: S3Output, action: PutRecords, file: BinaryIO) -> str:
    """:func:`make_body` for the content that the plan has the hash of. Raises PlanError where it is not there any
    more."""
    pieces = action.pieces
    for content in (contents.copied(pieces), contents.blocks(pieces, action.tag, action.additions)):
        hasher = content_hash(output.format)
        with suppress(NotCopiedError):  # then the records are read one by one
            made = make_body(output, _hashed(content, hasher), file)
            if hasher.hexdigest() == action.sha256:
                return made
        file.seek(0)
        file.truncate()
    raise PlanError(_CHANGED)


def _hashed(blocks: Iterator[bytes], hasher: ContentHash) -> Iterator[bytes]:
    for block in blocks:
        hasher.update(block)
        yield block
