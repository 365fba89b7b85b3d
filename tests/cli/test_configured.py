"""What a configuration says, and does not say, of fields, tags and paths: nothing is lost or stored twice for it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from made_node import MadeNode, body

CONF = "etc/fluent-bit/fluent-bit.conf"
WRITTEN = 40


class Configured:
    """A node whose log has ``WRITTEN`` lines, read by no Fluent Bit that left a DB, and its bucket."""

    def __init__(self, folder: Path, server, name: str) -> None:
        self.s3 = server.client
        self.s3.create_bucket(Bucket=name)
        self.node = MadeNode(folder / "node", name, server.endpoint_url)
        self.node.write_log(self.node.line(n, text(n)) for n in range(WRITTEN))

    def filter(self, *lines: str) -> None:
        """One more ``[FILTER]`` of all records."""
        conf = self.node.root / CONF
        section = "".join(f"    {line}\n" for line in (*lines, "Match *"))
        conf.write_text(f"{conf.read_text()}[FILTER]\n{section}")

    def put(self, name: str, numbers: range, **more: object) -> None:
        records = [self.node.record(n, text(n), **more) for n in numbers]
        self.s3.put_object(Bucket=self.node.bucket, Key=self.node.key(name), Body=body(records))

    def recover(self, *more: object, code: int = 0):
        ended = self.node.run("recover", "--agent", "gone", "--yes", *more)
        assert ended.code == code, ended.text + ended.err
        return ended

    def stored(self) -> list[dict[str, Any]]:
        objects = self.s3.list_objects_v2(Bucket=self.node.bucket)["Contents"]
        bodies = [self.s3.get_object(Bucket=self.node.bucket, Key=o["Key"])["Body"].read() for o in objects]
        return [json.loads(line) for found in bodies for line in gzip.decompress(found).splitlines()]

    def each_once(self) -> bool:
        return Counter(record["log"] for record in self.stored()) == Counter(text(n) for n in range(WRITTEN))


def text(number: int) -> str:
    return f"request {number} served by a worker"


@pytest.fixture
def configured(tmp_path: Path, moto, request: pytest.FixtureRequest) -> Configured:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())
    return Configured(tmp_path, moto, name.strip("-")[:60])


@pytest.mark.parametrize(
    "lines",
    [
        ("Name record_modifier", "Record node ${NODE_OF_POD}"),
        ("Name record_modifier", "Record node n-${NODE_OF_POD}"),
        ("Name modify", "Add node ${NODE_OF_POD}"),
        ("Name modify", "Set node n-${NODE_OF_POD}"),
    ],
)
def test_a_field_from_a_variable_that_is_not_known(lines: tuple[str, ...], configured: Configured) -> None:
    """Its value is that of the stored records."""
    configured.filter(*lines)
    configured.put("stored", range(20), node="n-7")
    configured.recover()
    assert configured.each_once()
    assert {record["node"] for record in configured.stored()} == {"n-7"}
