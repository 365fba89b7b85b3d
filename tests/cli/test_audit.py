"""``flbrecover audit`` from the shell: exit codes, text, JSON lines, SARIF."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command import Ended, flbrecover, one_line
from test_json_lines import check

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "audit"
SARIF = jsonschema.Draft4Validator(json.loads((FIXTURES / "sarif-2.1.0.json").read_text()))
HOSTPATH, GOOD, TWO = (FIXTURES / f"{n}.yaml" for n in ("hostpath", "good", "two-containers"))


@pytest.mark.parametrize(
    ("file", "fail_on", "code"),
    [
        (HOSTPATH, "error", 3),
        (HOSTPATH, "never", 0),
        (GOOD, "note", 0),
        (FIXTURES / "rules" / "FLB013.trips.yaml", "error", 0),
        (FIXTURES / "rules" / "FLB013.trips.yaml", "warning", 3),
        (FIXTURES / "unrendered.yaml", "never", 4),
        (FIXTURES / "no-such-file.yaml", "never", 4),
    ],
)
def test_exit_codes(file: Path, fail_on: str, code: int) -> None:
    assert flbrecover("audit", file, "--fail-on", fail_on).code == code


def test_unreadable_wins_and_the_rest_is_audited() -> None:
    ended = flbrecover("audit", "/no/such/file", HOSTPATH)
    assert ended.code == 4
    assert "problem: /no/such/file: No such file or directory" in ended.text and "FLB004" in ended.text


@pytest.mark.parametrize(
    "arguments",
    [(), (GOOD, "--root", "/"), (GOOD, "--config", "x"), (GOOD, "--json", "--sarif"), (GOOD, "--fluent-bit", "new"),
     (GOOD, "--env", "X")],
)  # fmt: skip
def test_usage(arguments: tuple[Any, ...]) -> None:
    ended = flbrecover("audit", *arguments)
    assert ended.code == 2
    one_line(ended)


def test_the_text_says_what_is_wrong_where_and_what_to_do() -> None:
    ended = flbrecover("audit", HOSTPATH, environment={"COLUMNS": "110"})
    first = ended.text.splitlines()[0]
    assert first == "Records will be lost or stored twice: 1 error, 5 warnings, 2 notes in 1 Fluent Bit."
    wanted = f"""\
ERROR FLB004 read-from-end: tail input tail.0 has Read_from_Head off
    at      {HOSTPATH}:34
    then    At a start it goes to the end"""
    assert wanted in ended.text
    assert "    change  Read_from_Head on in this [INPUT]\n" in ended.text
    assert re.search(r"^right \(13\):$", ended.text, re.MULTILINE)
    assert "  ok  FLB002  the tail DB survives its pod: /var/log/flb_kube.db on the node" in ended.text
    assert "  ?   FLB018  how soon the kubelet rotates" in ended.text
    assert ended.text.index("ERROR FLB004") < ended.text.index("WARNING FLB007") < ended.text.index("NOTE FLB009")


def test_a_good_setup_is_said_to_be_one() -> None:
    assert flbrecover("audit", GOOD).text.startswith(
        "Nothing found that loses or duplicates records in 1 Fluent Bit.\n"
    )


def test_what_is_alike_is_explained_once(tmp_path: Path) -> None:
    tail = "[INPUT]\n    Name tail\n    Path /var/log/containers/{}.log\n    DB /var/log/{}.db\n"
    (tmp_path / "x.conf").write_text(tail.format("a", "a") + tail.format("b", "b"))
    text = flbrecover("audit", tmp_path / "x.conf").text
    assert text.count("ERROR FLB004") == 2 and text.count("change  Read_from_Head on") == 1


def through_stdin(text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "flbrecover", "audit", *arguments, "-"], input=text, capture_output=True, check=False
    )


def test_rendered_charts_come_through_stdin() -> None:
    ended = through_stdin(HOSTPATH.read_bytes())
    assert ended.returncode == 3 and b"(stdin):34" in ended.stdout and ended.stderr == b""
    plain = through_stdin(b"[INPUT]\n    Name tail\n    Path /x\n", "--fail-on", "never")
    assert plain.returncode == 0 and b"(stdin):3\n" in plain.stdout
    assert through_stdin(b"{{ .Values.x }}\nkind: ConfigMap\n").returncode == 4


@pytest.mark.parametrize(
    "file", [HOSTPATH, GOOD, TWO, FIXTURES / "unrendered.yaml", FIXTURES / "rules"], ids=lambda f: f.name
)
def test_json_lines_are_as_the_schema_says(file: Path) -> None:
    ended = flbrecover("audit", file, "--json")
    types = check(ended)
    assert "audit_summary" in types
    counts: dict[str, int] = {"error": 0, "warning": 0, "note": 0}
    for finding in ended.of_type("audit_finding"):
        counts[finding["severity"]] += 1
    assert ended.one("audit_summary")["findings"] == counts


def sarif(ended: Ended) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ended.text)
    SARIF.validate(document)
    return document["runs"][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "file", [HOSTPATH, GOOD, TWO, FIXTURES / "unrendered.yaml", FIXTURES / "rules"], ids=lambda f: f.name
)
def test_sarif_is_valid_and_says_the_same(file: Path) -> None:
    run = sarif(flbrecover("audit", file, "--sarif"))
    lines = flbrecover("audit", file, "--json").of_type("audit_finding")
    assert [(r["ruleId"], r["level"]) for r in run["results"]] == [(f["rule"], f["severity"]) for f in lines]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_places_are_relative_to_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    run = sarif(flbrecover("audit", "./hostpath.yaml", "--sarif"))
    places = [r["locations"][0]["physicalLocation"] for r in run["results"] if r["ruleId"] == "FLB004"]
    assert places == [{"artifactLocation": {"uri": "hostpath.yaml"}, "region": {"startLine": 34}}]
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_names_what_could_not_be_read() -> None:
    run = sarif(flbrecover("audit", FIXTURES / "unrendered.yaml", "--sarif"))
    (said,) = run["invocations"][0]["toolExecutionNotifications"]
    assert said["level"] == "error" and "not rendered" in said["message"]["text"]


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    text = GOOD.read_text().replace("name: fluent-bit\n  namespace: logging\nspec", 'name: "a\\e[31m\\u202eb"\nspec')
    file = tmp_path / "x\x1b[2Jy.yaml"
    file.write_text(text.replace("Read_from_Head    On", "Read_from_Head    Off"))
    ended = flbrecover("audit", file)
    assert ended.code == 3 and "\\x1b[31m\\u202eb" in ended.text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", ended.text)
    sarif(flbrecover("audit", file, "--sarif"))
    check(flbrecover("audit", file, "--json"))


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    file = tmp_path / "x\udce9.conf"
    file.write_text("[INPUT]\n    Name tail\n    Path /x\n")
    assert flbrecover("audit", file).code == 3
    sarif(flbrecover("audit", file, "--sarif"))
    check(flbrecover("audit", file, "--json"))


def test_nothing_is_read_of_secrets(tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  key: TOP-SECRET\n---\n"
    (tmp_path / "x.yaml").write_text(secret + HOSTPATH.read_text())
    for form in ((), ("--json",), ("--sarif",)):
        assert "TOP-SECRET" not in flbrecover("audit", tmp_path / "x.yaml", *form).text


def test_a_closed_stdin_is_no_crash() -> None:
    ended = flbrecover("audit", "-")  # the tests' stdin is an empty text
    assert ended.code == 4 and "neither a Fluent Bit configuration" in ended.text
