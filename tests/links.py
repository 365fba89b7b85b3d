"""Links of Markdown pages: relative ones lead to a file, and a ``#fragment`` to a heading of it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def pages_of(root: Path) -> list[Path]:
    """Every page that a reader of the repository sees."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "fixtures").rglob("*.md")]
    return sorted({*found, *(root / "tests").rglob("*.md")})


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    text = FENCED.sub("", page.read_text())
    out = []
    for link in [*LINK.findall(CODE.sub("", text)), *REFERENCE.findall(text)]:
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (fragment and target.suffix == ".md" and fragment not in anchors(target)):
            out.append(link)
    return out


@cache
def anchors(page: Path) -> frozenset[str]:
    """The fragments that a page has: its headings as GitHub and MkDocs write them, numbered where they repeat."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", page.read_text())):
        name = slug(heading)
        number = 1
        while name in found:
            name, number = f"{slug(heading)}_{number}", number + 1
        found.add(name)
    return frozenset(found)


def slug(heading: str) -> str:
    """``## FLB001 no-db`` is ``flb001-no-db``: lower case, without punctuation, hyphens for blanks."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
