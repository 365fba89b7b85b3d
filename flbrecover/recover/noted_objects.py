"""Objects under the keys of uploads that the node has noted, where these are of another key format than that of now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flbrecover.bucket.client import S3
from flbrecover.bucket.listing import objects
from flbrecover.fluentbit.key_format import KeyFormat
from flbrecover.fluentbit.key_pattern import KeyPattern
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.recover.candidates import Candidate
from flbrecover.recover.survey import Survey


def is_of_another_format(key: str, output: S3Output, patterns: Mapping[str, KeyPattern]) -> bool:
    """Can the output not have written a key with the format that it has now, for any tag?"""
    known = any(pattern.match(key) for pattern in patterns.values())
    return not known and not KeyFormat.of(output).pattern_any_tag().match(key)


def noted_objects(survey: Survey, output: S3Output, s3: S3, patterns: Mapping[str, KeyPattern]) -> Iterator[Candidate]:
    """What stands under such keys, since somebody has completed the uploads: records of any tag. Raises BucketError."""
    keys = {u.key for u in survey.uploads_of(output) if is_of_another_format(u.key, output, patterns)}
    for stored in objects(s3, output.bucket, sorted(keys)) if keys else ():
        if stored.key in keys:
            yield Candidate(stored, tuple(sorted(patterns)), None)
