"""What S3 holds for an output, told from its keys alone."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from flbrecover.bucket.client import S3
from flbrecover.bucket.listing import objects_split
from flbrecover.fluentbit.key_format import KeyFields, KeyFormat
from flbrecover.fluentbit.key_pattern import MOST_PREFIXES
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import SECOND_NS, StoredObject
from flbrecover.recover.prefix_index import PrefixIndex
from flbrecover.recover.window import SLACK_NS, Window

if TYPE_CHECKING:
    from flbrecover.recover.survey import Survey

GAP_SLACK_NS = 60 * SECOND_NS  # for a retry, and for clocks that differ
_TIMER_MIN_S, _TIMER_MAX_S = 6, 60  # UPLOAD_TIMER_MIN_WAIT, UPLOAD_TIMER_MAX_WAIT in plugins/out_s3/s3.h
MOST_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class KeyedObject:
    """A stored object with what its key says."""

    object: StoredObject
    fields: KeyFields

    @property
    def label(self) -> str:
        """The tag as far as the key tells it."""
        if self.fields.tag is not None:
            return self.fields.tag
        return " ".join(f"$TAG[{n}]={part}" for n, part in self.fields.tag_parts) or "(keys of this format name no tag)"


class StoredKeys:
    """Iterating lists an output's prefixes once and gives the objects whose key fits the key format, in the window.

    ``tags`` None: of any tag. After an iteration ``unfit`` counts the keys that the output cannot have written
    (``examples`` are a few), ``outside`` those beyond the window.
    """

    def __init__(self, s3: S3, output: S3Output, window: Window, tags: Iterable[str] | None) -> None:
        key_format = KeyFormat.of(output)
        self._s3 = s3
        self._bucket = output.bucket
        self._start = None if window.start_ns is None else window.start_ns - SLACK_NS
        self._end = window.end_ns + SLACK_NS
        if tags is None:
            self._patterns = [key_format.pattern_any_tag()]
        else:
            self._patterns = [key_format.pattern(tag) for tag in sorted(set(tags))]
        self._index = PrefixIndex(self._patterns, self._start, self._end, limit=MOST_PREFIXES)
        self.prefixes = self._index.prefixes
        self.unfit = 0
        self.outside = 0
        self.examples: list[str] = []

    def __iter__(self) -> Iterator[KeyedObject]:
        self.unfit = self.outside = 0
        self.examples = []
        for stored in objects_split(self._s3, self._bucket, self._index.ranges):
            fields = self._fields_of(stored.key)
            if fields is None:
                self.unfit += 1
                self.examples += [stored.key] if self.unfit <= MOST_EXAMPLES else []
            elif self._is_outside(stored, fields):
                self.outside += 1
            else:
                yield KeyedObject(stored, fields)

    def _fields_of(self, key: str) -> KeyFields | None:
        if len(self._patterns) == 1:
            return self._patterns[0].match(key)
        patterns = (self._patterns[n] for n in self._index.patterns_of(key))
        return next((f for f in (p.match(key) for p in patterns) if f is not None), None)

    def _is_outside(self, stored: StoredObject, fields: KeyFields) -> bool:
        if self._start is not None:
            if stored.last_modified_ns < self._start:
                return True
            if fields.end_ns is not None and fields.end_ns <= self._start:
                return True
        return fields.start_ns is not None and fields.start_ns > self._end


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without objects of a tag, longer than an output that has records leaves one."""

    start_ns: int
    end_ns: int


@dataclass(slots=True)
class KeysOfTag:
    """Objects of one tag, summed up while they are listed. ``by`` says which time ``times`` are: of the key where it is
    exact enough to show gaps, else S3's own."""

    label: str
    by: str
    objects: int = 0
    size: int = 0
    times: array[int] = field(default_factory=lambda: array("q"))

    def add(self, found: KeyedObject) -> None:
        self.objects += 1
        self.size += found.object.size
        if self.by == "key time" and found.fields.start_ns is not None:
            self.times.append(found.fields.start_ns)
        else:
            self.times.append(found.object.last_modified_ns)

    def gaps(self, longest_ns: int) -> list[Gap]:
        """Where two objects that follow each other in time lie farther apart than ``longest_ns``."""
        return [Gap(a, b) for a, b in pairwise(sorted(self.times)) if b - a > longest_ns]


def time_shown_by(output: S3Output, fields: KeyFields) -> str:
    """Which time of an object tells gaps: that of its key, unless it is coarser than ``upload_timeout``."""
    if fields.start_ns is None or fields.end_ns is None:
        return "last modified"
    exact = fields.end_ns - fields.start_ns <= output.upload_timeout_s * SECOND_NS
    return "key time" if exact else "last modified"


def longest_without_gap(output: S3Output) -> int:
    """How far two objects of a tag lie apart, in ns, while records come in: a file is sent ``upload_timeout`` after its
    first record, at the next tick of the timer (s3.c: a sixth of it, within limits)."""
    timer_s = min(max(output.upload_timeout_s // 6, _TIMER_MIN_S), _TIMER_MAX_S)
    return (output.upload_timeout_s + timer_s) * SECOND_NS + GAP_SLACK_NS


def tags_of(survey: Survey) -> set[str]:
    """All tags that the node's evidence shows."""
    return {b.tag for b in survey.buffers if b.tag is not None} | {log.tag for log in survey.logs}


def first_trace(survey: Survey) -> int | None:
    """The earliest time that the evidence shows, without reading a record: when Fluent Bit first saw a log, or made a
    buffer file. None where there is no evidence."""
    rows = [p.row.created_s * SECOND_NS for p in survey.positions if p.row.created_s]
    buffers = [b.created_ns or b.facts.mtime_ns for b in survey.buffers]
    return min([*rows, *buffers, *(u.facts.mtime_ns for u in survey.uploads)], default=None)


def window_of(survey: Survey, asked: Window) -> Window:
    """The window that was asked for or, without ``--since``, the one from the evidence's first trace."""
    return asked if asked.start_ns is not None else Window(first_trace(survey), asked.end_ns)


def keys_by_tag(output: S3Output, found: Iterable[KeyedObject]) -> dict[str, KeysOfTag]:
    """All objects summed up by tag."""
    tags: dict[str, KeysOfTag] = {}
    for one in found:
        if one.label not in tags:
            tags[one.label] = KeysOfTag(one.label, time_shown_by(output, one.fields))
        tags[one.label].add(one)
    return tags


def of_tags(tags: Sequence[str], survey: Survey | None) -> list[str] | None:
    """Tags to list keys of: those given, or those of the evidence; None for all."""
    if tags:
        return list(tags)
    return None if survey is None else sorted(tags_of(survey))
