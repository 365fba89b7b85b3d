"""What brings flbrecover onto a node: the manifests fit Kubernetes' schemas, the Dockerfile is sound, and what
manifests and runbooks call are commands and options that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from flbrecover import __version__
from flbrecover.cli import cli

ROOT = Path(__file__).parent.parent
RUNBOOKS = ROOT / "docs" / "runbooks"
MANIFESTS = sorted(RUNBOOKS.glob("*.yaml"))
VERSIONS = ("1.29", "1.33")
PAGES = sorted([*RUNBOOKS.glob("*.md"), ROOT / "docs" / "one-file.md", ROOT / "docs" / "fleet.md"])


def manifest(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text().replace("NODE", "ip-10-0-3-17"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.name)
def test_the_schemas(path: Path, version: str) -> None:
    kubernetes_validate.validate(manifest(path), version, strict=True)


def test_the_validator_sees_mistakes() -> None:
    wrong = manifest(RUNBOOKS / "node-pod.yaml")
    wrong["spec"]["nodename"] = wrong["spec"].pop("nodeName")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def pods() -> list[Any]:
    found = []
    for path in MANIFESTS:
        one = manifest(path)
        spec = one["spec"]["template"]["spec"] if one["kind"] == "Job" else one.get("spec")
        if spec:
            found.append(pytest.param(spec, id=path.name))
    return found


@pytest.mark.parametrize("spec", pods())
def test_a_pod_can_only_read_the_node(spec: dict[str, Any]) -> None:
    host = {v["name"] for v in spec["volumes"] if "hostPath" in v}
    for container in spec["containers"]:
        security = container["securityContext"]
        assert not security.get("privileged") and security["capabilities"]["drop"] == ["ALL"]
        assert set(security["capabilities"]["add"]) == {"DAC_READ_SEARCH", "SYS_PTRACE"}
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        mounts = {m["name"]: m for m in container["volumeMounts"]}
        assert host and all(mounts[name]["readOnly"] for name in host)
        scratch = next(e["value"] for e in container["env"] if e["name"] == "TMPDIR")
        assert scratch == container["workingDir"] == mounts["scratch"]["mountPath"]
        assert container["image"].endswith(f":{__version__}")
    assert spec["serviceAccountName"] == manifest(RUNBOOKS / "service-account.yaml")["metadata"]["name"]


def unknown(arguments: list[str]) -> list[str]:
    """The words of a call of flbrecover that it does not know. What stands behind ``--`` are options of recover."""
    if "--" in arguments:
        split = arguments.index("--")
        return unknown(arguments[:split]) + unknown(["recover", *arguments[split + 1 :]])
    command: click.Command = cli
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest.pop(0))
        if found is None:
            return arguments[:1]
        command = found
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"-h", "--help", "--version"}
    return [word for word in rest if word.startswith("-") and word != "-" and word.partition("=")[0] not in known]


def calls(page: Path) -> list[str]:
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    found = (re.search(r"(?:^|[ /])flbrecover(?:\.pyz)? ([a-z-].*?)(?: [>|&#].*)?$", line) for line in lines)
    return [m[1] for m in found if m and not m.string.startswith(("docker", "kubectl cp"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_calls_of_a_page(page: Path) -> None:
    assert calls(page)
    for call in calls(page):
        assert unknown(shlex.split(call, comments=True)) == [], call


@pytest.mark.parametrize("path", [p for p in MANIFESTS if p.name.endswith("-job.yaml")], ids=lambda p: p.name)
def test_the_calls_of_a_manifest(path: Path) -> None:
    for container in manifest(path)["spec"]["template"]["spec"]["containers"]:
        assert unknown(container["args"]) == []


def test_a_call_that_is_none_is_seen() -> None:
    assert unknown(["diff", "--rot", "/host"]) == ["--rot"] and unknown(["dif"]) == ["dif"]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_the_dockerfile_by_hadolint() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    ended = subprocess.run([hadolint, "--failure-threshold", "style", ROOT / ".ci" / "Dockerfile"], capture_output=True)
    assert (ended.returncode, ended.stdout) == (0, b"")


def test_the_image_is_made_of_what_the_context_has() -> None:
    """And of no more than .ci/build_pyz.py builds the same wheel from."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert ignored[0] == "*"
    context = {line[1:] for line in ignored if line.startswith("!")}
    instructions = re.sub(r"\\\n\s*", "", (ROOT / ".ci" / "Dockerfile").read_text())
    copied = {w for line in re.findall(r"^COPY (?!--)(.*) \S+$", instructions, re.MULTILINE) for w in line.split()}
    assert copied == context and all((ROOT / name).exists() for name in context)
    assert {"pyproject.toml", "README.md", "LICENSE", "flbrecover"} == context
    assert "\nUSER 65532:65532\n" in instructions
