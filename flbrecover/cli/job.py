"""What the shared options of a call come to: the node, its pipeline, and the way to S3."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flbrecover.cli import options
from flbrecover.errors import ConfigError, UsageError

if TYPE_CHECKING:  # imported when used: these pull in boto3, yaml and more
    from flbrecover.bucket.client import S3
    from flbrecover.cli.unset import Need
    from flbrecover.evidence.config_files import LoadedConfig
    from flbrecover.evidence.node import Node
    from flbrecover.fluentbit.pipeline import Pipeline, Property, S3Output, Section, SectionKind
    from flbrecover.model import Problem
    from flbrecover.recover.survey import Survey

# option name -> (key of the configuration, section it belongs to)
KEYS = {
    "db": ("DB", "input"), "path": ("Path", "input"), "input_tag": ("Tag", "input"), "parser": ("Parser", "input"),
    "multiline_parser": ("multiline.parser", "input"), "store_dir": ("store_dir", "output"),
    "storage_path": ("storage.path", "service"), "match": ("Match", "output"), "bucket": ("bucket", "output"),
    "key_format": ("s3_key_format", "output"), "tag_delimiters": ("s3_key_format_tag_delimiters", "output"),
    "compression": ("compression", "output"), "use_put_object": ("use_put_object", "output"),
    "total_file_size": ("total_file_size", "output"), "static_file_path": ("static_file_path", "output"),
    "json_date_key": ("json_date_key", "output"), "json_date_format": ("json_date_format", "output"),
    "log_key": ("log_key", "output"), "content_type": ("content_type", "output"),
    "canned_acl": ("canned_acl", "output"), "storage_class": ("storage_class", "output"),
    "role_arn": ("role_arn", "output"), "external_id": ("external_id", "output"),
}  # fmt: skip

BY_HAND = ("bucket", "db", "store_dir", "storage_path")  # each says enough to do without a configuration


def environment(pairs: Iterable[str], *, of_this_process: bool = True) -> dict[str, str]:
    """The variables of a configuration: those of ``--env`` over those of this process. Its HOSTNAME is that of this
    container, and not of Fluent Bit's: it has to be given."""
    env = {name: value for name, value in os.environ.items() if name != "HOSTNAME"} if of_this_process else {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"--env {pair}: KEY=VALUE is wanted")
        env[key] = value
    return env


