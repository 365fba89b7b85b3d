"""Dates of whole seconds beside finer ones: the same bytes are one record only where their own date is fine."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from judge import bodies
from made_node import MadeNode, body

PARSERS = "[PARSER]\n    Name seconds\n    Format regex\n    Regex ^(?<time>[^ ]+) (?<log>.*)$\n    Time_Key time\n"


@pytest.fixture
def node(tmp_path: Path, moto_bucket) -> MadeNode:
    return MadeNode(tmp_path / "node", moto_bucket.name, moto_bucket.server.endpoint_url, cri=False)


def health(node: MadeNode, count: int, per_second: int = 4) -> list[bytes]:
    """Lines that carry whole seconds, several alike in each."""
    start = node.start_ns // 10**9
    dates = (time.gmtime(start + n // per_second) for n in range(count))
    shown = (time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", date) for date in dates)
    return [json.dumps({"date": date, "log": "GET /healthz"}, separators=(",", ":")).encode() for date in shown]


def recovered(node: MadeNode, s3) -> Counter[bytes]:
    """What the bucket holds after a recovery that says that nothing is missing; a second one changes nothing."""
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    found = _lines(s3, node.bucket)
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    assert _lines(s3, node.bucket) == found
    return found


def _lines(s3, bucket: str) -> Counter[bytes]:
    return Counter(line for _, content in bodies(s3, [bucket]) for line in content.split(b"\n") if line)


def test_of_another_tag(node: MadeNode, moto) -> None:
    web = health(node, 40)
    app = [node.record(n, f"line {n}") for n in range(1, 50)]
    node.write_buffer(web, tag="web")
    node.write_buffer(app, number=1)
    assert recovered(node, moto.client) == Counter([*web, *app])


def test_of_the_same_tag(node: MadeNode, moto) -> None:
    """A line that was not parsed has the time of reading."""
    records = [*health(node, 40), node.record(7, "not parsed")]
    node.write_buffer(records)
    assert recovered(node, moto.client) == Counter(records)


def test_of_the_same_tag_in_a_file_that_is_fine_at_first(node: MadeNode, moto) -> None:
    records = [*(node.record(n, f"line {n}") for n in range(1, 60)), *health(node, 40)]
    node.write_buffer(records)
    moto.client.put_object(Bucket=node.bucket, Key=node.key("part"), Body=body(records[:80]))
    assert recovered(node, moto.client) == Counter(records)


@pytest.mark.parametrize("first", [40, 64])
def test_a_fine_date_that_ends_in_zeros_by_chance(node: MadeNode, moto, first: int) -> None:
    """Record 64 does. It is told by its neighbours, whether it comes first in the other file or in the midst."""
    records = [node.record(n, f"line {n}") for n in range(1, 120)]
    assert b".125000Z" in records[63]
    node.write_buffer(records)
    node.write_buffer(records[first - 1 : 100], number=1)
    moto.client.put_object(Bucket=node.bucket, Key=node.key("part"), Body=body([b'{"log":"other"}', records[63]]))
    found = recovered(node, moto.client)
    assert found == Counter([*records, b'{"log":"other"}'])


@pytest.mark.parametrize("date_format", ["epoch", "false"])
def test_a_quarantined_file_that_begins_with_a_heartbeat(node: MadeNode, moto, date_format: str) -> None:
    """Three processes quarantined the same chunk, one after the other."""
    config = node.root / "etc/fluent-bit/fluent-bit.conf"
    said = "json_date_key false" if date_format == "false" else "json_date_format epoch"
    config.write_text(config.read_text() + f"    {said}\n")
    records = list(_beating(node, dated=date_format == "epoch"))
    path = node.root / node.write_buffer(records * 3)[1:]
    path.parent.rename(path.parent.parent / "quarantine")
    assert recovered(node, moto.client) == Counter(records)


def _beating(node: MadeNode, *, dated: bool) -> Iterable[bytes]:
    for n in range(60):
        fields: dict[str, object] = {"date": node.start_ns // 10**9 + n // 10} if dated else {}
        fields["log"] = "beat" if n % 5 == 0 else f"line {n}"
        yield json.dumps(fields, separators=(",", ":")).encode()


def test_lines_of_a_log_with_whole_seconds(node: MadeNode, moto) -> None:
    """The log shows 40, a buffer file ten of them, and another tag has microseconds."""
    web = health(node, 40)
    _tail(node, web)
    node.write_buffer(web[:10], tag="web")
    others = [node.record(n, f"line {n}") for n in range(1, 6)]
    node.write_buffer(others, number=1, tag="other")
    assert recovered(node, moto.client) == Counter([*web, *others])


def _tail(node: MadeNode, records: Sequence[bytes]) -> None:
    """A log of these records, read by an input of its own with a parser for whole seconds."""
    config = node.root / "etc/fluent-bit/fluent-bit.conf"
    (config.parent / "parsers.conf").write_text(PARSERS + "    Time_Format %Y-%m-%dT%H:%M:%SZ\n")
    before, _, output = config.read_text().partition("[OUTPUT]")
    tail = "[INPUT]\n    Name tail\n    Tag web\n    Path /var/log/web.log\n    Parser seconds\n    Read_from_Head On\n"
    config.write_text(f"[SERVICE]\n    Parsers_File parsers.conf\n{before}{tail}[OUTPUT]{output}")
    fields = [json.loads(record) for record in records]
    lines = [f"{of['date'][:19]}Z {of['log']}\n" for of in fields]
    (node.root / "var/log/web.log").write_text("".join(lines))
