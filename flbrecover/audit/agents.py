"""One Fluent Bit as an audit sees it: what it is configured to do, where its paths lie, and which version it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flbrecover.audit.manifests import Container, Kubelet, Workload
from flbrecover.audit.places import Place, Places
from flbrecover.audit.versions import Version
from flbrecover.fluentbit.pipeline import Origin, Pipeline, S3Output, Section, TailInput


@dataclass(frozen=True, slots=True)
class Agent:
    """``subject`` names it to a person. ``locate`` turns an origin of the configuration into a line of a file that was
    given. ``version_from`` is where the version was read; ``missing`` are includes that were not given."""

    subject: str
    pipeline: Pipeline
    places: Places
    locate: Callable[[Origin], Origin]
    version: Version | None = None
    version_from: Origin | None = None
    workload: Workload | None = None
    container: Container | None = None
    missing: tuple[str, ...] = ()

    def at(self, section: Section | None, *keys: str) -> tuple[Origin, ...]:
        """The lines of the first of ``keys`` that a section has, else the line of the section itself."""
        if section is None:
            return ()
        for key in keys:
            found = [p.origin for p in section.properties if p.key.lower() == key.lower()]
            if found:
                return (self.locate(found[-1]),)
        return (self.locate(section.origin),)

    def service(self, *keys: str) -> tuple[Origin, ...]:
        """The lines of ``[SERVICE]`` that say one of ``keys``; the section's own where none does."""
        sections = [s for s in self.pipeline.sections if s.kind == "service"]
        for section in sections:
            if any(section.get(k) is not None for k in keys):
                return self.at(section, *keys)
        return self.at(sections[0]) if sections else ()

    def section(self, output: S3Output) -> Section | None:
        """The section of an s3 output."""
        found = [s for s in self.pipeline.sections if s.kind == "output"]
        return found[output.number] if output.number < len(found) else None

    def place(self, path: str) -> Place:
        return self.places(path)

    def storage(self) -> list[tuple[str, str, tuple[Origin, ...]]]:
        """(what, path, lines) of everything that it keeps on disk: tail DBs, ``storage.path``, ``store_dir``s."""
        found = [("the tail DB", i.db, self.at(i.section, "db")) for i in self.pipeline.inputs if i.db]
        path = self.pipeline.service.storage_path
        if path is not None:
            found.append(("storage.path", path, self.service("storage.path")))
        for output in self.pipeline.outputs:
            found.append(("store_dir", output.store_dir, self.at(self.section(output), "store_dir")))
        return found


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that is audited together. ``kubelet`` is None where nobody said how logs are rotated."""

    agents: tuple[Agent, ...]
    kubelet: Kubelet | None = None


def name_of(tail: TailInput) -> str:
    """How an input is named to a person: its alias, or Fluent Bit's own ``tail.N``."""
    return tail.alias or f"tail.{tail.number}"
