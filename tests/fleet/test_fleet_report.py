"""The report of a fleet: sums, one exit code, and nothing that the nodes did not leave."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
from case_builder import CaseBuilder, Tag
from command import Ended, flbrecover, one_line
from fleet.results import FIRST, SECOND, THIRD, partly, recovered, run

from flbrecover.fleet.source import MOST_RUNS
from flbrecover.report.jsonl import line


def report(fleet: Path, *more: object) -> Ended:
    return flbrecover("fleet", "report", fleet, "--format", "json", *more)


def node(ended: Ended, name: str) -> dict[str, Any]:
    (found,) = (one for one in ended.of_type("fleet_node") if one["node"] == name)
    return found


def problems(ended: Ended) -> list[str]:
    return [one["what"] for one in ended.of_type("problem") if one["unreadable"]]


def unreadable() -> CaseBuilder:
    said = {"path": "/x", "what": "damaged", "where": None, "way_out": "", "unreadable": True}
    return CaseBuilder([Tag("app", missing=range(9), recovered=range(9))], db=False, problems=[said])


def test_all_recovered(tmp_path: Path) -> None:
    for name in ("a", "b", "c.example"):
        run(tmp_path, name, recovered(name))
    ended = report(tmp_path, "--nodes", "a,b,c.example")
    said = ended.one("fleet_summary")
    assert (ended.code, said["exit_code"], said["status"], said["nodes"]) == (0, 0, "recovered", 3)
    assert (said["records"], said["were_missing"], said["back"], said["missing"]) == (18_000, 1350, 1350, 0)
    assert ended.err == "" and problems(ended) == []


CODES = [
    ((0, 0), 0), ((0, 1), 1), ((0, 2), 1), ((0, 130), 1), ((1, 3), 3), ((3, 4), 4), ((1, 4), 4), ((0, 137), 1),
    ((1, 3, 4, 0), 4),
]  # fmt: skip


@pytest.mark.parametrize(("codes", "wanted"), CODES)
def test_one_exit_code(tmp_path: Path, codes: tuple[int, ...], wanted: int) -> None:
    """4 over 3 over 1 over 0, whichever node comes first."""
    made = {0: recovered, 3: partly, 4: unreadable}
    for number, code in enumerate(codes):
        run(tmp_path, f"n{number}", made[code]() if code in made else None, code=code)
    assert report(tmp_path).code == wanted


def test_a_node_that_was_asked_for_and_is_not_there(tmp_path: Path) -> None:
    run(tmp_path, "a", recovered())
    run(tmp_path, "z", recovered())
    ended = report(tmp_path, "--nodes", "a,b")
    assert ended.code == 4
    assert (node(ended, "b")["status"], node(ended, "b")["records"]) == ("no result", None)
    assert "z: was not asked for, and has a result: it is counted" in ended.err
    assert ended.one("fleet_summary")["records"] == 12_000


def test_a_run_that_did_not_end_is_not_counted(tmp_path: Path) -> None:
    run(tmp_path, "a", recovered(), ended=False)
    ended = report(tmp_path)
    assert (ended.code, node(ended, "a")["status"]) == (4, "half-written")
    assert ended.one("fleet_summary")["records"] == 0


def test_a_retried_pod_counts_once(tmp_path: Path) -> None:
    """Its first run was killed, the second ended."""
    run(tmp_path, "a", recovered(), name=FIRST, ended=False)
    run(tmp_path, "a", recovered(), name=SECOND)
    ended = report(tmp_path)
    assert ended.code == 0
    assert (node(ended, "a")["runs"], node(ended, "a")["run"]) == (2, SECOND)
    assert "runs that ended: 1, that did not: 1" in ended.err


def test_a_run_behind_the_one_that_counts(tmp_path: Path) -> None:
    run(tmp_path, "a", recovered(), name=FIRST)
    run(tmp_path, "a", None, name=SECOND, ended=False)
    ended = report(tmp_path)
    assert ended.code == 4 and "was begun after the one that counts" in problems(ended)[0]


def test_the_last_of_several_runs_counts(tmp_path: Path) -> None:
    run(tmp_path, "a", partly(), name=FIRST, code=3)
    run(tmp_path, "a", recovered(), name=THIRD)
    ended = report(tmp_path)
    assert (ended.code, node(ended, "a")["missing"]) == (0, 0)


@pytest.mark.parametrize(
    ("first", "said"),
    [({"buckets": ("other",)}, "other buckets (other; bucket)"), ({"records": 9000}, "9,000 records became 6,000"),
     ({"stored": 6001}, "6,001 stored records became 6,000")],
)  # fmt: skip
def test_runs_that_contradict_each_other(tmp_path: Path, first: dict[str, Any], said: str) -> None:
    run(tmp_path, "a", recovered(), name=FIRST, **first)
    run(tmp_path, "a", recovered(), name=SECOND)
    ended = report(tmp_path)
    assert ended.code == 4 and said in problems(ended)[0]


def test_several_versions_and_buckets_are_remarks(tmp_path: Path) -> None:
    run(tmp_path, "a", recovered(), tool="flbrecover 0.0.9")
    other = recovered()
    other.bucket = "bucket-2"
    run(tmp_path, "b", other)
    ended = report(tmp_path)
    assert ended.code == 0
    assert "2 versions of flbrecover" in ended.err and "2 buckets among the nodes" in ended.err


@pytest.mark.parametrize(
    "said", [{"exit_code": 0, "missing": 5}, {"records": 1}, {"stored": 0}, {"node": "b"}, {"attempt": SECOND}]
)
def test_facts_that_are_not_those_of_the_run(tmp_path: Path, said: dict[str, Any]) -> None:
    run(tmp_path, "a", recovered(), **said)
    assert report(tmp_path).code == 4


def test_a_success_that_its_verdict_denies(tmp_path: Path) -> None:
    run(tmp_path, "a", partly(), code=0)
    ended = report(tmp_path)
    assert ended.code == 4 and "ended with 0, but its verdict has 200 records missing" in problems(ended)[0]


def test_a_failure_in_the_middle_counts_nothing_as_back(tmp_path: Path) -> None:
    made = recovered()
    made.after = False
    run(tmp_path, "a", made, code=1)
    ended = report(tmp_path)
    one = node(ended, "a")
    assert (ended.code, one["status"], one["back"], one["missing"]) == (1, "interrupted", None, None)


@pytest.mark.parametrize("name", ["before.jsonl", "after.jsonl"])
@pytest.mark.parametrize("how", ["cut", "changed", "gone", "a folder", "a link"])
def test_a_file_that_is_not_what_the_facts_say(tmp_path: Path, name: str, how: str) -> None:
    file = run(tmp_path / "fleet", "a", recovered()) / name
    text = file.read_bytes()
    if how == "cut":
        file.write_bytes(text[: len(text) // 2])
    elif how == "changed":
        file.write_bytes(text.replace(b"6000", b"9999"))
    else:
        file.unlink()
        if how == "a folder":
            file.mkdir()
        elif how == "a link":
            (tmp_path / "elsewhere").write_bytes(text)
            file.symlink_to(tmp_path / "elsewhere")
    ended = report(tmp_path / "fleet")
    assert ended.code == 4 and problems(ended)
    assert ended.one("fleet_summary")["records"] in (0, 6000)
    if name == "after.jsonl":
        assert ended.one("fleet_summary")["back"] == 0


FACTS = ["", "{", "[]", "null", '{"type": "fleet_facts"}', '{"type": "fleet_facts", "version": 2}', "[" * 100_000,
         '{"type": "fleet_facts", "version": 1, "started": 5}', "\xff\x00"]  # fmt: skip


@pytest.mark.parametrize("text", FACTS)
def test_damaged_facts(tmp_path: Path, text: str) -> None:
    file = run(tmp_path, "a", recovered()) / "facts.json"
    file.write_text(text, "latin-1")
    run(tmp_path, "b", recovered())
    ended = report(tmp_path)
    assert ended.code == 4 and ended.one("fleet_summary")["records"] == 6000
    assert "Traceback" not in ended.err and problems(ended)


def test_facts_with_one_byte_changed(tmp_path: Path) -> None:
    """Whatever byte it is: no traceback, and numbers only from a whole comparison."""
    file = run(tmp_path, "a", recovered()) / "facts.json"
    raw, dice = file.read_bytes(), random.Random(8)
    for _ in range(60):
        at = dice.randrange(len(raw))
        file.write_bytes(raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :])
        ended = report(tmp_path)
        assert ended.code in (0, 1, 3, 4) and "Traceback" not in ended.err
        assert ended.one("fleet_summary")["records"] in (0, 6000)


def test_of_very_many_runs_the_last_ones_are_looked_at(tmp_path: Path) -> None:
    for number in range(MOST_RUNS):
        run(tmp_path, "a", None, name=f"20261122T120000.{number:06}Z-00000001", ended=False)
    run(tmp_path, "a", recovered(), name=THIRD)
    ended = report(tmp_path)
    assert (ended.code, node(ended, "a")["runs"], ended.one("fleet_summary")["records"]) == (0, MOST_RUNS, 6000)
    assert "1 file of no run left out" in ended.err


def test_what_is_no_node_s_folder(tmp_path: Path) -> None:
    run(tmp_path, "a", recovered())
    (tmp_path / "README").write_text("x")
    (tmp_path / "Not A Node").mkdir()
    os.symlink(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "stray").write_text("x")
    ended = report(tmp_path)
    assert ended.code == 0 and ended.one("fleet_summary")["nodes"] == 1
    assert "3 things lie in no node's folder" in ended.err and "1 file of no run left out" in ended.err


@pytest.mark.parametrize("where", ["nowhere", "empty", "s3://x/", "s3://bucket/a/../b/"])
def test_a_source_that_cannot_be_used(tmp_path: Path, where: str) -> None:
    (tmp_path / "empty").mkdir()
    for form in ("html", "json"):
        ended = flbrecover("fleet", "report", where, "--format", form)
        assert ended.code == 2
        assert where.rstrip("/") in one_line(ended)


def test_the_page(tmp_path: Path) -> None:
    run(tmp_path, "a", partly("kube.<script>alert(1)</script>\x1b[31m"), code=3)
    run(tmp_path, "b", recovered())
    target = tmp_path / "page.html"
    ended = flbrecover("fleet", "report", tmp_path, "--nodes", "a,b,c", "-o", target)
    assert ended.code == 4
    text = target.read_text()
    assert "<script>alert" not in text and "\x1b" not in text
    assert not re.search(r"https?:|\bsrc=|\bhref=|\bstyle=|\son[a-z]+=", text)
    assert "Of 12,000 records on 2 of 3 nodes, 900 were missing from S3." in text
    for said in ("700 of them are back", "200 records are still missing.", "1 node has no result."):
        assert said in text
    rows = re.findall(r'data-label="Node" class="name">(?:<code[^>]*>)?([^<]*)<', text)
    assert rows == ["c", "a", "b", "a"]  # the nodes, worst first, then the tag with missing records


def test_the_ticket(tmp_path: Path) -> None:
    run(tmp_path, "a", partly(), code=3)
    ended = flbrecover("fleet", "report", tmp_path, "--format", "markdown")
    assert ended.code == 3
    assert ended.text.startswith("**Records are still missing.** Of 6,000 records on 1 node, 450 were missing from S3.")
    assert "| `a` | Records are still missing | 6,000 | 450 | 250 | 200 |" in ended.text


def test_the_page_of_many_nodes_is_small(tmp_path: Path) -> None:
    text = line("x", {})
    for number in range(700):
        folder = tmp_path / f"ip-10-0-{number}.eu-west-1.compute.internal" / FIRST
        folder.mkdir(parents=True)
        (folder / "started.json").write_text(text)
    ended = flbrecover("fleet", "report", tmp_path)
    assert ended.code == 4 and len(ended.out) < 2_000_000
    assert "200 nodes more" in ended.text and "500 problems more" in ended.text
    assert len(report(tmp_path).of_type("fleet_node")) == 700


def test_json_lines_are_ascii(tmp_path: Path) -> None:
    run(tmp_path, "a", recovered("ü\udcff"))
    for one in report(tmp_path).out.splitlines():
        assert one.isascii() and json.loads(one)
