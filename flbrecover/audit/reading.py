"""Files to audit: Fluent Bit configurations and Kubernetes manifests, told apart and read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flbrecover.audit import kubernetes, versions
from flbrecover.audit.manifests import Manifests
from flbrecover.errors import ConfigError, EvidenceError
from flbrecover.evidence.config_maps import starting_files
from flbrecover.evidence.node import Node
from flbrecover.model import Problem

MAX_FILE = 16 * 1024 * 1024
MAX_FILES = 2000  # below one folder
STDIN = "-"
_NAMES = (".yaml", ".yml", ".json", ".conf")
_CONFIG_START = re.compile(r"\s*(?:\[|@|#)")


@dataclass(slots=True)
class Inputs:
    """What the files hold. ``configs`` are paths of configurations; ``stdin`` one that came on the standard input;
    ``version`` that of Fluent Bit where no image says it."""

    env: Mapping[str, str]
    version: versions.Version | None = None
    node: Node = field(default_factory=lambda: Node("/"))
    manifests: Manifests = field(default_factory=Manifests)
    configs: list[str] = field(default_factory=list)
    stdin: str | None = None
    problems: list[Problem] = field(default_factory=list)

    def unreadable(self, path: str, what: str, way_out: str = "") -> None:
        self.problems.append(Problem(path, what, way_out=way_out))

    def note(self, path: str, what: str, way_out: str = "") -> None:
        self.problems.append(Problem(path, what, way_out=way_out, unreadable=False))


def read(files: Sequence[str], into: Inputs, stdin: str) -> None:
    """Adds files and folders of this machine; ``-`` is ``stdin``. What cannot be used is a problem of ``into``."""
    for file in files:
        if file == STDIN:
            _take(into, "(stdin)", stdin, given=True)
        elif os.path.isdir(file):
            _folder(into, file)
        else:
            text = _text(into, file)
            if text is not None:
                _take(into, file, text, given=True)


def is_config(text: str) -> bool:
    """Whether a text looks like a whole Fluent Bit configuration, in either syntax."""
    return bool(starting_files({"a.conf": text}) or starting_files({"a.yaml": text}))


def main_name(text: str) -> str:
    """A file name of the syntax that a configuration has."""
    return "fluent-bit.conf" if starting_files({"a.conf": text}) else "fluent-bit.yaml"


def _folder(into: Inputs, folder: str) -> None:
    paths = sorted(str(p) for p in Path(folder).rglob("*") if p.suffix in _NAMES and not _hidden(p, folder))
    if os.path.exists(os.path.join(folder, "Chart.yaml")):
        into.unreadable(folder, "a Helm chart that was not rendered", f"helm template {folder} | flbrecover audit -")
        return
    if not paths:
        into.unreadable(folder, "no .yaml, .yml, .json or .conf file in it")
    if len(paths) > MAX_FILES:
        what = f"holds {len(paths)} files, of which only the first {MAX_FILES} were read"
        into.unreadable(folder, what, "name the folders below it, or its files")
    texts: dict[str, str] = {}
    for path in paths[:MAX_FILES]:
        text = _text(into, path)
        if text is not None and (kubernetes.is_manifest(text) or kubernetes.is_template(text)):
            _take(into, path, text, given=False)
        elif text is not None:
            texts[path] = text
    into.configs += starting_files(texts) if any(map(is_config, texts.values())) else []


def _hidden(path: Path, folder: str) -> bool:
    return any(p.startswith(".") for p in path.relative_to(folder).parts) or not path.is_file()


def _text(into: Inputs, path: str) -> str | None:
    """The text of a file; None, and a problem, where it cannot be read. Never blocks on a FIFO."""
    try:
        with into.node.open(os.path.abspath(path)) as f:
            data = f.read(MAX_FILE + 1)
    except (EvidenceError, OSError) as e:
        what = e.strerror or "cannot be read" if isinstance(e, OSError) else str(e).rpartition(": ")[2]
        into.unreadable(path, what)
        return None
    if len(data) > MAX_FILE:
        into.unreadable(path, f"larger than {MAX_FILE} bytes")
        return None
    return data.decode("utf-8", "surrogateescape")


def _take(into: Inputs, path: str, text: str, *, given: bool) -> None:
    """Adds a text to the manifests or the configurations; what is neither is a problem."""
    rendered = f"helm template CHART | flbrecover audit {STDIN}"
    if kubernetes.is_template(text) and not _CONFIG_START.match(text):
        into.unreadable(path, "a template of a Helm chart that was not rendered", rendered)
    elif kubernetes.is_manifest(text):
        before = into.manifests.objects
        try:
            kubernetes.read(text, path, into.manifests)
        except ConfigError as e:
            where = f"line {e.line}: " if e.line else ""
            said = str(e).removeprefix(f"{path}:{e.line}: ").removeprefix(f"{path}: ")
            hint = "put values in place of its {{ }}" if "{{" in text else ""
            into.unreadable(path, where + said, hint)
        else:
            if into.manifests.objects == before:
                into.unreadable(path, "no Kubernetes object in it")
    elif is_config(text) or path.endswith(".conf"):
        if path == "(stdin)":
            into.stdin = text
        else:
            into.configs.append(path)
    elif given:
        into.unreadable(path, "neither a Fluent Bit configuration nor a Kubernetes manifest")
