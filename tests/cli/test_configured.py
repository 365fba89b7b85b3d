"""What a configuration says, and does not say, of fields, tags and paths: nothing is lost or stored twice for it."""

from __future__ import annotations

import gzip
import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command import flbrecover, one_line
from made_node import LOG, TAG, MadeNode, body

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

    def parse_json(self, time_format: str) -> None:
        """Lines are JSON with a time, in place of CRI."""
        conf = self.node.root / CONF
        parser = self.node.root / "etc/fluent-bit/parsers.conf"
        parser.write_text(f"[PARSER]\n    Name j\n    Format json\n    Time_Key ts\n    Time_Format {time_format}\n")
        said = conf.read_text().replace("multiline.parser cri", "Parser j")
        conf.write_text(f"[SERVICE]\n    Parsers_File parsers.conf\n{said}")

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
def configured(tmp_path: Path, moto) -> Configured:
    return Configured(tmp_path, moto, f"configured-{uuid.uuid4().hex}")


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


def test_the_name_of_our_own_container_is_not_that_of_fluent_bit(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTNAME", "node-debugger")
    configured.filter("Name record_modifier", "Record host ${HOSTNAME}")
    configured.put("stored", range(20), host="fluent-bit-x2k4p")
    configured.recover()
    assert configured.each_once()
    assert {record["host"] for record in configured.stored()} == {"fluent-bit-x2k4p"}


def rewrite(configured: Configured, old: str, new: str) -> None:
    conf = configured.node.root / CONF
    assert old in conf.read_text()
    conf.write_text(conf.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "option"),
    [
        ("Path /var/log/app.log", "Path ${WHERE}/app.log", "--path"),
        ("Path /var/log/app.log", "Path /var/log/app.log\n    Exclude_Path ${WHERE}", ""),
        ("Path /var/log/app.log", "Path /var/log/app.log\n    DB ${WHERE}", "--db"),
        ("Path /var/log/app.log", "Path /var/log/app.log\n    Tag_Regex ${WHERE}", ""),
        ("Tag app.log", "Tag ${WHERE}.log", "--input-tag"),
        ("multiline.parser cri", "multiline.parser ${WHERE}", "--multiline-parser"),
        ("s3_key_format /logs", "s3_key_format /${WHERE}", "--key-format"),
        ("store_dir /var/log/s3", "store_dir ${WHERE}/s3", "--store-dir"),
        ("Match *", "Match ${WHERE}", "--match"),
        ("Match *", "Match_Regex ${WHERE}", ""),
        ("[INPUT]", "[SERVICE]\n    storage.path ${WHERE}/x\n[INPUT]", "--storage-path"),
        ("[OUTPUT]", "[FILTER]\n    Name grep\n    Match ${WHERE}.*\n    Exclude log x\n[OUTPUT]", ""),
        ("[OUTPUT]", "[FILTER]\n    Name grep\n    Match *\n    Exclude log ${WHERE}\n[OUTPUT]", ""),
    ],
)
def test_a_variable_in_a_key_that_decides_everything(old: str, new: str, option: str, configured: Configured) -> None:
    """It is asked for: taken as empty, a log is not found, or everything is stored a second time."""
    rewrite(configured, old, new)
    before = configured.s3.list_objects_v2(Bucket=configured.node.bucket)["KeyCount"]
    for command in (("recover", "--agent", "gone", "--yes"), ("diff",)):
        ended = configured.node.run(*command)
        assert ended.code == 2
        said = one_line(ended)
        place = (configured.node.root / CONF).read_text().split("${WHERE}")[0].count("\n") + 1
        assert f"/{CONF}:{place}: " in said
        assert "${WHERE}, which is not set; give it with --env WHERE=VALUE" in said
        assert said.endswith(f", or say {option}") or not option
    assert configured.s3.list_objects_v2(Bucket=configured.node.bucket)["KeyCount"] == before
    assert not list(Path().glob("flbrecover-case-*"))


def test_a_region_that_nobody_set_stops_nothing(configured: Configured, tmp_path: Path) -> None:
    """S3 itself says which it is; a plan carries it on as little as the configuration has it."""
    rewrite(configured, "region us-east-1", "region ${WHERE}")
    assert configured.node.run("diff", "--agent", "gone", "--plan", tmp_path / "plan").code == 3
    where = ("--root", configured.node.root, "--endpoint-url", configured.node.endpoint_url)
    assert flbrecover("apply", tmp_path / "plan", *where, "--yes", "--case", tmp_path / "case").code == 0
    assert configured.each_once()


