"""The page without a browser: its policy, its colours, its size."""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import product
from pathlib import Path

import pytest
from case_builder import CaseBuilder, Tag, large
from command import flbrecover

CSS = Path(__file__).parent.parent.parent / "flbrecover/report/templates/page.css"


def page(folder: Path) -> str:
    return flbrecover("report", folder, "-o", "-").text


def test_the_policy_allows_the_page_s_own_style_and_script_alone(tmp_path: Path) -> None:
    text = page(CaseBuilder([Tag("app")]).write(tmp_path / "case"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    said = policy[1].replace("&#39;", "'").split("; ")
    assert said[0] == "default-src 'none'"
    for kind, element in (("style-src", "style"), ("script-src", "script")):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in said
    assert "unsafe" not in policy[1]
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_nothing_is_loaded_and_no_style_stands_in_an_element(tmp_path: Path) -> None:
    text = page(CaseBuilder([Tag("app", missing=range(9), recovered=range(5))]).write(tmp_path / "case"))
    assert not re.search(r"https?:|(?<!s3:)//[a-z]|\bsrc=|\bhref=|@import|\bstyle=|\son[a-z]+=", text)
    assert re.findall(r"url\([^)]*\)", text) == ["url(#hatch-recovered)", "url(#hatch-missing)"]


def test_many_tags_and_objects_are_a_small_page_that_says_what_it_leaves_out(tmp_path: Path) -> None:
    text = page(large(500, 2000).write(tmp_path / "case"))
    assert len(text) < 2_500_000
    assert text.count('<details class="tag"') == 60
    for left_out in ("440 tags more", "300 log files more", "1,846 objects more"):
        assert left_out in text


def test_a_tag_without_times_and_a_case_without_records(tmp_path: Path) -> None:
    assert "No records were found in the evidence." in page(CaseBuilder([]).write(tmp_path / "empty"))


# -- colours -----------------------------------------------------------------------------------------------------------


def palettes() -> dict[str, dict[str, str]]:
    """The colours of :root, for light, dark and print."""
    css = CSS.read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    light, dark, printed = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks)
    return {"light": light, "dark": {**light, **dark}, "print": {**light, **printed}}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_and_marks_stand_out(scheme: str) -> None:
    colours = palettes()[scheme]
    for text, ground in product(("ink", "soft", "link", "good", "bad"), ("page", "shade")):
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark in ("source", "buffers", "pending", "stored", "recovered", "missing", "objects", "focus"):
        assert contrast(colours[mark], colours["page"]) >= 3, mark
    for hatched in ("recovered", "missing"):
        assert contrast(colours[hatched], colours[f"{hatched}-ground"]) >= 3, hatched
