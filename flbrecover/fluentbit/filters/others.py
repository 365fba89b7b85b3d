"""Filters that drop by rules which no configuration tells, that do nothing to a record, or that may do anything."""

from __future__ import annotations

from collections.abc import Callable

from flbrecover.fluentbit.filters.event import Event, Step
from flbrecover.fluentbit.filters.options import Options


def unchanged(options: Options) -> Step:  # noqa: ARG001 - all builders are called alike
    """``stdout``: prints records and passes them on."""
    return lambda event: (event,)


def sampling(name: str) -> Callable[[Options], Step]:
    """A filter that drops records by their number or size in time, and changes none."""

    def build(options: Options) -> Step:  # noqa: ARG001
        return lambda event: (event.maybe_dropped(name),)

    return build


def opaque(name: str) -> Step:
    """A filter that may do anything to a record, drop it included."""

    def step(event: Event) -> tuple[Event, ...]:
        return (event.maybe_dropped(name).blurred(),)

    return step


def changing(event: Event) -> tuple[Event, ...]:
    """A filter or processor that may change any field of a record, and drops none."""
    return (event.blurred(),)


def code(name: str) -> Callable[[Options], Step]:
    """A filter that runs a program, or that asks a service, about each record."""

    def build(options: Options) -> Step:
        options.note("what it does to a record is not known; fields are compared as far as they survived")
        return opaque(name)

    return build


def content_modifier(options: Options) -> Step:
    """Inserts, renames, hashes or deletes fields; it has no way to drop a record
    (plugins/processor_content_modifier/cm_logs.c)."""
    options.note("not followed; fields are compared as far as they survived")
    return changing


def log_to_metrics(options: Options) -> Step:
    """With ``discard_logs`` every record is dropped (plugins/filter_log_to_metrics/log_to_metrics.c)."""
    discards = options.flag("discard_logs", False)
    return lambda event: (event.dropped("log_to_metrics") if discards else event,)


def alter_size(options: Options) -> Step:
    """``Remove`` drops the last records of a chunk, ``Add`` appends some, neither drops all
    (plugins/filter_alter_size/alter_size.c)."""
    adds, removes = _number(options.text("add")), _number(options.text("remove"))

    def step(event: Event) -> tuple[Event, ...]:
        if adds > 0:
            return (event,)
        return (event.maybe_dropped("alter_size") if removes > 0 else event.dropped("alter_size"),)

    return step


def _number(text: str | None) -> int:
    try:
        return int((text or "0")[:12])
    except ValueError:
        return 0


# Processors of logs that drop no record: content_modifier, and filters that docs/filters.md calls so (as processors).
KEEPING = frozenset(
    {
        "aws", "checklist", "content_modifier", "ecs", "geoip2", "modify", "nest", "parser", "stdout", "sysinfo",
        "type_converter",
    }
)  # fmt: skip

BUILDERS: dict[str, Callable[[Options], Step]] = {
    "alter_size": alter_size,
    "content_modifier": content_modifier,
    "log_to_metrics": log_to_metrics,
    "lua": code("lua"),
    "nightfall": code("nightfall"),
    "sampling": sampling("sampling"),
    "stdout": unchanged,
    "tensorflow": code("tensorflow"),
    "throttle": sampling("throttle"),
    "throttle_size": sampling("throttle_size"),
    "wasm": code("wasm"),
}
