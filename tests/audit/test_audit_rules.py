"""Every rule has an example that trips it, one that does not, and a section in docs/audit.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from audit_support import FIXTURES, GOOD, findings, found, not_known, of_text, passed, severities

from flbrecover.audit.assembling import audit
from flbrecover.audit.findings import Report
from flbrecover.audit.rules.all import RULES, Rule

EXAMPLES = FIXTURES / "rules"
PAGE = (FIXTURES.parent.parent / "docs" / "audit.md").read_text()
GOOD_TAIL = "DB                /var/log/flb_kube.db"


def example(rule: Rule, kind: str) -> Report:
    files = list(EXAMPLES.glob(f"{rule.id}.{kind}.*"))
    if not files and kind == "passes":
        files = [FIXTURES / "good.yaml"]
    (file,) = files
    return audit([str(file)], {})


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_an_example_trips_the_rule_and_names_its_lines(rule: Rule) -> None:
    report = example(rule, "trips")
    assert not any(p.unreadable for p in report.problems)
    tripped = findings(report, rule.id)
    assert tripped
    for finding in tripped:
        assert finding.what and finding.incident.endswith(".") and finding.change
        assert finding.places
        for place in finding.places:
            assert 1 <= place.line <= len(Path(place.path).read_text().splitlines()), place


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_an_example_does_not_trip_the_rule(rule: Rule) -> None:
    report = example(rule, "passes")
    assert not any(p.unreadable for p in report.problems)
    assert findings(report, rule.id) == []
    assert report.subjects
    quiet = {"FLB000", "FLB016", "FLB017"}  # say nothing where nothing is wrong
    assert rule.id in passed(report) | quiet


def test_ids_and_names_are_unique_and_in_order() -> None:
    assert [r.id for r in RULES] == [f"FLB{n:03}" for n in range(len(RULES))]
    assert len({r.name for r in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_the_page_has_a_section_of_the_rule(rule: Rule) -> None:
    (heading,) = re.findall(rf"^## {rule.id} .*$", PAGE, re.MULTILINE)
    assert heading == f"## {rule.id} {rule.name}"
    assert f"[{rule.id}](#{rule.anchor})" in PAGE


def test_the_page_has_no_section_of_a_rule_that_is_not() -> None:
    assert re.findall(r"^## (FLB\d+) ", PAGE, re.MULTILINE) == [r.id for r in RULES]


def test_the_good_example_is_good() -> None:
    report = audit([str(FIXTURES / "good.yaml")], {})
    assert found(report) == not_known(report) == set()
    assert report.exit_code("note") == 0


def lines_of(file: Path, *wanted: str) -> set[int]:
    return {n for n, line in enumerate(file.read_text().splitlines(), 1) if any(w in line for w in wanted)}


def test_the_setup_of_the_issue() -> None:
    """hostPath /var/log, DB and store_dir on it, $UUID, RollingUpdate: right. Read_from_Head, storage.type, the old
    version and the few retries are what is missing."""
    file = FIXTURES / "hostpath.yaml"
    report = audit([str(file)], {})
    assert report.subjects == ("DaemonSet logging/fluent-bit, container fluent-bit",)
    assert found(report) == {"FLB004", "FLB007", "FLB009", "FLB015", "FLB018", "FLB022", "FLB025"}
    assert {"FLB001", "FLB002", "FLB005", "FLB006", "FLB011", "FLB014", "FLB021", "FLB024"} <= passed(report)
    assert not_known(report) == {"FLB018"}
    assert {p.line for f in findings(report, "FLB004") for p in f.places} == lines_of(file, "Path   ")
    assert {p.line for f in findings(report, "FLB015") for p in f.places} == lines_of(file, "RollingUpdate")
    assert {p.line for f in findings(report, "FLB025") for p in f.places} == lines_of(file, "image: ")
    assert report.exit_code("error") == 3
    assert report.passed_over == ("Namespace", "ServiceAccount")


def test_two_containers_in_one_pod() -> None:
    file = FIXTURES / "two-containers.yaml"
    report = audit([str(file)], {})
    assert len(report.subjects) == 2
    shared = findings(report, "FLB016")
    assert [f.severity for f in shared] == ["error", "error"]
    assert {p.line for f in shared for p in f.places} == lines_of(file, " DB   ", "store_dir  ")
    assert severities(report, "FLB017") == ["error"]
    alone = audit([str(FIXTURES / "hostpath.yaml")], {})
    assert found(report) - found(alone) == {"FLB016", "FLB017"}


VARLOG = "        - name: varlog\n          hostPath:\n            path: /var/log\n"
MOUNT = "            - name: varlog\n              mountPath: /var/log\n"


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ((MOUNT, MOUNT + "              readOnly: true\n"), "error"),
        ((MOUNT, MOUNT + "              subPathExpr: $(POD_NAME)\n"), "error"),
        ((VARLOG, "        - name: varlog\n          emptyDir:\n            medium: Memory\n"), "error"),
        ((VARLOG, "        - name: varlog\n          ephemeral: {}\n"), "error"),
        ((VARLOG, "        - name: varlog\n          persistentVolumeClaim:\n            claimName: logs\n"), "error"),
        ((VARLOG, VARLOG.replace("/var/log", "/run/log")), "warning"),
        ((MOUNT, MOUNT + "              subPathExpr: $(NODE_NAME)\n"), None),
        ((MOUNT, MOUNT + "              subPath: fluent-bit\n"), None),
    ],
    ids=[
        "read only",
        "a folder for each pod",
        "memory",
        "ephemeral",
        "claim of a DaemonSet",
        "/run",
        "node",
        "subPath",
    ],
)
def test_where_the_db_lies(tmp_path: Path, change: tuple[str, str], severity: str | None) -> None:
    report = of_text(tmp_path, GOOD, change)
    assert severities(report, "FLB002") == ([severity] if severity else [])
    assert severities(report, "FLB005") == ([severity] if severity else [])


def test_a_claim_of_a_stateful_set_is_its_own(tmp_path: Path) -> None:
    claims = "  volumeClaimTemplates:\n    - metadata:\n        name: varlog\n  template:"
    report = of_text(tmp_path, GOOD, ("kind: DaemonSet", "kind: StatefulSet"), (VARLOG, ""), ("  template:", claims))
    assert severities(report, "FLB002") == ["note"]
    assert "FLB002" in passed(report)


def test_a_volume_that_the_pod_does_not_define_is_not_known(tmp_path: Path) -> None:
    report = of_text(tmp_path, GOOD, (VARLOG, ""))
    assert {"FLB002", "FLB005", "FLB008"} <= not_known(report)
    assert not {"FLB002", "FLB005", "FLB008"} & found(report)


def test_without_a_manifest_nothing_is_said_of_volumes() -> None:
    report = audit([str(EXAMPLES / "FLB006.passes.conf")], {})
    assert {"FLB005", "FLB013", "FLB014", "FLB025"} <= not_known(report)
    assert not {"FLB005", "FLB013", "FLB014"} & (found(report) | passed(report))


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("DaemonSet", "  updateStrategy:\n    type: OnDelete\n", []),
        ("DaemonSet", "  updateStrategy:\n    rollingUpdate:\n      maxSurge: 10%\n", ["error"]),
        ("DaemonSet", "", []),
        ("Deployment", "", ["error"]),
        ("Deployment", "  strategy:\n    type: Recreate\n", []),
        ("Deployment", "  replicas: 3\n  strategy:\n    type: Recreate\n", ["warning"]),
        ("StatefulSet", "  replicas: 2\n", ["warning"]),
        ("Pod", "", []),
    ],
)
def test_two_pods_at_once(tmp_path: Path, kind: str, spec: str, expected: list[str]) -> None:
    strategy = "  updateStrategy:\n    type: RollingUpdate\n    rollingUpdate:\n      maxUnavailable: 1\n"
    text = GOOD.replace(strategy, spec).replace("kind: DaemonSet", f"kind: {kind}")
    if kind == "Pod":
        start = text.index("spec:\n  selector")
        pod = text[text.index("      terminationGrace") : text.index("---\napiVersion: kubelet")]
        text = text[:start] + "spec:\n" + "\n".join(line[4:] for line in pod.splitlines()) + "\n"
    assert severities(of_text(tmp_path, text), "FLB014") == expected


@pytest.mark.parametrize(
    ("grace", "allowed", "expected"),
    [("10", "120", []), ("30", "30", ["warning"]), ("-1", "300", ["warning"]), ("5", "10", ["note"])],
)
def test_grace(tmp_path: Path, grace: str, allowed: str, expected: list[str]) -> None:
    change = ("Grace         10", f"Grace         {grace}"), ("PeriodSeconds: 120", f"PeriodSeconds: {allowed}")
    assert severities(of_text(tmp_path, GOOD, *change), "FLB013") == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("fluent/fluent-bit:5.1.1", []),
        ("cr.fluentbit.io/fluent/fluent-bit:5.0.3-debug", ["warning"]),
        ("registry:5000/fluent-bit:v4.2.2@sha256:" + "0" * 64, ["warning", "warning"]),
        ("fluent/fluent-bit:1.8.13", ["error", "warning", "warning", "warning"]),
        ("fluent/fluent-bit:1.8.14", ["warning", "warning", "warning"]),
    ],
)
def test_versions(tmp_path: Path, image: str, expected: list[str]) -> None:
    """The retries of 4.2.2 are mended by the Retry_Limit of the example."""
    assert severities(of_text(tmp_path, GOOD, ("fluent/fluent-bit:5.1.1", image)), "FLB025") == expected


@pytest.mark.parametrize(
    "image", ["fluent-bit", "fluent-bit:latest", "x/aws-for-fluent-bit:2.32.1", "h:5000/fluent-bit"]
)
def test_a_version_that_no_tag_says(tmp_path: Path, image: str) -> None:
    report = of_text(tmp_path, GOOD, ("fluent/fluent-bit:5.1.1", image))
    assert "FLB025" in not_known(report) and "FLB025" not in found(report)


@pytest.mark.parametrize(
    ("value", "version", "expected"),
    [
        ("no_retries", "5.1.1", ["error"]),
        ("no_limits", "5.1.1", ["warning"]),
        ("3", "5.1.1", ["warning"]),
        ("1000", "5.1.1", []),
        ("1000", "4.2.0", ["warning"]),  # takes 5 all the same
    ],
)
def test_retries(tmp_path: Path, value: str, version: str, expected: list[str]) -> None:
    change = ("Retry_Limit           100000", f"Retry_Limit           {value}"), ("5.1.1", version)
    assert severities(of_text(tmp_path, GOOD, *change), "FLB022") == expected


def test_buffers_that_are_deleted_when_given_up(tmp_path: Path) -> None:
    limit = "Retry_Limit           100000"
    report = of_text(tmp_path, GOOD, (limit, f"{limit}\n        retry_exhausted_action delete"))
    assert severities(report, "FLB022") == ["error"]


@pytest.mark.parametrize(
    ("kind", "service", "expected"),
    [("memory", True, ["warning"]), ("memrb", True, ["error"]), ("filesystem", False, ["error"])],
)
def test_storage_types(tmp_path: Path, kind: str, service: bool, expected: list[str]) -> None:
    changes = [("storage.type      filesystem", f"storage.type      {kind}")]
    if not service:
        changes.append(("        storage.path  /var/log/flb-storage\n", ""))
    assert severities(of_text(tmp_path, GOOD, *changes), "FLB007") == expected


@pytest.mark.parametrize(
    ("key", "more", "expected"),
    [
        ("/$TAG/%Y/%m/%d/%H/%M/%S", "use_put_object On", []),
        ("/$TAG/%Y/%m/%d/%H/%M/%S", "use_put_object Off", ["warning"]),
        ("/$TAG/%Y/%m/%d/%H", "use_put_object Off", ["error"]),
        ("/$TAG/%Y/%m/%d/%H/%M/%S", "use_put_object On\n        static_file_path On", ["error"]),
        ("/%Y/$UUID", "use_put_object Off\n        static_file_path On", []),
    ],
)
def test_keys(tmp_path: Path, key: str, more: str, expected: list[str]) -> None:
    changes = ("/$TAG/%Y/%m/%d/%H/%M/%S/$UUID.gz", key), ("use_put_object        On", more)
    assert severities(of_text(tmp_path, GOOD, *changes), "FLB011") == expected


def test_new_files_from_their_end_too(tmp_path: Path) -> None:
    off = "Read_from_Head    Off\n        read_newly_discovered_files_from_head Off"
    assert severities(of_text(tmp_path, GOOD, ("Read_from_Head    On", off)), "FLB004") == ["error"]


@pytest.mark.parametrize(
    ("pattern", "exclude", "expected"),
    [
        ("/var/log/app.log", "", []),
        ("/var/log/*.log", "", []),
        ("/var/log/*", "", ["error"]),
        ("/var/log/*.log*", "", ["error"]),
        ("/var/log/*.log*", "*.gz", []),
        ("/var/log/pods/*/*/*.log", "", []),
        ("/var/log/pods/*/*/*.log*", "", ["error"]),
        ("/var/log/containers/app*", "", []),
    ],
)
def test_compressed_copies(tmp_path: Path, pattern: str, exclude: str, expected: list[str]) -> None:
    path = f"Path {pattern}" + (f"\n        Exclude_Path {exclude}" if exclude else "")
    report = of_text(tmp_path, GOOD, ("Path              /var/log/containers/*.log", path))
    assert severities(report, "FLB019") == expected


def test_sides_that_never_meet_do_not_share(tmp_path: Path) -> None:
    """The same paths of two pods are different folders in emptyDirs."""
    text = (
        (EXAMPLES / "FLB017.trips.yaml").read_text().replace(VARLOG, "        - name: varlog\n          emptyDir: {}\n")
    )
    assert findings(of_text(tmp_path, text), "FLB016") == []


@pytest.mark.parametrize(("given", "said"), [("10m", "10 min"), ("5s", "5 s"), ("90s", "90 s")])
def test_an_upload_timeout_is_said_in_whole_numbers(tmp_path: Path, given: str, said: str) -> None:
    report = of_text(tmp_path, GOOD, ("upload_timeout        10m", f"upload_timeout        {given}"))
    (outcome,) = [judged.outcome for judged in report.judged if judged.rule == "FLB023"]
    assert f"only for up to {said} (upload_timeout)" in outcome.what
