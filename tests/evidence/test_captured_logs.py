"""Logs that a real Fluent Bit 5.1.1 read (fixtures/source-records/capture.py), and the same logs read here."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from random import Random

import pytest

from flbrecover.evidence import config_files
from flbrecover.evidence.node import Node
from flbrecover.evidence.source_logs import SourceRecords, records_in
from flbrecover.fluentbit.pipeline import (
    Filter,
    MultilineParser,
    MultilineRule,
    Origin,
    Parser,
    Pipeline,
    Property,
    Route,
    Section,
    Service,
    TailInput,
)
from flbrecover.fluentbit.values import Offset, SourceRecord
from flbrecover.model import ByteRange, SourceFile, SourceLog

CAPTURED = json.loads((Path(__file__).parents[2] / "fixtures/source-records/captured.json").read_text())
BY_NAME = {c["name"]: c for c in CAPTURED}


def sections(text: str) -> list[tuple[str, int, list[tuple[str, str]]]]:
    found: list[tuple[str, int, list[tuple[str, str]]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            found.append((line.strip("[]").lower(), number, []))
        elif line.strip():
            key, _, value = line.strip().partition(" ")
            found[-1][2].append((key.lower(), value.strip()))
    return found


def parser_of(pairs: list[tuple[str, str]]) -> Parser:
    said = dict(pairs)
    on = {"on": True, "off": False}
    return Parser(
        said["name"],
        said["format"],
        said.get("regex"),
        said.get("time_key"),
        said.get("time_format"),
        said.get("time_offset"),
        time_keep=on[said.get("time_keep", "off").lower()],
        time_strict=on[said.get("time_strict", "on").lower()],
        skip_empty_values=on[said.get("skip_empty_values", "on").lower()],
        types=dict(t.split(":") for t in said.get("types", "").split()),
        decoders=tuple((k, v) for k, v in pairs if k.startswith("decode_field")),
        logfmt_no_bare_keys="logfmt_no_bare_keys" in said,
    )


def multiline_of(pairs: list[tuple[str, str]], line: int) -> MultilineParser:
    said = dict(pairs)
    rules = []
    for key, value in pairs:
        if key == "rule":
            words = [w.replace("\\\\", "\\") for w in value.strip('"').split('" "')]
            rules.append(MultilineRule(tuple(words[0].split(",")), words[1], words[2]))
    return MultilineParser(
        said["name"], said["type"], tuple(rules), said.get("parser"), said.get("key_content"),
        said.get("match_string"), negate="negate" in said, origin=Origin("parsers.conf", line),
    )  # fmt: skip


def pipeline_of(captured: dict) -> Pipeline:
    found = sections(captured["parsers"])
    parsers = [parser_of(p) for kind, _, p in found if kind == "parser"]
    multiline = [multiline_of(p, line) for kind, line, p in found if kind == "multiline_parser"]
    said = captured.get("filter", ())
    origin = Origin("main.conf", 9)
    section = Section("filter", tuple(Property(k, v, origin) for k, v in said), origin)
    filters = (Filter("multiline", Route("t"), section),) if said else ()
    return Pipeline(Service(), (), filters, (), {p.name: p for p in parsers}, {p.name: p for p in multiline})


def tail_of(captured: dict) -> TailInput:
    said = {key.lower(): value for key, value in captured["tail"]}
    origin = Origin("main.conf", 1)
    section = Section("input", tuple(Property(k, v, origin) for k, v in captured["tail"]), origin)
    return TailInput(
        0, None, "t", (captured["path"],),
        parser=said.get("parser"),
        multiline_parsers=tuple(p.strip() for p in said.get("multiline.parser", "").split(",") if p),
        multiline="multiline" in said,
        parser_firstline=said.get("parser_firstline"),
        docker_mode="docker_mode" in said,
        key=said.get("key", "log"),
        path_key=said.get("path_key"),
        offset_key=said.get("offset_key"),
        skip_long_lines="skip_long_lines" in said,
        skip_empty_lines="skip_empty_lines" in said,
        buffer_max_size=int(said.get("buffer_max_size", 32768)),
        section=section,
    )  # fmt: skip


def put(root: Path, captured: dict) -> tuple[Node, SourceLog]:
    data = captured["log"].encode("latin-1")
    compressed = captured["file_name"].endswith(".gz")
    (root / captured["file_name"]).write_bytes(gzip.compress(data) if compressed else data)
    os.utime(root / captured["file_name"], (captured["captured"],) * 2)
    node = Node(root)
    file = SourceFile(node.facts(f"/{captured['file_name']}"), compressed, None, None, "")
    return node, SourceLog(0, captured["path"], "t", (file,))


def value_of(value: object) -> object:
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, dict):
        return fields_of(value["map"])
    return [value_of(v) for v in value] if isinstance(value, list) else value


def fields_of(pairs: list) -> tuple:
    return tuple((value_of(k), value_of(v)) for k, v in pairs)


def typed(value: object) -> object:
    """The same with the type of each value, so that 1, 1.0 and True are three."""
    if isinstance(value, tuple):
        return tuple((k, typed(v)) for k, v in value)
    return (
        [typed(v) for v in value]
        if isinstance(value, list)
        else (int if isinstance(value, Offset) else type(value), value)
    )


TWICE = {"filter_go_python": 2, "filter_unbuffered": 2, "filter_json": 2, "filter_over_cri": 1}
"""Lines that end a record, of which Fluent Bit made another record: nobody wrote them twice."""


def without(records: list, others: list) -> list:
    left = list(records)
    for other in others:
        if other in left:
            left.remove(other)
    return left


def texts(fields: tuple, *, last: bool = False) -> set[bytes]:
    """The texts of the fields, or their last lines."""
    found = [value[1] for _, value in fields if value[:1] == (bytes,)]
    return {text.rpartition(b"\n")[2] for text in found} if last else set(found)


def in_any_order(records: list) -> list:
    """Fluent Bit sends records that were joined, and single ones, on two ways."""
    return sorted(records, key=repr)


@pytest.mark.parametrize("name", BY_NAME)
def test_records_are_those_of_fluent_bit(name: str, tmp_path: Path) -> None:
    captured = BY_NAME[name]
    node, log = put(tmp_path, captured)
    source = SourceRecords(node, log, tail_of(captured), pipeline_of(captured))
    made = [r for _, r in source if r.terminated]
    stop = source.stops_at.get(log.files[0].path, log.files[0].facts.size)
    expected = [(r["time"], typed(fields_of(r["fields"]))) for r in captured["records"]]
    found = [(r.time_ns, typed(r.fields)) for r in made if r.span.end <= stop or log.files[0].compressed]
    again = in_any_order(without(expected, found))
    assert in_any_order(found) == in_any_order(without(expected, again))
    last_lines = {line for _, fields in found for line in texts(fields, last=True)}
    assert len(again) == TWICE.get(name, 0)
    assert all(last_lines & texts(fields) for _, fields in again)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_configuration_file_says_the_same(name: str, tmp_path: Path) -> None:
    captured = BY_NAME[name]
    node, log = put(tmp_path, captured)
    (tmp_path / "parsers.conf").write_text(captured["parsers"] + "\n")
    lines = ["[SERVICE]", "    Parsers_File parsers.conf"] if captured["parsers"] else []
    lines += ["[INPUT]", "    Name tail", "    Tag t", f"    Path {captured['path']}"]
    lines += [f"    {key} {value}" for key, value in captured["tail"]]
    if captured.get("filter"):
        lines += ["[FILTER]", "    Match t", *(f"    {key} {value}" for key, value in captured["filter"])]
    lines += ["[OUTPUT]", "    Name s3", "    Match *", "    bucket b"]
    (tmp_path / "fluent-bit.conf").write_text("\n".join(lines) + "\n")
    pipeline = config_files.load(node, "/fluent-bit.conf", {}).pipeline
    found = list(SourceRecords(node, log, pipeline.inputs[0], pipeline))
    assert found == list(SourceRecords(node, log, tail_of(captured), pipeline_of(captured)))


def joined(spans: list[ByteRange]) -> list[ByteRange]:
    """The ranges of records, where one begins at the end of the one before it."""
    found: list[ByteRange] = []
    for span in spans:
        if found and found[-1].end == span.start:
            found[-1] = ByteRange(found[-1].start, span.end)
        else:
            found.append(span)
    return found


@pytest.mark.parametrize("name", BY_NAME)
def test_any_choice_of_records_can_be_read_again(name: str, tmp_path: Path) -> None:
    captured = BY_NAME[name]
    node, log = put(tmp_path, captured)
    file, tail, pipeline = log.files[0], tail_of(captured), pipeline_of(captured)
    made = [r for _, r in SourceRecords(node, log, tail, pipeline)]

    def again(records: list[SourceRecord]) -> list[SourceRecord]:
        return list(records_in(node, log, file, tail, pipeline, joined([r.span for r in records])))

    assert again(made) == made
    for record in made:
        assert again([record]) == [record]
    choose = Random(name)
    for _ in range(10):
        some = [r for r in made if choose.random() < 0.5]
        assert again(some) == some
