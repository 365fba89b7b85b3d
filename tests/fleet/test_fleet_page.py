"""The page of a fleet in a real browser: hostile names run nothing, and it can be read by everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, chromium, need_chromium
from case_builder import CaseBuilder, Tag
from command import flbrecover
from fleet.results import recovered, run

pytestmark = pytest.mark.browser

HOSTILE = ("<script>alert('tag')</script>", "<img src=x onerror=alert(1)>", "esc\x1b[31m\u202egnp.exe", "<b>x" * 300)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    need_chromium()
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_the_page_of_a_hostile_fleet(page: Page, tmp_path: Path) -> None:
    fleet = tmp_path / "<script>alert(2)<"
    for number, name in enumerate(HOSTILE):
        made = CaseBuilder([Tag(name, missing=range(9), recovered=range(5))], bucket=name, db=False)
        run(fleet, f"n{number}", made, code=3, tool=name)
    run(fleet, "b", recovered())
    (fleet / HOSTILE[2]).write_text("")
    target = tmp_path / "page.html"
    assert flbrecover("fleet", "report", fleet, "--nodes", "b,absent", "-o", target).code == 4
    page.open(target)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.complaints == []
    assert page.run("return [...document.scripts].length") == 1
    assert page.run("return document.querySelectorAll('img, b, a, [onerror]').length") == 0
    shown = page.run("return document.body.textContent")
    assert "<script>alert('tag')</script>" in shown and "esc\\x1b[31m\\u202egnp.exe" in shown
    assert "Not known of every node" in shown and "Records are still missing" in shown
    assert page.violations_of_wcag() == []
