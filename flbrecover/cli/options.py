"""Options that several commands share, and what they come to: the node, its pipeline, and the way to S3."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flbrecover.errors import ConfigError, UsageError

if TYPE_CHECKING:  # imported when used: these pull in boto3, yaml and more
    from flbrecover.bucket.client import S3
    from flbrecover.evidence.config_files import LoadedConfig
    from flbrecover.evidence.node import Node
    from flbrecover.fluentbit.pipeline import Pipeline, Property, S3Output, Section, SectionKind
    from flbrecover.model import Problem
    from flbrecover.recover.survey import Survey
    from flbrecover.recover.window import Window

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]

NODE = (
    click.option(
        "--root", default="/", metavar="DIR", show_default=True, help="The node's file system, or a bundle of collect."
    ),
    click.option("--config", metavar="FILE", help="Fluent Bit's configuration inside the root (default: looked for)."),
    click.option("--env", "env", multiple=True, metavar="KEY=VALUE", help="A variable of the configuration's ${KEY}."),
)
INPUT = (
    click.option("--db", metavar="FILE", help="Tail DB inside the root."),
    click.option("--path", "path", metavar="GLOB", help="Log files of the tail input inside the root."),
    click.option("--input-tag", metavar="TAG", help="Tag of the tail input, `*` stands for the path."),
    click.option("--parser", metavar="NAME", help="Parser of the tail input."),
    click.option("--multiline-parser", metavar="NAMES", help="multiline.parser of the tail input (cri, docker …)."),
)
STORAGE = (
    click.option("--store-dir", metavar="DIR", help="store_dir of the s3 output inside the root."),
    click.option("--storage-path", metavar="DIR", help="storage.path of the service inside the root."),
    click.option("--tag", metavar="TAG", help="Tag of buffer files whose own tag cannot be found."),
)
OWNER = (
    click.option("--output", "output_name", metavar="NAME", help="Only this s3 output (its alias, or s3.N)."),
    click.option("--match", metavar="PATTERN", help="Match of the s3 output."),
    click.option("--bucket", metavar="NAME", help="Bucket of the s3 output."),
)
KEY_FORMAT = (
    click.option("--key-format", metavar="FORMAT", help="s3_key_format."),
    click.option("--tag-delimiters", metavar="CHARS", help="s3_key_format_tag_delimiters."),
    click.option("--use-put-object", metavar="BOOL", help="use_put_object."),
    click.option("--static-file-path", metavar="BOOL", help="static_file_path."),
)
RENDERING = (
    click.option("--json-date-key", metavar="KEY", help="json_date_key (false: no date)."),
    click.option("--json-date-format", metavar="FORMAT", help="json_date_format."),
    click.option("--log-key", metavar="KEY", help="log_key: plain lines instead of JSON."),
)
OBJECT = (
    click.option("--compression", metavar="NAME", help="gzip, zstd, snappy or none."),
    click.option("--total-file-size", metavar="SIZE", help="total_file_size, as 250M."),
    click.option("--content-type", metavar="TYPE", help="content_type."),
    click.option("--canned-acl", metavar="ACL", help="canned_acl."),
    click.option("--storage-class", metavar="CLASS", help="storage_class."),
)
ROLE = (
    click.option("--role-arn", metavar="ARN", help="role_arn to assume."),
    click.option("--external-id", metavar="ID", help="external_id for the role."),
)
OUTPUT = (*OWNER, *KEY_FORMAT, *RENDERING, *OBJECT, *ROLE)
ENDPOINT = (
    click.option("--endpoint-url", metavar="URL", help="S3 endpoint (default: the output's own, then AWS)."),
    click.option("--region", metavar="NAME", help="AWS region (default: the output's)."),
    click.option("--profile", metavar="NAME", help="AWS profile (default: the output's, then the usual chain)."),
    click.option("--no-assume-role", is_flag=True, help="Do not take the role of the output's role_arn."),
    click.option(
        "--expected-bucket-owner", metavar="ACCOUNT", help="Refuse a bucket that belongs to another AWS account."
    ),
    click.option("--request-payer", is_flag=True, help="Pay for the requests to a Requester Pays bucket."),
)
ENCRYPTION = (
    click.option("--sse", metavar="KIND", help="Encryption of new objects: AES256, aws:kms … (default: the bucket's)."),
    click.option("--sse-kms-key-id", metavar="ID", help="The KMS key for them (default: the bucket's)."),
)
WINDOW = (
    click.option("--since", metavar="TIME", help="Start of the window: 2026-11-23T11:00:00Z, or 3h for 3 hours ago."),
    click.option("--until", metavar="TIME", help="End of the window (default: now)."),
)
COMPARE = (
    click.option("--assume-kept", is_flag=True, help="Call records that a filter may have dropped lost."),
    click.option("--plain-lines", is_flag=True, help="Take lines as they are where a parser cannot be used."),
    click.option(
        "--ambiguous",
        type=click.Choice(["skip", "upload"]),
        default="skip",
        show_default=True,
        help="Whole stored objects of lines that other nodes write too: skip takes them for ours, upload does not.",
    ),
    click.option(
        "--proof",
        type=click.Choice(["cheap", "full"]),
        default="cheap",
        show_default=True,
        help="cheap: sizes and checksums prove whole objects; full: every candidate is downloaded, its bytes decide.",
    ),
    click.option(
        "--max-memory", metavar="SIZE", default="16M", show_default=True,
        help="Memory for the index of records; beyond it, it lies in temporary files.",
    ),
    click.option("--upload-id", "upload_ids", multiple=True, metavar="ID", help="A pending upload to take for ours."),
)
JSON = (click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout; all else goes to stderr."),)
AGENT = (
    click.option(
        "--agent",
        type=click.Choice(["gone", "returning"]),
        help="Will Fluent Bit come back on this node? gone: recover everything; returning: leave it what it will send.",
    ),
    click.option("--sources", metavar="LIST", help="What to recover, of buffers,uploads,lost,unread (default: all)."),
)
CASE = (
    click.option(
        "--case",
        "case_dir",
        type=click.Path(file_okay=False),
        metavar="DIR",
        help="Keep plan, journal and both comparisons here (default: a new folder flbrecover-case-… below this one).",
    ),
)
APPLY = (
    *CASE,
    *ENCRYPTION,
    click.option("--yes", is_flag=True, help="Do not ask before uploading."),
    click.option(
        "--retire", is_flag=True, help="Then move buffer files that S3 has whole into the case: Fluent Bit finds none."
    ),
    click.option(
        "--jobs", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N", help="Uploads at once."
    ),
)

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


def options(*groups: tuple[Option[Any], ...]) -> Option[Any]:
    """A decorator that adds groups of options, in the order given."""

    def add(function: Any) -> Any:
        for group in reversed(groups):
            for option in reversed(group):
                function = option(function)
        return function

    return add


def environment(pairs: Iterable[str], *, of_this_process: bool = True) -> dict[str, str]:
    """The variables of a configuration: those of ``--env`` over those of this process."""
    env = dict(os.environ) if of_this_process else {}
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

        by_hand = any(self.given.get(name) for name in ("bucket", "db", "store_dir", "storage_path"))
        if self.given.get("config") is None and by_hand:
            return None
        return config_files.load(self.node, self.given.get("config") or self.node.config, self._environment())

    @cached_property
    def pipeline(self) -> Pipeline:
        """The configuration with the options of the command line put in; they win."""
        from flbrecover.fluentbit.interpret import interpret

        sections = list(self.loaded.sections) if self.loaded else []
        pipeline = interpret(self._with_options(sections))
        name = self.given.get("output_name")
        if name is None:
            return pipeline
        chosen = tuple(o for o in pipeline.outputs if o.name == name)
        if not chosen:
            known = ", ".join(o.name for o in pipeline.outputs) or "none"
            raise UsageError(f"--output {name}: no such s3 output (there are: {known})")
        return replace(pipeline, outputs=chosen)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What is to be said of the evidence as a whole: a bundle's gaps, the configuration's oddities."""
        return (*self.node.problems, *(self.loaded.notes if self.loaded else ()))

    @cached_property
    def survey(self) -> Survey:
        from flbrecover.recover.survey import survey

        found = survey(self.node, self.pipeline, tag=self.given.get("tag"))
        return replace(found, problems=(*self.notes, *found.problems))

    def need_outputs(self) -> None:
        """Raises ConfigError where there is no s3 output, saying what was found instead."""
        if not self.pipeline.outputs:
            found = ", ".join(sorted(set(self.pipeline.other_outputs))) or "none"
            raise ConfigError(f"{self._config_name}: no s3 output (outputs found: {found}); give --config or --bucket")

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


