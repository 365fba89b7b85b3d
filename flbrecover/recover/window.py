"""Which objects can hold records of the evidence: by tag, key and time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flbrecover.bucket.client import S3
from flbrecover.bucket.listing import objects
from flbrecover.fluentbit.key_format import KeyFormat, KeyPattern
from flbrecover.model import StoredObject

SLACK_NS = 15 * 60 * 1_000_000_000  # clocks of node and S3 differ; keys are cut to their format's unit


@dataclass(frozen=True, slots=True)
class Window:
    """The time span to look at, in ns since the epoch; ``start_ns`` None: no lower bound is known."""

    start_ns: int | None
    end_ns: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may hold records of these tags."""

    object: StoredObject
    tags: tuple[str, ...]
    key_time_ns: int | None


def candidates(s3: S3, bucket: str, key_format: KeyFormat, tags: Iterable[str], window: Window) -> list[Candidate]:
    """Objects whose key the output could have written for one of the tags in the window, oldest key time first.

    An object cannot hold a record that was written after the object was: LastModified bounds from the other side.
    """
    start = None if window.start_ns is None else window.start_ns - SLACK_NS
    end = window.end_ns + SLACK_NS
    patterns: dict[str, KeyPattern] = {tag: key_format.pattern(tag) for tag in sorted(set(tags))}
    by_prefix: dict[str, list[str]] = {}
    for tag, pattern in patterns.items():
        for prefix in pattern.prefixes(start, end):
            by_prefix.setdefault(prefix, []).append(tag)
    found: dict[str, Candidate] = {}
    for stored in objects(s3, bucket, sorted(by_prefix)):
        if start is not None and stored.last_modified_ns < start:
            continue
        of = [t for prefix, tags_of in by_prefix.items() if stored.key.startswith(prefix) for t in tags_of]
        matched = []
        time_ns = None
        for tag in sorted(set(of)):
            fields = patterns[tag].match(stored.key)
            if fields is None:
                continue
            if start is not None and fields.end_ns is not None and fields.end_ns <= start:
                continue
            if fields.start_ns is not None and fields.start_ns > end:
                continue
            matched.append(tag)
            time_ns = fields.start_ns
        if matched:
            found[stored.key] = Candidate(stored, tuple(matched), time_ns)
    return sorted(found.values(), key=lambda c: (c.key_time_ns or c.object.last_modified_ns, c.object.key))