def test_a_bucket_that_nobody_set_is_asked_for_where_it_is_needed(configured: Configured) -> None:
    rewrite(configured, f"bucket {configured.node.bucket}", "bucket ${WHERE}")
    where = ("--root", configured.node.root, "--config", f"/{CONF}")
    assert flbrecover("tail", *where).code in (0, 3, 4)
    for command in ("buffers", "objects", "diff"):
        ended = flbrecover(command, *where)
        assert ended.code == 2
        assert "bucket needs the variable ${WHERE}, which is not set; give it with --env WHERE=VALUE" in one_line(ended)
    assert configured.node.run("diff", "--bucket", configured.node.bucket).code == 3


def test_what_is_empty_altogether_is_asked_for_too(configured: Configured) -> None:
    rewrite(configured, "Path /var/log/app.log", "Path ${WHERE}")
    ended = configured.node.run("diff")
    assert ended.code == 2
    assert one_line(ended).endswith("(the variable ${WHERE} is not set; give it with --env WHERE=VALUE)")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Path /var/log/app.log", "Path ${WHERE}/app.log", ("--path", "/var/log/app.log")),
        ("Path /var/log/app.log", "Path ${WHERE}/app.log", ("--env", "WHERE=/var/log")),
        ("Path /var/log/app.log", "Path ${WHERE}/var/log/app.log", ("--env", "WHERE=")),
        ("Tag app.log", "Tag ${WHERE}.log", ("--input-tag", "app.log")),
        ("s3_key_format /logs", "s3_key_format /${WHERE}", ("--key-format", "/logs/$TAG/%Y/%m/%d/%H/$UUID")),
    ],
)
def test_what_the_command_line_says_is_known(old: str, new: str, said: tuple[str, ...], configured: Configured) -> None:
    rewrite(configured, old, new)
    configured.put("stored", range(20))
    configured.recover(*said)
    assert configured.each_once()


def on_node(configured: Configured, command: str, *more: object) -> int:
    """The exit code of a command that asks no S3."""
    return flbrecover(command, "--root", configured.node.root, "--config", f"/{CONF}", *more).code


def test_commands_that_do_without_a_key_are_not_stopped(configured: Configured) -> None:
    """``tail`` needs no key format, ``buffers`` no Path, ``objects`` with a window no Path and no tag; ``audit``
    takes variables as they are written. An output that is not chosen is nobody's matter."""
    conf = configured.node.root / CONF
    whole = conf.read_text()
    conf.write_text(whole.replace("/logs/", "/${WHERE}/"))
    assert on_node(configured, "tail") == 0
    assert on_node(configured, "buffers") == 0
    assert configured.node.run("objects", "--since", "1d").code == 2
    conf.write_text(whole.replace("Path /var", "Path ${WHERE}/var").replace("Tag app", "Tag ${WHERE}"))
    assert on_node(configured, "tail") == 2
    assert on_node(configured, "buffers") == 0
    assert configured.node.run("objects", "--since", "1d").code == 0
    assert configured.node.run("objects").code == 2
    assert configured.node.run("uploads").code == 2
    assert on_node(configured, "collect", "--out", "bundle") == 2
    assert on_node(configured, "audit", "--fail-on", "never") == 0
    conf.write_text(whole + whole[whole.index("[OUTPUT]") :].replace("/logs/", "/${WHERE}/"))
    assert configured.node.run("diff", "--output", "s3.0").code == 3
    assert configured.node.run("diff", "--output", "s3.1").code == 2
    assert configured.node.run("diff").code == 2


ROLLOUTS = [
    (("Name modify", "Add env prod"), {}, {"env": "prod"}),
    (("Name record_modifier", "Record version 2"), {"version": "1"}, {"version": "2"}),
    (("Name modify", "Set stream 2"), {"stream": "stdout"}, {"stream": "2"}),
    (("Name modify", "Add env prod", "Rename env stage"), {"stage": "test"}, {"stage": "prod"}),
    (("Name record_modifier", "Record a b", "Record c d", "Remove_key c"), {"c": "d"}, {"a": "b"}),
]


