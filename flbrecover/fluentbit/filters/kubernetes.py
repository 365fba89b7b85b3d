"""``kubernetes``: adds the ``kubernetes`` map and may merge the ``log`` field (plugins/filter_kubernetes).

The map comes from the API server, so it is open; what it says of pod, namespace and container comes from the tag and is
a hint for filters that read it. A tag that the filter does not understand leaves the record as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import regex

from flbrecover.fluentbit import json_fields
from flbrecover.fluentbit.filters.event import Event, Step, Unknown, search
from flbrecover.fluentbit.filters.options import Options, ParserFunction, name_of, pattern
from flbrecover.fluentbit.parsers import NO_EVENT_TIME
from flbrecover.fluentbit.values import Fields, Value

TAG_PREFIX = "kube.var.log.containers."
_DNS_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
TAG_PATTERN = (  # KUBE_TAG_TO_REGEX of kube_regex.h
    rf"(?<pod_name>{_DNS_LABEL}(?:\.{_DNS_LABEL})*)"
    r"_(?<namespace_name>[^_]+)_(?<container_name>.+)-(?<docker_id>[a-z0-9]{64})\.log$"
)
_FROM_TAG = ("pod_name", "namespace_name", "container_name", "docker_id")
_LOG = b"log"


def build(options: Options) -> Step:
    """Raises ValueError for a filter that Fluent Bit refuses or a parser that cannot be used."""
    if options.flag("k8s-logging.parser", False) and options.flag("merge_log", False):
        options.note("K8S-Logging.Parser: taken as if no pod asked for a parser of its own")
    merge = _merging(options) if options.flag("merge_log", False) else None
    excludes = options.flag("k8s-logging.exclude", False)
    by_record = options.flag("use_journal", False)  # metadata from a field of the record, not from the tag
    understood = _tag_reader(options)
    add = _adding(options)

    def step(event: Event) -> tuple[Event, ...]:
        known = () if by_record else understood(event.tag_bytes)
        if known is None:
            return (event,)
        if merge is not None:
            event = merge(event)
        event = add(event, known)
        if by_record:
            event = event.maybe_dropped("kubernetes")
        elif excludes:
            event = event.maybe_dropped("kubernetes", whole_log=True)
        return (event,)

    return step


def _tag_reader(options: Options) -> Callable[[bytes], Fields | None]:
    """What the tag says of pod, namespace, container and docker id; None where the filter does not take it."""
    prefix = name_of(options.text("kube_tag_prefix") or TAG_PREFIX)
    expression = _expression(options)
    dummy = options.flag("dummy_meta", False)

    @lru_cache(maxsize=1024)
    def read(tag: bytes) -> Fields | None:
        if dummy:
            return ()
        if len(prefix) + 1 >= len(tag):
            return None
        found = search(expression, tag[len(prefix) :])  # the prefix is cut off by length, whatever the tag begins with
        if not found or isinstance(found, Unknown) or not expression.groups:
            return None
        groups = found.groupdict()
        return tuple((name.encode(), groups[name]) for name in _FROM_TAG if groups.get(name))

    return read


def _expression(options: Options) -> regex.Pattern[bytes]:
    name = options.text("regex_parser")
    if name is None:
        return pattern(TAG_PATTERN)
    parser = options.pipeline.parsers.get(name)
    if parser is None or parser.format != "regex":
        raise ValueError(f"Regex_Parser {name} is not a parser of format regex")
    return pattern(parser.regex or "")


def _adding(options: Options) -> Callable[[Event, Fields], Event]:
    """Adds the maps: the whole one where it comes from the tag alone, else as open fields.

    Use_Tag_For_Meta and pods share a cache that does not look at the docker id, so that of a restarted container may be
    the one of an earlier container: it is known only with Cache_Use_Docker_Id.
    """
    pods = not options.flag("namespace_metadata_only", False)
    of_namespace = options.flag("namespace_labels", False) or options.flag("namespace_annotations", False)
    exact_id = options.flag("cache_use_docker_id", False)
    from_tag = options.flag("use_tag_for_meta", False)

    def add(event: Event, known: Fields) -> Event:
        certain = tuple(f for f in known if exact_id or f[0] != b"docker_id")
        names = {name for name, _ in known}
        if known and not {b"pod_name", b"namespace_name"} <= names:
            pass  # what is known of a pod is kept under both names: without them there is nothing to add
        elif pods and from_tag and known and certain == known:
            event = event.with_fields((*event.fields, (b"kubernetes", known))).closed(b"kubernetes")
        elif pods:
            event = event.opened(b"kubernetes")
            event = event._replace(hints=(*event.hints, (b"kubernetes", certain))) if certain else event
        return event.opened(b"kubernetes_namespace") if of_namespace else event

    return add


@dataclass(frozen=True, slots=True)
class _Merging:
    """``Merge_Log``: what ``log`` holds becomes fields of their own, or members of a map ``under``."""

    parse: ParserFunction | None
    under: bytes | None
    trims: bool
    keeps: bool

    def __call__(self, event: Event) -> Event:
        if event.has(_LOG) is None:
            return event.blurred()
        place = next((i for i, f in enumerate(event.fields) if f[0] == _LOG), -1)
        if place < 0:
            return event
        value = event.fields[place][1]
        others = (*event.fields[:place], *event.fields[place + 1 :])
        if isinstance(value, tuple):
            return self._with(event, event.fields if self.keeps else others, value)
        if not isinstance(value, bytes):  # neither map nor text: with Keep_Log off it is lost
            return event if self.keeps else event.with_fields(others)
        merged, event = self._merged(event, value)
        if merged is None:
            return event
        members = tuple((name, _trimmed(v) if self.trims else v) for name, v in merged)
        return self._with(event, event.fields if self.keeps else others, members)

    def _merged(self, event: Event, text: bytes) -> tuple[Fields | None, Event]:
        """The fields in the text. A Merge_Parser without a time gives the record the time at which it was parsed."""
        if self.parse is None:
            return json_fields.read(text), event
        parsed = self.parse(text)
        if parsed is None or parsed.time_ns == NO_EVENT_TIME:  # of the latter: the chunk stays as it was
            return None, event
        return parsed.fields, event._replace(time_ns=parsed.time_ns)

    def _with(self, event: Event, fields: Fields, members: Fields) -> Event:
        if self.under is None:
            return event.with_fields((*fields, *members)).closed(*(name for name, _ in members))
        if not members:
            return event.with_fields(fields)
        return event.with_fields((*fields, (self.under, members))).closed(self.under)


def _merging(options: Options) -> _Merging:
    parse: ParserFunction | None = None
    name = options.text("merge_parser")
    if name is not None:
        parse = options.parser(name)
        if parse is None:
            options.note(f"Merge_Parser {name} is not defined: Fluent Bit reads JSON then")
    under = options.text("merge_log_key")
    return _Merging(
        parse,
        None if under is None else name_of(under),
        options.flag("merge_log_trim", True),
        options.flag("keep_log", True),
    )


def _trimmed(value: Value) -> Value:
    """Without newlines, and without a written-out ``\\n`` or ``\\r``, at the end; the first byte always stays
    (value_trim_size of kubernetes.c)."""
    if not isinstance(value, bytes):
        return value
    at = size = len(value)
    at -= 1
    while at > 0:
        if value[at : at + 1] == b"\n":
            size -= 1
            at -= 1
        elif value[at - 1 : at + 1] in (b"\\n", b"\\r"):
            size -= 2
            at -= 2
        else:
            break
    return value[:size]
