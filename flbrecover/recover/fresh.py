"""Is what a plan was made from still what S3 lists?"""

from __future__ import annotations

from collections.abc import Collection

from flbrecover.recover.analysis import Analysis, Connect
from flbrecover.recover.window import candidates, patterns_of


def appeared(analysis: Analysis, tags: Collection[str], connect: Connect) -> bool:
    """Has an object come since the comparison that could hold records of these tags, or has one changed? Another
    operator, or a Fluent Bit that came back, may have sent what the plan would upload. Raises BucketError."""
    for output in analysis.outputs:
        comparison = output.comparison
        known = {(c.object.key, c.object.etag) for c in comparison.candidates}
        known_tags = set(tags) & set(comparison.ledger.runs.tags)
        former = analysis.options.former_key_formats
        patterns, _ = patterns_of(analysis.survey.pipeline, output.output, known_tags, former)
        now = candidates(connect(output.output), output.output.bucket, patterns, comparison.window)
        if any((c.object.key, c.object.etag) not in known for c in now):
            return True
    return False
