"""Each line of the threat model, and of the page on reliability, names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
DOCS = TESTS.parent / "docs"
LINES = (DOCS / "threat-model.md").read_text().split("## What is not\n")[1]
RELIABILITY = (DOCS / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:\w+/)*test_\w+\.py(?:::\w+)?)`", LINES + RELIABILITY)))


def functions(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_is_there(name: str) -> None:
    file, _, function = name.partition("::")
    found = functions(TESTS / file)
    assert function in found if function else any(each.startswith("test_") for each in found)


def rows(text: str) -> list[list[str]]:
    """The rows of tables, without their heads."""
    found = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("|")]
    return [row for row in found if set(row[1]) - {"-"} and row[1] not in ("threat", "fault")]


@pytest.mark.parametrize("text", [LINES, RELIABILITY.partition("## Long trials")[0]], ids=["threats", "faults"])
def test_every_threat_and_every_fault_names_one(text: str) -> None:
    assert len(rows(text)) > 20
    assert [row[1] for row in rows(text) if not re.search(r"`[\w/]*test_\w+\.py", row[3])] == []
