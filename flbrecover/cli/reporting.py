"""Writes a report where it was asked for: whole or not at all."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from flbrecover.cli import show
from flbrecover.errors import FlbrecoverError, UsageError
from flbrecover.model import Problem
from flbrecover.recover.whole_file import whole_file
from flbrecover.report import jsonl, problems

PAGE = "report.html"


def report(folder: Path, form: str, target: str | None, stdout: TextIO) -> int:
    """Makes the report; gives the exit code. Raises UsageError where there is no case."""
    if target is None:
        target = str(folder / PAGE) if form == "html" else "-"
    found, pieces = _pieces(folder, form)
    if target == "-":
        to_stdout(stdout, pieces)
    else:
        save(Path(target), pieces)
        show.say(f"report: {target}")
    for problem in found:
        show.say(f"problem: {problems.line(problem)}")
    return 4 if found else 0


def _pieces(folder: Path, form: str) -> tuple[list[Problem], Iterable[str]]:
    """What could not be read of the case, and the report in pieces."""
    if form == "json":
        from flbrecover.report.case_data import open_case
        from flbrecover.report.case_data_json import case_json

        case = open_case(folder, lambda _side, _line: None)
        return case.problems, (jsonl.line(kind, fields) for kind, fields in case_json(case))
    from flbrecover.report.case_data_view import view

    seen = view(folder)
    if form == "markdown":
        from flbrecover.report.markdown import case_markdown

        return seen.case.problems, (f"{line}\n" for line in case_markdown(seen))
    from flbrecover.report.html_case import case_page

    return seen.case.problems, case_page(seen, time.time_ns())


def to_stdout(out: TextIO, pieces: Iterable[str]) -> None:
    """Reports are UTF-8, whatever the terminal is."""
    if out is sys.stdout and hasattr(out, "reconfigure"):
        out.reconfigure(encoding="utf-8", errors="backslashreplace")
    out.writelines(pieces)


def save(path: Path, pieces: Iterable[str]) -> None:
    """A half-written report never stands under its name. Raises FlbrecoverError where it cannot be written."""
    if os.path.isdir(path):
        raise UsageError(f"-o {path}: is a folder; name a file")
    try:
        with whole_file(path, "utf-8") as file:
            file.writelines(pieces)
    except OSError as e:
        raise FlbrecoverError(f"{path}: {e.strerror}; name another file with -o") from e
