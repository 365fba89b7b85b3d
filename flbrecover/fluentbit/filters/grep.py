"""``grep``: keeps or drops a record by what its fields hold (plugins/filter_grep/grep.c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from flbrecover.fluentbit.filters.event import Event, Step, Unknown, inverse, matches
from flbrecover.fluentbit.filters.options import Options, pattern, words
from flbrecover.fluentbit.record_accessor import KeyPath, parse_path


@dataclass(frozen=True, slots=True)
class Rule:
    """``Regex`` (keeps) or ``Exclude`` (drops): a field and an expression."""

    keeps: bool
    path: KeyPath
    pattern: regex.Pattern[bytes]

    def found(self, event: Event) -> bool | None:
        value = event.find(self.path)
        if isinstance(value, Unknown):
            return None
        return matches(self.pattern, value) if isinstance(value, bytes) else False


def build(options: Options) -> Step:
    """Raises ValueError for a filter that Fluent Bit refuses or whose expression is not understood."""
    rules = [_rule(p.key.lower(), p.value) for p in options.own() if p.key.lower() in ("regex", "exclude")]
    operator = (options.text("logical_op") or "legacy").upper()
    if operator in ("AND", "OR") and len({rule.keeps for rule in rules}) > 1:
        raise ValueError("both Regex and Exclude with Logical_Op")

    def step(event: Event) -> tuple[Event, ...]:
        if operator in ("AND", "OR") and rules:
            kept = _combined(rules, event, every=operator == "AND")
        else:
            kept = _one_by_one(rules, event)
        if kept is None:
            return (event.maybe_dropped("grep"),)
        return (event if kept else event.dropped("grep"),)

    return step


def _rule(kind: str, value: str) -> Rule:
    parts = words(value, 1)
    if len(parts) != 2:
        raise ValueError(f"{kind} needs a field and an expression: {value}")
    field, expression = parts
    return Rule(kind == "regex", parse_path(field if field.startswith("$") else f"${field}"), pattern(expression))


def _one_by_one(rules: Sequence[Rule], event: Event) -> bool | None:
    """The first ``Regex`` decides: what stands below it is never asked. An ``Exclude`` that is found drops."""
    unsure = False
    for rule in rules:
        found = rule.found(event)
        if rule.keeps:
            return False if found is False else True if found and not unsure else None
        if found:
            return False
        unsure = unsure or found is None
    return None if unsure else True


def _combined(rules: Sequence[Rule], event: Event, *, every: bool) -> bool | None:
    """AND: every rule found; OR: any. Then ``Regex`` keeps and ``Exclude`` drops."""
    found = [rule.found(event) for rule in rules]
    if every:
        verdict = False if False in found else None if None in found else True
    else:
        verdict = True if True in found else None if None in found else False
    return verdict if rules[0].keeps else inverse(verdict)
