"""The result of comparing one output's evidence with what S3 holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import ByteRange, Problem
from flbrecover.reconcile.holders import Holder
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.precision import Precision, strictest
from flbrecover.reconcile.rebuild import Siblings
from flbrecover.recover.broken import Broken
from flbrecover.recover.candidates import Candidate, Candidates
from flbrecover.recover.gone import Gone
from flbrecover.recover.log_entries import LogEntries
from flbrecover.recover.scratch import Scratch
from flbrecover.recover.survey import Survey
from flbrecover.recover.window import Window

SOURCE = "flbrecover-source"  # user metadata of objects that flbrecover wrote: the files that its records came from
TAG = "flbrecover-tag"
ESTIMATED = "flbrecover-estimated-dates"  # how many of its records have one


@dataclass(slots=True)
class Comparison:
    """One output's records, each with its place. Numbers in ``ledger.stored`` are indexes into ``candidates``. Entries
    below ``len(logs)`` are those of logs. ``tag_precisions`` say how fine the dates are
    of tags with buffer files, ``precision`` those of others.

    ``broken`` says where joined records were found to be in pieces, each of which has an entry. ``denied`` are the
    candidates that could not be read at all: what they hold nobody knows. ``uncompared`` are tags whose keys cannot be
    recognised. ``proofs`` has the candidates that were not read, but shown to be what a buffer file holds, with how;
    ``not_read`` counts those that nothing was left to be looked for in.
    """

    survey: Survey
    output: S3Output
    style: RecordStyle
    precision: Precision
    ledger: Ledger
    window: Window
    scratch: Scratch
    logs: LogEntries
    broken: Broken
    holders: list[Holder] = field(default_factory=list)
    candidates: Candidates = field(default_factory=lambda: Candidates(""))
    siblings: dict[str, Siblings] = field(default_factory=dict)
    proofs: dict[int, str] = field(default_factory=dict)
    not_read: int = 0
    strangers: int = 0
    loose: int = 0
    ambiguous: int = 0
    denied: list[Candidate] = field(default_factory=list)
    uncompared: set[str] = field(default_factory=set)
    gone: list[Gone] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    tag_precisions: dict[str, Precision] = field(default_factory=dict)

    def precision_of(self, tags: Iterable[str]) -> Precision:
        """How fine the dates are of records that may be of any of these tags."""
        return strictest(self.tag_precisions.get(tag, self.precision) for tag in tags)

    def tells(self, holder: Holder) -> bool:
        """Of a buffer file whose records all have the same bytes: is that one record, by its date?"""
        return self.precision_of([holder.buffer.tag or ""]).tells(holder.first_ns)

    def span(self, entry: int) -> ByteRange:
        """Where the record of an entry lies in its log, or in its buffer file."""
        if entry < len(self.logs):
            return self.logs.span(entry)
        records, at = self.ledger.records, self.ledger.held[entry]
        return ByteRange(records.starts[at], records.ends[at])

    def holder_of(self, entry: int) -> Holder:
        """The buffer file whose copy of a record would be uploaded."""
        return self.holders[bisect_right(self.holders, self.ledger.held[entry], key=_first_record) - 1]

    def breathe(self) -> None:
        """To be called now and then while records are read: keeps memory within its bound."""
        self.scratch.breathe()

    def siblings_of(self, tag: str) -> Siblings:
        record_format = format_of(self.style)
        return self.siblings.setdefault(tag, Siblings(record_format.date_name, record_format))


def ascii_path(path: str) -> str:
    """A path as objects' metadata can hold it."""
    return path.encode("ascii", "backslashreplace").decode("ascii")


def _first_record(holder: Holder) -> int:
    return holder.first
