"""Compares the evidence of a node with what S3 holds, for one output: puts every record on a ledger, then places the
records of all candidate objects on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from flbrecover.bucket import columnar
from flbrecover.bucket.client import S3
from flbrecover.errors import ConfigError
from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.fluentbit.formats import MILLISECOND_NS, format_of
from flbrecover.fluentbit.key_format import KeyFormat, KeyPattern
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import BufferFile, ByteRange, Problem, Record
from flbrecover.reconcile.holders import Holder, place_holder
from flbrecover.reconcile.ledger import NONE, Ledger
from flbrecover.reconcile.match_key import MatchRule, digest_of, rule_for
from flbrecover.reconcile.placement import Copy, Placement
from flbrecover.reconcile.rebuild import Siblings
from flbrecover.recover.gone import Gone, SourceBytes, left_of, source_bytes
from flbrecover.recover.log_entries import SECOND_NS, LogEntries, LogReader, Peek, unusable
from flbrecover.recover.object_records import ObjectRecords
from flbrecover.recover.options import Options
from flbrecover.recover.survey import Survey, takes
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.recover.window import Candidate, Window, candidates, patterns_of

SAMPLE = 50
SAMPLE_OBJECTS = 3
SOURCE = "flbrecover-source"  # user metadata of objects that flbrecover wrote: the files that its records came from
TAG = "flbrecover-tag"
ESTIMATED = "flbrecover-estimated-dates"  # how many of its records have one
KINDS = {"data": 0, "quarantine": 1, "engine": 2, "rejected": 3}  # which copy of a record is taken first


@dataclass(slots=True)
class Comparison:
    """One output's records, each with its place. Numbers in ``ledger.stored`` are indexes into ``candidates``,
    numbers in ``ledger.held`` into ``holders``. Entries below ``len(logs)`` are those of logs.

    ``denied`` are the candidates that could not be read at all: what they hold nobody knows. ``uncompared`` are tags
    whose keys cannot be recognised.
    """

    survey: Survey
    output: S3Output
    style: RecordStyle
    precise: bool
    ledger: Ledger
    window: Window
    logs: LogEntries = field(default_factory=LogEntries)
    holders: list[Holder] = field(default_factory=list)
    candidates: Sequence[Candidate] = field(default_factory=list)
    siblings: dict[str, Siblings] = field(default_factory=dict)
    strangers: int = 0
    doubles: int = 0
    loose: int = 0
    ambiguous: int = 0
    denied: list[Candidate] = field(default_factory=list)
    uncompared: set[str] = field(default_factory=set)
    gone: list[Gone] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def span(self, entry: int) -> ByteRange:
        """Where the record of an entry lies in its log, or in its buffer file."""
        if entry < len(self.logs):
            return self.logs.span(entry)
        holder, at = self.holders[self.ledger.held[entry]], self.ledger.held_at[entry]
        return ByteRange(holder.starts[at], holder.ends[at])

    def siblings_of(self, tag: str) -> Siblings:
        record_format = format_of(self.style)
        return self.siblings.setdefault(tag, Siblings(record_format.date_name, record_format))


@dataclass(frozen=True, slots=True)
class Sample:
    """The first records of a buffer file."""

    buffer: BufferFile
    records: tuple[Record, ...]


class Comparer:
    """The steps of one comparison; :func:`compare` runs them."""

    def __init__(self, survey: Survey, output: S3Output, s3: S3, options: Options, watch: Watch) -> None:
        self._survey = survey
        self._output = output
        self._s3 = s3
        self._options = options
        self._take_ambiguous = options.take_ambiguous
        self._watch = watch
        self._reader = LogReader(survey, output, plain_lines=options.plain_lines, now_ns=options.now_ns)
        self._style = RecordStyle.of(output, survey.pipeline.service)
        self._format = format_of(self._style)
        self._key_format = KeyFormat.of(output)
        # A buffer file's name is its own on every node; a log's path is the same on many, so it proves nothing.
        self._own_sources = {ascii_path(b.path) for b in survey.buffers}
        self._patterns: dict[str, KeyPattern] = {}
        self._rules: dict[str, MatchRule] = {}
        self._bytes: SourceBytes = source_bytes(survey, self._style)

    def run(self) -> Comparison:
        problems: list[Problem] = list(self._reader.notes)
        samples = [self._sample(b) for b in self._buffers()]
        peeks = self._peeks(problems)
        tags = {s.buffer.tag for s in samples if s.buffer.tag is not None} | {t for p in peeks for t in p.rendered}
        tags |= {g.tag for g in self._survey.gone if matches(self._output.route, g.tag)}
        precise = is_precise(r.time_ns for s in samples for r in s.records)
        found = Comparison(
            self._survey, self._output, self._style, precise, Ledger(time_resolution_ns=self._format.resolution_ns),
            self._window(samples, peeks), problems=problems,
        )  # fmt: skip
        self._patterns, refused = patterns_of(self._key_format, tags)
        problems.extend(refused)
        found.uncompared = tags - self._patterns.keys()
        found.candidates = self._candidates(found.window)
        self._make_rules(found, samples, peeks)
        for peek in self._watch(peeks, "reading logs", len(peeks)):
            self._reader.add(found.ledger, peek, self._rules, found.logs)
        found.ledger.index_keys()
        for sample in self._watch(samples, "reading buffers", len(samples)):
            self._add_buffer(found, sample.buffer)
        self._widen(found)
        postponed = [
            number
            for number in self._watch(range(len(found.candidates)), "reading objects", len(found.candidates))
            if not self._add_object(found, number, last=False)
        ]
        for number in postponed:
            self._add_object(found, number, last=True)
        found.gone = left_of(self._bytes, self._survey.gone, tags)
        problems.extend(found.logs.problems)
        return found

    # -- what there is ---------------------------------------------------------------------------------------------

    def _buffers(self) -> list[BufferFile]:
        mine = [b for b in self._survey.buffers if takes(self._output, self._survey.homes, b)]
        return sorted(mine, key=lambda b: (KINDS[b.kind], b.path))

    def _sample(self, buffer: BufferFile) -> Sample:
        return Sample(buffer, tuple(islice(BufferRecords(self._survey.node, buffer, self._style), SAMPLE)))

    def _peeks(self, problems: list[Problem]) -> list[Peek]:
        peeks: list[Peek] = []
        for log in self._survey.logs:
            try:
                peek = self._reader.peek(log)
            except ConfigError as e:
                problems.append(unusable(log, e))
                continue
            if peek.rendered:
                peeks.append(peek)
        return peeks

    def _window(self, samples: list[Sample], peeks: list[Peek]) -> Window:
        """From the first record that the evidence knows of; no lower bound where a log has no time at all.

        Where the user wants later records only, an object that holds one may have begun an upload_timeout before.
        """
        now = self._options.now_ns
        created = [s.buffer.created_ns or s.buffer.facts.mtime_ns for s in samples]
        rows = [f.position.row.created_s * SECOND_NS for p in peeks for f in p.log.files if f.position is not None]
        written = min(created + rows, default=None)
        if self._options.since_ns is not None:
            since = self._options.since_ns - self._output.upload_timeout_s * SECOND_NS
            return Window(since, now, written)
        if any(p.first_ns is None and not any(f.position for f in p.log.files) for p in peeks):
            return Window(None, now)
        times = [r.time_ns for s in samples for r in s.records if r.time_ns is not None]
        times += [p.first_ns for p in peeks if p.first_ns is not None]
        return Window(min(created + rows + times, default=None), now, written).wider(None, max(times, default=None))

    def _candidates(self, window: Window) -> Sequence[Candidate]:
        return candidates(self._s3, self._output.bucket, self._patterns, window)

    def _widen(self, found: Comparison) -> None:
        """Reading all records may show older or younger ones than the first ones: look further then."""
        ledger = found.ledger
        logs = [t for t in (ledger.time_of(e) for e in range(len(found.logs))) if t is not None]
        first = [h.first_ns for h in found.holders if h.first_ns is not None]
        last = [h.last_ns for h in found.holders if h.last_ns is not None]
        earliest = None if self._options.since_ns is not None else min(first, default=None)
        wider = found.window.wider(earliest, max(last + logs, default=None))
        if wider != found.window:
            found.window = wider
            found.candidates = self._candidates(wider)

    # -- how records are compared ----------------------------------------------------------------------------------

    def _make_rules(self, found: Comparison, samples: list[Sample], peeks: list[Peek]) -> None:
        rendered: dict[str, list[bytes]] = {}
        unsure: frozenset[str] = frozenset()
        for peek in peeks:
            unsure |= peek.unsure
            for tag, records in peek.rendered.items():
                rendered.setdefault(tag, []).extend(records)
        for tag, records in rendered.items():
            siblings = [r.data for s in samples if s.buffer.tag == tag for r in s.records]
            self._rules[tag] = rule_for(
                plain=self._style.log_key is not None,
                date_key=self._format.date_name,
                rendered=records,
                unsure=unsure,
                siblings=siblings or self._stored_siblings(found, tag),
                record_format=self._format,
            )

    def _stored_siblings(self, found: Comparison, tag: str) -> list[bytes]:
        siblings: list[bytes] = []
        for candidate in [c for c in found.candidates if tag in c.tags][:SAMPLE_OBJECTS]:
            records = ObjectRecords(self._s3, candidate.object, self._style)
            siblings += [r.data for r in islice(records, SAMPLE)]
        return siblings

    def _copy(self, index: int, record: Record, rules: Iterable[MatchRule]) -> Copy:
        data = self._style.comparable(record.data)
        keys = tuple(dict.fromkeys(key for rule in rules for key in rule.of_copy(data)))
        return Copy(index, digest_of(data), keys, record.time_ns)

    # -- placing ---------------------------------------------------------------------------------------------------

    def _add_buffer(self, found: Comparison, buffer: BufferFile) -> None:
        holder = Holder(len(found.holders), buffer)
        records = BufferRecords(self._survey.node, buffer, self._style)
        rules = [self._rules[buffer.tag]] if buffer.tag in self._rules else []
        siblings = found.siblings_of(buffer.tag or "")
        made = found.logs.made.get(buffer.tag or "", set())
        gone = self._bytes.wanted([buffer.tag or ""])
        sizes: list[list[int]] = []

        def copies() -> Iterator[tuple[ByteRange, Copy]]:
            for index, record in enumerate(records):
                siblings.feed(record.data, made)
                if gone:
                    sizes.append(self._bytes.sizes(gone, record))
                yield record.span, self._copy(index, record, rules)

        place_holder(found.ledger, holder, copies(), precise=found.precise)
        found.holders.append(holder)
        for of_record, entry in zip(sizes, holder.entries, strict=False):
            if entry >= len(found.logs):
                self._bytes.count(gone, of_record)
        found.problems.extend(records.problems)

    def _add_object(self, found: Comparison, number: int, *, last: bool) -> bool:
        """Places an object's records. False: not a single one is sure; such objects take what the others leave, so it
        is to be done again when those are through (``last``)."""
        candidate = found.candidates[number]
        rules = list(dict.fromkeys(self._rules[tag] for tag in candidate.tags if tag in self._rules))
        ledger = found.ledger
        current: Record | None = None
        gone = self._bytes.wanted(candidate.tags)
        sizes: list[list[int]] = []

        def place(copy: Copy, entry: int) -> None:
            if gone:  # a log or a buffer shows this record, or another object: it was counted there
                self._bytes.count(gone, sizes[copy.index], -1)
            if ledger.stored[entry] != NONE:
                found.doubles += 1
                return
            ledger.stored[entry] = number
            if records.metadata.get(ESTIMATED, "0") == "0":  # a guess of ours is no news: the next one is made alike
                ledger.learn_time(entry, copy.time_ns)
            tag = ledger.tag_of(entry)
            if entry < len(found.logs) and current is not None and copy.index == index:
                found.siblings_of(tag).feed(current.data, found.logs.made.get(tag, set()))

        placement = Placement(
            ledger,
            place,
            lambda entry: ledger.stored[entry] != NONE,
            tags=candidate.tags,
            precise=found.precise,
            take_ambiguous=self._take_ambiguous,
        )
        records = ObjectRecords(self._s3, candidate.object, self._style)
        names = {ascii_path(tag): tag for tag in candidate.tags}
        index = -1
        for index, record in enumerate(records):
            current = record
            if index == 0 and (own := names.get(records.metadata.get(TAG, ""))):
                placement.restrict((own,))
            if gone:
                sizes.append(self._bytes.sizes(gone, record))
                self._bytes.count(gone, sizes[-1])
            placement.feed(self._copy(index, record, rules))
        current = None
        if not last and index >= 0 and placement.is_uncertain():
            for of_record in sizes:
                self._bytes.count(gone, of_record, -1)
            return False
        placement.ours = records.metadata.get(SOURCE, "").split(",")[0] in self._own_sources
        placement.finish()
        found.strangers += placement.strangers
        found.loose += placement.loose
        found.ambiguous += placement.ambiguous
        found.problems.extend(records.problems)
        if records.denied:
            found.denied.append(candidate)
        return True


def ascii_path(path: str) -> str:
    """A path as objects' metadata can hold it."""
    return path.encode("ascii", "backslashreplace").decode("ascii")


def is_precise(times: Iterable[int | None]) -> bool:
    """Do records carry dates so fine that the same bytes mean the same record? True where there is no record."""
    known = list(times)
    return not known or any(t is not None and t % MILLISECOND_NS for t in known)


def compare(survey: Survey, output: S3Output, s3: S3, options: Options, watch: Watch = unwatched) -> Comparison:
    """The comparison of one output. A window without a start begins with the evidence's first record.

    Raises BucketError where the bucket cannot be listed at all, ExtraMissingError where no object of this output can
    be read; a single object that cannot be read becomes a problem.
    """
    columnar.need_for(output)
    return Comparer(survey, output, s3, options, watch).run()
