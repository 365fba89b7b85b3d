"""The manifest of a fleet: it fits Kubernetes' schemas, each Job is its node's, no name leaves its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from command import flbrecover, one_line
from hypothesis import given
from hypothesis import strategies as st
from test_deploy import VERSIONS, unknown

from flbrecover.fleet.names import job_name

TO = ("--case-to", "s3://my-bucket/recovery/oom-1123/")
IMAGE = ("--image", "registry.example.com/flbrecover:0.1.0")
AGENT = ("--", "--agent", "gone")


def made(*arguments: object, recover: tuple[str, ...] = AGENT) -> list[dict[str, Any]]:
    ended = flbrecover("fleet", "manifest", *TO, *IMAGE, *arguments, *recover)
    assert ended.code == 0, ended
    found = yaml.safe_load(ended.text)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    return list(found["items"])


def jobs(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if item["kind"] == "Job"]


def container(job: dict[str, Any]) -> dict[str, Any]:
    (one,) = job["spec"]["template"]["spec"]["containers"]
    return dict(one)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "more",
    [(), ("--service-account", "logs.reader"), ("--secret", "s3-keys"), ("--memory", "1Gi"),
     ("--role-arn", "arn:aws:iam::123456789012:role/flbrecover"), ("--endpoint-url", "http://minio:9000")],
)  # fmt: skip
def test_the_schemas(version: str, more: tuple[str, ...]) -> None:
    items = made("--nodes", "ip-10-0-3-17.eu-west-1.compute.internal,b,c", *more)
    assert len(jobs(items)) == 3
    assert len(items) == 3 + ("--service-account" not in more)
    for item in items:
        kubernetes_validate.validate(item, version, strict=True)


def test_each_job_is_its_node_s_and_can_only_read_it() -> None:
    nodes = ["ip-10-0-3-17.eu-west-1.compute.internal", "b", "c." + "x" * 63 + ".y"]
    found = jobs(made("--nodes", ",".join(nodes)))
    assert len({job["metadata"]["name"] for job in found}) == 3
    for node, job in zip(nodes, found, strict=True):
        pod, one = job["spec"]["template"]["spec"], container(job)
        assert len(job["metadata"]["name"]) <= 63
        assert pod["nodeName"] == node
        assert f"--case-to=s3://my-bucket/recovery/oom-1123/{node}/" in one["args"]
        assert (pod["restartPolicy"], job["spec"]["backoffLimit"]) == ("Never", 2)
        assert job["spec"]["ttlSecondsAfterFinished"]
        security = one["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"], "add": ["DAC_READ_SEARCH", "SYS_PTRACE"]}
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        mounts = {mount["name"]: mount for mount in one["volumeMounts"]}
        assert mounts["host"]["readOnly"] and mounts["host"]["mountPath"] == "/host"
        assert one["resources"]["limits"]["memory"] == "256Mi"
        assert unknown(one["args"]) == []
        assert "--root=/host" in one["args"]


def test_the_credentials() -> None:
    account = made("--nodes", "a", "--role-arn", "arn:aws:iam::123456789012:role/flbrecover")[0]
    assert account["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/flbrecover"
    }
    (job,) = made("--nodes", "a", "--service-account", "mine", "--secret", "keys")
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "mine"
    assert container(job)["envFrom"] == [{"secretRef": {"name": "keys"}}]


def test_the_endpoint_is_that_of_both() -> None:
    args = container(jobs(made("--nodes", "a", "--endpoint-url", "http://minio:9000"))[0])["args"]
    split = args.index("--")
    assert "--endpoint-url=http://minio:9000" in args[:split] and "--endpoint-url=http://minio:9000" in args[split:]


def test_kubernetes_puts_nothing_in_for_a_word_of_recover() -> None:
    recover = ("--", "--agent", "gone", "--key-format", "/$TAG/$(NODE_NAME)/$UUID")
    args = container(jobs(made("--nodes", "a", recover=recover))[0])["args"]
    assert args[-1] == "/$TAG/$$(NODE_NAME)/$UUID"


def test_a_file_of_nodes(tmp_path: Path) -> None:
    file = tmp_path / "nodes"
    file.write_text("# the rack\nnode/a\n\n  b.example  # twice rebooted\nc\r\n")
    found = jobs(made("--nodes-file", file))
    assert [job["spec"]["template"]["spec"]["nodeName"] for job in found] == ["a", "b.example", "c"]


def test_a_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "fleet.yaml"
    assert flbrecover("fleet", "manifest", *TO, *IMAGE, "--nodes", "a", "-o", target, *AGENT).code == 0
    assert yaml.safe_load(target.read_text())["kind"] == "List"
    assert target.read_text().startswith("# Recovers 1 node, case ")


@given(st.lists(st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,80}[a-z0-9])?", fullmatch=True), unique=True, max_size=20))
def test_names_of_jobs_are_labels_and_their_own(nodes: list[str]) -> None:
    found = [job_name("case", node) for node in nodes]
    assert len(set(found)) == len(nodes)
    for name in found:
        assert len(name) <= 63 and name.replace("-", "a").isalnum() and name[0] != "-" != name[-1]


BAD = [
    (("--nodes", "a,b,a"), "a is named twice"),
    (("--nodes", "A"), "'A' is no name of a node"),
    (("--nodes", "a\nb: {x: 1}"), "is no name of a node"),
    (("--nodes", "../etc"), "is no name of a node"),
    (("--nodes", "x" * 254), "is no name of a node"),
    (("--nodes", ","), "names no node"),
    (("--nodes-file", "not-there"), "--nodes-file not-there: No such file"),
    ((), "the nodes are needed"),
    (("--nodes", "a", "--nodes-file", "x"), "one of both"),
    (("--nodes", "a", "--namespace", "Logs"), "--namespace Logs"),
    (("--nodes", "a", "--namespace", "x\n---"), "--namespace"),
    (("--nodes", "a", "--image", "a b"), "not the name of an image"),
    (("--nodes", "a", "--image", ""), "not the name of an image"),
    (("--nodes", "a", "--memory", "lots"), "a quantity is wanted"),
    (("--nodes", "a", "--secret", "S3_KEYS"), "--secret S3_KEYS"),
    (("--nodes", "a", "--service-account", "a/b"), "--service-account a/b"),
    (("--nodes", "a", "--role-arn", "flbrecover"), "not the ARN of a role"),
    (("--nodes", "a", "--role-arn", "arn:aws:iam::123456789012:role/x", "--service-account", "b"), "--role-arn"),
    (("--nodes", "a", "--case-to", "s3://my-bucket/"), "s3://BUCKET/PREFIX/"),
    (("--nodes", "a", "--case-to", "/tmp/x"), "s3://BUCKET/PREFIX/"),
    (("--nodes", "a", "--case-to", "s3://my-bucket/x/../y/"), "s3://BUCKET/PREFIX/"),
    (("--nodes", "a", "--case-to", "s3://[a/b/"), "s3://BUCKET/PREFIX/"),
    (("--nodes", "a", "--case-to", "s3://my-bucket/Case_1/"), "names the case: "),
    (("--nodes", "a", "--case-to", "s3://my-bucket/oom_1/"), "at most 63 of them ('_' cannot be used)"),
    (("--nodes", "a", "--case-to", "s3://my-Bucket/p/c/"), ". _ = - ('B' cannot be used in a bucket's name)"),
    (("--nodes", "a", "--case-to", "s3://my-bucket/p q/c/"), ". _ = - (' ' cannot be used in PREFIX)"),
    (("--nodes", "a", "--case-to", "s3://my-bucket/p?q/c/"), ". _ = - ('?' cannot be used in PREFIX)"),
    (("--nodes", "a", "--case-to", "s3://my-bucket/.p/c/"), ". _ = - ('.' cannot be the first character of a part)"),
    (("--nodes", "a", "--case-to", "s3://my-bucket/p//c/"), ". _ = - ('/' cannot be the first character of a part)"),
    (("--nodes-file", "/dev/null"), "--nodes-file /dev/null: names no node"),
    (("--nodes", "a", "--case-to", "s3://b/p/c/"), "and . _ = - (a bucket's name has 3 to 63 characters)"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
def test_names_that_cannot_be_used(arguments: tuple[str, ...], said: str) -> None:
    ended = flbrecover("fleet", "manifest", *TO, *IMAGE, *arguments, *AGENT)
    assert ended.code == 2
    assert said in one_line(ended)


@pytest.mark.parametrize(
    ("recover", "said"),
    [((), "--agent gone or --agent returning"), (("--", "--agent", "gone", "--case", "x"), "--case: cannot be used"),
     (("--", "--agent", "returning", "--retire"), "--retire: cannot be used"),
     (("--", "--agent", "gone", "--rot", "/x"), "--rot"), (("--", "--agent", "perhaps"), "perhaps")],
)  # fmt: skip
def test_options_of_recover_that_cannot_be_used(recover: tuple[str, ...], said: str) -> None:
    ended = flbrecover("fleet", "manifest", *TO, *IMAGE, "--nodes", "a", *recover)
    assert ended.code == 2
    assert said in one_line(ended)
