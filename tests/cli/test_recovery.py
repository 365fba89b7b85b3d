"""From a killed node to a complete bucket: diff, recover, apply and verify over real HTTP servers."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from cases import config, facts, footprint, keys, load, stored, unpack, written
from command import flbrecover, one_line
from made_node import MadeNode, body

from flbrecover.demo.seaweedfs import READ_ONLY, credentials

BUCKET = "my-bucket"


class Case:
    """A captured incident on a node, with its bucket in a running server."""

    def __init__(self, name: str, tmp_path: Path, server) -> None:
        self.name, self.server = name, server
        self.root = unpack(name, tmp_path)
        load(name, server.client, self.root)
        self.plan = tmp_path / "plan.json"
        self.s3 = server.client

    def run(self, command: str, *more: object, **keywords):
        where = ("--root", self.root, "--config", config(self.name), "--endpoint-url", self.server.endpoint_url)
        return flbrecover(command, *where, *more, **keywords)

    def on_plan(self, command: str, *more: object, **keywords):
        where = ("--root", self.root, "--endpoint-url", self.server.endpoint_url)
        return flbrecover(command, self.plan, *where, *more, **keywords)

    def keys(self) -> list[str]:
        return keys(self.s3, BUCKET)


@pytest.mark.parametrize("name", ["kubernetes-cri", "response-lost", "sigkill-multipart", "storage-filesystem"])
def test_every_written_line_is_stored_once(name: str, tmp_path: Path, weed) -> None:
    """What the tool says is not believed: the numbered lines in the bucket are counted. tests/test_incidents.py does so
    for all incidents, with moto."""
    case = Case(name, tmp_path, weed)
    before, at_first = footprint(case.root), stored(case.s3, BUCKET)
    ended = case.run("recover", "--agent", "gone", "--yes", "--json")
    assert ended.code == 0, ended.err
    verdict = ended.one("verdict")
    assert verdict["missing"] == 0 and verdict["stored"] == verdict["records"]
    there = stored(case.s3, BUCKET)
    wanted = written(name).keys() - set(facts(name).get("unrecoverable_seqs", ()))
    assert sorted(wanted - there.keys()) == []
    assert {seq: n for seq, n in there.items() if n > max(1, at_first[seq])} == {}
    assert at_first.keys() <= there.keys()
    assert footprint(case.root) == before

    all_keys = case.keys()
    again = case.run("recover", "--agent", "gone", "--yes", "--json")
    assert (again.code, again.of_type("action"), again.of_type("done")) == (0, [], [])
    assert case.keys() == all_keys
    assert footprint(case.root) == before


def test_diff_changes_nothing_and_says_what_is_missing(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    before, all_keys = footprint(case.root), case.keys()
    ended = case.run("diff")
    assert ended.code == 3
    assert "1,135 records: 720 stored, 320 buffered, 95 unread." in ended.text
    assert "--agent gone: if Fluent Bit is gone" in ended.text
    assert "--agent returning: if Fluent Bit comes back" in ended.text
    assert (footprint(case.root), case.keys()) == (before, all_keys)


def test_a_response_that_was_lost_is_stored_in(tmp_path: Path, weed) -> None:
    case = Case("response-lost", tmp_path, weed)
    ended = case.run("diff", "--json", "--sources", "buffers", "--agent", "gone")
    (state,) = ended.of_type("buffer_state")
    assert state["states"] == {"stored": state["records"]}
    assert list(state["stored_in"].values()) == [state["records"]]
    assert ended.of_type("action") == []


def test_plan_apply_verify(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    ended = case.run("diff", "--agent", "gone", "--plan", case.plan)
    where = f"--root {case.root} --endpoint-url {weed.endpoint_url}"
    assert ended.code == 3
    assert ended.err.endswith(f"plan saved; carry it out with: flbrecover apply {case.plan} {where}\n")
    unproved = case.on_plan("verify")
    assert unproved.code == 3 and "NOT THERE" in unproved.text

    done = case.on_plan("apply", "--yes", "--json")
    assert done.code == 0
    assert [d["outcome"] for d in done.of_type("done")] == ["written"] * 3
    proved = case.on_plan("verify", "--json")
    assert proved.code == 0
    assert [p["ok"] for p in proved.of_type("proof")] == [True] * 3
    all_keys = case.keys()
    again = case.on_plan("apply", "--yes", "--json")
    assert again.code == 0
    assert [d["outcome"] for d in again.of_type("done")] == ["exists"] * 3
    assert case.keys() == all_keys


def test_an_interrupted_apply_goes_on(tmp_path: Path, weed) -> None:
    """What a killed run had written is there already; the rest is added."""
    case = Case("kubernetes-cri", tmp_path, weed)
    case.run("diff", "--agent", "gone", "--plan", case.plan)
    case.on_plan("apply", "--yes")
    complete = case.keys()
    actions = [a["key"] for a in json.loads(case.plan.read_text())["actions"]]
    case.s3.delete_object(Bucket=BUCKET, Key=actions[1])
    ended = case.on_plan("apply", "--yes", "--json")
    assert [d["outcome"] for d in ended.of_type("done")] == ["exists", "written", "exists"]
    assert case.keys() == complete


def test_a_key_that_is_taken_by_other_content_is_not_overwritten(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    planned = case.run("recover", "--agent", "gone", "--dry-run", "--json").of_type("action")
    for action in planned:
        case.s3.put_object(Bucket=BUCKET, Key=action["key"], Body=b"somebody else's")
    ended = case.run("recover", "--agent", "gone", "--yes", "--json")
    assert ended.one("verdict")["missing"] == 0
    done = {d["number"]: d["key"] for d in ended.of_type("done")}
    for action in planned:
        assert done[action["number"]] != action["key"]
        assert case.s3.get_object(Bucket=BUCKET, Key=action["key"])["Body"].read() == b"somebody else's"


def test_objects_are_written_as_the_output_writes_them(tmp_path: Path, weed) -> None:
    case = Case("sigkill-put-gzip", tmp_path, weed)
    ended = case.run("recover", "--agent", "gone", "--yes", "--json", "--sources", "buffers")
    action = ended.of_type("action")[0]
    head = case.s3.head_object(Bucket=BUCKET, Key=action["key"])
    assert head["ContentEncoding"] == "gzip"
    assert case.s3.get_object(Bucket=BUCKET, Key=action["key"])["Body"].read(2) == b"\x1f\x8b"
    said = head["Metadata"]
    assert said["flbrecover"].startswith("flbrecover ")
    assert said["flbrecover-plan"] == ended.one("plan")["id"]
    assert said["flbrecover-source"] == action["sources"][0]["path"]
    assert said["flbrecover-sha256"] == action["sha256"]


def test_dry_run_stops_after_the_plan(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    all_keys = case.keys()
    ended = case.run("recover", "--agent", "gone", "--dry-run")
    assert ended.code == 3 and "dry run: nothing was uploaded" in ended.err
    assert case.keys() == all_keys


def test_without_a_terminal_nobody_can_be_asked(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    all_keys = case.keys()
    unsaid = case.run("recover", "--yes")
    assert unsaid.code == 2 and one_line(unsaid).startswith("flbrecover: --agent gone or --agent returning is needed")
    ended = case.run("recover", "--agent", "gone")
    assert ended.code == 2 and "say --yes to upload" in ended.err
    case.run("diff", "--agent", "gone", "--plan", case.plan)
    on_plan = case.on_plan("apply")
    assert on_plan.code == 2 and "say --yes to upload" in one_line(on_plan)
    assert case.keys() == all_keys


def test_a_returning_fluent_bit_keeps_what_it_will_send(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    ended = case.run("recover", "--agent", "returning", "--yes", "--json")
    # The rotated file is not under Path: its rest is the only thing that Fluent Bit would not come back to.
    assert [(a["records"], a["rebuilt"]) for a in ended.of_type("action")] == [(70, True)]
    assert sum(ended.one("plan")["left"].values()) == 320 + 25
    assert len(case.keys()) == 2 + 1


def test_sources_narrow_what_is_recovered(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    ended = case.run("recover", "--agent", "gone", "--sources", "unread", "--yes", "--json")
    assert [a["records"] for a in ended.of_type("action")] == [95]


def test_the_notes_of_two_plans_are_told_apart(tmp_path: Path, moto) -> None:
    case = Case("rolling-update", tmp_path, moto)
    both = [line for line in case.run("diff").text.splitlines() if line.endswith("with an estimated date")]
    assert both == [
        "note: --agent gone, action 3: 490 records with an estimated date",
        "note: --agent gone, action 4: 300 records with an estimated date",
        "note: --agent returning, action 2: 460 records with an estimated date",
        "note: --agent returning, action 3: 300 records with an estimated date",
    ]
    assert len(case.run("diff", "--json").of_type("note")) == 4
    one = case.run("diff", "--agent", "returning").text
    assert "note: action 2: 460 records with an estimated date" in one and "--agent gone" not in one


def test_damage_costs_exit_code_4_and_stops_nothing(tmp_path: Path, weed) -> None:
    case = Case("rolling-update", tmp_path, weed)
    (file,) = case.root.rglob("2026-11-23T11:39:23/*")
    raw = file.read_bytes()
    file.write_bytes(raw[:8000])
    ended = case.run("recover", "--agent", "gone", "--sources", "buffers", "--yes", "--json")
    assert ended.code == 4
    there = stored(case.s3, BUCKET)
    assert 200 < len(there) < 350  # the quarantined file whole, and the whole records of the torn one
    assert set(there.values()) == {1}
    assert any(p["path"].endswith(file.name) and p["unreadable"] for p in ended.of_type("problem"))


def test_no_permission_to_write_fails_every_action_and_says_so(tmp_path: Path, weed) -> None:
    case = Case("kubernetes-cri", tmp_path, weed)
    ended = case.run("recover", "--agent", "gone", "--yes", environment=credentials(READ_ONLY))
    assert ended.code in (1, 3)
    assert ended.text.count("IAM action s3:PutObject on arn:aws:s3:::my-bucket/logs/") == 3
    assert "STILL MISSING: 415 records" in ended.text


def test_the_byte_ranges_of_one_log_by_any_of_its_names(tmp_path: Path, moto) -> None:
    case = Case("kubernetes-cri", tmp_path, moto)
    pods = "/var/log/pods/shop_cart-6d4cf56db6-x2k4p_0b5e3f1c-9a55-4c7e-8f55-2b1d9d3f0a01/cart"
    ended = case.run("diff", "--agent", "gone", "--file", f"{pods}/0.log.20261123-120000")
    heading, _, *rows = ended.text.splitlines()
    assert heading == f"{pods}/0.log.20261123-120000"
    columns = [line.split()[1:5] for line in rows]
    assert [c[:2] for c in columns] == [["stored", "360"], ["buffered", "160"], ["unread", "70"]]
    assert columns[0][2] == "0" and columns[-1][3] == "55243"
    link = next((case.root / "var/log/containers").glob("cart-*")).name
    by_link = case.run("diff", "--agent", "gone", "--file", f"/var/log/containers/{link}")
    by_path = case.run("diff", "--agent", "gone", "--file", f"{pods}/0.log")
    assert by_link.text == by_path.text
    unknown = case.run("diff", "--agent", "gone", "--file", "/etc/fluent-bit/fluent-bit.conf")
    assert unknown.code == 2 and "--files lists those that have" in unknown.err


def test_rebuilt_records_are_what_fluent_bit_would_have_written(tmp_path: Path, moto) -> None:
    """The unread records of kubernetes-cri: fields and their order, the kubernetes map byte for byte as in stored
    siblings, the date from the line's own time."""
    case = Case("kubernetes-cri", tmp_path, moto)
    sibling = next(records(case.s3, next(k for k in case.keys() if "/cart-" in k)))  # noqa: SIM118 - a list of S3 keys
    rebuilt = [a for a in case.run("recover", "--agent", "gone", "--yes", "--json").of_type("action") if a["rebuilt"]]
    assert [(a["records"], a["estimated_dates"], a["missing_fields"]) for a in rebuilt] == [(95, 0, [])]
    metadata = case.s3.head_object(Bucket=BUCKET, Key=rebuilt[0]["key"])["Metadata"]
    assert (metadata["flbrecover-rebuilt"], metadata["flbrecover-estimated-dates"]) == ("true", "0")
    kubernetes = sibling[sibling.index(b'"kubernetes":') :]
    lines = written("kubernetes-cri")
    found = list(records(case.s3, rebuilt[0]["key"]))
    assert len(found) == 95
    for record in found:
        parts = [part.split(" ", 3) for part in lines[int(re.search(rb"seq=(\d{7})", record)[1])].split("\n")]
        time, stream, partial = parts[0][:3]
        log = "".join(part[3] for part in parts)
        head = f'{{"date":"{time[:26]}Z","time":"{time}","stream":"{stream}","_p":"{partial}","log":{json.dumps(log)},'
        assert record == head.encode() + kubernetes


def test_one_is_no_plural(moto_bucket, tmp_path: Path) -> None:
    node = MadeNode(tmp_path / "node", moto_bucket.name, moto_bucket.server.endpoint_url)
    two = [node.record(number, f"line {number}") for number in range(2)]
    node.write_log(node.line(number, f"line {number}") for number in range(2))
    node.write_buffer(two)
    moto_bucket.put(node.key("a"), body(two[:1]))
    ended = node.run("recover", "--agent", "gone", "--yes", "--case", tmp_path / "case")
    assert ended.code == 0 and "  1 of its 2 records is stored" in ended.text, ended
    assert "S3 holds 2 of 2 records." in ended.text
    assert " of 1 record read back" in flbrecover(
        "verify", tmp_path / "case", "--root", node.root, "--endpoint-url", node.endpoint_url
    ).text  # fmt: skip


def records(s3, key: str):
    yield from gzip.decompress(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()).splitlines()
