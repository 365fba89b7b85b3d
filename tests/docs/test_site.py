"""Every page of docs/ is in the site's navigation, once; .ci/run builds the site itself (``mkdocs build --strict``)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md"))


def hook() -> Any:
    spec = importlib.util.spec_from_file_location("docs_nav", ROOT / ".ci" / "docs_nav.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".ci" / "mkdocs.yml").read_text())
    return {**found, "docs_dir": str(DOCS)}


def named(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for inner in (entry if isinstance(entry, list) else entry.values()) for page in named(inner)]


def test_what_the_navigation_names_is_there() -> None:
    assert set(named(config()["nav"])) <= set(PAGES)


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(named(hook().on_config(config())["nav"])) == PAGES


def test_a_page_that_nobody_named_is_shown_under_more(tmp_path: Path) -> None:
    for name in ("index.md", "new.md", "deep/page.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# x\n")
    nav = [{"Home": "index.md"}, {"Gone": ["gone.md", {"Also": "not-there.md"}]}]
    made = hook().on_config({"docs_dir": str(tmp_path), "nav": nav})
    assert made["nav"] == [{"Home": "index.md"}, {"More": ["deep/page.md", "new.md"]}]


def test_nothing_is_fetched_from_elsewhere() -> None:
    theme = config()["theme"]
    assert theme["font"] is False
    assert not any("://" in str(config().get(key)) for key in ("extra_css", "extra_javascript", "theme"))
