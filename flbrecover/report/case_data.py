"""A case folder, read for a report: its comparison before and after, its plan and its database.

Nothing is invented: a file that is missing or cut short is said to be so, and no number is taken from it that its end
was to confirm. Everything is streamed; what is kept is bounded by what a page shows.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flbrecover.errors import PlanError, UsageError
from flbrecover.model import Problem
from flbrecover.reconcile.plan import Plan, from_json
from flbrecover.recover.case_folder import AFTER, BEFORE, NO_CASE, PLAN, check_layout, is_case
from flbrecover.report.case_data_db import CaseDbData, read_db
from flbrecover.report.case_data_lines import SHAPES, Fields, read_lines
from flbrecover.report.case_data_rows import SideName, Top

FILES: dict[SideName, str] = {"before": BEFORE, "now": AFTER}
LARGEST_PLAN = 1 << 30
MOST_PROBLEMS, MOST_NOTES, MOST_GONE = 100, 50, 100


@dataclass(slots=True)
class Side:
    """One comparison. It is ``complete`` with its ``summary``, which stands at its end."""

    name: SideName
    path: Path
    summary: Fields | None = None
    verdict: Fields | None = None
    plans: list[Fields] = field(default_factory=list)
    gone: Top = field(default_factory=lambda: Top(MOST_GONE))
    gone_bytes: int = 0
    gone_uncounted: int = 0
    problems: Top = field(default_factory=lambda: Top(MOST_PROBLEMS))
    unreadable: int = 0
    notes: Top = field(default_factory=lambda: Top(MOST_NOTES))

    @property
    def complete(self) -> bool:
        return self.summary is not None

    def lines(self, kinds: Collection[str] = SHAPES) -> Iterator[Fields]:
        """The lines of these types once more; what is wrong with some was told the first time."""
        return read_lines(self.path, [], kinds)

    def take(self, line: Fields) -> None:
        """Keeps what there is one of, or few."""
        kind = line["type"]
        if kind == "summary":
            self.summary = line
        elif kind == "verdict":
            self.verdict = line
        elif kind == "plan":
            self.plans = [*self.plans, line][:2]
        elif kind == "gone":
            missing = line["missing_bytes"]
            self.gone_bytes += missing or 0
            self.gone_uncounted += missing is None
            if missing != 0:
                self.gone.offer(missing or 0, line)
        elif kind == "problem":
            self.unreadable += line["unreadable"]
            self.problems.offer(line["unreadable"], line)
        elif kind == "note":
            self.notes.offer(0, line)


@dataclass(slots=True)
class CaseData:
    """``before`` and ``now`` are None where the file is not there or cannot be used; ``problems`` are those of the case
    folder itself."""

    folder: Path
    before: Side | None
    now: Side | None
    plan: Plan | None
    db: CaseDbData
    problems: list[Problem]
    plan_id: str | None = None

    @property
    def latest(self) -> Side | None:
        """The comparison that says how things are now."""
        return self.now if self.now is not None and self.now.complete else self.before

    @property
    def compared_again(self) -> bool:
        return self.now is not None and self.now.complete

    @property
    def left(self) -> Fields:
        """How many missing records the plan leaves alone, by reason."""
        if self.compared_again and self.now is not None and self.now.verdict is not None:
            return self.now.verdict["left"]  # type: ignore[no-any-return]
        plans = self.before.plans if self.before else []
        found = [p for p in plans if p["id"] == self.plan_id]
        return found[0]["left"] if found else {}


Visitor = Callable[[SideName, Fields], None]


def open_case(folder: Path, each: Visitor) -> CaseData:
    """Reads a case folder; ``each`` sees every line of both comparisons. Raises UsageError where there is no case."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; name a case folder")
    if is_case(folder):
        check_layout(folder)
    problems: list[Problem] = []
    sides = {name: _side(folder, name, problems, each) for name in FILES}
    plan = _plan(folder / PLAN, problems)
    db = read_db(folder, problems)
    if plan is None and not db.found and sides["before"] is None and sides["now"] is None and not problems:
        raise UsageError(f"{folder}: {NO_CASE}")
    return CaseData(folder, sides["before"], sides["now"], plan, db, problems, plan.id if plan else None)


def _side(folder: Path, name: SideName, problems: list[Problem], each: Visitor) -> Side | None:
    path = folder / FILES[name]
    side = Side(name, path)
    try:
        _check_file(path)
        for line in read_lines(path, problems):
            side.take(line)
            each(name, line)
    except FileNotFoundError:
        return None
    except OSError as e:
        problems.append(Problem(path.name, f"{e.strerror}; it was left out"))
        return None
    if not side.complete:
        problems.append(Problem(path.name, "ends before its summary: it was cut short, and its numbers are not used"))
    return side


def _check_file(path: Path) -> int:
    """The size of a regular file. Raises OSError for anything else, which reading could wait for without end."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return about.st_size


def _plan(path: Path, problems: list[Problem]) -> Plan | None:
    try:
        if _check_file(path) > LARGEST_PLAN:
            raise PlanError(f"{path}: larger than any plan")
        return from_json(path.read_text(encoding="ascii"), str(path))
    except FileNotFoundError:
        return None
    except OSError as e:
        problems.append(Problem(path.name, f"{e.strerror}; it was left out"))
    except UnicodeDecodeError:
        problems.append(Problem(path.name, "not a plan; it was left out"))
    except PlanError as e:
        problems.append(Problem(path.name, f"{str(e).removeprefix(f'{path}: ')}; it was left out"))
    return None
