"""What changed on the node while it was read."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.evidence import engine_storage, store_dir
from flbrecover.model import FileFacts, Problem
from flbrecover.recover.survey import Survey

_AGAIN = "run again"


def changed(survey: Survey) -> list[Problem]:
    """Buffer files and notes of uploads that came, grew, changed or went since the survey. What of them was read is
    only a part of the evidence. (Logs may grow: they are read up to the size that they were found with.)"""
    then = {facts.path: _state(facts) for facts in _facts(survey)}
    now = {facts.path: _state(facts) for facts in _facts_now(survey)}
    problems = []
    for path in sorted(then.keys() | now.keys()):
        if then.get(path) == now.get(path):
            continue
        what = "appeared" if path not in then else "vanished" if path not in now else "was changed"
        problems.append(Problem(path, f"{what} while the evidence was read", way_out=_AGAIN))
    return problems


def _state(facts: FileFacts) -> tuple[int, int, int, int]:
    return facts.device, facts.inode, facts.size, facts.mtime_ns


def _facts(survey: Survey) -> Iterator[FileFacts]:
    yield from (buffer.facts for buffer in survey.buffers)
    yield from (upload.facts for upload in survey.uploads)


def _facts_now(survey: Survey) -> Iterator[FileFacts]:
    for home in survey.store_homes:
        found = store_dir.scan(survey.node, home.path)
        yield from (buffer.facts for buffer in found.buffers)
        yield from (upload.facts for upload in found.uploads)
    for home in survey.storage_homes:
        chunks, _ = engine_storage.scan(survey.node, home.path)
        yield from (chunk.facts for chunk in chunks)
