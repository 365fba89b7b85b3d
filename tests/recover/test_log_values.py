"""What a log record comes to in S3 is not always one line with the time of the record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from command import flbrecover
from judge import bodies
from made_node import LOG, STEP_NS, MadeNode, body

from flbrecover.recover.scan_objects import ObjectScans

PARSER = """[PARSER]
    Name docker
    Format json
    Time_Key time
    Time_Format %Y-%m-%dT%H:%M:%S.%L%z
"""


def stored(node: MadeNode, moto) -> Counter[bytes]:
    return Counter(line for _, body in bodies(moto.client, [node.bucket]) for line in body.split(b"\n")[:-1])


def test_a_rounded_date_is_that_of_its_line(tmp_path: Path, moto) -> None:
    """``json_date_format double`` rounds to the nearest microsecond, all others cut."""
    node = MadeNode(tmp_path / "node", "rounded-dates", moto.endpoint_url)
    node.config.write_text(node.config.read_text() + "    json_date_format double\n")
    moto.client.create_bucket(Bucket=node.bucket)
    node.start_ns += 999  # nanoseconds: each is nearer to the next microsecond
    node.write_log(node.line(n, f"line {n}") for n in range(30))
    records = []
    for n in range(30):
        seconds, nanos = divmod(node.start_ns + n * STEP_NS, 10**9)
        date = f"{seconds + nanos / 1e9:.16g}"  # as a float has it
        records.append(node.record(n, f"line {n}").replace(f'"{node.stamp(n)[:26]}Z"'.encode(), date.encode(), 1))
    node.put("AAAA", records[:10], moto.client)
    node.write_buffer(records[10:20])
    told = node.differences(3)
    assert next(line["states"] for line in told if line["type"] == "summary") == {
        "buffered": 10, "lost": 10, "stored": 10,
    }  # fmt: skip
    assert node.run("recover", "--agent", "gone", "--yes").code == 0
    assert stored(node, moto) == Counter(records)


class Docker:
    """A log of docker's with ``log_key``: each value ends with a newline, so that an empty line follows it in S3."""

    def __init__(self, folder: Path, bucket: str, moto) -> None:
        self.node = node = MadeNode(folder, bucket, moto.endpoint_url, cri=False)
        parsers = node.config.with_name("parsers.conf")
        parsers.write_text(PARSER)
        said = node.config.read_text().replace("    Read_from_Head", "    Parser docker\n    Read_from_Head")
        service = "[SERVICE]\n    Parsers_File /etc/fluent-bit/parsers.conf\n"
        node.config.write_text(service + said + "    log_key log\n")
        moto.client.create_bucket(Bucket=node.bucket)

    def write_log(self, values: list[str]) -> None:
        stamp = self.node.stamp
        self.node.write_log(json.dumps({"log": v, "time": stamp(n) + "Z"}) for n, v in enumerate(values))


@pytest.mark.parametrize("kept", [0, 4, 12, 20])
def test_values_that_end_with_a_newline(tmp_path: Path, moto, kept: int) -> None:
    """``kept`` of them are stored, the next four lie in a buffer file, all others only in the log."""
    made = Docker(tmp_path / "node", f"newline-values-{kept}", moto)
    lines = [f"line {n}" for n in range(24)]
    made.write_log([line + "\n" for line in lines])
    records = [text for line in lines for text in (line.encode(), b"")]
    if kept:
        made.node.put("AAAA", records[: 2 * kept], moto.client)
    made.node.write_buffer(records[2 * kept : 2 * kept + 8])
    done = made.node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    assert stored(made.node, moto) == Counter(records)
    assert made.node.run("diff", "--agent", "gone").code == 0


def test_characters_that_an_old_fluent_bit_broke_into_halves(tmp_path: Path, moto) -> None:
    """What is stored and what lies in a buffer was written by a version before 4.0; what is missing is whole."""
    made = Docker(tmp_path / "node", "halves", moto)
    made.write_log([f"line {n} \N{GRINNING FACE} \N{LATIN SMALL LETTER E WITH ACUTE}" for n in range(24)])
    assert b"\\ud83d\\ude00" in (made.node.root / LOG[1:]).read_bytes()
    records = [b"line %d \xed\xa0\xbd\xed\xb8\x80 \xc3\xa9" % n for n in range(24)]
    made.node.put("AAAA", records[:10], moto.client)
    made.node.write_buffer(records[10:16])
    done = made.node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    whole = [record.replace(b"\xed\xa0\xbd\xed\xb8\x80", "😀".encode()) for record in records]
    assert stored(made.node, moto) == Counter([*records[:16], *whole[16:]])
    assert made.node.run("diff", "--agent", "gone").code == 0


def test_some_lines_of_a_value_are_missing(tmp_path: Path, moto) -> None:
    """An object that ends in the middle of a value, and one that begins behind its next line: only the rest is
    uploaded."""
    made = Docker(tmp_path / "node", "some-lines", moto)
    values = [[f"value {n}", f"  at a of {n}", f"  at b of {n}"] for n in range(20)]
    made.write_log(["\n".join(lines) for lines in values])
    records = [line.encode() for lines in values for line in lines]
    made.node.put("AAAA", records[:31], moto.client)
    made.node.put("BBBB", records[32:], moto.client)
    plan = tmp_path / "plan.json"
    assert made.node.run("diff", "--agent", "gone", "--plan", plan).code == 3
    (action,) = json.loads(plan.read_text())["actions"]
    assert action["records"] == 1
    assert [some[2:] for piece in action["pieces"] for some in piece["partial"]] == [[1]]
    done = flbrecover("apply", plan, "--root", made.node.root, "--endpoint-url", moto.endpoint_url, "--yes")
    assert done.code == 0, done.err
    assert stored(made.node, moto) == Counter(records)


