"""Files are told apart and put together; what cannot be known is said, and nothing is invented."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest
from audit_support import FIXTURES, GOOD, findings, found, not_known, of_text, passed
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.audit import kubernetes, manifests, reading
from flbrecover.audit.assembling import audit, config_arguments
from flbrecover.audit.findings import NotKnown, Report

CONF = "[INPUT]\n    Name tail\n    Path /var/log/*.log\n[OUTPUT]\n    Name s3\n    Match *\n    bucket b\n"
MANIFESTS = GOOD.partition("---")[2]


def unreadable(report: Report) -> list[str]:
    return [p.what for p in report.problems if p.unreadable]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def as_list(text: str) -> str:
    items = "\n".join("- " + d.strip("\n").replace("\n", "\n  ") for d in text.partition("\n")[2].split("---\n"))
    return f"apiVersion: v1\nkind: List\nitems:\n{items}\n"


def test_a_list_is_its_items_and_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = as_list(GOOD).replace("Read_from_Head    On", "Read_from_Head    Off")
    report = of_text(tmp_path, text)
    assert found(report) == {"FLB004", "FLB015"}
    (place,) = findings(report, "FLB004")[0].places
    assert "Read_from_Head" in text.splitlines()[place.line - 1]


def test_json_is_yaml(tmp_path: Path) -> None:
    config_map = {"kind": "ConfigMap", "metadata": {"name": "fluent-bit"}, "data": {"fluent-bit.conf": CONF}}
    report = of_text(tmp_path, json.dumps(config_map, indent=1), name="x.json")
    assert report.subjects == ("ConfigMap fluent-bit, fluent-bit.conf",)
    assert "FLB001" in found(report)
    for finding in findings(report, "FLB001"):  # the line of the key: a quoted text has no lines of its own
        assert [p.line for p in finding.places] == [7]


def test_the_configuration_and_the_manifest_in_two_files(tmp_path: Path) -> None:
    config_map, _, rest = GOOD.partition("---\n")
    write(tmp_path, a__yaml=config_map, b__yaml=rest)
    report = audit([str(tmp_path / "b.yaml"), str(tmp_path / "a.yaml")], {})
    assert found(report) == set() and len(report.subjects) == 1
    assert audit([str(tmp_path)], {}).judged == audit([str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")], {}).judged


def test_a_file_belongs_to_the_only_container_without_a_configuration(tmp_path: Path) -> None:
    write(tmp_path, fluent__conf=CONF, ds__yaml=MANIFESTS)
    report = audit([str(tmp_path / "fluent.conf"), str(tmp_path / "ds.yaml")], {})
    assert report.subjects == ("DaemonSet logging/fluent-bit, container fluent-bit",)
    assert any("taken for the configuration of" in p.what for p in report.problems)
    assert "FLB006" in found(report)


def test_a_manifest_without_its_configuration_is_not_judged(tmp_path: Path) -> None:
    report = of_text(tmp_path, MANIFESTS)
    assert report.judged == () and report.exit_code("never") == 4
    assert any("its configuration was not given (ConfigMap fluent-bit)" in p.what for p in report.problems)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["/fluent-bit/bin/fluent-bit", "-c", "/etc/a.conf"], "/etc/a.conf"),
        (["fluent-bit", "--config=/etc/a.conf"], "/etc/a.conf"),
        (["--config", "/etc/a.conf"], "/etc/a.conf"),
        (["sh", "-c", "exec fluent-bit -c '/etc/a.conf' -v"], "/etc/a.conf"),
        (["sh", "-c", "it's fluent-bit"], "it's fluent-bit"),
    ],
)
def test_the_configuration_that_a_command_line_names(arguments: list[str], path: str) -> None:
    assert config_arguments(arguments)[-1] == path


def test_the_key_that_the_container_starts_with(tmp_path: Path) -> None:
    command = "          image: fluent/fluent-bit:5.1.1\n          args: [-c, /fluent-bit/etc/other.conf]\n"
    other = "  other.conf: |\n    [INPUT]\n        Name tail\n        Path /x\n---\napiVersion: apps/v1"
    report = of_text(
        tmp_path, GOOD, ("          image: fluent/fluent-bit:5.1.1\n", command), ("---\napiVersion: apps/v1", other)
    )
    assert {"FLB001", "FLB021"} <= found(report) and "FLB000" in not_known(report)


def test_keys_that_a_volume_renames(tmp_path: Path) -> None:
    items = "            name: fluent-bit\n            items: [{key: main, path: fluent-bit.conf}]\n"
    report = of_text(tmp_path, GOOD, ("  fluent-bit.conf: |", "  main: |"), ("            name: fluent-bit\n", items))
    assert report.subjects and found(report) == set()


def test_keys_that_a_volume_leaves_out(tmp_path: Path) -> None:
    """``fluent-bit.conf`` of the container is another key than the one of that name, which is not mounted."""
    other = f"  other.conf: |\n{textwrap.indent(CONF, '    ')}  fluent-bit.conf: |"
    items = "            name: fluent-bit\n            items: [{key: other.conf, path: fluent-bit.conf}]\n"
    report = of_text(tmp_path, GOOD, ("  fluent-bit.conf: |", other), ("            name: fluent-bit\n", items))
    assert len(report.subjects) == 1 and {"FLB001", "FLB006"} <= found(report)


def test_reloaders_are_no_fluent_bit(tmp_path: Path) -> None:
    reloader = """        - name: config-reload
          image: jimmidyson/configmap-reload:v0.9
          volumeMounts:
            - name: config
              mountPath: /fluent-bit/etc
      volumes:
