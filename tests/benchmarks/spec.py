"""What an incident is made of. See :mod:`world`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from . import lines

VERSION = 2  # of what is made: incidents of another version are made anew
MB = 1_000_000

Delivered = Literal["none", "whole", "half", "shifted"]
"""Of the buffered records S3 holds nothing; every buffer file as an object of its own; every second one; or most of
them, in objects that begin and end in the middle of buffer files (every fourth such object never arrived)."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a world is made of, in bytes before compression. ``objects`` are all objects of the bucket, other nodes'
    included; ``unit`` is the size of a buffer file and of an object."""

    buffers: int
    logs: int
    objects: int
    delivered: Delivered = "none"
    apps: int = 8
    unit: int = 4 * MB
    hours: int = 3
    compression: str = "gzip"
    seed: int = 5

    @property
    def name(self) -> str:
        """Also the bucket's name."""
        said = json.dumps([VERSION, lines.ID, asdict(self)], sort_keys=True)
        return f"world-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
