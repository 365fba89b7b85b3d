"""The output that README.md and pages of docs/ show is real: ``PYTHONPATH=. python tests/readme.py`` writes it anew.

Each ``$ flbrecover …`` line in a ``console`` block is run on a captured incident, one after the other, on one node
(``--root /host`` stands for it) and one S3 server. A page names its incident with ``<!-- node: NAME -->``, or ``none``
where it needs no node; the README has none and shows kubernetes-cri. Two things differ from run to run and are written
as they are on these pages: upload ids, and when an upload was started.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from pathlib import Path

from cases import CASES, remove
from command import Ended, flbrecover

from flbrecover.demo import incident

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CASE = "kubernetes-cri"
BLOCK = re.compile(r"```console\n\$ (flbrecover [^\n]*)\n(.*?)```\n", re.DOTALL)
NODE = re.compile(r"^<!-- node: ([a-z0-9.-]+) -->$", re.MULTILINE)
ASKS_S3 = ("objects", "uploads", "diff", "recover")
VOLATILE = (
    (re.compile(r"[0-9a-f]{40}_[0-9a-f]{32}"), "UPLOAD-ID"),
    (re.compile(r"started \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z"), "started 2026-11-23 11:40:22.000Z"),
)
DONE = re.compile(r"^1  [a-z ]+  s3://.*?^$", re.MULTILINE | re.DOTALL)


def pages() -> dict[Path, str]:
    """The pages that show output, each with the name of its incident."""
    found = {README: CASE}
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text()
        name = NODE.search(text)
        if BLOCK.search(text):
            assert name, f"{page}: shows output and names no node"
            found[page] = name[1]
    return found


def rewritten(text: str, root: Path, endpoint_url: str) -> str:
    """A page with what its commands say now."""
    return BLOCK.sub(lambda found: f"```console\n$ {found[1]}\n{said(found[1], root, endpoint_url)}```\n", text)


def said(line: str, root: Path, endpoint_url: str) -> str:
    fixtures = f"{ROOT}/fixtures/"
    arguments = shlex.split(re.sub(r"/host(?!\w)", str(root), line.replace(" fixtures/", f" {fixtures}")))[1:]
    if arguments[0] in ASKS_S3:
        arguments += ["--endpoint-url", endpoint_url]
    asked = arguments[0] == "recover"
    ended: Ended = flbrecover(*arguments, *(["--yes"] if asked else []), environment={"COLUMNS": "110"})
    assert ended.code in (0, 3), ended
    shown = ended.text.replace(str(root), "/host").replace(fixtures, "fixtures/")
    # On a node there are processes to be seen; a copy of its disk has none.
    lines = [line for line in shown.splitlines() if not line.startswith("note: /proc: no processes to see")]
    out = "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
    for pattern, instead in VOLATILE:
        out = pattern.sub(instead, out)
    out = re.sub(r"\n{3,}", "\n\n", out)
    return DONE.sub(_question, out) if asked else out


def _question(done: re.Match[str]) -> str:
    number = done[0].count("s3://")
    return f"Carry out {number} action{'' if number == 1 else 's'}? [y/N]: y\n{done[0]}"


def shown_by(page: Path, case: str, folder: Path, s3, endpoint_url: str) -> str:
    """The page with what its commands say on a fresh copy of its incident."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder
    if case != "none":
        kept = next(f for f in (CASES / case, CASES.parent / "incidents" / case) if f.is_dir())
        root = incident.unpack(kept, folder)
        for bucket in json.loads((kept / "case.json").read_text())["buckets"]:
            remove(s3, bucket)
        incident.load(kept, root, s3)
    return rewritten(page.read_text(), root, endpoint_url)


def main() -> None:
    from flbrecover.demo.seaweedfs import SeaweedFS, credentials

    with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder) / "s3") as server:
        os.environ.update(credentials())
        os.chdir(folder)  # cases are kept below the current folder
        for page, case in pages().items():
            text = shown_by(page, case, Path(folder) / page.stem, server.connect().client, server.endpoint_url)
            page.write_text(text)


if __name__ == "__main__":
    main()
