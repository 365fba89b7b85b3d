"""What was stored before the key format was changed, or under one that was not given."""

from __future__ import annotations

from pathlib import Path

from command import flbrecover
from judge import bodies
from made_node import LOG, MadeNode, body
from servers import Server

BEFORE = "/before/$TAG/%Y/%m/%d/%H/$UUID"


def changed(tmp_path: Path, moto: Server, name: str, *, now: range = range(0)) -> MadeNode:
    """Fluent Bit has read all 60 lines; 0 to 29 are stored under keys of another format, ``now`` under those of ours,
    two hours later."""
    client = moto.connect().client
    client.create_bucket(Bucket=name)
    node = MadeNode(tmp_path / "node", name, moto.endpoint_url)
    node.write_log(node.line(n, f"line {n}") for n in range(60))
    node.write_db((LOG, (node.root / LOG[1:]).stat().st_size))
    records = [node.record(n, f"line {n}") for n in range(60)]
    client.put_object(Bucket=name, Key=node.key("OLD").replace("logs/", "before/", 1), Body=body(records[:30]))
    if now:
        node.start_ns += 7200 * 10**9
        client.put_object(Bucket=name, Key=node.key("NEW"), Body=body(records[now.start : now.stop]))
        node.start_ns -= 7200 * 10**9
    return node


def notes(node: MadeNode, *more: str) -> tuple[dict[str, int], list[str]]:
    ended = node.run("diff", "--json", *more)
    said = [problem for problem in ended.of_type("problem") if "--former-key-format" in problem["way_out"]]
    assert not any(problem["unreadable"] for problem in said)
    return ended.one("summary")["states"], [f"{problem['path']}: {problem['what']}" for problem in said]


def test_where_no_object_has_such_a_key_it_is_said(tmp_path: Path, moto: Server) -> None:
    states, said = notes(changed(tmp_path, moto, "no-object"))
    assert states == {"lost": 60}
    assert len(said) == 1
    assert said[0].startswith("s3://no-object/: 60 records are called lost, and no object has a key of /logs/$TAG/%Y")


def test_where_only_younger_objects_have_it_is_said(tmp_path: Path, moto: Server) -> None:
    states, said = notes(changed(tmp_path, moto, "younger", now=range(40, 50)))
    assert states == {"lost": 50, "stored": 10}
    assert ["50 records are called lost, and no object from that time holds any" in text for text in said] == [True]


def test_where_there_are_older_objects_nothing_is_said(tmp_path: Path, moto: Server) -> None:
    node = changed(tmp_path, moto, "older")
    node.put("OURS", [node.record(0, "line 0")], moto.connect().client)
    assert notes(node) == ({"lost": 59, "stored": 1}, [])


def test_objects_of_others_are_none_of_ours(tmp_path: Path, moto: Server) -> None:
    """What else is under our keys, or is ours in another form: nothing of it is a record of this log."""
    node = changed(tmp_path, moto, "others")
    node.put("OTHERS", [node.record(n, f"another line {n}") for n in range(30)], moto.connect().client)
    states, said = notes(node)
    assert states == {"lost": 60}
    assert said == ["s3://others/: 60 records are called lost, and no object from that time holds any of this output's"]


def test_keys_of_a_former_format_are_compared(tmp_path: Path, moto: Server) -> None:
    node = changed(tmp_path, moto, "former", now=range(40, 50))
    assert notes(node, "--former-key-format", BEFORE) == ({"lost": 20, "stored": 40}, [])
    recover = ("--agent", "gone", "--yes", "--former-key-format", BEFORE, "--case", tmp_path / "case", "--json")
    ended = node.run("recover", *recover)
    assert ended.code == 0, ended.err
    assert (ended.one("verdict")["missing"], ended.one("verdict")["stored"]) == (0, 60)
    stored = moto.connect().client.list_objects_v2(Bucket="former")["Contents"]
    assert [o["Key"].split("/")[0] for o in stored] == ["before", "logs", "logs"], "new keys are those of now"


def test_each_configuration_for_its_own_time(tmp_path: Path, moto: Server) -> None:
    """As docs/configuration.md says of a log_key that is no more: the old one up to the change, then the new one."""
    client = moto.connect().client
    client.create_bucket(Bucket="own-time")
    node = MadeNode(tmp_path / "node", "own-time", moto.endpoint_url)
    node.write_log(node.line(n, f"line {n:02d}") for n in range(60))
    node.write_db((LOG, (node.root / LOG[1:]).stat().st_size))
    client.put_object(Bucket="own-time", Key=node.key("OLD"), Body=body([f"line {n:02d}".encode() for n in range(25)]))
    now = node.config.read_text()
    recover, change = ("recover", "--agent", "gone", "--yes", "--json"), node.stamp(30)[:26] + "Z"
    node.config.write_text(now + "    log_key log\n")
    first = node.run(*recover, "--until", change, "--case", tmp_path / "old")
    assert (first.code, first.one("summary")["states"]) == (0, {"stored": 25, "lost": 5, "not looked for": 30})
    node.config.write_text(now)
    then = node.run(*recover, "--since", change, "--case", tmp_path / "now")
    assert then.code == 0, then.err
    lines = b"".join(content for _, content in bodies(client, ["own-time"]))
    assert {lines.count(f"line {n:02d}".encode()) for n in range(60)} == {1}


def test_a_plan_knows_of_former_formats(tmp_path: Path, moto: Server) -> None:
    node = changed(tmp_path, moto, "of-a-plan")
    plan = tmp_path / "plan.json"
    assert node.run("diff", "--agent", "gone", "--former-key-format", BEFORE, "--plan", plan).code == 3
    where = ("--root", node.root, "--endpoint-url", moto.endpoint_url)
    ended = flbrecover("apply", plan, *where, "--yes", "--json", "--case", tmp_path / "case")
    assert ended.code == 0, ended.err
    assert (ended.one("verdict")["missing"], ended.one("verdict")["stored"]) == (0, 60)


def test_a_format_that_is_none(tmp_path: Path, moto: Server) -> None:
    ended = changed(tmp_path, moto, "no-format").run("diff", "--former-key-format", "before/$TAG")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "--former-key-format before/$TAG: an s3_key_format starts with a /" in ended.err
