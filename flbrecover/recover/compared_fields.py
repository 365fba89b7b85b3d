"""Which fields of a tag need not be compared, as the first records of its logs show."""

from __future__ import annotations

from collections.abc import Sequence

from flbrecover.fluentbit.formats import Format
from flbrecover.recover.log_reader import Peek


def unsteady(tag: str, peeks: Sequence[Peek]) -> frozenset[str]:
    """The fields of a tag that need not be compared: those that only the configuration fills, for it may have said
    something else when older objects were written, or nothing; and the offset, which Fluent Bit can be wrong about.

    Where the log itself has such a field at times, it tells records from each other. And where the time of a line does
    not, one of these (the name of a node) may be all that tells ours from those of a node that says the same.
    """
    if not all(peek.fine for peek in peeks):
        return frozenset()
    found: set[str] = set()
    own: set[str] = set()
    for peek in peeks:
        found |= peek.unsteady.get(tag, set())
        own |= peek.own.get(tag, set())
    return frozenset(found - own)


def constant(tag: str, peeks: Sequence[Peek], record_format: Format) -> frozenset[str]:
    """The fields of a tag that have one value in all records of each log: the path of the file (``Path_Key``), say."""
    same: set[str] | None = None
    for peek in peeks:
        records = peek.rendered.get(tag, ())
        values: dict[str, set[str]] = {}
        for record in records:
            for name, raw in record_format.members(record) or ():
                values.setdefault(name, set()).add(raw)
        if len(records) > 1:
            of_log = {name for name, some in values.items() if len(some) == 1}
            same = of_log if same is None else same & of_log
    return frozenset(same or ())
