"""A job whose configuration, window and choices come from a plan file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flbrecover.cli.options import Job
from flbrecover.errors import PlanError
from flbrecover.fluentbit.interpret import interpret, sections_from_json
from flbrecover.fluentbit.pipeline import Pipeline
from flbrecover.model import Problem
from flbrecover.reconcile.plan import Plan, from_json

LARGEST = 1 << 30


@dataclass(frozen=True)
class PlannedJob(Job):
    """``given`` holds the options of the call; everything else is the plan's."""

    plan: Plan

    @classmethod
    def load(cls, path: str, given: Mapping[str, Any]) -> PlannedJob:
        """Reads a plan file. Raises PlanError where there is none that can be used."""
        file = Path(path)
        try:
            if file.stat().st_size > LARGEST:
                raise PlanError(f"{path}: larger than any plan")
            text = file.read_text(encoding="ascii")
        except OSError as e:
            raise PlanError(f"{path}: {e.strerror}") from e
        except UnicodeDecodeError as e:
            raise PlanError(f"{path}: not a plan; make one with `flbrecover diff --plan FILE`") from e
        return cls(given, from_json(text, path))

    @property
    def notes(self) -> tuple[Problem, ...]:
        return ()

    @cached_property
    def pipeline(self) -> Pipeline:
        return interpret(sections_from_json(list(self.plan.sections)))
