"""Which Fluent Bit an image is, and what versions are known to lose.

Every entry names the change of the Fluent Bit repository that mended it; the versions are the first release tags that
contain it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Version = tuple[int, int, int]

_NUMBERS = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?![.\d])", re.ASCII)


@dataclass(frozen=True, slots=True)
class KnownFault:
    """``since`` is the first version that has it, ``mended`` the first one that has not."""

    since: Version
    mended: Version
    plugin: Literal["tail", "s3"]
    severity: Literal["error", "warning"]
    what: str
    incident: str


KNOWN_FAULTS = (
    KnownFault(  # de69a6a95 (1.8.14), "on file rotation, remove entry from hash tables"
        (1, 8, 13), (1, 8, 14), "tail", "error",
        "a rotated file stays registered under its name and inode",
        "After a rotation the new file can be taken for one that is already followed, and is never read.",
    ),
    KnownFault(  # 0f768152a (2.0.10), "fix s3 key tag bug by using sds string"
        (0, 0, 0), (2, 0, 10), "s3", "warning",
        "with preserve_data_ordering the tag of a queued upload is copied without its end",
        "Objects can get keys with stray bytes behind the tag: they are in S3, where no query looks for them.",
    ),
    KnownFault(  # cee014238 (5.0.3), "fix retry_limit semantics and multipart memory leaks"; since f4108db65 (4.2.1)
        (4, 2, 1), (5, 0, 3), "s3", "error",
        "an upload is given up after retry_limit failures, and the default is 1",
        "One failed request (a 503 SlowDown, an expired token) is enough: the buffer file is not sent again, and the "
        "next clean stop can delete it. A Retry_Limit that is set counts one attempt less than it says.",
    ),
    KnownFault(  # 22f8800ff (5.0.3), "harden restart restore and aged-out file recovery"
        (0, 0, 0), (5, 0, 3), "tail", "warning",
        "the tail DB keeps an offset without anything that proves which file it belongs to",
        "A file that was truncated and written again, or that got the inode of a deleted one, while Fluent Bit was "
        "down is read from the old offset on: its beginning is lost. A half-written last line is read again from its "
        "middle.",
    ),
    KnownFault(  # d1abb5425 (5.0.7), "Provide options for inactive chunks' behavior"
        (0, 0, 0), (5, 0, 7), "s3", "warning",
        "a buffer file whose retries ran out is forgotten on disk, there is no quarantine",
        "After some hours without S3 such files are never sent again, and a clean stop can delete their folder.",
    ),
)  # fmt: skip


def of_image(image: str) -> Version | None:
    """The version that an image's tag says: ``fluent/fluent-bit:3.1.9-debug``. None for a digest, ``latest``, no tag,
    and for images that number themselves otherwise (aws-for-fluent-bit)."""
    name, _, tag = image.partition("@")[0].rpartition(":")
    if not name or "/" in tag or "aws-for-fluent-bit" in name:
        return None
    return parse(tag)


def parse(text: str) -> Version | None:
    """``5.0.3``, ``v5.0`` or ``5.0.3-debug``; None for anything else. A missing last number is 0."""
    found = _NUMBERS.match(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def shown(version: Version) -> str:
    return ".".join(map(str, version))
