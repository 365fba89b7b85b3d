"""The output that README.md shows is real: ``PYTHONPATH=. python tests/readme.py`` writes it anew.

Each ``$ flbrecover …`` line in a ``console`` block is run on the captured incident kubernetes-cri, one after the other,
on one node (``--root /host`` stands for it) and one S3 server.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

from cases import load, unpack
from command import Ended, flbrecover

README = Path(__file__).parent.parent / "README.md"
CASE = "kubernetes-cri"
BLOCK = re.compile(r"```console\n\$ (flbrecover [^\n]*)\n(.*?)```\n", re.DOTALL)
ASKS_S3 = ("objects", "uploads", "diff", "recover")
QUESTION = "Carry out 3 actions? [y/N]: y\n"


def rewritten(text: str, root: Path, endpoint_url: str) -> str:
    """The README with what its commands say now."""
    return BLOCK.sub(lambda found: f"```console\n$ {found[1]}\n{said(found[1], root, endpoint_url)}```\n", text)


def said(line: str, root: Path, endpoint_url: str) -> str:
    arguments = shlex.split(line.replace("/host", str(root)))[1:]
    if arguments[0] in ASKS_S3:
        arguments += ["--endpoint-url", endpoint_url]
    asked = arguments[0] == "recover"
    ended: Ended = flbrecover(*arguments, *(["--yes"] if asked else []), environment={"COLUMNS": "110"})
    shown = ended.text.replace(str(root), "/host")
    # On a node there are processes to be seen; a copy of its disk has none.
    lines = [line for line in shown.splitlines() if not line.startswith("note: /proc: no processes to see")]
    out = "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
    out = re.sub(r"\n{3,}", "\n\n", out)
    return out.replace("\n1  written", f"\n{QUESTION}1  written") if asked else out


def with_node(then: Callable[[Path, str], None]) -> None:
    from flbrecover.demo.seaweedfs import SeaweedFS, credentials

    with tempfile.TemporaryDirectory() as folder, SeaweedFS(Path(folder) / "s3") as server:
        import os

        os.environ.update(credentials())
        root = unpack(CASE, Path(folder))
        load(CASE, server.connect().client, root)
        then(root, server.endpoint_url)


def _write(root: Path, endpoint_url: str) -> None:
    README.write_text(rewritten(README.read_text(), root, endpoint_url))


if __name__ == "__main__":
    with_node(_write)