def test_no_value_is_cut_in_two(tmp_path: Path, moto) -> None:
    """Rebuilt objects are cut by size: between records, as Fluent Bit does."""
    made = Docker(tmp_path / "node", "cut-by-size", moto)
    config = made.node.config
    config.write_text(config.read_text() + "    total_file_size 1M\n")
    made.write_log([f"{n} {'x' * 1000}\nsecond line of {n}\n" for n in range(2500)])
    done = made.node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.err
    found = [body for _, body in bodies(moto.client, [made.node.bucket])]
    assert len(found) > 1
    assert all(body.endswith(b"\n\n") and body.count(b"\n") % 3 == 0 for body in found)


def test_an_offset_that_fluent_bit_is_wrong_about(tmp_path: Path, moto) -> None:
    """After a truncation it can count on from the end of what was there before; the time of the line tells enough."""
    node = MadeNode(tmp_path / "node", "wrong-offsets", moto.endpoint_url)
    node.tail("Offset_Key at")
    moto.client.create_bucket(Bucket=node.bucket)
    node.write_log(node.line(n, f"line {n}") for n in range(20))
    records = [node.record(n, f"line {n}", at=286_798 + 50 * n) for n in range(20)]
    node.put("AAAA", records, moto.client)
    assert node.run("diff", "--agent", "gone").code == 0


def test_records_without_the_field_of_log_key_are_counted(tmp_path: Path, moto) -> None:
    """Fluent Bit writes nothing of them: they are in no buffer and no object, and nothing is missing."""
    node = Docker(tmp_path / "node", "no-such-field", moto).node
    lines = [{"time": node.stamp(n) + "Z", "msg" if n < 7 else "log": f"line {n}"} for n in range(10)]
    node.write_log(json.dumps(line) for line in lines)
    ended = node.run("diff", "--agent", "gone", "--json")
    assert ended.one("summary")["states"] == {"lost": 3}
    assert [note["text"] for note in ended.of_type("note")] == [
        "s3.0: 7 records without the field log (log_key): Fluent Bit writes nothing of them"
    ]


@pytest.mark.parametrize(
    ("filtered", "said"),
    [
        ("", "s3.0: 10 records without the field log (log_key): Fluent Bit writes nothing of them"),
        (
            "[FILTER]\n    Name grep\n    Match *\n    Exclude msg line\n",
            "s3.0: 10 records dropped by filter grep as configured",
        ),
    ],
)
def test_a_log_of_which_nothing_is_written_is_counted(tmp_path: Path, moto, filtered: str, said: str) -> None:
    node = Docker(tmp_path / "node", f"nothing-written-{len(filtered)}", moto).node
    node.config.write_text(node.config.read_text() + filtered)
    node.write_log(json.dumps({"time": node.stamp(n) + "Z", "msg": f"line {n}"}) for n in range(10))
    ended = node.run("diff", "--agent", "gone", "--json")
    assert ended.one("summary")["records"] == 0
    assert [note["text"] for note in ended.of_type("note")] == [said]


@pytest.mark.parametrize("scanned", [True, False])
def test_zeros_before_a_stored_record(tmp_path: Path, moto, monkeypatch, scanned: bool) -> None:
    """Fluent Bit was killed, went on with the buffer file, and sent it with what the page ended with (seen)."""
    if not scanned:
        monkeypatch.setattr(ObjectScans, "can_scan", lambda self, number: False)
    node = MadeNode(tmp_path / "node", f"zeros-{scanned}".lower(), moto.endpoint_url)
    moto.client.create_bucket(Bucket=node.bucket)
    node.write_log(node.line(n, f"line {n}") for n in range(30))
    records = [node.record(n, f"line {n}") for n in range(20)]
    records[-1] = bytes(493) + records[-1]
    node.put("AAAA", records, moto.client)
    told = node.differences(3)
    assert next(line["states"] for line in told if line["type"] == "summary") == {"lost": 10, "stored": 20}


@pytest.mark.parametrize("spelled", ["/var//log/*.log", "/var/./log/*.log"])
def test_a_path_is_written_as_the_configuration_spells_it(spelled: str, tmp_path: Path, moto) -> None:
    """In ``Path_Key``, and in a tag that an expression makes of it."""
    name = f"spelled-{len(spelled)}"
    moto.connect().client.create_bucket(Bucket=name)
    node = MadeNode(tmp_path / "node", name, moto.endpoint_url)
    node.write_log(node.line(n, f"line {n}") for n in range(10))
    node.tail("Path_Key file", "Tag_Regex (?<app>.*)/log/app")
    said = node.config.read_text().replace(f"Path {LOG}", f"Path {spelled}").replace("Tag app.log", "Tag x<app>.log")
    node.config.write_text(said)
    own = spelled.replace("*", "app")
    tag = f"x{own.removesuffix('/log/app.log')}.log"
    key = node.key("STORED", tag=tag)
    records = [node.record(n, f"line {n}", file=own) for n in range(6)]
    moto.connect().client.put_object(Bucket=name, Key=key, Body=body(records))
    ended = node.run("diff", "--agent", "gone", "--json")
    assert [(line["tag"], line["states"]) for line in ended.of_type("tag")] == [(tag, {"stored": 6, "lost": 4})]
