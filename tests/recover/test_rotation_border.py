"""An object or a buffer file that was begun before a log was rotated, and ends behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import FreshBucket
from judge import decompressed
from made_node import MadeNode

TEXTS = [*(f"line {n}" for n in range(20)), "beat", "beat", *(f"line {n}" for n in range(20, 30)), "beat"]
"""What was delivered, or lies in a buffer file; then came one more beat, and the end."""
OLDER = len(TEXTS) - 1  # lines in the file that was rotated away


@pytest.mark.parametrize("where", ["object", "buffer"])
def test_repeated_lines_behind_the_border(tmp_path: Path, moto_bucket: FreshBucket, where: str) -> None:
    """Nothing but the line before it, in another file, tells which beat it is."""
    s3 = moto_bucket.s3.client
    node = MadeNode(tmp_path / "node", moto_bucket.name, moto_bucket.server.endpoint_url, cri=False)
    written = [*TEXTS, "beat", "the end"]
    lines = [node.line(n, text) + "\n" for n, text in enumerate(written)]
    (node.root / "var/log/app.log.1").write_text("".join(lines[:OLDER]))
    (node.root / "var/log/app.log").write_text("".join(lines[OLDER:]))
    records = [node.record(n, text) for n, text in enumerate(TEXTS)]
    if where == "object":
        node.put("all", records, s3)
    else:
        node.write_buffer(records)
    done = node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    stored: list[str] = []
    for listed in s3.list_objects_v2(Bucket=node.bucket)["Contents"]:
        content = decompressed(moto_bucket.get(listed["Key"]))
        stored += [json.loads(line)["log"] for line in content.splitlines()]
    assert sorted(stored) == sorted(written)
