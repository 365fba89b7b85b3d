"""A job whose configuration, window and choices come from a plan file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flbrecover.cli.job import Job
from flbrecover.cli.next_step import recover_line
from flbrecover.errors import PlanError, UsageError
from flbrecover.fluentbit.interpret import interpret, sections_from_json
from flbrecover.fluentbit.pipeline import Pipeline
from flbrecover.model import Problem
from flbrecover.reconcile.plan import Plan, from_json
from flbrecover.recover.case_folder import PLAN, check_case
from flbrecover.recover.case_reading import root_of

LARGEST = 1 << 30


def read_plan(file: Path) -> Plan:
    """The plan in a file. Raises PlanError where there is none that can be used."""
    try:
        if file.stat().st_size > LARGEST:
            raise PlanError(f"{file}: larger than any plan")
        text = file.read_text(encoding="ascii")
    except OSError as e:
        raise PlanError(f"{file}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise PlanError(f"{file}: not a plan; make one with `flbrecover diff --plan FILE`") from e
    return from_json(text, str(file))


def check_root(case: str, held: str | None, given: Mapping[str, Any], or_else: str = "") -> str:
    """The root of a call. Raises UsageError where a case is of another one (None: not known): on another node there is
    nothing to compare, and it would look as if nothing was missing."""
    root = os.path.abspath(given.get("root") or "/")
    if held not in (None, root):
        raise UsageError(f"{case}: is of --root {held}, not of {root}; say --root {shlex.quote(str(held))}{or_else}")
    return root


@dataclass(frozen=True)
class PlannedJob(Job):
    """``given`` holds the options of the call; everything else is the plan's. ``case`` is the folder of the case that
    the plan was read from, None where it was a plan file."""

    plan: Plan
    case: Path | None = None

    @classmethod
    def load(cls, path: str, given: Mapping[str, Any]) -> PlannedJob:
        """Reads a plan file, or the plan of a case folder. Raises PlanError where there is none that can be used, and
        UsageError for a case of another root."""
        file = Path(path)
        if not file.is_dir():
            return cls(given, read_plan(file))
        check_case(file)
        check_root(path, root_of(file), given)
        if not (file / PLAN).exists():
            raise PlanError(f"{path}: this case has no plan yet; make one with `{recover_line(path, given)}`")
        return cls(given, read_plan(file / PLAN), file)

    @property
    def notes(self) -> tuple[Problem, ...]:
        return self.node.problems

    @cached_property
    def pipeline(self) -> Pipeline:
        return interpret(sections_from_json(list(self.plan.sections)))
