"""``parser``: parses one field and replaces the record by what it finds (plugins/filter_parser/filter_parser.c)."""

from __future__ import annotations

from collections.abc import Sequence

from flbrecover.fluentbit.filters.event import Event, Step
from flbrecover.fluentbit.filters.names import NO_NAMES
from flbrecover.fluentbit.filters.options import Options, ParserFunction, name_of
from flbrecover.fluentbit.parsers import NO_EVENT_TIME, Parsed
from flbrecover.fluentbit.record_accessor import KeyPath, parse_path
from flbrecover.fluentbit.values import Fields


def build(options: Options) -> Step:
    """Raises ValueError for a filter that Fluent Bit refuses or a parser that cannot be used."""
    key = options.text("key_name")
    if key is None:
        raise ValueError("Key_Name is missing")
    parsers = _parsers(options)
    reserve = options.flag("reserve_data", False)
    preserve = options.flag("preserve_key", False)
    path = parse_path(key) if key.startswith("$") else None
    name = path.root if path else name_of(key)

    def step(event: Event) -> tuple[Event, ...]:
        if event.has(name) is None:
            return (event.blurred(),)
        if path is not None:
            changed = _at_path(event, path, parsers, reserve)
        else:
            changed = _at_name(event, name, parsers, reserve, preserve)
        if changed.time_ns == NO_EVENT_TIME:
            # Fluent Bit leaves it out of the chunk, but a chunk with nothing left stays as it was.
            return (event.maybe_dropped("parser"),)
        return (changed,)

    return step


def _parsers(options: Options) -> list[ParserFunction]:
    found: list[ParserFunction] = []
    for name in options.all("parser"):
        parse = options.parser(name)
        if parse is None:
            options.note(f"the parser {name} is not defined: Fluent Bit goes on without it")
        else:
            found.append(parse)
    if not found:
        raise ValueError("no Parser that is defined")
    return found


def _at_path(event: Event, path: KeyPath, parsers: Sequence[ParserFunction], reserve: bool) -> Event:
    """With ``$key``, Reserve_Data keeps all fields, the parsed one too, and Preserve_Key does nothing."""
    value = event.find(path)
    parsed = _first(parsers, value) if isinstance(value, bytes) else None
    return event if parsed is None else _replaced(event, parsed, event.fields if reserve else (), reserve)


def _at_name(event: Event, name: bytes, parsers: Sequence[ParserFunction], reserve: bool, preserve: bool) -> Event:
    """Of several fields of this name the last one that can be parsed counts."""
    parsed: Parsed | None = None
    kept = list(event.fields) if reserve else []
    removed: set[int] = set()
    time_ns = event.time_ns
    for i, (key, value) in enumerate(event.fields):
        found = _first(parsers, value) if key == name and isinstance(value, bytes) else None
        if found is None:
            continue
        parsed = found
        time_ns = time_ns if found.time_ns is None else found.time_ns
        if not preserve:
            removed.add(i)
        elif not reserve:
            kept = [(key, value)]
    if parsed is None:
        return event
    others = tuple(f for i, f in enumerate(kept) if not (reserve and i in removed))
    return _replaced(event._replace(time_ns=time_ns), Parsed(parsed.fields, None), others, reserve)


def _first(parsers: Sequence[ParserFunction], value: bytes) -> Parsed | None:
    for parse in parsers:
        parsed = parse(value)
        if parsed is not None:
            return parsed
    return None


def _replaced(event: Event, parsed: Parsed, others: Fields, reserve: bool) -> Event:
    """The parsed fields first, then what is kept of the old ones."""
    time_ns = event.time_ns if parsed.time_ns is None else parsed.time_ns
    changed = event._replace(fields=(*parsed.fields, *others), time_ns=time_ns)
    return changed if reserve else changed._replace(open=NO_NAMES, hints=(), varying=frozenset())
