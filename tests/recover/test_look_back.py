"""Objects with copies of a log's records are found, however old they are and whatever the records say of their time."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from faults.proxy import FaultProxy
from judge import bodies
from made_node import LOG, TAG, MadeNode, body

from flbrecover.recover.scan_objects import ObjectScans

HOUR_NS = 3600 * 10**9


class LoggedNode:
    """A node whose lines are numbered."""

    def __init__(self, tmp_path: Path, moto, bucket: str, *, cri: bool = False) -> None:
        self.node = MadeNode(tmp_path / bucket, bucket, moto.endpoint_url, cri=cri)
        self.client = moto.client
        self.client.create_bucket(Bucket=bucket)
        self._stored = 0

    def log(self, numbers: Sequence[int], *, older: int = 0, hours_old: float = 0, times: Sequence[int] = ()) -> None:
        """Writes one file of the log. ``times`` are the numbers whose times the lines carry."""
        lines = [self.node.line(at, f"line {n}") for n, at in zip(numbers, times or numbers, strict=True)]
        path = self.node.root / (LOG[1:] + (f".{older}" if older else ""))
        path.write_text("".join(line + "\n" for line in lines))
        mtime = time.time() - 3600 * hours_old
        os.utime(path, (mtime, mtime))

    def row(self, *, hours_old: float) -> None:
        """The row of the live file, made so many hours ago."""
        size = (self.node.root / LOG[1:]).stat().st_size
        self.node.write_db((LOG, size), created_s=int(time.time() - 3600 * hours_old))

    def store(self, numbers: Sequence[int], *, hours_old: float, times: Sequence[int] = ()) -> None:
        """Fluent Bit's own object; its key has the time of so many hours ago."""
        records = [self.node.record(at, f"line {n}") for n, at in zip(numbers, times or numbers, strict=True)]
        if not self.node.cri:
            shift = int(time.time() - 3600 * hours_old) * 10**9 - self.node.start_ns
            self.node.start_ns += shift
            records = [self.node.record(n, f"line {n}") for n in numbers]
            self.node.start_ns -= shift
        self.put(records, hours_old=hours_old)

    def put(self, records: Sequence[bytes], *, hours_old: float = 2) -> None:
        hour = time.strftime("%Y/%m/%d/%H", time.gmtime(time.time() - 3600 * hours_old))
        self._stored += 1
        key = f"logs/{TAG}/{hour}/{self._stored:08}"
        self.client.put_object(Bucket=self.node.bucket, Key=key, Body=body(records))

    def recovered(self, *, code: int = 0) -> Counter[str]:
        """How often each line is stored after a recovery, and after a second one."""
        for _ in range(2):
            ended = self.node.run("recover", "--agent", "gone", "--yes")
            assert ended.code == code, ended.text + ended.err
        lines = [line for _, content in bodies(self.client, [self.node.bucket]) for line in content.splitlines()]
        return Counter(line.decode().partition('"log":"')[2].rstrip('"}') for line in lines)


def lines(*ranges: Iterable[int]) -> Counter[str]:
    return Counter(f"line {n}" for numbers in ranges for n in numbers)


def test_a_rotated_file_without_a_row_was_stored_long_before_the_live_one(tmp_path: Path, moto) -> None:
    node = LoggedNode(tmp_path, moto, "rotated-long-ago")
    node.log(range(100), older=2, hours_old=60)
    node.log(range(100, 200), older=1, hours_old=20)
    node.log(range(200, 300), hours_old=1)
    node.row(hours_old=20)
    node.store(range(100), hours_old=70)
    node.store(range(100, 180), hours_old=30)
    node.store(range(200, 250), hours_old=10)
    assert node.recovered() == lines(range(300))


def test_a_row_that_is_younger_than_the_lines(tmp_path: Path, moto) -> None:
    """The DB was lost, and Fluent Bit has begun a new one. Of what was stored before, neighbours are found."""
    node = LoggedNode(tmp_path, moto, "new-db")
    node.log(range(200), hours_old=0.1)
    node.row(hours_old=1)
    node.store(range(120), hours_old=9)
    assert node.recovered() == lines(range(200))


def test_the_messages_of_an_earlier_start_are_not_those_of_this_one(tmp_path: Path, moto) -> None:
    """A few lines that are alike, from before Fluent Bit saw the file, are no copies of ours."""
    node = LoggedNode(tmp_path, moto, "two-starts")
    node.log(range(60), hours_old=0.1)
    node.row(hours_old=1)
    node.store([0, 1, 2, 3, 500, 501], hours_old=9)
    assert node.recovered() == lines(range(60)) + lines([0, 1, 2, 3, 500, 501])


