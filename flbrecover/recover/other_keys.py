"""Lost records that no object is old enough for: they may lie under the keys of another configuration.

A key format says where objects are looked for. One that was guessed, or that was changed in the incident, makes all
that was stored before look lost, and nothing on the node tells.
"""

from __future__ import annotations

from flbrecover.model import SECOND_NS, Problem
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.states import States
from flbrecover.recover.window import SLACK_NS
from flbrecover.wording import are, count


def other_keys(comparison: Comparison, states: States) -> list[Problem]:
    """A note, where all objects were written so much later than some lost records that these should be in an earlier
    one, or where there is no object at all."""
    output, oldest_ns = comparison.output, comparison.candidates.oldest_ns
    due_ns = output.upload_timeout_s * SECOND_NS + SLACK_NS
    lost = 0
    for state, entries in states.stretches(range(len(comparison.logs))):
        if state != "lost":
            continue
        last_ns = comparison.ledger.limits(entries)[1]
        if oldest_ns is None or (last_ns is not None and last_ns + due_ns < oldest_ns):
            lost += len(entries)
    if not lost:
        return []
    objects = "no object" if oldest_ns is None else "no object from that time"
    what = f"{count(lost, 'record')} {are(lost)} called lost, and {objects} has a key of {output.key_format}"
    way_out = "if they may be stored under other keys, name the format of these with --former-key-format"
    return [Problem(f"s3://{output.bucket}/", what, way_out=way_out, unreadable=False)]
