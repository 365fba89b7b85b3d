"""Compares the evidence of a node with what S3 holds, for one output: puts every record on a ledger, then places the
records of all candidate objects on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from flbrecover.bucket import columnar
from flbrecover.bucket.client import S3
from flbrecover.errors import ConfigError
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.key_format import KeyPattern
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import SECOND_NS, BufferFile, Problem
from flbrecover.reconcile.breaks import BreakSearch, Gap
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.match_key import rule_for
from flbrecover.reconcile.sorted_index import KeySet
from flbrecover.recover import compared_fields, look_back
from flbrecover.recover.candidates import Candidates
from flbrecover.recover.comparison import ESTIMATED, SOURCE, TAG, Comparison, ascii_path
from flbrecover.recover.gone import SourceBytes, left_of, source_bytes
from flbrecover.recover.joined import JoinedRecords
from flbrecover.recover.log_entries import LogEntries
from flbrecover.recover.log_reader import LogReader, Peek, unusable
from flbrecover.recover.noted_objects import noted_objects
from flbrecover.recover.object_records import ObjectRecords
from flbrecover.recover.options import Options
from flbrecover.recover.place_buffers import BufferPlacer
from flbrecover.recover.place_logs import LogPlacer, is_untimed
from flbrecover.recover.place_objects import ObjectPlacer
from flbrecover.recover.read_log import LogFacts
from flbrecover.recover.rules import Rules
from flbrecover.recover.samples import SAMPLE, Samples
from flbrecover.recover.scan_objects import ObjectScans
from flbrecover.recover.scratch import Scratch
from flbrecover.recover.survey import Survey, takes
from flbrecover.recover.watch import Watch, unwatched
from flbrecover.recover.whole_objects import ContentSums, whole_objects
from flbrecover.recover.window import Window, candidates, patterns_of

__all__ = ["ESTIMATED", "SOURCE", "TAG", "Comparison", "ascii_path", "compare"]

SAMPLE_OBJECTS = 3
KINDS = {"data": 0, "quarantine": 1, "engine": 2, "rejected": 3}  # which copy of a record is taken first


class Comparer:
    """The steps of one comparison; :func:`compare` runs them."""

    def __init__(
        self, survey: Survey, output: S3Output, s3: S3, options: Options, scratch: Scratch, watch: Watch
    ) -> None:
        self._scratch = scratch
        self._survey = survey
        self._output = output
        self._s3 = s3
        self._options = options
        self._watch = watch
        self._reader = LogReader(survey, output, plain_lines=options.plain_lines, now_ns=options.now_ns)
        self._style = replace(RecordStyle.of(output, survey.pipeline.service), any_spelling=self._renders())
        self._format = format_of(self._style)
        # A buffer file's name is its own on every node; a log's path is the same on many, so it proves nothing.
        self._own_sources = {ascii_path(b.path) for b in survey.buffers}
        self._patterns: dict[str, KeyPattern] = {}
        self._without_records: list[Peek] = []  # logs of which nothing reaches the output
        self._rules = Rules(self._style, KeySet(scratch.column))
        self._bytes: SourceBytes = source_bytes(survey, self._style)

    def _renders(self) -> bool:
        """Are records of this output rendered here, of which Fluent Bit may have written copies?"""
        as_json = self._output.log_key is None and self._output.format == "json_lines"
        return as_json and any(buffer.holds_events for buffer in self._buffers())

    def run(self) -> Comparison:
        problems: list[Problem] = []
        samples = Samples(self._survey.node, self._style, self._buffers())
        peeks = self._peeks(problems)
        problems[:0] = self._reader.notes  # a filter may be followed for some logs only: it has seen all of them now
        tags = {b.tag for b in samples.buffers if b.tag is not None} | {t for p in peeks for t in p.rendered}
        tags |= {g.tag for g in self._survey.gone if matches(self._output.route, g.tag)}
        former = self._options.former_key_formats
        self._patterns, refused = patterns_of(self._survey.pipeline, self._output, tags, former)
        problems.extend(refused)
        found = self._begin(samples, self._window(samples, peeks), problems)
        found.candidates = self._candidates(found.window)
        self._make_rules(found, samples, peeks)
        peeks = [replace(p, rendered={}) for p in peeks]  # hundreds of logs: their samples would take memory
        self._place(found, peeks, samples)
        self._reader.older = found.ledger.runs.older
        if found.ledger.runs.were_refused_in_vain or self._reader.broken.records:
            # Everything is placed anew, with an entry for each piece of a record, and with what files are older.
            candidates, found = found.candidates, self._begin(samples, found.window, problems)
            found.candidates = candidates
            self._bytes = source_bytes(self._survey, self._style)
            self._rules.joining.clear()  # what was found is all that is looked for
            self._place(found, peeks, samples)
        found.uncompared = tags - self._patterns.keys()
        found.gone = left_of(self._bytes, self._survey.gone, tags)
        found.problems.extend([*self._reader.broken.notes(), *found.logs.problems])
        return found

    def _begin(self, samples: Samples, window: Window, problems: Sequence[Problem]) -> Comparison:
        logs = LogEntries(self._scratch.column)
        for peek in self._without_records:
            logs.learn(LogFacts(dropped=dict(peek.dropped), unwritten=peek.unwritten))
        return Comparison(
            self._survey, self._output, self._style, samples.of_others,
            Ledger(moment=self._format.moment, new=self._scratch.column),
            window, self._scratch, logs, self._reader.broken, problems=[*problems],
            tag_precisions=samples.precision,
        )  # fmt: skip

    def _place(self, found: Comparison, peeks: Sequence[Peek], samples: Samples) -> None:
        """Puts all records on the ledger. Where some that the log joins are in pieces, the reader knows afterwards."""
        files = sum(len(peek.log.files) for peek in peeks)
        for _ in self._watch(LogPlacer(found, self._reader, self._rules).add_all(peeks), "reading logs", files):
            pass
        found.ledger.index_keys()
        joined = JoinedRecords(found, self._reader, self._rules)
        breaks = BreakSearch(found.ledger, joined)
        gap = breaks.look if self._rules.joining else None
        placer = BufferPlacer(found, self._rules, self._bytes, samples.fine, gap)
        for _ in self._watch(placer.add_all(samples.buffers), "reading buffers", len(samples.all)):
            pass
        self._widen(found)
        self._add_objects(found, placer.sums, gap)
        self._look_back(found, {peek.log.name for peek in peeks if is_untimed(peek)}, gap)
        for run in found.logs.runs if self._rules.joining else ():
            for entry, place in found.logs.across_offset(run, found.ledger.runs.entries(run.run)):
                breaks.stopped_at(entry, place)
        for entry, spans in breaks.found().items():
            run = found.logs.run_of(found.ledger.runs.of(entry))
            self._reader.broken.add(run.log, run.file, spans)
        self._reader.broken.left_out = self._reader.broken.left_out or joined.left_out

    # -- what there is ---------------------------------------------------------------------------------------------

    def _buffers(self) -> list[BufferFile]:
        mine = [b for b in self._survey.buffers if takes(self._output, self._survey.homes, b)]
        return sorted(mine, key=lambda b: (KINDS[b.kind], b.path))

    def _peeks(self, problems: list[Problem]) -> list[Peek]:
        peeks: list[Peek] = []
        for log in self._survey.logs:
            try:
                peek = self._reader.peek(log)
            except ConfigError as e:
                problems.append(unusable(log, e))
                continue
            (peeks if peek.rendered else self._without_records).append(peek)
        return peeks

    def _window(self, samples: Samples, peeks: list[Peek]) -> Window:
        """From the first record that the evidence knows of; no lower bound where a log has no time at all.

        Where the user wants later records only, an object that holds one may have begun an upload_timeout before.
        """
        now = self._options.now_ns
        created = [b.created_ns or b.facts.mtime_ns for b in samples.buffers]
        rows = [f.position.row.created_s * SECOND_NS for p in peeks for f in p.log.files if f.position is not None]
        times = [*samples.times, *(p.first_ns for p in peeks if p.first_ns is not None)]
        # The times of records alone are no bound for when they were written to S3: a clock or a zone may be wrong.
        written = min(created + rows + times) if created or rows else None
        if self._options.since_ns is not None:
            since = self._options.since_ns - self._output.upload_timeout_s * SECOND_NS
            return Window(since, now, written)
        if any(p.first_ns is None and not any(f.position for f in p.log.files) for p in peeks):
            return Window(None, now)
        return Window(min(created + rows + times, default=None), now, written).wider(None, max(times, default=None))

    def _candidates(self, window: Window) -> Candidates:
        found = candidates(self._s3, self._output.bucket, self._patterns, window)
        found.extend(noted_objects(self._survey, self._output, self._s3, self._patterns))
        return found

    def _widen(self, found: Comparison) -> None:
        """Reading all records may show older or younger ones than the first ones: look further then."""
        first = [h.first_ns for h in found.holders if h.first_ns is not None]
        first_of_logs, last_of_logs = found.ledger.limits(range(len(found.logs)))
        first += [first_of_logs] if first_of_logs is not None else []
        last = [t for t in (last_of_logs, *(h.last_ns for h in found.holders)) if t is not None]
        earliest = None if self._options.since_ns is not None else min(first, default=None)
        wider = found.window.wider(earliest, max(last, default=None))
        if wider != found.window:
            found.window = wider
            found.candidates = self._candidates(wider)

    # -- how records are compared ----------------------------------------------------------------------------------

    def _make_rules(self, found: Comparison, samples: Samples, peeks: list[Peek]) -> None:
        rendered: dict[str, list[bytes]] = {}
        of_tag: dict[str, list[Peek]] = {}
        for peek in peeks:
            if self._reader.joins_lines(peek.log):
                self._rules.joining |= peek.rendered.keys()
            for tag, records in peek.rendered.items():
                rendered.setdefault(tag, []).extend(records)
                of_tag.setdefault(tag, []).append(peek)
        buffered = samples.records
        for tag, records in rendered.items():
            siblings = buffered.get(tag) or self._stored_siblings(found, tag)
            self._rules.of_tag[tag] = rule_for(
                plain=self._style.log_key is not None,
                date_key=self._format.date_name,
                rendered=records,
                unsure=frozenset(name for peek in of_tag[tag] for name in peek.unsure.get(tag, ())),
                unsteady=compared_fields.unsteady(tag, of_tag[tag]),
                constant=partial(compared_fields.constant, tag, of_tag[tag], self._format),
                siblings=siblings,
                record_format=self._format,
            )
            self._rules.add_cut(tag, self._format, {p.timed for p in of_tag[tag]}, records, siblings)

    def _stored_siblings(self, found: Comparison, tag: str) -> list[bytes]:
        siblings: list[bytes] = []
        for candidate in [c for c in found.candidates if tag in c.tags][:SAMPLE_OBJECTS]:
            records = ObjectRecords(self._s3, candidate.object, self._style)
            siblings += [r.data for r in islice(records, SAMPLE)]
        return siblings

    # -- placing ---------------------------------------------------------------------------------------------------

    def _add_objects(self, found: Comparison, sums: Mapping[int, ContentSums | None], gap: Gap | None) -> None:
        """Places the records of all candidates, until nothing is left to be looked for."""
        if not self._options.by_bytes:
            proven = whole_objects(found, self._s3, self._survey.node, sums, self._watch)
            found.proofs.update(proven)
        self._place_objects(found, [n for n in range(len(found.candidates)) if n not in found.proofs], gap)

    def _look_back(self, found: Comparison, untimed: Collection[str], gap: Gap | None) -> None:
        """Places the records of objects from before the window, as long as lines of logs (of these names) are missing
        that may have been read before anything that is known of their files."""
        start = found.window.start_ns
        if start is None or self._options.since_ns is not None:
            return
        for distance in look_back.STEPS_NS:
            wanted = look_back.older(found, lambda run: run.log.name in untimed)
            if wanted is None or wanted.since_ns >= (found.window.start_ns or 0):
                return
            since = max(start - distance, wanted.since_ns)
            found.window = replace(found.window, start_ns=since, written_ns=since)
            patterns = {tag: self._patterns[tag] for tag in wanted.tags if tag in self._patterns}
            there = candidates(self._s3, self._output.bucket, patterns, found.window)
            known = {(c.object.key, c.object.etag) for c in found.candidates}
            first = len(found.candidates)
            found.candidates.extend(c for c in there if (c.object.key, c.object.etag) not in known)
            self._place_objects(found, range(first, len(found.candidates)), gap)

    def _place_objects(self, found: Comparison, numbers: Sequence[int], gap: Gap | None) -> None:
        """Places the records of these candidates."""
        scans = ObjectScans(found, self._s3, self._rules, self._bytes)
        placer = ObjectPlacer(
            found, scans, self._rules, self._bytes, self._own_sources, gap, take_ambiguous=self._options.take_ambiguous
        )
        postponed: list[int] = []
        placed = placer.add_all(numbers, lambda n: not self._is_settled(found, found.candidates[n].tags))
        for number, done in self._watch(placed, "reading objects", len(numbers)):
            if done is None:
                found.not_read += 1
            elif not done:
                postponed.append(number)
        for number in sorted(postponed, key=placer.ours.__contains__):  # ours come last
            if not self._is_settled(found, found.candidates[number].tags):
                placer.add(number, last=True)

    def _is_settled(self, found: Comparison, tags: Sequence[str]) -> bool:
        """Can an object with records of these tags tell nothing any more?"""
        if self._options.by_bytes or self._bytes.wanted(tags):
            return False
        return not found.ledger.open_entries(tags)


def compare(
    survey: Survey, output: S3Output, s3: S3, options: Options, scratch: Scratch, watch: Watch = unwatched
) -> Comparison:
    """The comparison of one output. A window without a start begins with the evidence's first record.

    Raises BucketError where the bucket cannot be listed at all, ExtraMissingError where no object of this output can
    be read; a single object that cannot be read becomes a problem.
    """
    columnar.need_for(output)
    return Comparer(survey, output, s3, options, scratch, watch).run()
