"""``flbrecover recover``, but from a bundle: collects the node of ``--root`` first, then runs on the bundle.

For the scoreboard: ``scoreboard.py --command "python tests/bundle_recover.py"``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

FLBRECOVER = [sys.executable, "-m", "flbrecover"]


def main() -> int:
    arguments = sys.argv[1:]
    root, config = (arguments.index(option) + 1 for option in ("--root", "--config"))
    with tempfile.TemporaryDirectory() as folder:
        bundle = str(Path(folder) / "node.tar.zst")
        where = ["--root", arguments[root], "--config", arguments[config], "-o", bundle]
        collected = subprocess.run([*FLBRECOVER, "collect", *where], stdout=subprocess.DEVNULL, check=False)
        if collected.returncode not in (0, 4):
            return collected.returncode
        arguments[root] = bundle
        return subprocess.run([*FLBRECOVER, *arguments], cwd=folder, check=False).returncode  # its case goes with it


if __name__ == "__main__":
    sys.exit(main())
