"""A date that no clock shows (the year 1, the year 9999 for "never", a damaged digit) is none, and costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from judge import bodies
from made_node import MadeNode

FAR = [
    "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.999999Z",
    "1677-09-21T00:00:00.000000Z",
    "1970-01-01T00:00:00.000000Z",
    "2105-01-01T00:00:00.000000Z",
]


@pytest.mark.parametrize("far", FAR)
def test_a_record_of_a_buffer_with_a_far_date_is_uploaded(tmp_path: Path, moto, far: str) -> None:
    node = MadeNode(tmp_path / "node", f"far-dates-{far[:4]}", moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket=node.bucket)
    records = [node.record(n, f"line {n}") for n in range(600)]
    for at in (0, 300, 599):
        records[at] = records[at].replace(node.stamp(at)[:26].encode() + b"Z", far.encode())
    node.write_buffer(records)
    done = node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    assert {content for _, content in bodies(moto.client, [node.bucket])} == {b"".join(r + b"\n" for r in records)}


@pytest.mark.parametrize("far", FAR)
def test_a_line_of_a_log_with_a_far_date_is_told_of(tmp_path: Path, moto, far: str) -> None:
    """Fluent Bit drops it where its date is none that an event can have."""
    node = MadeNode(tmp_path / "node", f"far-lines-{far[:4]}", moto.endpoint_url)
    moto.client.create_bucket(Bucket=node.bucket)
    lines = [node.line(n, f"line {n}") for n in range(20)]
    lines[7] = lines[7].replace(node.stamp(7) + "Z", far)
    node.write_log(lines)
    done = node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    told = b"Fluent Bit drops records with a time before 1970 or after February 2106" in done.out
    uploaded = b"".join(content for _, content in bodies(moto.client, [node.bucket]))
    assert (uploaded.count(b"\n"), told) == ((20, False) if far[:4] in ("1970", "2105") else (19, True))
