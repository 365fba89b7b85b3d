"""What is fuzzed: for each kind of input real ones to start from, and the readers that a command would call.

A target takes bytes and returns, or raises FlbrecoverError. Anything else is a fault.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard
from cases import unpack
from judge import archive

from flbrecover.bucket import decoding
from flbrecover.errors import ConfigError
from flbrecover.evidence import config_files, engine_storage, store_dir, tail_db
from flbrecover.evidence.buffer_records import BufferRecords
from flbrecover.evidence.node import Node
from flbrecover.fluentbit import parsers, parsers_shipped
from flbrecover.fluentbit.formats import format_of
from flbrecover.fluentbit.interpret import interpret, sections_from_json
from flbrecover.fluentbit.pipeline import Pipeline
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.record_split import Unread
from flbrecover.reconcile import plan as plans
from soak import bundles

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
JSON = RecordStyle()
NAME = "9012272651004210079-16681924036519854572"
CREATED = 1_795_433_986  # what this name says
LARGE, SMALL = 48 * 1024, 4096


@dataclass(frozen=True)
class Target:
    """``run`` reads one input below ``folder``, which it may use as it likes."""

    name: str
    seeds: Callable[[Path], list[bytes]]
    run: Callable[[bytes, Path], None]
    words: tuple[bytes, ...] = ()


# -- seeds -------------------------------------------------------------------------------------------------------------


def _members(wanted: Callable[[str], bool], archives: Iterable[str] = ("node.tar.zst",)) -> list[bytes]:
    """Files of the captured incidents, each content once; of large ones the start."""
    found: dict[bytes, None] = {}
    for name in archives:
        for path in sorted(FIXTURES.glob(f"*/*/{name}")):
            with archive(path) as tar:
                for member in tar.getmembers():
                    if member.isfile() and wanted(member.name) and (file := tar.extractfile(member)) is not None:
                        found[file.read()[:LARGE]] = None
    return list(found)


def _some_small(files: list[bytes]) -> list[bytes]:
    """A few as they are, and all cut to a page: most damage is where the header and the first records are."""
    return [*files[::20], *dict.fromkeys(file[:SMALL] for file in files)]


def _is_buffer(path: str) -> bool:
    return "/my-bucket/" in path and "multipart" not in path and "sequence" not in path


def _bodies(_folder: Path) -> list[bytes]:
    found = [b for b in _members(lambda path: path.startswith("blobs/"), ["s3.tar.zst"]) if b]
    lines = b"".join(b'{"date":"2026-11-23T11:39:%02d.000000Z","log":"seq=%07d"}\n' % (n % 60, n) for n in range(200))
    members = gzip.compress(lines[:4000]) + gzip.compress(lines[4000:])
    frames = zstandard.compress(lines[:4000]) + zstandard.compress(lines[4000:])
    return [*found, lines, members, frames, *_columnar(lines)]


def _columnar(lines: bytes) -> list[bytes]:
    from io import BytesIO

    import pyarrow as pa
    from pyarrow import feather, parquet

    table = pa.Table.from_pylist([json.loads(line) for line in lines.splitlines()])
    out = []
    for write in (
        lambda file: parquet.write_table(table, file, compression="snappy"),
        lambda file: parquet.write_table(table, file, compression="gzip"),
        lambda file: feather.write_feather(table, file, compression="uncompressed"),
        lambda file: feather.write_feather(table, file, compression="zstd"),
    ):
        file = BytesIO()
        write(file)
        out.append(file.getvalue())
    return out


def _databases(folder: Path) -> list[bytes]:
    """A database with its WAL as one input: the length of the first, then both."""
    found = []
    for name in ("kubernetes-cri", "rolling-update", "fluent-bit-1.9"):
        home = folder / f"db-{name}"
        home.mkdir()
        for db in sorted(unpack(name, home).rglob("*.db")):
            wal = db.with_name(db.name + "-wal")
            found.append(_packed(db.read_bytes(), wal.read_bytes() if wal.exists() else b""))
    return found


def _packed(db: bytes, wal: bytes) -> bytes:
    return len(db).to_bytes(4, "big") + db + wal


def _configurations(_folder: Path) -> list[bytes]:
    by_end = (".conf", ".yaml", ".yml")
    found = _members(lambda path: path.endswith(by_end) and "/etc/" in f"/{path}")
    recorded = json.loads((FIXTURES / "config" / "recorded.json").read_text())
    return found + [text.encode() for text in _texts(recorded)]


def _texts(value: object) -> Iterator[str]:
    """All texts of more than one line in a JSON value."""
    if isinstance(value, str) and "\n" in value:
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _plans(folder: Path) -> list[bytes]:
    from command import flbrecover
    from conftest import Moto
    from faults.incidents import SmallIncident

    path = folder / "plan.json"
    with Moto(folder) as moto:
        incident = SmallIncident(folder / "planned", moto.client)
        incident.load()
        where = (*incident.arguments, "--endpoint-url", moto.endpoint_url)
        assert flbrecover("diff", *where, "--agent", "gone", "--plan", path).code == 3
    return [path.read_bytes()]


def _lines(_folder: Path) -> list[bytes]:
    logs = _members(lambda path: path.endswith(".log") and "/log/" in path)
    lines = itertools.chain.from_iterable(log.splitlines()[:20] for log in logs)
    return list(dict.fromkeys(line for line in lines if line))


# -- targets -----------------------------------------------------------------------------------------------------------


def _write(folder: Path, path: str, data: bytes) -> Node:
    file = folder / path
    if not file.parent.is_dir():
        file.parent.mkdir(parents=True)
    file.write_bytes(data)
    os.utime(file, (CREATED, CREATED))
    return Node(folder)


def _buffer(data: bytes, folder: Path) -> None:
    node = _write(folder, f"buffer/my-bucket/2026-11-23T11:39:39/{NAME}", data)
    for buffer in store_dir.scan(node, "/buffer", tags=("kube.var.log", "test.log")).buffers:
        _drain(BufferRecords(node, buffer, JSON))


def _note(data: bytes, folder: Path) -> None:
    node = _write(folder, f"note/my-bucket/multipart_upload_metadata/{NAME}", data)
    store_dir.scan(node, "/note", tags=("test.log",))


def _chunk(data: bytes, folder: Path) -> None:
    node = _write(folder, "chunk/tail.0/7951-1795434084.222170455.flb", data)
    for chunk in engine_storage.scan(node, "/chunk", tags=("test.log",))[0]:
        _drain(BufferRecords(node, chunk, JSON))


def _body(data: bytes, _folder: Path) -> None:
    """The body of an object. 4 MiB are enough to see a bomb that is not bounded."""
    splitter = format_of(JSON).splitter()
    for block in decoding.decoded(iter((data,)), maybe_snappy=data[:1] < b"\x20", max_output=4 << 20):
        for piece in splitter.feed(block):
            if not isinstance(piece, Unread):
                format_of(JSON).time_of(piece.data)
    list(splitter.rest())


def _database(data: bytes, folder: Path) -> None:
    size = int.from_bytes(data[:4], "big") if len(data) >= 4 else 0
    size = min(size, len(data))
    _write(folder, "db/flb.db", data[4 : 4 + size])
    node = _write(folder, "db/flb.db-wal", data[4 + size :])
    tail_db.read(node, "/db/flb.db")


def _configuration(data: bytes, folder: Path) -> None:
    for name in ("conf/fluent-bit.conf", "conf/fluent-bit.yaml"):
        node = _write(folder, name, data)
        try:
            loaded = config_files.load(node, f"/{name}", {"HOME": "/root"})
            _use(loaded.pipeline)
        except ConfigError as e:
            _one_line(str(e))


def _use(pipeline: Pipeline) -> None:
    """What every command does with a configuration before it reads anything."""
    from flbrecover.fluentbit.key_format import KeyFormat

    for output in pipeline.outputs:
        KeyFormat.of(output).pattern("kube.var.log.containers.a_b_c-0123.log")
    for parser in pipeline.parsers.values():
        parsers.make(parser, near_ns=1_795_434_000_000_000_000)


def _plan(data: bytes, _folder: Path) -> None:
    """A plan file as it is and, where it is JSON still, with the checksum that an attacker would give it."""
    text = data.decode("latin-1")
    for said in (text, _with_checksum(text)):
        try:
            found = plans.from_json(said, "plan.json")
            interpret(sections_from_json(list(found.sections)))
        except ConfigError as e:
            _one_line(str(e))
        except plans.PlanError as e:
            _one_line(str(e))


def _with_checksum(text: str) -> str:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(body, dict):
        body.pop("sha256", None)
        body["sha256"] = plans.checksum(body)
    return json.dumps(body)


def _line(data: bytes, _folder: Path) -> None:
    """A line of a log through all parsers that Fluent Bit comes with."""
    for function in _shipped():
        function(data)


_FUNCTIONS: list[parsers.ParserFunction] = []


def _shipped() -> list[parsers.ParserFunction]:
    if not _FUNCTIONS:
        found = parsers_shipped.SHIPPED.values()
        _FUNCTIONS.extend(parsers.make(parser, near_ns=1_795_434_000_000_000_000) for parser in found)
    return _FUNCTIONS


def _drain(records: BufferRecords) -> None:
    for record in records:
        assert record.span.start <= record.span.end
    _ = records.problems


def _one_line(text: str) -> None:
    """An error is one line of bounded length for a person."""
    assert len(text) < 4096, f"an error of {len(text)} characters"


def _of_name(*parts: str) -> Callable[[Path], list[bytes]]:
    return lambda _: _some_small(_members(lambda path: any(part in path for part in parts)))


_ALL = (
    Target("buffer", lambda _: _some_small(_members(_is_buffer)), _buffer, (b"\xc1\x00", b'{"date":"', b"\n", b'"}\n')),
    Target("note", _of_name("multipart_upload_metadata/"), _note, (b"part_number=", b"\tetag=", b"\n")),
    Target("chunk", _of_name(".flb"), _chunk, (b"\xf1\x77", b"\x92\xd7\x00", b"\xdf")),
    Target("body", _bodies, _body, (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PAR1", b"ARROW1")),
    Target("database", _databases, _database, (b"SQLite format 3\0", b"CREATE TABLE in_tail_files", b"\r")),
    Target(
        "configuration", _configurations, _configuration,
        (b"[OUTPUT]\n", b"@INCLUDE ", b"@SET a=${a}\n", b"${", b"*a", b"&a ", b"- ", b": ", b"{", b"(a+)+$", b"%Y"),
    ),
    Target("plan", _plans, _plan, (b"null", b"[]", b"{}", b"-1", b"1e999", b'"', b"18446744073709551616", b"\\ud800")),
    Target(
        "bundle", bundles.seeds, bundles.read,
        (b'"/', b"..", b'"kind":"symlink","target":"', b'"other"', b'"at":', b"null", b"-1", b"1e999", b"\\ud800"),
    ),
    Target("line", _lines, _line, (b'{"log":"', b"\\u", b"\\ud800", b"=", b'"', b"[", b"{", b"1e999", b" F ")),
)  # fmt: skip
TARGETS = {target.name: target for target in _ALL}


def folder_in_memory() -> str | None:
    """Where scratch files cost no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
