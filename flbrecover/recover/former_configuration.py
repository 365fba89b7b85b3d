"""Lost records that no object of ours is old enough for: they may be stored as another configuration says.

A key format says where objects are looked for, filters and ``log_key`` what their records look like. What was guessed,
or changed in the incident, makes all that was stored before look lost, and nothing on the node tells.
"""

from __future__ import annotations

from flbrecover.model import Problem
from flbrecover.reconcile.columns import NONE
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.states import States
from flbrecover.recover.window import due_ns
from flbrecover.wording import are, count


def former_configuration(comparison: Comparison, states: States) -> list[Problem]:
    """A note, where all objects with records of ours were written so much later than some lost records that these
    should be in an earlier one, or where there is no such object at all."""
    output, oldest_ns = comparison.output, _oldest_of_ours(comparison)
    lost = 0
    for state, entries in states.stretches(range(len(comparison.logs))):
        if state != "lost":
            continue
        last_ns = comparison.ledger.limits(entries)[1]
        if oldest_ns is None or (last_ns is not None and last_ns + due_ns(output) < oldest_ns):
            lost += len(entries)
    if not lost:
        return []
    objects = "no object from that time holds any of this output's"
    if not len(comparison.candidates):
        objects = f"no object has a key of {output.key_format}"
    what = f"{count(lost, 'record')} {are(lost)} called lost, and {objects}"
    way_out = "if the configuration was another one then, see docs/configuration.md (--former-key-format)"
    return [Problem(f"s3://{output.bucket}/", what, way_out=way_out, unreadable=False)]


def _oldest_of_ours(comparison: Comparison) -> int | None:
    """The time of the oldest object that has a record of ours: of its key or, without one, of its writing."""
    holding = {number for number, _ in comparison.ledger.stored_stretches()} - {NONE}
    objects = (comparison.candidates[number] for number in holding)
    times = (c.object.last_modified_ns if c.key_time_ns is None else c.key_time_ns for c in objects)
    return min(times, default=None)
