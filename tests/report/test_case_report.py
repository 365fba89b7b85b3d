"""What a report says of a case: of a whole one, of a half-applied one, of one that is damaged. Nothing is invented."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest
from case_builder import CaseBuilder, Tag, drop, large
from command import flbrecover, one_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TAGS = [Tag("app", missing=range(40, 60), recovered=range(40, 60)), Tag("web")]
PARTLY = [Tag("app", missing=range(40, 60), recovered=range(40, 50))]
GONE = {
    "log": "/var/log/old.log", "tag": "app", "inode": 7, "start": 0, "end": 500, "proof": "a row of the tail DB",
    "missing_bytes": 120,
}  # fmt: skip


def report(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, ticket and what was said besides."""
    ended = flbrecover("report", folder, "--format", "markdown", *arguments)
    return ended.code, ended.text, ended.err


def case(tmp_path: Path, **switches: object) -> Path:
    builder = CaseBuilder(TAGS)
    for name, value in switches.items():
        setattr(builder, name, value)
    return builder.write(tmp_path / "case")


def test_recovered(tmp_path: Path) -> None:
    code, said, err = report(case(tmp_path))
    assert (code, err) == (0, "")
    assert said.startswith(
        "**Recovered and proved.** Of 12,000 records in the evidence, 1,000 were missing from S3 (buffered). All of "
        "them are back: S3 was compared again and holds them. Nothing is known to be gone.\n"
    )
    assert "| `app` | 6,000 | 1,000 | 1,000 | 0 |" in said
    assert "| written; 10 records read back |" in said
    assert re.search(r"manifest digest `[0-9a-f]{64}`", said)
    assert "    flbrecover recover --root /host --agent gone\n" in said


def test_partly_recovered(tmp_path: Path) -> None:
    _, said, _ = report(case(tmp_path, tags=PARTLY))
    assert said.startswith("**Records are still missing.**")
    assert "500 of them are back" in said
    assert "500 records are still missing (buffered)." in said


def test_nothing_was_missing(tmp_path: Path) -> None:
    _, said, _ = report(case(tmp_path, tags=[Tag("web")], after=False))
    assert said.startswith("**Nothing was missing.** All 6,000 records of the evidence were in S3 already.")


def test_only_a_diff(tmp_path: Path) -> None:
    folder = case(tmp_path, after=False, db=False)
    code, said, _ = report(folder)
    assert code == 0
    assert said.startswith("**Not recovered yet.**")
    assert "Nothing was recovered so far; a plan of 1 action is ready." in said
    assert "| not carried out |" in said
    assert "| `app` | 6,000 | 1,000 | 0 | 1,000 |" in said
    (folder / "plan.json").unlink()
    code, said, _ = report(folder)
    assert code == 0
    assert "Nothing was recovered so far; there is no plan." in said


def test_killed_half_way(tmp_path: Path) -> None:
    """Written, as the journal says, but never compared again: it counts as nothing."""
    code, said, _ = report(case(tmp_path, after=False))
    assert code == 0
    assert said.startswith("**Interrupted: not proved.**")
    assert "its journal notes 1 of 1 actions as carried out" in said
    assert "back: S3" not in said and "read back" not in said
    assert "| `app` | 6,000 | 1,000 | ? | ? |" in said


def test_killed_within_an_action(tmp_path: Path) -> None:
    _, said, _ = report(case(tmp_path, after=False, outcome="started"))
    assert "its journal notes 0 of 1 actions as carried out" in said
    assert "cut off: begun, and no result noted" in said


def test_a_skipped_action_was_not_carried_out(tmp_path: Path) -> None:
    """Nothing was written for it, and the next run tries it again."""
    _, said, _ = report(case(tmp_path, after=False, outcome="skipped"))
    assert "its journal notes 0 of 1 actions as carried out" in said


