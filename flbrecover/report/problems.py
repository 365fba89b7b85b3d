"""Problems, wherever they were found, in one form."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from typing import Any, TextIO

from flbrecover.model import Problem
from flbrecover.report.escape import shown

MOST_SHOWN = 20


def as_json(problem: Problem) -> dict[str, Any]:
    """The fields of a ``problem`` line."""
    where = None if problem.where is None else [problem.where.start, problem.where.end]
    return {
        "path": problem.path,
        "what": problem.what,
        "where": where,
        "way_out": _way_out(problem),
        "unreadable": problem.unreadable,
    }


def line(problem: Problem) -> str:
    """One line: the file, the place, what is wrong and the way out."""
    where = f" ({problem.where})" if problem.where else ""
    way_out = f"; {_way_out(problem)}" if _way_out(problem) else ""
    return shown(f"{problem.path}{where}: {_without_path(problem)}{way_out}")


def _way_out(problem: Problem) -> str:
    of_node = not problem.path.startswith("s3://")
    if of_node and not problem.way_out and os.strerror(errno.EACCES) in problem.what and os.geteuid() != 0:
        return "run as root (for a bundle: collect as root)"
    return problem.way_out


def _without_path(problem: Problem) -> str:
    """What is wrong, without the path that an error in it begins with."""
    return re.sub(rf"(?:^|(?<=: )){re.escape(problem.path)}: ", "", problem.what)


def write(stream: TextIO, problems: Iterable[Problem]) -> None:
    """Unreadable evidence first, then notes; long lists are cut, for JSON has them all."""
    ordered = sorted(problems, key=lambda p: not p.unreadable)
    for problem in ordered[:MOST_SHOWN]:
        stream.write(f"{'problem' if problem.unreadable else 'note'}: {line(problem)}\n")
    if len(ordered) > MOST_SHOWN:
        stream.write(f"… and {len(ordered) - MOST_SHOWN} more; --json lists all\n")
