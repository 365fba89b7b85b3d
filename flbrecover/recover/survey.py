"""Reads the node once: what Fluent Bit left behind, where it was found, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flbrecover.evidence import engine_storage, hiding_places, processes, source_files, store_dir, tail_db
from flbrecover.evidence.node import Node
from flbrecover.evidence.processes import RunningAgent
from flbrecover.evidence.source_files import GoneRange
from flbrecover.evidence.tail_db import TailDb
from flbrecover.fluentbit.pipeline import Pipeline, S3Output, TailInput
from flbrecover.model import BufferFile, Problem, RecordedUpload, SourceLog, TailPosition


@dataclass(frozen=True, slots=True)
class Home:
    """A folder that was looked into for buffers, and the folder of the configuration that it stands for."""

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

    def is_home_of(self, found: BufferFile | RecordedUpload, output: S3Output) -> bool:
        """Was a file found in the ``store_dir`` of this output?"""
        return Home(found.home, output.store_dir) in self.homes


def survey(node: Node, pipeline: Pipeline, *, tag: str | None = None) -> Survey:
    """Everything on the node that the pipeline's inputs and s3 outputs left. ``tag`` is the tag of buffer files whose
    own one cannot be found."""
    problems: list[Problem] = []
    dbs, positions, logs, gone = _tail(node, pipeline, problems)
    homes, buffers, uploads = _buffers(node, pipeline, {log.tag for log in logs}, tag, problems)
    storage_path = pipeline.service.storage_path
    agents = processes.agents(
        node,
        dbs={i.db for i in pipeline.inputs if i.db},
        store_dirs={o.store_dir for o in pipeline.outputs},
        storage_paths={storage_path} if storage_path else set(),
    )
    return Survey(
        node, pipeline, tuple(homes), tuple(buffers), tuple(uploads), tuple(dbs), tuple(positions), tuple(logs),
        tuple(gone), tuple(agents), tuple(problems),
    )  # fmt: skip
