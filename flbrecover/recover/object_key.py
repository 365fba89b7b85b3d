"""The keys that a recovered object can stand under. They follow from what it holds: nothing has to be remembered
between two runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice

from flbrecover.fluentbit.key_format import recovered_key
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.reconcile.plan import Piece, PutRecords

MOST_KEYS = 8  # that are tried when a key is taken by other content


def derived_keys(output: S3Output, tag: str, first_ns: int, pieces: Sequence[Piece], sha256: str) -> Iterator[str]:
    """The keys of an object with these records, in the order in which they are tried. ``first_ns`` is the time of the
    first record, ``sha256`` that of the content before compression.

    The plain key of ``static_file_path`` is not among them: it is the one that every Fluent Bit with this configuration
    writes next, and what is put there will be overwritten.
    """
    first = 1 if output.static_file_path else 0
    source = _identity(tag, pieces, sha256)
    for attempt in range(first, first + MOST_KEYS):
        yield recovered_key(output, tag, first_ns, source, attempt=attempt)


def keys_of(output: S3Output, action: PutRecords) -> Iterator[str]:
    """The keys of an action's object: the plan's own first."""
    yield action.key
    yield from islice(derived_keys(output, action.tag, action.first_ns, action.pieces, action.sha256), 1, None)


def _identity(tag: str, pieces: Sequence[Piece], sha256: str) -> str:
    """What the random part of a key is derived from: the content, and where its first record came from. Two objects of
    nothing but the same heartbeat have the same content and are two objects all the same."""
    first = pieces[0]
    where = f"{sha256}\n{tag}\n{first.path}\n{first.ranges[0].start}"
    return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()
