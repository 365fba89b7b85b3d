"""Sections of either syntax as one :class:`Pipeline`, with Fluent Bit's defaults and checks (5.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import units
from flbrecover.fluentbit.parsers_shipped import SHIPPED
from flbrecover.fluentbit.pipeline import (
    Filter,
    MultilineParser,
    Parser,
    Pipeline,
    Route,
    S3Output,
    Section,
    Service,
    TailInput,
)
from flbrecover.fluentbit.sections_json import sections_from_json, sections_to_json
from flbrecover.fluentbit.settings import Settings
from flbrecover.fluentbit.settings_parser import multiline_parser, parser
from flbrecover.fluentbit.settings_s3 import s3_output
from flbrecover.fluentbit.settings_tail import tail_input

__all__ = [
    "interpret",
    "multiline_parser",
    "parser",
    "plugin_name",
    "s3_output",
    "sections_from_json",
    "sections_to_json",
    "tail_input",
]

P = TypeVar("P", Parser, MultilineParser)
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15}))", re.ASCII)


def interpret(sections: Sequence[Section]) -> Pipeline:
    """The pipeline that the sections describe, in file order.

    Plugins that do not matter to a recovery are only named (``other_inputs``, ``other_outputs``), their keys are not
    looked at. ``parsers`` holds Fluent Bit's shipped definitions below the configured ones. Raises ConfigError, with
    file and line, for what Fluent Bit refuses in the rest.
    """
    service = _service([s for s in sections if s.kind == "service"])
    inputs: list[TailInput] = []
    outputs: list[S3Output] = []
    other_inputs: list[str] = []
    other_outputs: list[str] = []
    filters: list[Filter] = []
    for number, section in enumerate(s for s in sections if s.kind == "input"):
        name = plugin_name(section)
        if name == "tail":
            inputs.append(tail_input(section, number))
        else:
            other_inputs.append(name)
    for number, section in enumerate(s for s in sections if s.kind == "output"):
        name = plugin_name(section)
        if name == "s3":
            outputs.append(s3_output(section, number))
        else:
            other_outputs.append(name)
    for section in sections:
        if section.kind == "filter":
            filters.append(_filter(section))
    if _filesystem_by_default(sections):
        inputs = [i if _says(i.section, "storage.type") else replace(i, storage_filesystem=True) for i in inputs]
    if len(outputs) == 1 and not other_outputs and len(inputs) + len(other_inputs) == 1:
        outputs = [_only_output(outputs[0], service)]
    return Pipeline(
        service=service,
        inputs=tuple(inputs),
        filters=tuple(filters),
        outputs=tuple(outputs),
        parsers={**SHIPPED, **_by_name(parser(s) for s in sections if s.kind == "parser")},
        multiline_parsers=_by_name(multiline_parser(s) for s in sections if s.kind == "multiline_parser"),
        other_inputs=tuple(other_inputs),
        other_outputs=tuple(other_outputs),
        sections=tuple(sections),
    )


def plugin_name(section: Section) -> str:
    """``Name`` in lower case. Raises ConfigError where there is none."""
    found = section.all("name")
    if not found or not found[0]:
        message = f"this {section.kind} has no Name"
        raise ConfigError(message, path=section.origin.path, line=section.origin.line or None)
    return found[0].lower()


def _service(sections: list[Section]) -> Service:
    """Several ``[SERVICE]`` sections are one. Fluent Bit refuses no value here, and neither does this."""
    last: dict[str, str] = {p.key.lower(): p.value for s in sections for p in s.properties}
    return Service(
        storage_path=last.get("storage.path") or None,
        escape_unicode=last.get("json.escape_unicode", "on").lower() not in units.FALSE,
        grace_s=int(_number(last.get("grace"), 5)),
        flush_s=_number(last.get("flush"), 1.0),
    )


def _number(text: str | None, default: float) -> float:
    if text is None:
        return default
    found = _NUMBER.match(text)
    return float(found[1]) if found else 0.0


def _filter(section: Section) -> Filter:
    """Filters are kept whole; only where they apply is read here."""
    keys = {p.key.lower() for p in section.properties}
    name = plugin_name(section)
    settings = Settings(section, f"the filter {name}", keys=(), shared=keys)
    return Filter(name, settings.route(), section)


def _filesystem_by_default(sections: Sequence[Section]) -> bool:
    """``storage.inherit on`` with ``storage.type filesystem`` in the service: inputs without a type follow it."""
    last = {p.key.lower(): p.value.lower() for s in sections if s.kind == "service" for p in s.properties}
    return last.get("storage.inherit") in ("on", "true", "yes") and last.get("storage.type") == "filesystem"


def _says(section: Section | None, key: str) -> bool:
    return section is not None and section.get(key) is not None


def _only_output(output: S3Output, service: Service) -> S3Output:
    """One input and one output need no ``Match`` (src/flb_router.c); with ``storage.path`` there is a second input,
    the backlog, and without ``Match`` the output gets nothing."""
    if output.route == Route() and service.storage_path is None:
        return replace(output, route=Route("*"))
    return output


def _by_name(found: Iterable[P]) -> dict[str, P]:
    out: dict[str, P] = {}
    for one in found:
        if one.name in out:
            first = out[one.name].origin
            message = f"{one.name} is already defined in {first.path}:{first.line}"
            raise ConfigError(message, path=one.origin.path, line=one.origin.line or None)
        out[one.name] = one
    return out