@dataclass(frozen=True)
class Job:
    """What the shared options of one call come to. Everything is read when it is first asked for."""

    given: Mapping[str, Any]

    @cached_property
    def node(self) -> Node:
        from flbrecover.evidence.bundle import open_root

        return open_root(self.given.get("root") or "/")

    @cached_property
    def loaded(self) -> LoadedConfig | None:
        """The configuration read from the node; None where everything was given by hand."""
        from flbrecover.evidence import config_files

        if self._instead_of_config:
            return None
        return config_files.load(self.node, self.given.get("config") or self.node.config, self._environment())

    @property
    def _instead_of_config(self) -> list[str]:
        """The options by hand for which no configuration is looked for."""
        return [] if self.given.get("config") is not None else [name for name in BY_HAND if self.given.get(name)]

    @property
    def without_config(self) -> str:
        """What an error that may come of it says: the end of its line."""
        if not self._instead_of_config:
            return ""
        option = options.spelled(self._instead_of_config[0])
        return f"; no configuration was read, as {option} was given: name it with --config"

    @cached_property
    def pipeline(self) -> Pipeline:
        """The configuration with the options of the command line put in; they win."""
        from flbrecover.fluentbit.interpret import interpret

        pipeline = interpret(self._sections)
        name = self.given.get("output_name")
        if name is None:
            return pipeline
        chosen = tuple(o for o in pipeline.outputs if o.name == name)
        if not chosen:
            known = ", ".join(o.name for o in pipeline.outputs) or "none"
            raise UsageError(f"--output {name}: no such s3 output (there are: {known})")
        return replace(pipeline, outputs=chosen, left_out=tuple(o for o in pipeline.outputs if o not in chosen))

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What is to be said of the evidence as a whole: a bundle's gaps, the configuration's oddities."""
        return (*self.node.problems, *(self.loaded.notes if self.loaded else ()))

    @cached_property
    def survey(self) -> Survey:
        from flbrecover.recover.survey import survey

        found = survey(self.node, self.pipeline, tag=self.given.get("tag"))
        return replace(found, problems=(*self.notes, *found.problems))

    def need_known(self, *needs: Need) -> None:
        """Raises ConfigError where a variable that nothing sets stands in a key that the call cannot do without."""
        from flbrecover.cli.unset import check

        there = {name: place for name, place in KEYS.items() if name in self.given}
        by_hand = {(kind, key.lower()): options.spelled(name) for name, (key, kind) in there.items()}
        check(self._sections, needs, by_hand, self.given.get("output_name"))

    def need_all(self) -> None:
        """What a comparison needs: an s3 output, and nothing that depends on a variable nobody set."""
        from flbrecover.cli.unset import ALL

        self.need_outputs()
        self.need_known(*ALL)

    def need_outputs(self) -> None:
        """Raises ConfigError where there is no s3 output, saying what was found instead."""
        if not self.pipeline.outputs:
            found = ", ".join(sorted(set(self.pipeline.other_outputs))) or "none"
            way_out = self.without_config or "; give --config or --bucket"
            raise ConfigError(f"{self._config_name}: no s3 output (outputs found: {found}){way_out}")

    def need_storage(self) -> None:
        """Raises ConfigError where nothing says where buffer files could lie."""
        if self.pipeline.service.storage_path is None:
            self.need_outputs()

    def need_inputs(self) -> None:
        if not self.pipeline.inputs:
            found = ", ".join(sorted(set(self.pipeline.other_inputs))) or "none"
            raise ConfigError(f"{self._config_name}: no tail input (inputs found: {found}); give --db and --path")

    def connect(self, output: S3Output) -> S3:
        """A client for an output; one is made for each only once."""
        from flbrecover.bucket.client import RequestOptions, connect

        if output.number not in self._clients:
            self._clients[output.number] = connect(
                output,
                endpoint_url=self.given.get("endpoint_url"),
                region=self.given.get("region"),
                profile=self.given.get("profile"),
                assume_role=not self.given.get("no_assume_role"),
                options=RequestOptions(
                    self.given.get("expected_bucket_owner"),
                    bool(self.given.get("request_payer")),
                    self.given.get("sse"),
                    self.given.get("sse_kms_key_id"),
                ),
            )
        return self._clients[output.number]

    @cached_property
    def _clients(self) -> dict[int, S3]:
        return {}

    @property
    def _config_name(self) -> str:
        return str(self.loaded.files[0].path) if self.loaded and self.loaded.files else "command line"

    def _environment(self) -> dict[str, str]:
        return environment(self.given.get("env") or ())

    @cached_property
    def _sections(self) -> list[Section]:
        return self._with_options(list(self.loaded.sections) if self.loaded else [])

    def _with_options(self, sections: list[Section]) -> list[Section]:
        from flbrecover.fluentbit.pipeline import Origin, Property, Section

        line = Origin("command line", 0)
        said: dict[str, list[Property]] = {}
        for name, (key, kind) in KEYS.items():
            value = self.given.get(name)
            if value is not None:
                said.setdefault(kind, []).append(Property(key, value, line))
        if "input" in said and not any(p.key == "Path" for p in said["input"]) and not _has(sections, "input", "tail"):
            said["input"].append(Property("Path", "/var/log/containers/*.log", line))
        plugins: tuple[tuple[SectionKind, str | None], ...] = (("service", None), ("input", "tail"), ("output", "s3"))
        for kind, plugin in plugins:
            if kind not in said:
                continue
            if not _has(sections, kind, plugin):
                first = [Property("Name", plugin, line)] if plugin else []
                if kind == "output" and not any(p.key == "Match" for p in said[kind]):
                    first.append(Property("Match", "*", line))
                sections = [*sections, Section(kind, tuple(first), line)]
            sections = [_overruled(s, said[kind]) if _is(s, kind, plugin) else s for s in sections]
        return sections


def _is(section: Section, kind: str, plugin: str | None) -> bool:
    return section.kind == kind and (plugin is None or (section.get("name") or "").lower() == plugin)


def _overruled(section: Section, said: list[Property]) -> Section:
    """The section with what the command line says instead of its own values."""
    keys = {p.key.lower() for p in said}
    kept = [p for p in section.properties if p.key.lower() not in keys]
    return replace(section, properties=(*kept, *said))


def _has(sections: list[Section], kind: str, plugin: str | None) -> bool:
    return any(_is(s, kind, plugin) for s in sections)
