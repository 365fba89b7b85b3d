"""A whole recovery into a bucket of Parquet or Arrow files, over a real HTTP server.

No captured incident has them (no official build of Fluent Bit is linked with Arrow), so captured ones are changed to
what they would have been: the output's format, and its objects.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cases import SEQ, config, footprint, keys, load, remove, unpack, written
from chunk_builder import chunk, joined, put, store_name
from columns import made_by_fluent_bit, rows
from command import flbrecover

BUCKET = "my-bucket"
TAG = "test.var.log.containers.test-worker.log"
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name=name)
sys.meta_path.insert(0, Blocker())
from flbrecover.cli import main
main()
"""


class ColumnarCase:
    """A captured incident whose output writes columns."""

    def __init__(self, name: str, tmp_path: Path, server, record_format: str, codec: str) -> None:
        self.name, self.server, self.s3 = name, server, server.client
        self.format, self.codec = record_format, codec
        self.root = unpack(name, tmp_path)
        self.plan = tmp_path / "plan.json"
        load(name, self.s3, self.root)
        conf = self.root / config(name).lstrip("/")
        text = conf.read_text()
        assert text.count("compression                   gzip") == 1
        conf.write_text(text.replace("gzip", f"{codec}\n    format {record_format}"))
        for key in keys(self.s3, BUCKET):
            self.put(key, gzip.decompress(self.get(key)))

    def get(self, key: str, bucket: str = BUCKET) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def add_buffer(self, lines: list[bytes]) -> None:
        """One more file of the store_dir, of an application whose log is gone."""
        name = store_name(TAG.encode(), 1795433909, 123456789)
        put(self.root, f"/var/log/s3/temp/my-bucket/2026-11-23T11:38:28/{name}", chunk(TAG.encode(), joined(lines)))

    def put(self, key: str, lines: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=made_by_fluent_bit(lines, self.format, self.codec))

    def arguments(self, command: str, *more: object) -> list[str]:
        where = ["--root", self.root, "--config", config(self.name), "--endpoint-url", self.server.endpoint_url]
        return [str(a) for a in [command, *where, *more]]

    def run(self, command: str, *more: object):
        return flbrecover(*self.arguments(command, *more))

    def without_pyarrow(self, command: str, *more: object) -> subprocess.CompletedProcess[str]:
        """In a process of its own, in which pyarrow cannot be imported."""
        program = [sys.executable, "-c", BLOCKER, *self.arguments(command, *more)]
        return subprocess.run(program, capture_output=True, text=True, check=False)

    def all_keys(self) -> list[str]:
        return keys(self.s3, BUCKET)

    def stored(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for key in self.all_keys():
            for row in rows(self.get(key)):
                found.update({int(n) for n in SEQ.findall(str(row).encode())})
        return found

    def buffers(self) -> dict[str, list[bytes]]:
        """The records of each buffer file, found as text."""
        files = [p for p in self.root.glob("var/log/s3/temp/my-bucket/*/*") if p.is_file()]
        return {p.name: re.findall(rb'\{"date":.*\}\n', p.read_bytes()) for p in files}


@pytest.mark.parametrize(
    ("name", "record_format", "codec"),
    [
        ("sigkill-put-gzip", "parquet", "snappy"),
        ("sigkill-put-gzip", "arrow", "none"),
        ("response-lost-superset", "parquet", "zstd"),
        ("response-lost-superset", "arrow", "zstd"),
        ("kubernetes-cri", "parquet", "gzip"),
        ("kubernetes-cri", "parquet", "none"),
    ],
)
def test_every_written_line_is_stored_once(name: str, record_format: str, codec: str, tmp_path: Path, moto) -> None:
    case = ColumnarCase(name, tmp_path, moto, record_format, codec)
    before, at_first = footprint(case.root), set(case.all_keys())
    ended = case.run("recover", "--agent", "gone", "--yes", "--json")
    assert ended.code == 0, ended.err
    verdict = ended.one("verdict")
    assert verdict["missing"] == 0 and verdict["stored"] == verdict["records"]
    assert case.stored() == Counter(written(name).keys())
    new = set(case.all_keys()) - at_first
    assert new
    for key in new:
        head = case.s3.head_object(Bucket=BUCKET, Key=key)
        assert "ContentEncoding" not in head
        assert case.get(key)[:4] == (b"PAR1" if record_format == "parquet" else b"ARRO")
    assert footprint(case.root) == before

    all_keys = case.all_keys()
    again = case.run("recover", "--agent", "gone", "--yes", "--json")
    assert (again.code, again.of_type("action")) == (0, [])
    assert case.all_keys() == all_keys


def test_rebuilt_records_look_like_their_siblings(tmp_path: Path, moto) -> None:
    case = ColumnarCase("kubernetes-cri", tmp_path, moto, "parquet", "zstd")
    old = {key: rows(case.get(key)) for key in case.all_keys()}
    sibling = {str(row["kubernetes"]) for found in old.values() for row in found}
    assert case.run("recover", "--agent", "gone", "--yes").code == 0
    new = [rows(case.get(key)) for key in case.all_keys() if key not in old]
    assert {str(row["kubernetes"]) for found in new for row in found} <= sibling
    columns = {tuple(row) for found in old.values() for row in found}
    assert {tuple(row) for found in new for row in found} <= columns


def test_only_what_is_not_stored_of_a_buffer_is_uploaded(tmp_path: Path, moto) -> None:
    case = ColumnarCase("sigkill-put-gzip", tmp_path, moto, "parquet", "gzip")
    (records,) = (found for found in case.buffers().values() if b"seq=0000301 " in found[0])
    case.put("log/test/2026/11/23/11/39/00/Vvvvvvvv.gz", b"".join(records[:123]))
    ended = case.run("recover", "--agent", "gone", "--sources", "buffers", "--yes", "--json")
    assert ended.code == 0
    assert sorted(a["records"] for a in ended.of_type("action")) == [len(records) - 123, 400]
    assert max(case.stored().values()) == 1


# Of the first buffer file below, an object holds these records and two more, which change the types of its columns.
TYPED = [
    b'{"date":"2026-11-23T11:38:29.000001Z","n":1,"at":"2026-11-23 12:00","u":null,"k":{"b":[1,null],"a":"\\u00e9"}}',
    b'{"date":"2026-11-23T11:38:29.000002Z","big":18446744073709551615,"f":1.0,"k":{},"at":"2026-11-23T13:00+01:00"}',
    b'{"date":"2026-11-23T11:38:29.000003Z","f":0.1,"n":9007199254740993,"k":{"a":"2026-11-23"},"only":[{"x":true}]}',
]
MORE = [
    b'{"date":"2026-11-23T11:38:29.000004Z","n":2.5}',
    b'{"date":"2026-11-23T11:38:29.000005Z","u":"u","at":"2026-11-23"}',
]


@pytest.mark.parametrize("record_format", ["parquet", "arrow"])
def test_a_row_is_a_record_whatever_its_columns_made_of_it(record_format: str, tmp_path: Path, moto) -> None:
    case = ColumnarCase("sigkill-put-gzip", tmp_path, moto, record_format, "none")
    case.add_buffer(TYPED)
    case.put("log/test/2026/11/23/11/39/00/Vvvvvvvv.gz", joined([*MORE, *TYPED]))
    ended = case.run("diff", "--agent", "gone", "--json")
    (state,) = (s for s in ended.of_type("buffer_state") if s["tag"] == TAG)
    assert state["states"] == {"stored": 3}


def test_records_that_make_no_table_stay_json_lines(tmp_path: Path, moto) -> None:
    """As Fluent Bit does with a leftover whose columns would have two types (put_all_chunks)."""
    case = ColumnarCase("sigkill-put-gzip", tmp_path, moto, "parquet", "zstd")
    lines = [*TYPED, b'{"date":"2026-11-23T11:38:30.000001Z","n":"three"}']
    case.add_buffer(lines)
    all_keys = set(case.all_keys())
    ended = case.run("recover", "--agent", "gone", "--yes", "--json", "--sources", "buffers")
    assert ended.code == 0, ended.err
    bodies = {key: case.get(key) for key in set(case.all_keys()) - all_keys}
    (key,) = (key for key, body in bodies.items() if body[:4] != b"PAR1")
    assert bodies[key] == joined(lines)
    (done,) = (d for d in ended.of_type("done") if d["key"] == key)
    assert "make no table" in done["detail"] and "n" in done["detail"]
    again = case.run("recover", "--agent", "gone", "--yes", "--json", "--sources", "buffers")
    assert (again.code, again.of_type("action")) == (0, [])


def test_a_saved_plan_is_applied_once_and_proved(tmp_path: Path, moto) -> None:
    case = ColumnarCase("sigkill-put-gzip", tmp_path, moto, "parquet", "zstd")
    assert case.run("diff", "--agent", "gone", "--plan", case.plan).code == 3
    on_plan = (case.plan, "--root", case.root, "--endpoint-url", moto.endpoint_url)
    assert flbrecover("verify", *on_plan).code == 3
    first = flbrecover("apply", *on_plan, "--yes", "--json")
    assert (first.code, {d["outcome"] for d in first.of_type("done")}) == (0, {"written"})
    all_keys = case.all_keys()
    second = flbrecover("apply", *on_plan, "--yes", "--json")
    assert (second.code, {d["outcome"] for d in second.of_type("done")}) == (0, {"exists"})
    assert case.all_keys() == all_keys
    proved = flbrecover("verify", *on_plan, "--json")
    assert proved.code == 0 and all(p["ok"] for p in proved.of_type("proof"))
    case.put(next(d["key"] for d in first.of_type("done")), b'{"date":"2026-11-23T11:38:28.123456Z","log":"other"}\n')
    assert flbrecover("verify", *on_plan).code == 3


def test_without_the_extra(tmp_path: Path, moto) -> None:
    """The other output goes on; nothing is uploaded for the columnar one, and one line says why."""
    case = ColumnarCase("sigkill-put-gzip", tmp_path, moto, "parquet", "zstd")
    all_keys = case.all_keys()
    alone = case.without_pyarrow("recover", "--agent", "gone", "--yes")
    assert (alone.returncode, alone.stdout) == (4, "")
    assert [line for line in alone.stderr.splitlines() if "columnar" in line] == [
        "flbrecover: output s3.0 writes parquet, nothing of it was compared or stored: that needs the extra columnar, "
        "pip install 'flbrecover[columnar]'"
    ]
    assert case.all_keys() == all_keys

    remove(case.s3, "plain-bucket")
    case.s3.create_bucket(Bucket="plain-bucket")
    conf = case.root / config(case.name).lstrip("/")
    second = "[OUTPUT]\n    Name s3\n    Match *\n    bucket plain-bucket\n    store_dir /var/log/s3/plain/\n"
    conf.write_text(conf.read_text() + second)
    both = case.without_pyarrow("recover", "--agent", "gone", "--yes")
    assert both.returncode == 4
    assert (both.stdout.count("flbrecover[columnar]"), both.stderr.count("flbrecover[columnar]")) == (1, 1)
    assert case.all_keys() == all_keys
    numbers = [n for key in keys(case.s3, "plain-bucket") for n in SEQ.findall(case.get(key, "plain-bucket"))]
    assert sorted(map(int, numbers)) == sorted(written(case.name))


def test_with_the_extra_blocked_other_formats_are_as_ever(tmp_path: Path, moto) -> None:
    case = ColumnarCase("sigkill-put-gzip", tmp_path, moto, "parquet", "zstd")
    load(case.name, case.s3, case.root)
    conf = case.root / config(case.name).lstrip("/")
    conf.write_text(conf.read_text().replace("format parquet", "").replace("zstd", "gzip"))
    assert case.without_pyarrow("recover", "--agent", "gone", "--yes").returncode == 0
