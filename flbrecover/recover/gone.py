"""Records that provably existed and are nowhere: counted in bytes of the log.

A row of the tail DB proves how many bytes of a log were read. Where the file is gone, the records of S3 and of buffers
that no file here shows any more are what is left of those bytes. What they do not add up to is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flbrecover.evidence.source_files import GoneRange
from flbrecover.fluentbit import json_members
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.pipeline import TailInput
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import SECOND_NS, Record
from flbrecover.recover.survey import Survey


@dataclass(frozen=True, slots=True)
class Gone:
    """``missing`` bytes of a range are in no object and no buffer; None: that cannot be counted for this input."""

    range: GoneRange
    missing: int | None

    @property
    def text(self) -> str:
        if self.missing is None:
            return "what of it was delivered cannot be counted for this input"
        if self.missing == 0:
            return "all of it is accounted for in S3 and the buffers"
        return f"{self.missing} bytes of it are in no object and no buffer"


class SourceBytes:
    """Adds up, by tag, the log bytes of the records in S3 and in buffers that no log of the evidence shows."""

    def __init__(self, style: RecordStyle, inputs: Mapping[str, TailInput], since_ns: Mapping[str, int]) -> None:
        """``inputs``: the input of each tag that something is gone of; ``since_ns``: when its rows were made."""
        self._style = style
        self._format = format_of(style)
        self._keys = {tag: _plain_key(tail) for tag, tail in inputs.items()}
        self._since = since_ns
        self._total = dict.fromkeys(inputs, 0)

    def wanted(self, tags: Iterable[str]) -> list[str]:
        """Those of ``tags`` whose records are to be counted."""
        return [tag for tag in tags if self._keys.get(tag) is not None]

    def sizes(self, tags: Sequence[str], record: Record) -> list[int]:
        """For each tag, the bytes of the line that a record came from, with its newline; 0 if from before its row."""
        size = self._size(tags[0], record)
        early = record.time_ns
        return [0 if early is not None and early < self._since[tag] else size for tag in tags]

    def count(self, tags: Sequence[str], sizes: Sequence[int], sign: int = 1) -> None:
        """So many bytes more (or less) that no log shows, for each tag."""
        for tag, size in zip(tags, sizes, strict=True):
            self._total[tag] += sign * size

    def _size(self, tag: str, record: Record) -> int:
        if self._style.log_key is not None:
            return len(record.data) + 1
        key = self._format.name_of(self._keys[tag] or "")
        for name, raw in self._format.members(record.data) or ():
            if name == key:
                text = next(json_members.string_leaves(raw), None)
                return 0 if text is None else len(text.encode("utf-8", "surrogatepass")) + 1
        return 0

    def missing(self, tag: str, size: int) -> int | None:
        """How many of ``size`` bytes of this tag's log are nowhere; None where that cannot be counted."""
        return max(0, size - self._total[tag]) if self.wanted([tag]) else None


def _plain_key(tail: TailInput) -> str | None:
    """The field that is the whole line; None where a parser takes lines apart."""
    parsed = tail.parser or tail.multiline_parsers or tail.multiline or tail.docker_mode
    return None if parsed else tail.key


def source_bytes(survey: Survey, style: RecordStyle) -> SourceBytes:
    """The counter for everything that a survey found gone."""
    inputs = {g.tag: next(i for i in survey.pipeline.inputs if i.number == g.input_number) for g in survey.gone}
    since: dict[str, int] = {}
    for gone in survey.gone:
        since[gone.tag] = min(gone.created_s * SECOND_NS, since.get(gone.tag, gone.created_s * SECOND_NS))
    return SourceBytes(style, inputs, since)


def left_of(counted: SourceBytes, ranges: Iterable[GoneRange], tags: Collection[str]) -> list[Gone]:
    """What is missing of the ranges whose tag is one of an output's. Ranges of one tag share what was counted."""
    by_tag: dict[str, list[GoneRange]] = {}
    for gone in ranges:
        if gone.tag in tags:
            by_tag.setdefault(gone.tag, []).append(gone)
    found = []
    for tag, of_tag in by_tag.items():
        missing = counted.missing(tag, sum(g.where.length for g in of_tag))
        for gone in of_tag:
            share = None if missing is None else min(missing, gone.where.length)
            missing = None if missing is None or share is None else missing - share
            found.append(Gone(gone, share))
    return found
