"""README.md and the pages show what the commands really say, and their links lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from links import broken, pages_of
from readme import README, ROOT, pages, shown_by

SHOWN = pages()


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.stem)
def test_shown_output_is_real(page: Path, tmp_path: Path, weed) -> None:
    """Not so? PYTHONPATH=. python tests/readme.py"""
    assert shown_by(page, SHOWN[page], tmp_path / "node", weed.client, weed.endpoint_url) == page.read_text()


def test_every_situation_shows_output() -> None:
    situations = {p for p in (ROOT / "docs" / "how-to").glob("*.md") if p.name != "README.md"}
    assert situations <= SHOWN.keys()
    assert README.read_text().count("```console\n$ flbrecover ") == 5


def test_the_two_commands_are_there_each_in_one_line() -> None:
    lines = README.read_text().splitlines()
    assert "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/flbrecover demo" in lines
    assert "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/pytest" in lines


@pytest.mark.parametrize("page", pages_of(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    assert broken(page) == []