def test_no_older_objects_are_looked_for_where_nothing_is_missing(tmp_path: Path, moto, proxy: FaultProxy) -> None:
    node = LoggedNode(tmp_path, moto, "nothing-older")
    node.log(range(100), older=1, hours_old=20)
    node.log(range(100, 200), hours_old=1)
    node.row(hours_old=30)
    node.store(range(200), hours_old=25)
    node.store(range(1000, 1100), hours_old=200)
    node.node.endpoint_url = proxy.endpoint_url
    assert node.node.run("diff", "--agent", "gone").code == 0
    assert {call.key[-1] for call in proxy.calls if call.operation == "GetObject"} == {"1"}


def test_times_that_go_back_far_behind_the_beginning_of_a_log(tmp_path: Path, moto) -> None:
    """A clock that was set back, or an application that writes batches of old dates."""
    node = LoggedNode(tmp_path, moto, "times-go-back", cri=True)
    back = -10 * HOUR_NS // 1_953_125
    times = [n if n < 300 else n + back for n in range(400)]
    node.log(range(400), times=times)
    node.row(hours_old=1)
    node.store(range(250), hours_old=2, times=times[:250])
    node.store(range(300, 380), hours_old=12, times=times[300:380])
    assert node.recovered() == lines(range(400))


def test_times_in_a_zone_ahead_of_the_clock_of_s3(tmp_path: Path, moto) -> None:
    """Without a row or a buffer file there are only the lines' own times, hours after the objects were written."""
    node = LoggedNode(tmp_path, moto, "zone-ahead", cri=True)
    ahead = 8 * HOUR_NS // 1_953_125
    times = [n + ahead for n in range(100)]
    node.log(range(100), times=times)
    node.store(range(70), hours_old=-6, times=times[:70])
    assert node.recovered() == lines(range(100))


def test_an_object_that_was_sent_twice_is_no_copy_of_other_lines(tmp_path: Path, moto) -> None:
    """Lines that repeat, without a time: the dates of the copies, to the microsecond, tell that they are the same."""
    node = LoggedNode(tmp_path, moto, "sent-twice")
    texts = [n % 3 for n in range(60)]
    node.log(texts, hours_old=0.1)
    node.row(hours_old=12)
    for _ in range(2):
        records = [node.node.record(n, f"line {texts[n]}") for n in range(30)]
        node.put(records)
    assert node.recovered() == lines(texts, texts[:30])


def test_rotated_files_were_read_before_ignore_older_could_pass_them_over(tmp_path: Path, moto) -> None:
    """S3 refused for hours; the only row is that of the live file, and younger than the rotated ones."""
    node = LoggedNode(tmp_path, moto, "ignore-older")
    node.node.tail("Ignore_Older 1h")
    node.log(range(50), older=2, hours_old=5)
    node.log(range(50, 100), older=1, hours_old=3)
    node.log(range(100, 150), hours_old=0.1)
    node.row(hours_old=1)
    assert node.recovered() == lines(range(150))


@pytest.mark.parametrize("scanned", [True, False])
def test_lines_of_one_microsecond_in_one_object_are_as_many_records(
    tmp_path: Path, moto, monkeypatch: pytest.MonkeyPatch, scanned: bool
) -> None:
    """The same line again and again, read so quickly that the dates are the same: nothing of it was sent twice."""
    if not scanned:
        monkeypatch.setattr(ObjectScans, "can_scan", lambda _self, _number: False)
    node = LoggedNode(tmp_path, moto, f"one-microsecond-{scanned}".lower())
    texts = [0, 1, 1, 1, 1, 2, 3, 3, 3, 4]
    node.log(texts, hours_old=0.1)
    node.row(hours_old=12)
    node.put([node.node.record(n, f"line {n}") for n in texts])
    assert node.recovered() == lines(texts)


@pytest.mark.parametrize("first", ["few", "many"])
def test_where_a_row_is_younger_than_many_lines_a_few_of_them_count_as_well(tmp_path: Path, moto, first: str) -> None:
    """All of it was delivered before the DB was lost: in one object many lines stand in a row, in the other a few."""
    node = LoggedNode(tmp_path, moto, f"new-db-and-{first}")
    node.log(range(200), hours_old=0.1)
    node.row(hours_old=1)
    for numbers in [[60, 61, 100, 101, 102], range(20, 60)][:: 1 if first == "few" else -1]:
        node.store(numbers, hours_old=9)
    assert node.recovered() == lines(range(200))


def test_the_many_lines_and_the_few_may_be_in_one_object(tmp_path: Path, moto) -> None:
    node = LoggedNode(tmp_path, moto, "new-db-one-object")
    node.log(range(200), hours_old=0.1)
    node.row(hours_old=1)
    node.store([100, 1000, *range(20, 60), 1001, 102], hours_old=9)
    assert node.recovered() == lines(range(200), [1000, 1001])
