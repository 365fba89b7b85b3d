"""The page in a real browser: no name of the evidence can run anything, keys work, and it can be read by everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, chromium, need_chromium
from case_builder import START, CaseBuilder, Tag, large
from command import flbrecover
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.browser

HOSTILE = [
    "<script>alert('tag')</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(2)>',
    "' onfocus=alert(3) autofocus tabindex=1 x='",
    "</style><script>alert(4)</script>",
    "</script><script>alert(5)</script>",
    "<!--<script>",
    "{{ 7*7 }}{% include 'x' %}",
    "javascript:alert(6)",
    "kube.\u202egnp.exe\u202c",
    "nul\x00esc\x1b[31mbell\x07\r\nnew\u2028line",
    "stray\udce9byte",
    "ÅÄÖ-日本-🙂-á̂̃̄",
    "long-" + "<b>x" * 2500,
    "&lt;script&gt;&amp;#x3c;",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    need_chromium()
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def hostile() -> CaseBuilder:
    """A case in which every field that comes from outside is hostile."""
    tags = [Tag(name, 10, 3, range(2, 6), range(2, 4), objects=1) for name in HOSTILE]
    problems = [{"path": name, "what": name, "where": [1, 2], "way_out": name, "unreadable": True} for name in HOSTILE]
    gone = [
        {"log": name, "tag": name, "inode": 1, "start": 0, "end": 9, "proof": name, "missing_bytes": 9}
        for name in HOSTILE
    ]
    return CaseBuilder(
        tags, output=HOSTILE[0], bucket=HOSTILE[2], problems=problems, gone=gone, notes=HOSTILE,
        command="flbrecover recover --root '<script>alert(7)</script>'",
    )  # fmt: skip


def made(folder: Path) -> Path:
    ended = flbrecover("report", folder)
    assert ended.code == 0, ended.err
    return folder / "report.html"


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(hostile().write(tmp_path_factory.mktemp("hostile") / "<script>alert(8)<"))


@pytest.fixture(scope="module")
def plain_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tags = [Tag("app", missing=range(40, 60), recovered=range(40, 50)), Tag("web", start=START)]
    return made(CaseBuilder(tags).write(tmp_path_factory.mktemp("plain") / "case"))


def test_nothing_of_hostile_names_is_run_or_becomes_an_element(page: Page, hostile_page: Path) -> None:
    page.open(hostile_page)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.complaints == []
    assert page.run("return [...document.scripts].length") == 1
    for made_of_names in ("img", "b", "iframe", "object", "embed", "link", "a", "[onload]", "[onerror]", "[onfocus]"):
        assert page.run("return document.querySelectorAll(arguments[0]).length", made_of_names) == 0, made_of_names
    shown = page.run("return document.body.textContent")
    assert "<script>alert('tag')</script>" in shown
    assert "{{ 7*7 }}" in shown
    assert "\\u202egnp.exe\\u202c" in shown
    assert "nul\\x00esc\\x1b[31m" in shown
    assert "stray\\xe9byte" in shown
    assert not {"\x00", "\x1b", "\x07", "\u202e", "\u2028"} & set(shown)


def test_a_script_that_got_in_would_not_run(page: Page, plain_page: Path, tmp_path: Path) -> None:
    """The policy of the page, not only the escaping: what is injected into the file itself is blocked."""
    injected = tmp_path / "injected.html"
    text = plain_page.read_text(encoding="utf-8")
    attack = "<script>alert('in')</script><img src=https://example.com/x onerror=alert('attribute')>"
    injected.write_text(text.replace("<main>", f"<main>{attack}", 1), encoding="utf-8")
    page.open(injected)
    seen = page.run("return window.seen")
    assert seen["dialogs"] == []
    assert {said.split()[0] for said in seen["violations"]} >= {"script-src-elem", "img-src"}
    page.driver.get_log("browser")  # what it says of the above is not for the next test


def test_keyboard_and_pointer_read_the_timeline(page: Page, plain_page: Path) -> None:
    page.open(plain_page)
    plot = page.driver.find_element("css selector", ".plot")
    reading = page.driver.find_element("css selector", ".reading")
    assert "arrow keys" in reading.text
    plot.send_keys(Keys.ARROW_RIGHT)
    first = plot.get_attribute("aria-valuetext")
    assert first == reading.text
    assert first == "2026-11-23 11:39:00 – 11:40:00 UTC: 100 written, 100 in S3, none missing, 2 objects begin here"
    for _ in range(45):
        plot.send_keys(Keys.ARROW_RIGHT)
    assert reading.text == (
        "2026-11-23 12:24:00 – 12:25:00 UTC: 100 written, 100 in S3, 50 of them recovered, 50 in buffer files, "
        "none missing"
    )
    plot.send_keys(Keys.PAGE_DOWN)
    assert reading.text.endswith("100 written, 50 in S3, 50 in buffer files, 50 MISSING")
    plot.send_keys(Keys.END)
    assert plot.get_attribute("aria-valuenow") == "119"
    plot.send_keys(Keys.ESCAPE)
    assert "arrow keys" in reading.text
    width = page.run("return arguments[0].getBoundingClientRect().width", plot)
    ActionChains(page.driver).move_to_element_with_offset(plot, round(2.5 * width / 120), 0).perform()
    assert reading.text.startswith("2026-11-23 12:41:00 – 12:42:00 UTC: 100 written, 100 in S3, none missing")
    assert plot.get_attribute("aria-valuetext") == reading.text
    assert page.complaints == []


def test_what_is_short_is_unfolded_on_paper_alone(page: Page, plain_page: Path) -> None:
    page.open(plain_page)
    count = "return document.querySelectorAll('details.spans[open]').length"
    assert page.run(count) == 0
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(count) == 3
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(count) == 0


def test_the_check_for_everybody_can_fail(page: Page, plain_page: Path) -> None:
    page.open(plain_page)
    page.run("document.querySelector('.plot').removeAttribute('aria-label')")
    page.run("document.querySelector('.lead').style.color = '#aaaaaa'")
    assert {said.split(":")[0] for said in page.violations_of_wcag()} == {"aria-input-field-name", "color-contrast"}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_can_be_read_by_everybody(page: Page, plain_page: Path, width: int, dark: bool) -> None:
    page.open(plain_page, width=width, dark=dark)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.violations_of_wcag() == []
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.complaints == []


def test_hostile_names_do_not_push_a_phone_wide(page: Page, hostile_page: Path) -> None:
    page.open(hostile_page, width=390)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("return document.documentElement.scrollWidth") <= 390


def test_thousands_of_tags_are_a_small_page(page: Page, tmp_path: Path) -> None:
    path = made(large(1000, 3000).write(tmp_path / "case"))
    page.open(path)
    assert page.run("return document.querySelectorAll('*').length") < 25_000
    assert "940 tags more" in page.run("return document.body.textContent")
    assert page.complaints == []
