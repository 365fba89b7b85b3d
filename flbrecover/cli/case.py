"""The case folder of a run: where it may lie, and what is noted of the run in it."""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import click
from click.core import ParameterSource

from flbrecover import __version__
from flbrecover.bucket.denied import without_secrets
from flbrecover.cli import show
from flbrecover.cli.job import Job
from flbrecover.cli.next_step import apply_line
from flbrecover.cli.planned import check_root, read_plan
from flbrecover.errors import EvidenceError, FlbrecoverError, UsageError
from flbrecover.reconcile.plan import Plan, to_json
from flbrecover.recover import case_folder, journal
from flbrecover.recover.case_folder import CaseFolder
from flbrecover.recover.case_reading import ROOT
from flbrecover.recover.journal import CaseJournal
from flbrecover.recover.manifest import Manifest

_PROVISIONAL = "provisional plan "  # and its id: a note a plan, so that no crash can leave one for another


class Case:
    """An open case with the run that is using it. ``code`` is the exit code, once the run knows it; ``apply_line`` the
    command that goes on with it."""

    def __init__(self, folder: CaseFolder, run: int, given: Mapping[str, Any]) -> None:
        self.folder = folder
        self.run = run
        self.apply_line = apply_line(folder.path, given)
        self.code: int | None = None
        self.journal = CaseJournal(folder.db, run)
        self.manifest = Manifest(folder.db, run)

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def plan(self) -> Plan | None:
        """The plan that the case holds. Raises PlanError for one that cannot be used."""
        file = self.folder.plan_file
        return read_plan(file) if os.path.lexists(file) else None

    def ended(self, code: int) -> int:
        self.code = code
        return code

    @property
    def settled_plan(self) -> Plan | None:
        """The plan that the case holds, unless it is provisional: made while S3 kept something back."""
        plan = self.plan
        return None if plan is None or self.folder.db.fact(_PROVISIONAL + plan.id) else plan

    def save_plan(self, plan: Plan, *, provisional: bool = False) -> None:
        """Keeps the plan, unless it is the one that the case holds; a provisional one gives way to any other. Raises
        UsageError where the case holds another settled one."""
        held = self.settled_plan
        if held is not None and held.id != plan.id:
            raise UsageError(
                f"--case {self.path}: holds another plan ({held.id}); go on with that one by "
                f"`{self.apply_line}`, or name a new folder"
            )
        if held is None:
            if provisional:
                self.folder.db.say(_PROVISIONAL + plan.id, "S3 kept something back")
            with self.folder.writing(case_folder.PLAN) as file:
                file.write(to_json(plan))
        if journal.held(self.folder.db) != plan.id:
            journal.hold(self.folder.db, plan)

    def save_lines(self, name: str, write: Callable[[TextIO], None]) -> None:
        with self.folder.writing(name) as file:
            write(file)


@contextmanager
def opened(job: Job, path: Path | None) -> Iterator[Case]:
    """The case of this run: in ``path``, or in a new folder below the current one. Notes the run's start and end."""
    where = path if path is not None else case_folder.default_path(time.time_ns())
    below, directly = evidence_folders(job)
    case_folder.check_not_evidence(where, below, directly)
    if path is None:
        where = case_folder.make_new(where)
    folder = case_folder.open_case(where)
    try:
        _check_root(folder, job)
        if folder.moved_aside is not None:
            show.say(f"note: {folder.path}: its database was damaged; it is kept as {folder.moved_aside.name}")
        show.say(f"note: case folder {where}")
        case = Case(folder, folder.db.insert("runs", _facts_of_run(job)), job.given)
        try:
            yield case
        except BaseException as e:
            code = e.exit_code if isinstance(e, FlbrecoverError) else 130 if _interrupted(e) else 1
            with suppress(FlbrecoverError):  # a disk that is full: the error that is on its way up says so already
                _note_end(case, code)
            raise
        _note_end(case, case.code)
    finally:
        folder.close()


def _note_end(case: Case, code: int | None) -> None:
    case.folder.db.update("runs", case.run, {"ended_ns": time.time_ns(), "exit_code": code})


def evidence_folders(job: Job) -> tuple[set[Path], set[Path]]:
    """Folders of this machine in which no case may lie: anywhere below the first ones, right in the second ones."""
    survey = job.survey
    buffers = {home.path for home in survey.homes} | {o.store_dir for o in job.pipeline.outputs}
    if job.pipeline.service.storage_path is not None:
        buffers.add(job.pipeline.service.storage_path)
    logs = {_parent(file.facts.real_path) for log in survey.logs for file in log.files}
    logs |= {_parent(log.name) for log in survey.logs}
    dbs = {_parent(db.path) for db in survey.dbs}
    top = job.node.root.resolve()
    below = {path for path in _on_this_machine(job, buffers | logs) if path != top}
    return below, _on_this_machine(job, dbs | logs)


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _on_this_machine(job: Job, paths: Iterable[str]) -> set[Path]:
    found = set()
    for path in paths:
        try:
            found.add(Path(os.path.realpath(job.node.host_path(path))))
        except EvidenceError:
            continue  # nothing can be below it
    return found


def _check_root(folder: CaseFolder, job: Job) -> None:
    held = folder.db.fact(ROOT)
    root = check_root(f"--case {folder.path}", held, job.given, ", or name a new folder")
    if held is None:
        folder.db.say(ROOT, root)


def _facts_of_run(job: Job) -> dict[str, Any]:
    return {
        "command": command_line(click.get_current_context()),
        "tool": f"flbrecover {__version__}",
        "hostname": platform.node(),
        "root": os.path.abspath(job.given.get("root") or "/"),
        "python": platform.python_version(),
        "os": platform.platform(),
        "pid": os.getpid(),
        "started_ns": time.time_ns(),
    }


def _interrupted(error: BaseException) -> bool:
    return isinstance(error, (KeyboardInterrupt, click.Abort))


def command_line(context: click.Context) -> str:
    """What was typed, as far as it is no secret: values of ``--env`` and ``--external-id`` are left out."""
    words = ["flbrecover", context.info_name or ""]
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") != ParameterSource.COMMANDLINE:
            continue
        value = context.params.get(parameter.name or "")
        if isinstance(parameter, click.Option):
            words += _option(parameter, value)
        else:
            words.append(str(value))
    return shlex.join(words)


def _option(option: click.Option, value: Any) -> Iterator[str]:
    for one in value if option.multiple else (value,):
        yield option.opts[0]
        if option.is_flag:
            continue
        if option.name == "env":
            yield str(one).partition("=")[0] + "=…"
        elif option.name == "external_id":
            yield "…"
        else:
            yield without_secrets(str(one)) if option.name == "endpoint_url" else str(one)
