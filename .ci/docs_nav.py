"""A hook of MkDocs: pages that .ci/mkdocs.yml does not name are shown under "More", so that none is ever left out; what
it names and is not there yet is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    docs = Path(config["docs_dir"])
    there = {str(p.relative_to(docs)) for p in docs.rglob("*.md")}
    nav = [entry for entry in (_only(e, there) for e in config["nav"]) if entry]
    more = sorted(there - set(_named(nav)))
    config["nav"] = nav + ([{"More": more}] if more else [])
    return config


def _only(entry: Any, there: set[str]) -> Any:
    if isinstance(entry, str):
        return entry if entry in there else None
    if isinstance(entry, list):
        return [kept for kept in (_only(e, there) for e in entry) if kept]
    kept = {title: _only(inner, there) for title, inner in entry.items()}
    return {title: inner for title, inner in kept.items() if inner}


def _named(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    inner = entry if isinstance(entry, list) else entry.values()
    return [page for e in inner for page in _named(e)]
