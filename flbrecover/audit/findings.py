"""What an audit says: findings, checks that passed, and what cannot be known from what was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flbrecover.fluentbit.pipeline import Origin
from flbrecover.model import Problem

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""error: records are lost, overwritten or stored twice in an ordinary incident (a restart, a rollout, an OOM kill, S3
away for some hours). warning: in a rarer one, or a few records. note: to know; nothing is wrong by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``what`` is the fact, ``incident`` what happens and when, ``change`` what to write instead; ``places``
    are the lines at fault, the first one is the one to change."""

    severity: Severity
    what: str
    incident: str
    change: str
    places: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that was looked at and is right."""

    what: str


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Something that cannot be judged: ``what`` is missing, and what to ``give`` so that it can."""

    what: str
    give: str


Outcome = Finding | Passed | NotKnown


@dataclass(frozen=True, slots=True)
class Judged:
    """An outcome with its rule and what it is about: ``DaemonSet logging/fluent-bit, container fluent-bit``."""

    rule: str
    subject: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """A whole audit. ``subjects`` are the Fluent Bits that were looked at; ``problems`` files that could not be read
    (``unreadable``) and remarks; ``passed_over`` the kinds of Kubernetes objects that no rule looks at."""

    subjects: tuple[str, ...]
    judged: tuple[Judged, ...]
    problems: tuple[Problem, ...]
    passed_over: tuple[str, ...] = ()

    def of_severity(self, severity: Severity) -> list[tuple[Judged, Finding]]:
        return [
            (j, j.outcome) for j in self.judged if isinstance(j.outcome, Finding) and j.outcome.severity == severity
        ]

    def exit_code(self, fail_on: Severity | Literal["never"]) -> int:
        """4 when something could not be read, 3 when there are findings of this severity or above, else 0."""
        if any(p.unreadable for p in self.problems):
            return 4
        if fail_on == "never":
            return 0
        counted = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
        return 3 if any(self.of_severity(s) for s in counted) else 0
