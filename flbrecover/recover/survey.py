"""Reads the node once: what Fluent Bit left behind, where it was found, and what could not be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from flbrecover.evidence import engine_storage, hiding_places, processes, source_files, store_dir, tail_db
from flbrecover.evidence.hiding_places import HiddenPlace
from flbrecover.evidence.log_names import is_followed
from flbrecover.evidence.node import Node
from flbrecover.evidence.processes import RunningAgent
from flbrecover.evidence.source_files import GoneRange
from flbrecover.evidence.tail_db import TailDb
from flbrecover.fluentbit.match import matches
from flbrecover.fluentbit.pipeline import Pipeline, S3Output, TailInput, clean
from flbrecover.fluentbit.tail_tag import expand
from flbrecover.model import SECOND_NS, BufferFile, Problem, RecordedUpload, SourceLog, TailPosition


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that was looked into for buffers, and the folder of the configuration that it stands for, which several
    outputs can spell in several ways: a :func:`clean` path."""

    path: str
    configured: str


@dataclass(frozen=True, slots=True)
class Survey:
    """All evidence of a node."""

    node: Node
    pipeline: Pipeline
    homes: tuple[Home, ...]
    buffers: tuple[BufferFile, ...]
    uploads: tuple[RecordedUpload, ...]
    dbs: tuple[TailDb, ...]
    positions: tuple[TailPosition, ...]
    logs: tuple[SourceLog, ...]
    gone: tuple[GoneRange, ...]
    agents: tuple[RunningAgent, ...]
    problems: tuple[Problem, ...]

    def input_of(self, log: SourceLog) -> TailInput:
        return next(i for i in self.pipeline.inputs if i.number == log.input_number)

    @property
    def store_homes(self) -> list[Home]:
        """The folders that were looked into for the files of the s3 outputs."""
        configured = {clean(output.store_dir) for output in self.pipeline.outputs}
        return [home for home in self.homes if home.configured in configured]

    @property
    def storage_homes(self) -> list[Home]:
        """The folders that were looked into for the chunks of Fluent Bit's engine."""
        storage = self.pipeline.service.storage_path
        return [] if storage is None else [home for home in self.homes if home.configured == clean(storage)]

    def is_home_of(self, found: BufferFile | RecordedUpload, output: S3Output) -> bool:
        """Was a file found in the ``store_dir`` of this output?"""
        return _is_home(self.homes, found, output)

    def uploads_of(self, output: S3Output) -> list[RecordedUpload]:
        """The noted uploads that this output may have begun."""
        return [u for u in self.uploads if u.bucket == output.bucket and self.is_home_of(u, output)]


def _is_home(homes: Collection[Home], found: BufferFile | RecordedUpload, output: S3Output) -> bool:
    return Home(found.home, clean(output.store_dir)) in homes


