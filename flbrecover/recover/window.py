"""Which objects can hold records of the evidence: by tag, key and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from flbrecover.bucket.client import S3
from flbrecover.bucket.listing import objects_of
from flbrecover.errors import ConfigError
from flbrecover.fluentbit.key_format import KeyFormat, KeyPattern
from flbrecover.fluentbit.key_pattern import MOST_PREFIXES
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import Pipeline, S3Output
from flbrecover.model import SECOND_NS, Problem, StoredObject
from flbrecover.recover.candidates import Candidate, Candidates
from flbrecover.recover.prefix_index import PrefixIndex

__all__ = ["Candidate", "Window", "candidates", "patterns_of"]

SLACK_NS = 15 * 60 * SECOND_NS  # clocks of node and S3 differ; keys are cut to their format's unit
CLOCK_NS = 24 * 3600 * SECOND_NS  # how far ahead of this machine the clock of a record or a key may be
MOST_LISTS = 2000  # list prefixes of one comparison; fewer and wider ones for many tags


def due_ns(output: S3Output) -> int:
    """How long after its time a record is in an object at the latest, if nothing fails (ns)."""
    return output.upload_timeout_s * SECOND_NS + SLACK_NS


@dataclass(frozen=True, slots=True)
class Window:
    """The time span to look at, in ns since the epoch: of the records' own times, which may lie in the future.
    ``start_ns`` None: no lower bound is known. ``written_ns``: no object of these records is older (None: unknown)."""

    start_ns: int | None
    end_ns: int
    written_ns: int | None = None

    def wider(self, first_ns: int | None, last_ns: int | None) -> Window:
        """The window with these times in it."""
        start = self.start_ns
        if start is not None and first_ns is not None:
            start = min(start, first_ns)
        return Window(start, self.end_ns if last_ns is None else max(self.end_ns, last_ns), self.written_ns)


def patterns_of(
    pipeline: Pipeline, output: S3Output, tags: Iterable[str], former: Iterable[str]
) -> tuple[dict[str, KeyPattern], list[Problem]]:
    """What keys of each tag look like. A tag whose keys cannot be recognised becomes a problem: nothing of it can be
    compared. Raises ConfigError where that is so for every tag, for then it is the key format's fault.

    Where other outputs send this one's files, their keys count as well. Not for tags that they take themselves: what
    lies under their keys is their own copy then. ``former`` are key formats that the output had before: their keys
    count for every tag.
    """
    own = KeyFormat.of(output)
    others = [(other.route, KeyFormat.of(other)) for other in pipeline.on_the_files_of(output)]
    before = [KeyFormat.of(replace(output, key_format=key_format)) for key_format in former]
    patterns: dict[str, KeyPattern] = {}
    refused: list[tuple[str, ConfigError]] = []
    for tag in sorted(set(tags)):
        try:
            senders = [key_format.pattern(tag) for route, key_format in others if not matches(route, tag)]
            patterns[tag] = own.pattern(tag).or_of([*senders, *(key_format.pattern(tag) for key_format in before)])
        except ConfigError as e:
            refused.append((tag, e))
    if refused and not patterns:
        raise refused[0][1]
    return patterns, [Problem(f"tag {tag}", f"{e}; its records were not compared") for tag, e in refused]


def candidates(s3: S3, bucket: str, patterns: Mapping[str, KeyPattern], window: Window) -> Candidates:
    """Objects whose key the output could have written for one of the tags in the window, oldest key time first.

    An object cannot hold a record that was written after the object was: LastModified bounds from the other side.
    """
    start = None if window.start_ns is None else window.start_ns - SLACK_NS
    end = window.end_ns + CLOCK_NS
    written = None if window.written_ns is None else window.written_ns - SLACK_NS
    tags = sorted(patterns)
    limit = max(1, min(MOST_PREFIXES, MOST_LISTS // max(1, len(tags))))
    index = PrefixIndex([patterns[tag] for tag in tags], start, end, limit=limit)
    found = Candidates(bucket)
    for stored in objects_of(s3, bucket, index.groups):
        if written is not None and stored.last_modified_ns < written:
            continue
        fitting, time_ns = _fitting(stored, [tags[n] for n in index.patterns_of(stored.key)], patterns, start, end)
        if fitting:
            found.add(Candidate(stored, fitting, time_ns))
    found.sort()
    return found


def _fitting(
    stored: StoredObject, tags: Iterable[str], patterns: Mapping[str, KeyPattern], start: int | None, end: int
) -> tuple[tuple[str, ...], int | None]:
    """Those of ``tags`` whose keys look like the object's, in time, and the key's time."""
    fitting = []
    time_ns = None
    for tag in tags:
        fields = patterns[tag].match(stored.key)
        if fields is None:
            continue
        too_early = start is not None and fields.end_ns is not None and fields.end_ns <= start
        too_late = fields.start_ns is not None and fields.start_ns > end
        if not too_early and not too_late:
            fitting.append(tag)
            time_ns = fields.start_ns
    return tuple(fitting), time_ns
