"""An agent from a configuration: read with its variables, or refused with its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flbrecover.audit import places, versions
from flbrecover.audit.agents import Agent
from flbrecover.audit.findings import Finding, Judged
from flbrecover.audit.manifests import Container, Workload
from flbrecover.audit.places import Places
from flbrecover.audit.rules.all import REFUSED
from flbrecover.errors import ConfigError
from flbrecover.evidence.config_files import LoadedConfig
from flbrecover.fluentbit.pipeline import Origin
from flbrecover.model import Problem

Load = Callable[[Mapping[str, str]], LoadedConfig]
Locate = Callable[[Origin], Origin]
_SUBSTITUTE = "give its value with --env NAME=VALUE"


@dataclass(slots=True)
class Built:
    """The agents; configurations that Fluent Bit refuses; and what a reader has to know besides."""

    agents: list[Agent] = field(default_factory=list)
    refused: list[Judged] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*(a.subject for a in self.agents), *(j.subject for j in self.refused)]))


def build(
    into: Built,
    subject: str,
    load: Load,
    locate: Locate,
    env: Mapping[str, str],
    *,
    workload: Workload | None = None,
    container: Container | None = None,
    where: Places | None = None,
    version: versions.Version | None = None,
) -> None:
    """Adds an agent. ``load`` reads its configuration with the variables given; ``version`` counts where no image says
    one; ``where`` tells where paths lie, by default what the manifest says."""
    undefined: tuple[str, ...] = ()
    try:
        loaded = load(env)
        undefined = loaded.undefined
        if undefined:  # their own names in their place: what they stand for is not nothing
            loaded = load({**env, **{name: f"${{{name}}}" for name in undefined}})
        pipeline = loaded.pipeline
    except ConfigError as e:
        _refused(into, subject, e, undefined, locate)
        return
    if undefined:
        what = f"not known, and taken as they are written: {', '.join(f'${{{n}}}' for n in undefined)}"
        into.problems.append(Problem(subject, what, way_out=_SUBSTITUTE, unreadable=False))
    of_image = versions.of_image(container.image) if container else None
    if where is None:
        where = places.in_container(workload, container) if workload and container else places.unknown
    into.agents.append(
        Agent(
            subject=subject,
            pipeline=pipeline,
            places=where,
            locate=locate,
            version=of_image or version,
            version_from=container.image_origin if container and of_image else None,
            workload=workload,
            container=container,
            missing=loaded.missing,
        )
    )


def _refused(into: Built, subject: str, error: ConfigError, undefined: Sequence[str], locate: Locate) -> None:
    """Refused for what it says, or not to be judged because a variable is not known."""
    at = locate(Origin(error.path, error.line or 0)) if error.path is not None else None
    said = str(error)
    if error.path is not None:
        said = said.removeprefix(f"{error.path}:{error.line}: ").removeprefix(f"{error.path}: ")
    unknown = [name for name in undefined if f"${{{name}}}" in said]
    if unknown:
        place = subject if at is None else f"{at.path}:{at.line}"
        what = f"cannot be judged, it depends on ${{{unknown[0]}}}: {said}"
        into.problems.append(Problem(place, what, way_out=f"give it with --env {unknown[0]}=VALUE"))
        return
    outcome = Finding(
        "error",
        f"Fluent Bit refuses this configuration: {said}",
        "It does not start: nothing is read, and nothing that lies in its buffers is sent.",
        "mend the line, and try it with fluent-bit --dry-run",
        (at,) if at is not None else (),
    )
    into.refused.append(Judged(REFUSED.id, subject, outcome))