@pytest.mark.parametrize(("lines", "before", "after"), ROLLOUTS)
@pytest.mark.parametrize("proof", ["cheap", "full"])
def test_a_constant_that_came_later(
    lines: tuple[str, ...], before: dict[str, str], after: dict[str, str], proof: str, configured: Configured
) -> None:
    """Objects of the configuration before hold their records; new ones are written as the configuration says now. The
    lines have a time of their own."""
    configured.filter(*lines)
    configured.put("old", range(15), **before)
    configured.put("new", range(15, 30), **after)
    said = configured.node.run("diff", "--agent", "gone", "--json", "--proof", proof).one("summary")
    assert said["states"] == {"stored": 30, "lost": 10}
    configured.recover("--proof", proof)
    assert configured.each_once()
    rebuilt = [r for r in configured.stored() if r["log"] in {text(n) for n in range(30, WRITTEN)}]
    assert all(after.items() <= record.items() for record in rebuilt)


def test_a_constant_beside_the_same_field_of_the_log(configured: Configured) -> None:
    """Where the log itself has the field at times, it tells records from each other."""
    configured.parse_json("%Y-%m-%dT%H:%M:%S.%L")
    own = [{"msg": "started"} if n % 2 else {"msg": "started", "env": f"e{n}"} for n in range(12)]
    stamp = configured.node.stamp(1)
    configured.filter("Name modify", "Add env prod")
    configured.node.write_log(json.dumps({"ts": stamp, **line}) for line in own)
    records = [json.dumps({"date": stamp[:26] + "Z", **line, "env": line.get("env", "prod")}).encode() for line in own]
    stored = [record.replace(b"start", b"st\\u0061rt") for record in records[:4] + records[5:]]  # by another version
    configured.s3.put_object(Bucket=configured.node.bucket, Key=configured.node.key("own"), Body=body(stored))
    configured.recover()
    assert Counter(record["env"] for record in configured.stored())["e4"] == 1
    assert len(configured.stored()) == 12


def test_a_constant_tells_nodes_from_each_other(configured: Configured) -> None:
    """Two nodes under one tag say the same, without a time: what the other one stored is not ours."""
    configured.node.cri = False
    rewrite(configured, "multiline.parser cri", "")
    configured.filter("Name record_modifier", "Record host node-a")
    configured.node.write_log(text(n) for n in range(WRITTEN))
    configured.put("other", range(WRITTEN), host="node-b")
    configured.put("own", range(10), host="node-a")
    configured.recover()
    assert Counter(record["host"] for record in configured.stored()) == {"node-a": WRITTEN, "node-b": WRITTEN}


def test_the_verdict_says_what_may_have_been_filtered(configured: Configured) -> None:
    """A pod of which nothing was ever stored may have asked not to be: no exit code tells, the last line does."""
    configured.filter("Name kubernetes", "K8S-Logging.Exclude On")
    rewrite(configured, "Tag app.log", f"Tag kube.var.log.containers.web-1_shop_main-{'e' * 64}.log")
    ended = configured.recover()
    assert f"MAYBE FILTERED: {WRITTEN} records. " in ended.text
    assert "--assume-kept" in ended.text.splitlines()[-1]
    said = configured.recover("--json").one("verdict")
    assert (said["missing"], said["stored"], said["maybe_filtered"]) == (0, 0, WRITTEN)
    kept = configured.recover("--assume-kept")
    assert configured.each_once()
    assert "MAYBE FILTERED" not in kept.text
    assert configured.recover("--json").one("verdict")["maybe_filtered"] == 0


def test_a_processor_that_drops_nothing(configured: Configured) -> None:
    """Its field is that of the stored records."""
    conf = configured.node.root / "etc/fluent-bit/fluent-bit.yaml"
    conf.write_text(
        f"pipeline:\n  inputs:\n  - name: tail\n    path: {LOG}\n    tag: {TAG}\n    read_from_head: true\n"
        "    multiline.parser: cri\n    processors:\n      logs:\n      - name: content_modifier\n"
        "        action: insert\n        key: cluster\n        value: eu\n"
        f"  outputs:\n  - name: s3\n    match: '*'\n    bucket: {configured.node.bucket}\n    compression: gzip\n"
        "    store_dir: /var/log/s3\n    use_put_object: on\n    s3_key_format: /logs/$TAG/%Y/%m/%d/%H/$UUID\n"
    )
    configured.put("stored", range(20), cluster="eu")
    configured.recover("--config", "/etc/fluent-bit/fluent-bit.yaml")
    assert configured.each_once()
    assert {record["cluster"] for record in configured.stored()} == {"eu"}
