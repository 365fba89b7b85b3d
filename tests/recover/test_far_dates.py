"""A date that no clock shows (the year 1, the year 9999 for "never", a damaged digit) is none, and costs nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chunk_builder import chunk, old_event, put
from judge import bodies
from made_node import TAG, MadeNode

META = b"\xf1\x77\x00\x00" + TAG.encode()
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
    for at in (7, 18, 19):
        lines[at] = lines[at].replace(node.stamp(at) + "Z", far)
    node.write_log(lines)
    done = node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    told = re.findall(rb"(\d+) records with a time before 1970 or after February 2106: Fluent Bit drops", done.out)
    uploaded = b"".join(content for _, content in bodies(moto.client, [node.bucket]))
    assert (uploaded.count(b"\n"), told) == ((20, []) if far[:4] in ("1970", "2105") else (17, [b"3"]))


@pytest.mark.parametrize("when", [253_402_300_000, 1e10, 0], ids=str)
def test_an_event_of_an_engine_chunk_with_a_far_time_is_uploaded(tmp_path: Path, moto, when: float) -> None:
    """Old events have their time as a number, of any size."""
    node = MadeNode(tmp_path / "node", f"far-events-{abs(int(when))}", moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket=node.bucket)
    node.config.write_text("[SERVICE]\n    storage.path /var/storage\n" + node.config.read_text())
    events = [old_event(time, {"log": f"line {n}"}) for n, time in enumerate((node.start_ns // 10**9, when))]
    put(node.root, "/var/storage/tail.0/1-1795434087.195128701.flb", chunk(META, b"".join(events)))
    done = node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    uploaded = b"".join(content for _, content in bodies(moto.client, [node.bucket]))
    assert uploaded.count(b"\n") == 2
