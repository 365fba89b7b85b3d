"""Records in pieces of every kind of input that joins lines: each line is stored once after a recovery."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_node import MadeNode, body

DOCKER = """[PARSER]
    Name docker
    Format json
    Time_Key time
    Time_Format %Y-%m-%dT%H:%M:%S.%L
    Time_Keep On
"""
FIRST = """[PARSER]
    Name first
    Format regex
    Regex ^\\[x\\] (?<log>.*)
"""
CUSTOM = """[MULTILINE_PARSER]
    Name custom
    Type regex
    Rule "start_state" "/^\\[x\\]/" "cont"
    Rule "cont" "/^ /" "cont"
"""


@dataclass(frozen=True)
class Kind:
    """``line`` makes a line of a word, given whether it is the first and the last one of its record; ``text`` what it
    adds to the record; ``fields`` are those of a record with a text, given its first and its last line's time."""

    name: str
    options: str
    parsers: str
    line: Callable[[str, str, bool, bool], str]
    text: Callable[[str, bool, bool], str]
    fields: Callable[[str, str, str, bool], dict[str, object]]
    pieces: tuple[int, ...] = (2, 1, 1)
    output: str = ""
    more: str = ""
    between: str = ""


def docker_line(stamp: str, word: str, first: bool, last: bool) -> str:
    return json.dumps({"log": docker_text(word, first, last), "stream": "stdout", "time": stamp})


def docker_text(word: str, first: bool, last: bool) -> str:
    return word + ' "quoted"' + ("\n" if last else " ")


def x_line(stamp: str, word: str, first: bool, last: bool) -> str:
    return f"[x] {word}" if first else f"  {word}"


def cri_line(stamp: str, word: str, first: bool, last: bool) -> str:
    return f"{stamp} stdout {'F' if last else 'P'} {word} "


def cri_fields(text: str, first: str, last: str, whole: bool) -> dict[str, object]:
    return {"time": first, "stream": "stdout", "_p": "F" if whole else "P", "log": text}


KINDS = [
    Kind(
        "docker", "multiline.parser docker", "", docker_line, docker_text,
        lambda text, first, last, _: {"log": text, "stream": "stdout", "time": first},
    ),
    Kind(
        "dockermode", "Docker_Mode On\n    Parser docker", DOCKER, docker_line, docker_text,
        lambda text, first, last, _: {"log": text, "stream": "stdout", "time": last},
    ),
    Kind(
        "firstline", "Multiline On\n    Parser_Firstline first", FIRST, x_line,
        lambda word, first, last: word if first else f"  {word}",
        lambda text, first, last, _: {"log": text}, pieces=(2, 1, 1), between="\n",
    ),
    Kind(
        "custom", "multiline.parser custom", CUSTOM, x_line,
        lambda word, first, last: x_line("", word, first, last) + "\n",
        lambda text, first, last, _: {"log": text}, pieces=(2, 2, 1),
    ),
    Kind(
        "renamed", "multiline.parser custom", CUSTOM, x_line,
        lambda word, first, last: x_line("", word, first, last) + "\n",
        lambda text, first, last, _: {"cluster": "a", "message": text, "kubernetes": {"pod": "app-1"}},
        more="[FILTER]\n    Name modify\n    Match *\n    Rename log message\n"
        "[FILTER]\n    Name record_modifier\n    Match *\n    Record cluster a\n"
        "[FILTER]\n    Name kubernetes\n    Match *\n",
    ),
    Kind(
        "logkey", "multiline.parser cri", "", cri_line, lambda word, first, last: f"{word} ", cri_fields,
        output="    log_key log\n",
    ),
]  # fmt: skip


@pytest.mark.parametrize("where", ["object", "buffer", "lost end", "lost middle"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_line_is_stored_once(kind: Kind, where: str, tmp_path: Path, moto) -> None:
    bucket = f"input-{kind.name}-{where.replace(' ', '-')}"
    node = MadeNode(tmp_path / "node", bucket, moto.endpoint_url, cri=False)
    moto.client.create_bucket(Bucket=bucket)
    config = node.root / "etc/fluent-bit/fluent-bit.conf"
    text = config.read_text().replace("Read_from_Head On", f"Read_from_Head On\n    {kind.options}")
    text = text.replace("[OUTPUT]", f"{kind.more}[OUTPUT]") + kind.output
    if kind.parsers:
        (config.parent / "parsers.conf").write_text(kind.parsers)
        text = "[SERVICE]\n    Parsers_File parsers.conf\n" + text
    config.write_text(text)
    words: list[str] = []
    log: list[str] = []
    records: list[bytes] = []

    def add(pieces: tuple[int, ...]) -> None:
        start, end = len(words), len(words) + sum(pieces)
        for size in pieces:
            numbers = range(len(words), len(words) + size)
            texts = []
            for n in numbers:
                words.append(f"word-{n:04}.")
                log.append(kind.line(node.stamp(n) + "Z", words[n], n == start, n == end - 1))
                texts.append(kind.text(words[n], n == start, n == end - 1))
            first, last = (node.stamp(n) + "Z" for n in (numbers[0], numbers[-1]))
            joined = kind.between.join(texts)
            fields = kind.fields(joined, first, last, numbers.stop == end)
            timed = last if kind.name == "dockermode" else first
            dated = {"date": timed[:26] + "Z", **fields}
            records.append(joined.encode() if kind.output else json.dumps(dated, separators=(",", ":")).encode())

    for pieces in ((1,), (1,), (1,), kind.pieces, (1,), (1,), (1,), (1,), (1,)):
        add(pieces)
    node.write_log(log)
    stored = records[:-2]
    if where.startswith("lost"):
        del stored[3 + len(kind.pieces) - (1 if where == "lost end" else 2)]
    if where == "buffer":
        node.write_buffer(stored)
    else:
        moto.client.put_object(Bucket=bucket, Key=node.key("o"), Body=body(stored))
    for _ in range(2):
        ended = node.run("recover", "--agent", "gone", "--yes")
        assert ended.code == 0, ended.out.decode() + ended.err
        found: Counter[str] = Counter()
        for item in moto.client.list_objects_v2(Bucket=bucket)["Contents"]:
            data = gzip.decompress(moto.client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()).decode()
            found.update(word for word in words for _ in range(data.count(word)))
        assert found == Counter(words)
