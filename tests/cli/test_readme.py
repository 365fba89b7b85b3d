"""README.md shows what the commands really say, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cases import load, unpack
from readme import CASE, README, rewritten

ROOT = README.parent
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_shown_output_is_real(tmp_path: Path, weed) -> None:
    """Not so? PYTHONPATH=. python tests/readme.py"""
    root = unpack(CASE, tmp_path)
    load(CASE, weed.client, root)
    text = README.read_text()
    assert text.count("```console\n$ flbrecover ") == 5
    assert rewritten(text, root, weed.endpoint_url) == text


def test_the_two_commands_are_there_each_in_one_line() -> None:
    lines = README.read_text().splitlines()
    assert "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/flbrecover demo" in lines
    assert "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/pytest" in lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    broken = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert broken == []