"""
    assert len(of_text(tmp_path, GOOD, ("      volumes:\n", reloader)).subjects) == 1


def test_sidecars_and_cron_jobs_count(tmp_path: Path) -> None:
    init = "      initContainers:\n        - name: fluent-bit\n          restartPolicy: Always\n"
    report = of_text(tmp_path, GOOD, ("      containers:\n        - name: fluent-bit\n", init))
    assert len(report.subjects) == 1
    done = of_text(tmp_path, GOOD, ("      containers:\n        - name: fluent-bit\n", init.replace("Always", "No")))
    assert done.subjects == ("ConfigMap logging/fluent-bit, fluent-bit.conf",)


def test_an_include_that_was_not_given_is_not_known(tmp_path: Path) -> None:
    report = of_text(tmp_path, GOOD, ("    [SERVICE]\n", "    @INCLUDE /extra/more.conf\n    [SERVICE]\n"))
    assert not_known(report) == {"FLB000"} and found(report) == set()
    assert any("/extra/more.conf" in j.outcome.what for j in report.judged if isinstance(j.outcome, NotKnown))


def test_variables(tmp_path: Path) -> None:
    """Text is taken as it is written; where a number is wanted, nothing is judged."""
    named = of_text(tmp_path, GOOD, ("cluster-logs", "${BUCKET}"))
    assert found(named) == set() and any("${BUCKET}" in p.what for p in named.problems)
    sized = of_text(tmp_path, GOOD, ("total_file_size       100M", "total_file_size       ${SIZE}"))
    assert sized.judged == () and sized.exit_code("never") == 4
    assert any("depends on ${SIZE}" in what for what in unreadable(sized))
    file = str(tmp_path / "given.yaml")
    assert found(audit([file], {"SIZE": "100M"})) == set()


def test_a_variable_whose_name_begins_like_another(tmp_path: Path) -> None:
    changes = ("bucket                cluster", "bucket ${SIZE}"), ("size       100M", "size       ${SIZE_B}")
    (problem,) = of_text(tmp_path, GOOD, *changes).problems
    assert "depends on ${SIZE_B}" in problem.what and problem.way_out == "give it with --env SIZE_B=VALUE"


def test_variables_that_the_manifest_sets(tmp_path: Path) -> None:
    env = "          env:\n            - name: SIZE\n              value: 500M\n          resources:\n"
    changes = ("total_file_size       100M", "total_file_size       ${SIZE}"), ("          resources:\n", env)
    assert "FLB024" in found(of_text(tmp_path, GOOD, *changes))


def test_variables_of_config_maps(tmp_path: Path) -> None:
    """By key and as a whole; a ConfigMap that was not given leaves the variable unknown."""
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: info\ndata:\n  head: 'off'\n  HEAD: 'off'\n---\n"
    by_key = "          env:\n            - {name: HEAD, valueFrom: {configMapKeyRef: {name: info, key: head}}}\n"
    whole = "          envFrom:\n            - configMapRef: {name: info}\n"
    for said in (by_key, whole):
        changes = (
            ("Read_from_Head    On", "Read_from_Head    ${HEAD}"),
            ("          resources:\n", said + "          resources:\n"),
        )
        assert "FLB004" in found(of_text(tmp_path, config_map + GOOD, *changes))
        assert of_text(tmp_path, GOOD, *changes).judged == ()


def test_what_fluent_bit_refuses_has_its_line(tmp_path: Path) -> None:
    report = of_text(tmp_path, GOOD, ("Read_from_Head    On", "Read_from_Haed    On"))
    (refused,) = findings(report)
    assert "has no key 'Read_from_Haed'" in refused.what
    (place,) = refused.places
    assert "Read_from_Haed" in (tmp_path / "given.yaml").read_text().splitlines()[place.line - 1]
    assert report.exit_code("error") == 3


def test_charts_that_were_not_rendered(tmp_path: Path) -> None:
    report = audit([str(FIXTURES / "unrendered.yaml")], {})
    assert unreadable(report) == ["a template of a Helm chart that was not rendered"]
    assert report.exit_code("never") == 4
    write(tmp_path, Chart__yaml="apiVersion: v2\nname: x\n", values__yaml="a: 1\n")
    assert unreadable(audit([str(tmp_path)], {})) == ["a Helm chart that was not rendered"]


def test_unknown_kinds_are_named_and_harmless(tmp_path: Path) -> None:
    report = of_text(
        tmp_path, f"apiVersion: fluentbit.fluent.io/v1alpha2\nkind: ClusterOutput\nspec: {{}}\n---\n{GOOD}"
    )
    assert report.passed_over == ("ClusterOutput",)
    assert report.exit_code("note") == 0
    alone = of_text(tmp_path, "apiVersion: v1\nkind: Service\n")
    assert "no Fluent Bit to audit in it (other kinds of objects: Service)" in unreadable(alone)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "bad.yaml").write_text("kind: ConfigMap\n  x: [\n")
    files = [str(tmp_path / n) for n in ("gone", "fifo", "text", "bad.yaml")]
    said = unreadable(audit([*files, str(FIXTURES / "good.yaml")], {}))
    assert [w.partition(":")[0] for w in said][:3] == ["No such file or directory", "not a regular file", said[2]]
    assert said[2] == "neither a Fluent Bit configuration nor a Kubernetes manifest"
    assert said[3].startswith("line 2: not YAML") and len(said) == 4


def test_a_folder_of_more_files_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_FILES", 2)
    service = "apiVersion: v1\nkind: Service\n"
    report = audit([str(write(tmp_path, a__yaml=service, b__yaml=service, c__yaml=GOOD))], {})
    assert "holds 3 files, of which only the first 2 were read" in unreadable(report)


def test_what_is_wrong_with_a_file_is_said_whatever_is_wrong_with_another(tmp_path: Path) -> None:
    write(tmp_path, empty__yaml="-\n  kind: DaemonSet\n")
    said = unreadable(audit([str(tmp_path / "gone.yaml"), str(tmp_path / "empty.yaml")], {}))
    assert said[:2] == ["No such file or directory", "no Kubernetes object in it"]


def test_aliases_are_followed_in_manifests(tmp_path: Path) -> None:
    changes = (
        ("    matchLabels:\n      app: fluent-bit", "    matchLabels: &l\n      app: fluent-bit"),
        (
            "      labels:\n        app: fluent-bit",
            "      labels: *l",
        ),
    )
    assert found(of_text(tmp_path, GOOD, *changes)) == set()


def test_a_file_of_aliases_does_not_grow(tmp_path: Path) -> None:
    lines = ["kind: List", "a0: &a0 {kind: Pod}"]
    lines += [f"a{n}: &a{n} {{kind: List, items: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    report = of_text(tmp_path, "\n".join([*lines, "items: [*a29, *a8]\n"]))
    assert any("more than 200000 values" in what for what in unreadable(report))


def test_a_pod_of_aliases_does_not_grow(tmp_path: Path) -> None:
    """Few objects, and many containers in each of them."""
    pod = f"- &d\n  kind: Pod\n  spec: {{containers: [&c {{name: c, image: i}}{', *c' * 2000}]}}\n"
    report = of_text(tmp_path, f"kind: List\napiVersion: v1\nitems:\n{pod}" + "- *d\n" * 160)
    assert any("more than 200000 values" in what for what in unreadable(report))


def test_more_objects_than_are_read(tmp_path: Path) -> None:
    report = of_text(tmp_path, f"kind: List\nitems: [{'{kind: A}, ' * kubernetes.MAX_OBJECTS}]\n")
    assert any("more than 20000 objects" in what for what in unreadable(report))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 * 2**20),
        ("1G", 10**9),
        ("1.5Gi", 3 * 2**29),
        ("1e3", 1000),
        ("100000k", 10**8),
        ("x", None),
        ("", None),
    ],
)
def test_quantities(text: str, size: int | None) -> None:
    assert kubernetes.quantity(text) == size


yaml_values = st.recursive(
    st.none() | st.text(st.characters(max_codepoint=0xD7FF), max_size=8) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((
        "kind", "spec", "template", "env", "containers", "initContainers", "volumes", "volumeMounts", "name",
        "hostPath", "configMap", "items", "data", "metadata", "updateStrategy", "rollingUpdate", "resources", "limits",
        "memory", "mountPath", "args", "image", "terminationGracePeriodSeconds",
    )), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(st.sampled_from([*kubernetes.WORKLOADS, "ConfigMap", "List", "KubeletConfiguration"]), yaml_values)
def test_no_manifest_is_a_crash(kind: str, spec: object) -> None:
    into = manifests.Manifests()
    kubernetes.read(json.dumps({"kind": kind, "metadata": spec, "spec": spec, "data": spec, "items": spec}), "x", into)
    assert into.objects >= 1


def test_passed_is_not_said_of_what_was_not_seen(tmp_path: Path) -> None:
    """A configuration without inputs or outputs has nothing that could be right."""
    report = of_text(tmp_path, "[SERVICE]\n    Flush 1\n", name="x.conf")
    assert passed(report) <= {"FLB025"} and "FLB000" in not_known(report)
