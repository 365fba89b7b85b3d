"""The command that comes next, as it can be typed: with the options of this call that it needs, too."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flbrecover.bucket.denied import without_secrets
from flbrecover.cli.options import spelled

_VALUES = ("root", "tag", "endpoint_url", "region", "profile", "expected_bucket_owner", "sse", "sse_kms_key_id")
_FLAGS = ("no_assume_role", "request_payer", "retire")


def apply_line(plan: Path | str, given: Mapping[str, Any]) -> str:
    return shlex.join(["flbrecover", "apply", str(plan), *_same(given)])


def recover_line(case: Path | str, given: Mapping[str, Any]) -> str:
    return shlex.join(["flbrecover", "recover", "--case", str(case), *_same(given)])


def _same(given: Mapping[str, Any]) -> Iterator[str]:
    """The options that say where node and S3 are, and how S3 is to be asked; no plan holds them."""
    for name in _VALUES:
        value = given.get(name)
        if value is not None and (name, value) != ("root", "/"):
            yield spelled(name)
            yield without_secrets(value) if name == "endpoint_url" else value
    yield from (spelled(name) for name in _FLAGS if given.get(name))