def test_second_comparison_cut_short(tmp_path: Path) -> None:
    folder = case(tmp_path)
    text = (folder / "after.jsonl").read_text()
    (folder / "after.jsonl").write_text(text[: len(text) // 2])
    code, said, err = report(folder)
    assert code == 4
    assert said.startswith("**Interrupted: not proved.**")
    assert "What is back is not known: after.jsonl was cut short." in said
    assert "after.jsonl: ends before its summary" in err
    assert re.search(r"after\.jsonl: line \d+: cut short", err)


def test_first_comparison_missing_or_cut_short(tmp_path: Path) -> None:
    folder = case(tmp_path)
    drop(folder / "before.jsonl", "summary")
    code, said, _ = report(folder)
    assert code == 4
    assert said.startswith("**Not known.** What was missing is not known: before.jsonl was cut short.")
    assert "S3 now holds 12,000 of 12,000 records." in said
    (folder / "before.jsonl").unlink()
    code, said, _ = report(folder)
    assert code == 0
    assert "What was missing is not known: the case has no before.jsonl." in said


def test_damaged_lines_are_left_out_and_told(tmp_path: Path) -> None:
    folder = case(tmp_path)
    path = folder / "before.jsonl"
    lines = path.read_text().splitlines()
    lines[0] = lines[0].replace('"records": 6000', '"records": "6000"')
    lines[1] = "nonsense"
    lines[2] = '{"type": "tag"}'
    lines.insert(3, '["no object"]')
    lines.insert(4, '{"type": "of a later version", "more": 1}')
    path.write_text("\n".join(lines) + "\n")
    code, said, err = report(folder)
    assert code == 4
    assert "before.jsonl: line 1: a tag line whose records is of the wrong kind; it was left out" in err
    assert "before.jsonl: line 2: not JSON" in err
    assert "before.jsonl: line 3: a tag line without output" in err
    assert "before.jsonl: line 4: no object with a type" in err
    assert "line 5" not in err
    assert "This report is not complete: 4 problems with the case folder itself." in said


@pytest.mark.parametrize("broken", [
    {"start": None}, {"start": "yesterday"}, {"start": "2026-13-45T00:00:00.000000000Z"}, {"bin_ns": 0},
    {"bins": [1 << 62], "bin_ns": 1 << 40, "lanes": {"stored": [1]}}, {"lanes": {"stored": [1]}},
    {"lanes": {"stored": [-1] * 120}}, {"bins": [True]}, {"start": "9" * 400 + "ns"},
])  # fmt: skip
def test_a_coverage_line_that_cannot_be(tmp_path: Path, broken: dict[str, object]) -> None:
    folder = case(tmp_path)
    path = folder / "before.jsonl"
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**x, **broken} if x["type"] == "coverage" else x) + "\n" for x in lines))
    ended = flbrecover("report", folder, "-o", "-")
    assert ended.code == 4
    assert "a coverage line" in ended.err


@pytest.mark.parametrize("after", [False, True])
def test_records_without_a_time_are_told_with_and_without_a_second_comparison(tmp_path: Path, after: bool) -> None:
    folder = case(tmp_path, tags=TAGS[:1], after=after)
    for path in folder.glob("*.jsonl"):
        path.write_text(path.read_text().replace('"estimated": 0, "untimed": 0', '"estimated": 7, "untimed": 5'))
    page = flbrecover("report", folder, "-o", "-").text
    assert "7 records without a time of their own" in page
    assert "5 records without any time: not drawn." in page


def test_plans_that_cannot_be_used(tmp_path: Path) -> None:
    folder = case(tmp_path)
    plan = folder / "plan.json"
    text = plan.read_text()
    for body, what in (
        (text.replace('"version": 1', '"version": 99'), "a plan of version 99"),
        (text.replace('"agent": "gone"', '"agent": "returning"'), "its checksum does not match"),
        (text[:300], "not a plan"),
        ("é", "not a plan"),
    ):
        plan.write_text(body)
        code, said, err = report(folder)
        assert code == 4
        assert what in err
        assert "1,000 were missing" in said


def test_databases_that_cannot_be_used(tmp_path: Path) -> None:
    folder = case(tmp_path)
    db = folder / "case.db"
    with sqlite3.connect(db) as connection:
        connection.execute("DROP TABLE journal")
        connection.execute("ALTER TABLE runs DROP COLUMN python")
    code, said, err = report(folder)
    assert code == 4 and "case.db: has no table journal" in err
    assert "flbrecover recover --root /host" in said
    with sqlite3.connect(db) as connection:
        connection.execute("PRAGMA user_version = 2")
    code, said, err = report(folder)
    assert code == 4 and "case.db: of a newer flbrecover (layout 2, this one reads 1)" in err
    db.write_bytes(b"not a database at all" * 100)
    code, said, err = report(folder)
    assert code == 4 and "case.db: file is not a database" in err
    assert "1,000 were missing" in said


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    folder = case(tmp_path)
    (folder / "after.jsonl").unlink()
    os.mkfifo(folder / "after.jsonl")
    code, said, err = report(folder)
    assert code == 4 and "after.jsonl: not a regular file; it was left out" in err
    assert "1,000 were missing" in said


WEIRD = (None, -1, 1 << 70, "x", "", [], {}, [None], {"a": None}, {"a": 1}, 1.5, True, [[]], "\ud800", [1, 2, 3])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["before.jsonl", "after.jsonl"]), st.integers(0, 30), st.integers(0, 15), st.sampled_from(WEIRD))
def test_a_field_of_another_kind_never_stops_a_report(
    tmp_path_factory: pytest.TempPathFactory, name: str, number: int, field: int, value: object
) -> None:
    folder = case(tmp_path_factory.mktemp("weird"), gone=[GONE], notes=["a note"])
    lines = [json.loads(text) for text in (folder / name).read_text().splitlines()]
    line = lines[number % len(lines)]
    line[list(line)[field % len(line)]] = value
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    for form in ("html", "markdown", "json"):
        ended = flbrecover("report", folder, "--format", form, "-o", "-")
        assert ended.code in (0, 4)
        ended.out.decode("utf-8")