def survey(node: Node, pipeline: Pipeline, *, tag: str | None = None) -> Survey:
    """Everything on the node that the pipeline's inputs and s3 outputs left. ``tag`` is the tag of buffer files whose
    own one cannot be found."""
    problems: list[Problem] = []
    dbs, positions, logs, gone = _tail(node, pipeline, problems)
    tags = {log.tag for log in logs} | set(_tags_of_rows(pipeline, dbs))
    homes, buffers, uploads = _buffers(node, pipeline, tags, tag, problems)
    agents, notes = running_agents(node, pipeline)
    problems.extend(notes)
    problems.extend(problem for buffer in buffers for problem in buffer.problems)
    problems.extend(_unclaimed(pipeline, homes, buffers))
    problems.extend(_unclaimed_uploads(pipeline, homes, uploads))
    return Survey(
        node, pipeline, tuple(homes), tuple(buffers), tuple(uploads), tuple(dbs), tuple(positions), tuple(logs),
        tuple(gone), tuple(agents), tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def running_agents(node: Node, pipeline: Pipeline) -> tuple[list[RunningAgent], list[Problem]]:
    """Running Fluent Bits that use the DBs or buffers of the pipeline, as of now."""
    storage_path = pipeline.service.storage_path
    return processes.agents(
        node,
        dbs={i.db for i in pipeline.inputs if i.db},
        store_dirs={o.store_dir for o in pipeline.outputs},
        storage_paths={storage_path} if storage_path else set(),
    )


def _tail(
    node: Node, pipeline: Pipeline, problems: list[Problem]
) -> tuple[list[TailDb], list[TailPosition], list[SourceLog], list[GoneRange]]:
    dbs: dict[str, TailDb] = {}
    positions: list[TailPosition] = []
    logs: list[SourceLog] = []
    gone: list[GoneRange] = []
    for tail in pipeline.inputs:
        own: list[TailPosition] = []
        if tail.db is not None:
            db_path = _db_path(node, clean(tail.db), problems)
            if db_path not in dbs:
                dbs[db_path] = tail_db.read(node, db_path)
                problems.extend(dbs[db_path].problems)
            own, found = source_files.positions(node, dbs[db_path], tail)
            problems.extend(found)
            positions.extend(p for p in own if p not in positions)
        evidence = source_files.examine(node, tail, own, pipeline.on_the_db_of(tail))
        logs.extend(_without_ignored(tail, evidence.logs, own, problems))
        gone.extend(g for g in evidence.gone if g not in gone)
        problems.extend(evidence.problems)
    return list(dbs.values()), positions, logs, gone


def _without_ignored(
    tail: TailInput, logs: Iterable[SourceLog], positions: Sequence[TailPosition], problems: list[Problem]
) -> Iterator[SourceLog]:
    """Leaves out files that ``Ignore_Older`` made Fluent Bit pass over: without a row, and too old already when it made
    its first row. (Files that were rotated out of ``Path`` had been read before, when they had the log's own name.)"""
    started = min((p.row.created_s for p in positions), default=None)
    for log in logs:
        if started is None or not tail.ignore_older_s:
            yield log
            continue
        limit = (started - tail.ignore_older_s) * SECOND_NS
        too_old = [f for f in log.files if f.position is None and f.facts.mtime_ns < limit]
        ignored = [f for f in too_old if is_followed(tail, f.path)]
        for file in ignored:
            what = "passed over, as Ignore_Older says: it was too old when Fluent Bit started"
            problems.append(Problem(file.path, what, unreadable=False))
        kept = tuple(f for f in log.files if f not in ignored)
        if kept:
            yield replace(log, files=kept)


def _tags_of_rows(pipeline: Pipeline, dbs: Iterable[TailDb]) -> Iterator[str]:
    """Tags that the names in the DBs would have: of logs that are gone, too."""
    names = {row.name for db in dbs for row in db.rows}
    for tail in pipeline.inputs:
        for name in names:
            with suppress(ValueError):  # no tag: Fluent Bit does not follow the file either
                yield expand(tail.tag, name, tail.tag_regex)


def _db_path(node: Node, configured: str, problems: list[Problem]) -> str:
    """The configured DB or, where that is not there, the only one that hides elsewhere."""
    if node.exists(configured):
        return configured
    hidden = hiding_places.databases(node, configured)
    if len(hidden) != 1:
        return configured
    what = f"not there; read {hidden[0].path} instead ({hidden[0].why})"
    problems.append(Problem(configured, what, unreadable=False))
    return hidden[0].path


def _buffers(
    node: Node, pipeline: Pipeline, tags: set[str], tag: str | None, problems: list[Problem]
) -> tuple[list[Home], list[BufferFile], list[RecordedUpload]]:
    homes: list[Home] = []
    buffers: list[BufferFile] = []
    uploads: list[RecordedUpload] = []
    buckets: dict[str, set[str]] = {}
    for output in pipeline.outputs:
        buckets.setdefault(clean(output.store_dir), set()).add(output.bucket)
    for configured, names in buckets.items():
        for place in _places(node, configured, hiding_places.store_dirs(node, configured, names), problems):
            homes.append(Home(place, configured))
            found = store_dir.scan(node, place, tags=tags, given_tag=tag)
            buffers.extend(found.buffers)
            uploads.extend(found.uploads)
            problems.extend(found.problems)
    if pipeline.service.storage_path is not None:
        storage = clean(pipeline.service.storage_path)
        for place in _places(node, storage, hiding_places.storage_paths(node, storage), problems):
            homes.append(Home(place, storage))
            chunks, bad = engine_storage.scan(node, place, tags=tags, given_tag=tag)
            buffers.extend(chunks)
            problems.extend(bad)
    return homes, buffers, uploads


def _places(node: Node, configured: str, hidden: list[HiddenPlace], problems: list[Problem]) -> list[str]:
    """The configured folder, and where else its content was found when it is not there."""
    for place in hidden:
        what = f"nothing of Fluent Bit's there; {place.path} was read as well ({place.why})"
        problems.append(Problem(configured, what, unreadable=False))
    found = [configured] if node.exists(configured) or not hidden else []
    return [*found, *(place.path for place in hidden)]


def _unclaimed(pipeline: Pipeline, homes: list[Home], buffers: list[BufferFile]) -> Iterator[Problem]:
    """Buffer files that no output of the configuration can have written: nobody would recover them."""
    for buffer in buffers:
        if buffer.tag is None or not pipeline.outputs:
            continue  # told already
        if not any(takes(output, homes, buffer) for output in pipeline.outputs):
            bucket = f" in bucket {buffer.bucket}" if buffer.bucket else ""
            what = f"no s3 output of the configuration takes its tag {buffer.tag}{bucket}; it was left alone"
            yield Problem(buffer.path, what, way_out="give --bucket, --match and --key-format")


def _unclaimed_uploads(pipeline: Pipeline, homes: list[Home], uploads: Iterable[RecordedUpload]) -> Iterator[Problem]:
    """Notes of uploads that no output of the configuration can have begun: nobody would complete them."""
    for upload in uploads:
        of_bucket = (o for o in (*pipeline.outputs, *pipeline.left_out) if o.bucket == upload.bucket)
        if not pipeline.outputs or any(_is_home(homes, upload, output) for output in of_bucket):
            continue
        what = f"it notes an upload of s3://{upload.bucket}/{upload.key}, and no s3 output of the configuration has"
        way_out = "give the configuration that Fluent Bit ran with, or --bucket"
        yield Problem(upload.facts.path, f"{what} this bucket; it was left alone", way_out=way_out)


def takes(output: S3Output, homes: Collection[Home], buffer: BufferFile) -> bool:
    """Are the records of a buffer file for this output: by ``Match`` and, below ``store_dir``, by bucket?"""
    if buffer.tag is None or not matches(output.route, buffer.tag):
        return False
    if buffer.bucket is None:
        return True
    return buffer.bucket == output.bucket and _is_home(homes, buffer, output)


def may_retire(buffer: BufferFile, pipeline: Pipeline) -> bool:
    """May the file be taken out of Fluent Bit's way once S3 has its records? A chunk of the engine waits for every
    output that takes its tag: where there are others than s3, it has to stay."""
    return not buffer.holds_events or not pipeline.other_outputs
