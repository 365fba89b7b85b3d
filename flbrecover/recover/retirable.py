"""Which buffer files may be moved out of Fluent Bit's way."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.model import BufferFile
from flbrecover.recover.analysis import Analysis
from flbrecover.recover.survey import may_retire, takes


def retirable(analysis: Analysis) -> Iterator[tuple[BufferFile, int]]:
    """Buffer files, with the number of their records, of which every output that takes them has every record stored.

    One that is damaged is none of them: what nobody could read, nobody can prove to be stored.
    """
    survey = analysis.survey
    doubted = {problem.path for problem in analysis.problems if problem.unreadable}
    for failed, _ in analysis.failed:
        doubted |= {buffer.path for buffer in survey.buffers if takes(failed, survey.homes, buffer)}
    records: dict[str, int] = {}
    for output in analysis.outputs:
        for holder in output.comparison.holders:
            path = holder.buffer.path
            if any(output.states[entry] != "stored" for entry in holder.entries):
                doubted.add(path)
            records[path] = max(records.get(path, 0), len(holder.entries))
    for buffer in survey.buffers:
        if records.get(buffer.path) and buffer.path not in doubted and may_retire(buffer, survey.pipeline):
            yield buffer, records[buffer.path]