def test_what_the_second_comparison_does_not_see_any_more(tmp_path: Path) -> None:
    """Of three that stand in one or both; and nothing is said of what "old" lacks now."""
    both, old = Tag("both"), Tag("old", missing=range(5))
    folder = case(tmp_path, tags=[old, both])
    later = case(tmp_path / "later", tags=[both, Tag("new")])
    (later / "after.jsonl").replace(folder / "after.jsonl")
    _, said, _ = report(folder)
    assert "| `old` | 6,000 | 250 | ? | not seen again |" in said
    assert "| `both` | 6,000 | 0 | 0 | 0 |" in said and "| `new` | 6,000 | ? | 0 | 0 |" in said
    page = flbrecover("report", folder, "-o", "-").text
    assert "<summary>3 log files</summary>" in page and "<summary>1 buffer file</summary>" in page
    assert page.count(">not seen again</td>") == 2 and "it was not there under this name" in page
    assert "not seen again: when S3 was compared again, no record of it" in page


def test_no_case(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ended = flbrecover("report", tmp_path / "other")
    assert ended.code == 2
    assert "not a case folder: it holds neither before.jsonl nor plan.json nor case.db" in one_line(ended)
    assert list((tmp_path / "other").iterdir()) == []
    assert flbrecover("report", tmp_path / "nowhere").code == 2


def test_gone_and_why(tmp_path: Path) -> None:
    _, said, _ = report(case(tmp_path, gone=[GONE, {**GONE, "missing_bytes": None}, {**GONE, "missing_bytes": 0}]))
    assert "Gone for good: 120 bytes of one log;" in said
    assert "Of 1 range of logs that are not there any more it cannot be counted what was delivered." in said
    assert "- `/var/log/old.log`, bytes 0 to 500: a row of the tail DB (120 bytes)" in said
    assert said.count("/var/log/old.log") == 2  # the one that is accounted for is no loss


def test_unreadable_evidence_makes_numbers_a_lower_bound(tmp_path: Path) -> None:
    problem = {"path": "/var/log/x", "what": "denied", "where": None, "way_out": "", "unreadable": True}
    code, said, _ = report(case(tmp_path, problems=[problem]))
    assert code == 0  # the report itself is complete
    assert "Numbers are a lower bound: 1 piece of evidence could not be read" in said
    assert "- `/var/log/x`: denied" in said


def test_markdown_cannot_be_broken_out_of(tmp_path: Path) -> None:
    name = "x`|<img src=x>\n# [click](javascript:1) @all"
    problem = {"path": name, "what": name, "where": None, "way_out": "", "unreadable": True}
    tags = [Tag(name, missing=range(5), recovered=range(5))]
    _, said, _ = report(case(tmp_path, tags=tags, problems=[problem], gone=[{**GONE, "proof": name}]))
    code = r"x\x60\x7c<img src=x>\x0a# [click](javascript:1) @all"
    assert f"| `{code}` |" in said
    assert r"x\`\|\<img src=x\>\\x0a\# \[click\](javascript:1) \@all" in said
    assert "\n#" not in said


def test_markdown_of_thousands_of_tags_is_short(tmp_path: Path) -> None:
    _, said, _ = report(large(300, 300).write(tmp_path / "case"))
    assert len(said) < 20_000
    assert "… and 285 tags more; `flbrecover report --format json` has all." in said


def test_json_has_everything(tmp_path: Path) -> None:
    folder = large(300, 900).write(tmp_path / "case")
    ended = flbrecover("report", folder, "--format", "json")
    assert ended.code == 0
    first, *lines = ended.lines
    assert first["type"] == "case"
    assert first["were_missing"] == first["back"] + first["missing"] > first["missing"] > 0
    for kind, name in (("before", "before.jsonl"), ("after", "after.jsonl")):
        whole = [json.loads(text) for text in (folder / name).read_text().splitlines()]
        assert [line["line"] for line in lines if line["type"] == kind] == whole
    assert sum(line["type"] == "manifest" for line in lines) == 300
    assert {line["type"] for line in lines} == {"run", "journal", "manifest", "before", "after"}


def test_page_is_where_it_was_asked_for(tmp_path: Path) -> None:
    folder = case(tmp_path)
    ended = flbrecover("report", folder)
    assert ended.code == 0 and ended.out == b""
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert ended.err == f"report: {folder / 'report.html'}\n"
    assert flbrecover("report", folder, "-o", "-").text.startswith("<!DOCTYPE html>")
    other = flbrecover("report", folder, "-o", tmp_path / "no" / "page.html")
    assert other.code == 1
    assert "No such file or directory; name another file with -o" in one_line(other)
    assert not list(folder.glob("*.part"))


def test_an_interrupted_report_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flbrecover.report import html_case

    folder = case(tmp_path)
    (folder / "report.html").write_text("old")

    def broken(*_: object) -> object:
        yield "<!DOCTYPE html>"
        raise KeyboardInterrupt

    monkeypatch.setattr(html_case, "case_page", broken)
    assert flbrecover("report", folder).code == 130
    assert (folder / "report.html").read_text() == "old"
    assert not list(folder.glob("*.part"))
