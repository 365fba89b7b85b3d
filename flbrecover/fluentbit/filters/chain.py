"""All filters of a pipeline, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from flbrecover.fluentbit import match, onigmo
from flbrecover.fluentbit.filters import (
    grep,
    kubernetes,
    lookups,
    modify,
    multiline,
    nest,
    others,
    parser,
    record_modifier,
    rewrite_tag,
)
from flbrecover.fluentbit.filters.event import Event, Fate, Step
from flbrecover.fluentbit.filters.names import NO_NAMES, Names
from flbrecover.fluentbit.filters.options import Options, is_active
from flbrecover.fluentbit.pipeline import Filter, Origin, Pipeline, Property, Route
from flbrecover.fluentbit.values import Fields, SourceRecord
from flbrecover.model import Problem

MAX_HOPS = 16  # how often one record may enter the pipeline again
MAX_OUTCOMES = 64  # of one record
_MAX_TAGS = 4096  # whose filters are remembered

_BUILDERS: dict[str, Callable[[Options], Step]] = {
    "grep": grep.build,
    "kubernetes": kubernetes.build,
    "modify": modify.build,
    "multiline": multiline.build,
    "nest": nest.build,
    "parser": parser.build,
    "record_modifier": record_modifier.build,
    "rewrite_tag": rewrite_tag.build,
    **lookups.BUILDERS,
    **others.BUILDERS,
}


class Outcome(NamedTuple):
    """What became of a record when it reaches the outputs, or where a filter dropped it.

    ``fields`` are the fields that the source and the configuration tell, in Fluent Bit's order; of those in ``unsure``
    it is not known whether they are there or have this value. ``time_ns`` may have been set by a filter (``parser``
    with a ``Time_Key``). ``by`` names the filter that dropped or may have dropped it. ``whole_log``: that filter
    decides for all records of a log (of one ``stream``) alike, so one stored sibling shows that it keeps them.

    Stored copies may have fields that the configuration does not state: ``additions`` tells which names such a field
    can have. ``unsure`` also has the names among them whose value differs by record (a UUID).
    """

    tag: str
    fields: Fields
    time_ns: int | None
    fate: Fate = "kept"
    by: str = ""
    unsure: frozenset[bytes] = frozenset()
    additions: Names = NO_NAMES
    whole_log: bool = False


class FilterChain:
    """``notes`` name, with file and line, the filters that are not understood or not followed exactly; a record that
    passes one that is not understood comes out with every field unsure, and as one that may have been dropped.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._notes: list[Problem] = []
        self._pipeline = pipeline
        self._filters: list[tuple[Route, Step]] = []
        self._of_tag: dict[str, tuple[Step, ...]] = {}
        for place, filter_ in enumerate(pipeline.filters):
            if is_active(filter_.section):
                self._add(filter_, place)
        self._processors = self._read_processors()

    @property
    def notes(self) -> tuple[Problem, ...]:
        return tuple(self._notes)

    def apply(self, record: SourceRecord) -> list[Outcome]:
        """Every form in which a record reaches the outputs: one, or more where ``rewrite_tag`` keeps the original.

        Raises ConfigError for a ``Match_Regex`` that takes too long on the record's tag.
        """
        before, after = self._processors
        if not (before or after or self._steps(record.tag)):
            return [Outcome(record.tag, record.fields, record.time_ns)]
        outcomes: list[Outcome] = []
        event = Event.of(record)
        todo = deque(before(event) if before else (event,))
        while todo and len(outcomes) < MAX_OUTCOMES:
            arrived, emitted = self._pass(todo.popleft())
            todo.extend(emitted)
            if arrived is None:
                continue
            if after and arrived.fate != "dropped":
                (arrived,) = after(arrived)
            outcomes.append(_outcome(arrived))
        return outcomes

    def _pass(self, event: Event) -> tuple[Event | None, list[Event]]:
        """One way from the input to the outputs: what arrives there, and what entered the pipeline again."""
        emitted: list[Event] = []
        if event.hops > MAX_HOPS:
            return event.maybe_dropped("rewrite_tag"), emitted
        for step in self._steps(event.tag):
            onward: Event | None = None
            for result in step(event):
                if result.again:
                    emitted.append(result._replace(again=False))
                else:
                    onward = result
            if onward is None or onward.fate == "dropped":
                return onward, emitted
            event = onward
        return event, emitted

    def _steps(self, tag: str) -> tuple[Step, ...]:
        steps = self._of_tag.get(tag)
        if steps is None:
            if len(self._of_tag) >= _MAX_TAGS:
                self._of_tag.clear()
            steps = tuple(step for route, step in self._filters if match.matches(route, tag))
            self._of_tag[tag] = steps
        return steps

    def _add(self, filter_: Filter, place: int) -> None:
        name = filter_.name.lower()
        route = filter_.route
        if route.regex is not None:
            try:
                onigmo.compile(route.regex)
            except ValueError as e:
                self._note(filter_.section.origin, f"{name}: Match_Regex {route.regex} is not understood: {e}")
                self._filters.append((Route("*"), others.opaque(name)))
                return
        self._filters.append((route, self._step(filter_, name, place)))

    def _step(self, filter_: Filter, name: str, place: int) -> Step:
        origin = filter_.section.origin
        build = _BUILDERS.get(name)
        if build is None:
            self._note(origin, f"{name}: a filter that is not known; fields are compared as far as they survived")
            return others.opaque(name)
        options = Options(filter_.section, self._pipeline, place, lambda text: self._note(origin, f"{name}: {text}"))
        try:
            return build(options)
        except ValueError as e:
            self._note(origin, f"{name}: not understood ({e}); fields are compared as far as they survived")
            return others.opaque(name)

    def _note(self, origin: Origin, text: str) -> None:
        self._notes.append(Problem(f"{origin.path}:{origin.line}", f"filter {text}", unreadable=False))

    def _read_processors(self) -> Processors:
        """``processors`` of an input or output are not modelled: they count as a filter that may do anything or, where
        all of them are known to drop nothing, as one that may change anything."""
        steps: dict[str, Step] = {}
        for section in self._pipeline.sections:
            plugin = (section.get("name") or "").lower()
            wanted = {"input": "tail", "output": "s3"}.get(section.kind)
            names = [name for p in section.properties for name in _of_logs(p)]
            if plugin != wanted or not names:
                continue
            if section.kind not in steps:
                steps[section.kind] = others.changing
                what = f"processors of an {section.kind} are not followed; any record may be changed"
                self._note(section.origin, what)
            if not others.KEEPING.issuperset(names):
                steps[section.kind] = others.opaque("processors")
        return Processors(steps.get("input"), steps.get("output"))


class Processors(NamedTuple):
    """What the processors of inputs and of outputs do; None where there are none."""

    before: Step | None
    after: Step | None


def _of_logs(prop: Property) -> list[str]:
    """The processors of logs. The reader of YAML names them by signal: ``logs content_modifier, metrics labels``."""
    if prop.key.lower() != "processors":
        return []
    steps = [step.strip() for step in prop.value.split(",")]
    return [step.removeprefix("logs ").lower() for step in steps if step.startswith("logs ")]


def _outcome(event: Event) -> Outcome:
    if not event.open and not event.varying:
        return Outcome(event.tag, event.fields, event.time_ns, event.fate, event.by, whole_log=event.whole_log)
    names = {name for name, _ in event.fields}
    return Outcome(
        event.tag,
        event.fields,
        event.time_ns,
        event.fate,
        event.by,
        unsure=frozenset(n for n in names if n in event.open) | frozenset(n for n in event.varying if n in event.open),
        additions=event.open,
        whole_log=event.whole_log,
    )
