"""The one error family. Each class carries the exit code that the command contract gives it.

An error is raised only where nothing sensible can go on. What merely could not be read (one damaged file, one
denied GET) is not an error but a value: see :class:`flbrecover.model.Problem`.
"""

from __future__ import annotations


class FlbrecoverError(Exception):
    """Base class: the text is one line for a person, naming the place and the way out. Exit code 1."""

    exit_code = 1


class UsageError(FlbrecoverError):
    """The command, its options or its input files cannot be used as given. Exit code 2."""

    exit_code = 2


class ConfigError(UsageError):
    """A Fluent Bit configuration that cannot be used; the text starts with ``file:line:`` where known."""

    def __init__(self, message: str, *, path: str | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class PlanError(UsageError):
    """A plan of another version, an edited plan, or one whose evidence is not the evidence at hand."""


class EvidenceError(FlbrecoverError):
    """Evidence on the node that cannot be read at all. Exit code 4."""

    exit_code = 4


class BucketError(FlbrecoverError):
    """S3 said no, or nothing. The text names the call and, for a denial, the missing IAM action."""


class DeclinedError(FlbrecoverError):
    """The answer to the question was no, so records are still missing. Exit code 3."""

    exit_code = 3


class AgentRunningError(FlbrecoverError):
    """A Fluent Bit that uses this evidence is running, and ``--agent gone`` was said."""
