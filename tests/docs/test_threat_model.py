"""Each line of the threat model names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "threat-model.md"
LINES = PAGE.read_text().split("## What is not\n")[1]
NAMED = sorted(set(re.findall(r"`((?:\w+/)*test_\w+\.py(?:::\w+)?)`", LINES)))


def functions(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_is_there(name: str) -> None:
    file, _, function = name.partition("::")
    found = functions(TESTS / file)
    assert function in found if function else any(each.startswith("test_") for each in found)


def test_every_threat_names_one() -> None:
    rows = [line.split("|") for line in LINES.splitlines() if "|" in line]
    threats = [row for row in rows if row[1].strip(" -") not in ("", "threat")]
    assert len(threats) > 20
    assert [row[1] for row in threats if not re.search(r"`[\w/]*test_\w+\.py", row[3])] == []