_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhdw])$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def moment(text: str | None, option: str, now_ns: int) -> int | None:
    """A point in time, in ns: ``2026-11-23T11:00:00Z`` (without a zone: UTC), ``2026-11-23``, or ``3h`` before now."""
    if text is None:
        return None
    if span := _SPAN.match(text):
        return now_ns - int(float(span[1]) * _SECONDS[span[2]] * 1_000_000_000)
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as e:
        raise UsageError(f"{option} {text}: not a time; write 2026-11-23T11:00:00Z, or 3h for three hours ago") from e
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    whole = int(at.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + at.microsecond * 1000


def times_of(given: Mapping[str, Any]) -> tuple[int, int | None, int | None]:
    """(now, ``--since``, ``--until``) in ns; None for what was not given."""
    now_ns = time.time_ns()
    until = moment(given.get("until"), "--until", now_ns)
    since = moment(given.get("since"), "--since", now_ns)
    if since is not None and since >= (now_ns if until is None else until):
        raise UsageError("--since lies after --until")
    return now_ns, since, until


def window_of(given: Mapping[str, Any]) -> Window:
    """The window that ``--since`` and ``--until`` ask for, up to now."""
    from flbrecover.recover.window import Window

    now_ns, since, until = times_of(given)
    return Window(since, now_ns if until is None else until)


def memory_of(given: Mapping[str, Any]) -> int:
    """``--max-memory`` in bytes. Raises UsageError."""
    from flbrecover.fluentbit import units

    text = str(given.get("max_memory") or "16M")
    try:
        return max(units.size(text), 1 << 20)
    except ValueError as e:
        raise UsageError(f"--max-memory {text}: a size is wanted, as 32M") from e


def sources_of(text: str | None) -> Any:
    """The value of ``--sources`` as a tuple, in the contract's order."""
    from flbrecover.reconcile.plan import ALL_SOURCES

    if text is None:
        return ALL_SOURCES
    asked = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in asked if part not in ALL_SOURCES]
    if unknown or not asked:
        raise UsageError(f"--sources {text}: a list of {', '.join(ALL_SOURCES)} is wanted")
    return tuple(s for s in ALL_SOURCES if s in asked)
