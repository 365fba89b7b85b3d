"""``rewrite_tag``: puts records into the pipeline again under another tag (plugins/filter_rewrite_tag)."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from flbrecover.fluentbit.filters.event import Event, Step, Unknown, search
from flbrecover.fluentbit.filters.options import Options, pattern, tokens
from flbrecover.fluentbit.record_accessor import Accessor, KeyPath, parse, parse_path

Groups = tuple["bytes | None", ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """``$key regex new.tag keep``."""

    path: KeyPath
    pattern: regex.Pattern[bytes]
    template: Accessor
    keep: bool

    def groups(self, event: Event) -> Groups | Unknown | None:
        """The groups of the match; without a group in the expression not even group 0 is at hand."""
        value = event.find(self.path)
        if isinstance(value, Unknown):
            return value
        found = search(self.pattern, value) if isinstance(value, bytes) else None
        if found is None or isinstance(found, Unknown):
            return found
        return (found[0], *found.groups()) if self.pattern.groups else ()


def build(options: Options) -> Step:
    """Raises ValueError for a rule that Fluent Bit refuses or whose expression is not understood."""
    rules = [_rule(value) for value in options.all("rule")]
    if any(rule.path.root == b"kubernetes" for rule in rules):
        options.note(
            "rewrite_tag: what a rule reads of the kubernetes map is taken from the tag; "
            "records without the map (the API server did not answer) kept their tag"
        )

    def step(event: Event) -> tuple[Event, ...]:
        if event.emitter == options.place:
            return (event,)  # its own emitter does not take a record that it emitted: the record goes on as it is
        for rule in rules:
            groups = rule.groups(event)
            if groups is None:
                continue
            if isinstance(groups, Unknown):
                return _perhaps(event, rule, options.place)
            tag = event.translate(rule.template, groups)
            if not tag:  # it went on under a tag that nobody knows
                return (event if rule.keep else event.maybe_dropped("rewrite_tag"),)
            emitted = _emitted(event, tag, options.place)
            return (event, emitted) if rule.keep else (emitted,)
        return (event,)

    return step


def _rule(value: str) -> Rule:
    parts = tokens(value, 4)
    if len(parts) < 4:
        raise ValueError(f"Rule needs a key, an expression, a tag and true or false: {value}")
    key, expression, tag, keep = parts[:4]
    return Rule(parse_path(key), pattern(expression), parse(tag), keep.lower() in ("true", "on", "yes"))


def _emitted(event: Event, tag: bytes, place: int) -> Event:
    name = tag.decode("utf-8", "surrogateescape")
    return event._replace(tag=name, emitter=place, hops=event.hops + 1, again=True)


def _perhaps(event: Event, rule: Rule, place: int) -> tuple[Event, ...]:
    """The rule may have matched: the record is under its own tag or, where that can be said, under the new one."""
    stays = event if rule.keep else event.maybe_dropped("rewrite_tag")
    tag = event.translate(rule.template, ()) if _needs_no_match(rule.template) else None
    if not tag:
        return (stays,)
    return (stays, _emitted(event, tag, place).maybe_dropped("rewrite_tag"))


def _needs_no_match(template: Accessor) -> bool:
    return not any(getattr(part, "kind", "") == "group" for part in template.parts)
