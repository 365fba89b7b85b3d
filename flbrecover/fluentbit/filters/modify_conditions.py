"""``Condition`` of the filter ``modify`` (plugins/filter_modify/modify.c). All of them have to hold."""

from __future__ import annotations

from collections.abc import Callable

import regex

from flbrecover.fluentbit.filters.event import Event, Unknown, inverse, matches
from flbrecover.fluentbit.filters.options import name_of, pattern
from flbrecover.fluentbit.record_accessor import Found, KeyPath, Missing, parse_path

Condition = Callable[[Event], "bool | None"]
"""Does it hold for this record? None: nobody knows."""


def condition(parts: list[str]) -> Condition:
    """``parts``: the words of the property. Raises ValueError for one that Fluent Bit refuses."""
    if len(parts) not in (2, 3):
        raise ValueError(f"Condition with {len(parts)} words")
    kind, first = parts[0].lower(), parts[1]
    second = parts[2] if len(parts) == 3 else ""
    if kind in ("key_exists", "key_does_not_exist"):
        holds = _exists(parse_path(first))
        return holds if kind == "key_exists" else lambda event: inverse(holds(event))
    if kind in ("a_key_matches", "no_key_matches"):
        holds = _a_key_matches(pattern(first))
        return holds if kind == "a_key_matches" else lambda event: inverse(holds(event))
    if kind in ("key_value_equals", "key_value_does_not_equal"):
        return _value(parse_path(first), _equals(name_of(second)), wanted=kind == "key_value_equals")
    if kind in ("key_value_matches", "key_value_does_not_match"):
        return _value(parse_path(first), _matches(pattern(second)), wanted=kind == "key_value_matches")
    if kind in ("matching_keys_have_matching_values", "matching_keys_do_not_have_matching_values"):
        holds = _matching_keys(pattern(first), pattern(second))
        return holds if kind == "matching_keys_have_matching_values" else lambda event: inverse(holds(event))
    raise ValueError(f"Condition {parts[0]}")


def _exists(path: KeyPath) -> Condition:
    def holds(event: Event) -> bool | None:
        value = event.find_pair(path)
        return None if isinstance(value, Unknown) else not isinstance(value, Missing)

    return holds


def _value(path: KeyPath, test: Callable[[Found], bool | None], *, wanted: bool) -> Condition:
    """Both a condition and its opposite need the field to be there."""

    def holds(event: Event) -> bool | None:
        value = event.find_pair(path)
        if isinstance(value, Unknown):
            return None
        if isinstance(value, Missing):
            return False
        return test(value) if wanted else inverse(test(value))

    return holds


def _equals(text: bytes) -> Callable[[Found], bool | None]:
    return lambda value: isinstance(value, bytes) and value == text


def _matches(expression: regex.Pattern[bytes]) -> Callable[[Found], bool | None]:
    """Text and booleans only: numbers never match."""

    def test(value: Found) -> bool | None:
        if isinstance(value, bool):
            value = b"true" if value else b"false"
        return matches(expression, value) if isinstance(value, bytes) else False

    return test


def _a_key_matches(names: regex.Pattern[bytes]) -> Condition:
    def holds(event: Event) -> bool | None:
        verdicts = [matches(names, name) for name, _ in event.fields if name not in event.open]
        if True in verdicts:
            return True
        return None if None in verdicts or _may_be_open(event, names) else False

    return holds


def _matching_keys(names: regex.Pattern[bytes], values: regex.Pattern[bytes]) -> Condition:
    """Holds, too, where no name matches."""
    test = _matches(values)

    def holds(event: Event) -> bool | None:
        known = True
        for name, value in event.fields:
            if name in event.open:
                continue
            named = matches(names, name)
            valued = test(value) if named is not False else True
            if named and valued is False:
                return False
            known = known and valued is True
        return True if known and not _may_be_open(event, names) else None

    return holds


def _may_be_open(event: Event, names: regex.Pattern[bytes]) -> bool:
    """Could a field of which nothing is known have such a name?"""
    if event.open.prefixes:
        return True
    return any(matches(names, name) is not False for name in event.open.exact)
